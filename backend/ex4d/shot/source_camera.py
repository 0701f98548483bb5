# SPDX-License-Identifier: Apache-2.0
"""What a shot tells of its solved source camera."""

from __future__ import annotations

import math
from typing import Any

from ex4d.protocol.errors import UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.results import SourceCameraInfo
from ex4d.solve import Solve
from ex4d.solve.lens_test import fov_deg

_LENS = {"given": "given", "known": "solved", "within 5 %": "solved to 5 %", "not observable": "not to be told from it"}


def source_camera_info(solve: Solve) -> SourceCameraInfo:
    """What a solve found."""
    return SourceCameraInfo(
        solve.kind,
        solve.lens,
        round(_fov_deg(solve), 2),
        _headline(solve),
        solve.refused,
        solve.interpolated,
        solve.cuts,
        solve.notes,
    )


def read_source_camera_info(record: Any) -> SourceCameraInfo | None:
    """What shot.json says, made by ``source_camera_info``; None where it is none."""
    if not isinstance(record, dict):
        return None
    try:
        return from_record(SourceCameraInfo, record, "solve", lenient=True)
    except UsageError:
        return None


def _fov_deg(solve: Solve) -> float:
    return fov_deg(float(solve.camera.K[0, 0, 0]), max(solve.camera.width, solve.camera.height))


def _headline(solve: Solve) -> str:
    """What was found, with the numbers that decided."""
    numbers, frames = solve.numbers, len(solve.camera)
    known = "given" if len(solve.given) == frames else f"given in {len(solve.given)} of {frames} frames, else solved"
    known = known if solve.given else "solved"
    if solve.kind == "still":
        was_tried = bool(solve.cuts) or numbers.turn_error is not None or numbers.move_error is not None
        how = "is taken to stand still, because no solve of it is believed" if was_tried else "stands still"
        how = f"stands still: {known}" if solve.given else how
        why = "".join(f" {sentence}" for sentence in solve.refused)
        return f"The source camera {how}; its depth is a guess.{why}"
    error = numbers.turn_error if solve.kind == "turns" else numbers.move_error
    told = [f"median error {error:.2f} px"] if error is not None and math.isfinite(error) else []
    if solve.kind == "moves" and numbers.angle_deg is not None:
        told.append(f"{numbers.angle_deg:.1f}° of parallax")
    how = "turns and does not move" if solve.kind == "turns" else "moves"
    decided = f" ({', '.join(told)})" if told else ""
    lens = f"field of view {_fov_deg(solve):.1f}°, {_LENS[solve.lens]}"
    return f"The source camera {how}: {known}{decided}; {lens}."
