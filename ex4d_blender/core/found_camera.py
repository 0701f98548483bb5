# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found of a plate's camera, in words. No Blender in here."""

from __future__ import annotations

from collections.abc import Sequence

from ex4d.protocol.results import SourceCameraInfo

_KINDS = {"still": "Stands still.", "turns": "Turns on its place.", "moves": "Moves."}
_LENSES = {"given": "as given", "known": "solved", "within 5 %": "solved to 5 %"}
#: So many frames are named.
_NAMED = 4


def said_of(found: SourceCameraInfo, measured: float | None) -> tuple[str, ...]:
    """What is known, a sentence or two each.

    Args:
        found: of the camera.
        measured: share of the depth that was measured; None: its source does not tell.
    """
    lines = ["Taken to stand still." if found.assumed else _KINDS[found.kind]]
    if lens_is_known(found):
        lines.append(f"Field of view: {found.fov_deg:.1f}°, {_LENSES[found.lens]}.")
    if measured is not None:
        is_none = round(measured, 2) == 0
        told = (
            "none of it could be measured, all is estimated"
            if is_none
            else f"{measured:.0%} is measured, the rest estimated"
        )
        lines.append(f"Depth: {told}.")
    if found.interpolated:
        lines.append(f"Laid between other frames: {_frames(found.interpolated)}.")
    return tuple(lines)


def lens_is_known(found: SourceCameraInfo) -> bool:
    """Whether the focal length was given or solved, not assumed."""
    return found.lens != "not observable"


def asks_for_lens(found: SourceCameraInfo) -> bool:
    """Whether people may know the lens, and the plate does not tell it; each shot of one that cuts has its own."""
    return not lens_is_known(found) and not found.cuts


def asked_of(found: SourceCameraInfo) -> tuple[str, ...]:
    """What the plate could not tell and people may know, one sentence each."""
    lines = []
    if asks_for_lens(found):
        lines.append(f"Lens not told: {found.fov_deg:.1f}° assumed.")
    if found.cuts:
        lines.append(f"It seems to cut at {_frames(found.cuts)}: choose one shot, or separate them.")
    return tuple(lines)


def shots_between(numbers: Sequence[int], cuts: Sequence[int]) -> list[tuple[int, int]]:
    """First and last frame number of each shot of a plate that cuts.

    Args:
        numbers: of the plate's frames, rising by one.
        cuts: numbers of the frames that begin a new shot.
    """
    begins = sorted({numbers[0], *(cut for cut in cuts if numbers[0] <= cut <= numbers[-1])})
    ends = [*(begin - 1 for begin in begins[1:]), numbers[-1]]
    return list(zip(begins, ends, strict=True))


def _frames(numbers: Sequence[int]) -> str:
    """«frames 1002, 1003», the first of them where there are many."""
    named = ", ".join(map(str, numbers[:_NAMED]))
    if len(numbers) > _NAMED:
        return f"frames {named} and {len(numbers) - _NAMED} more"
    return f"frames {named}" if len(numbers) > 1 else f"frame {named}"
