# SPDX-License-Identifier: Apache-2.0
"""What a shot tells of its solved source camera."""

from __future__ import annotations

import math
from typing import Any

from ex4d.camera import Trajectory
from ex4d.protocol.errors import UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.results import SourceCameraInfo
from ex4d.solve import Solve
from ex4d.solve.kind import still_reason

_LENS = {"given": "given", "known": "solved", "within 5 %": "solved to 5 %", "not observable": "not to be told from it"}


def source_camera_info(solve: Solve, view: Trajectory) -> SourceCameraInfo:
    """What a solve found.

    Args:
        solve: of the plate's camera.
        view: the camera of the plate's frame that came of it, whose lens may be the depth's own where it stands still.
    """
    fov_deg = _fov_deg(view)
    return SourceCameraInfo(
        solve.kind,
        solve.lens,
        round(fov_deg, 2),
        _headline(solve, fov_deg),
        solve.refused,
        solve.interpolated,
        solve.cuts,
        solve.notes,
        _is_assumed(solve),
    )


def read_source_camera_info(record: Any) -> SourceCameraInfo | None:
    """What shot.json says, made by ``source_camera_info``; None where it is none."""
    if not isinstance(record, dict):
        return None
    try:
        return from_record(SourceCameraInfo, record, "solve", lenient=True)
    except UsageError:
        return None


def _fov_deg(view: Trajectory) -> float:
    """Over the longer side as it looks, of the first frame."""
    K = view.K[0]
    return math.degrees(2 * math.atan(max(view.width / K[0, 0], view.height / K[1, 1]) / 2))


def _is_assumed(solve: Solve) -> bool:
    """Whether it is taken to stand still, and was not seen to."""
    is_seen = solve.refused in ((), (still_reason(solve.numbers),))
    return solve.kind == "still" and not solve.given and not is_seen


def _headline(solve: Solve, fov_deg: float) -> str:
    """What was found, with the numbers that decided."""
    numbers, frames = solve.numbers, len(solve.camera)
    known = "given" if len(solve.given) == frames else f"given in {len(solve.given)} of {frames} frames, else solved"
    known = known if solve.given else "solved"
    if solve.kind == "still":
        how = "is taken to stand still, because no solve of it is believed" if _is_assumed(solve) else "stands still"
        how = f"stands still: {known}" if solve.given else how
        why = "".join(f" {sentence}" for sentence in solve.refused)
        return f"The source camera {how}; its depth is a guess.{why}"
    error = numbers.turn_error if solve.kind == "turns" else numbers.move_error
    told = [f"median error {error:.2f} px"] if error is not None and math.isfinite(error) else []
    if solve.kind == "moves" and numbers.angle_deg is not None:
        told.append(f"{numbers.angle_deg:.1f}° of parallax")
    how = "turns and does not move" if solve.kind == "turns" else "moves"
    decided = f" ({', '.join(told)})" if told else ""
    lens = f"field of view {fov_deg:.1f}°, {_LENS[solve.lens]}"
    return f"The source camera {how}: {known}{decided}; {lens}."
