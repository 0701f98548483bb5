# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene in whose sequencer results are shown."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy

from . import sequencer
from . import shot as shots
from .camera import render_size, scene_fps


def results_scene(
    scene: bpy.types.Scene,
    folder: Path,
    numbers: Sequence[int],
    *,
    offset: int,
    size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
) -> bpy.types.Scene:
    """The scene whose sequencer takes a take in; see ``sequencer.ensure_edit_scene``.

    Args:
        scene: that is worked in.
        folder: of the take's shot.
        numbers: of the take's frames, by the plate's own.
        offset: scene frame minus plate frame number.
        size: of the take, (width, height) in pixels; None = the plate's, or the scene's.
        fps: of the take; None = the plate's, or the scene's.
    """
    shot = shots.find_shot(scene, str(folder)) or shots.find_shot(scene)
    plate: dict[str, Any] = dict(shot.record["plate"]) if shot is not None else {"fps": str(scene_fps(scene))}
    plate.setdefault("numbers", list(numbers))
    if size is not None:
        plate["width"], plate["height"] = size
    elif "width" not in plate:
        plate["width"], plate["height"] = render_size(scene)
    plate["fps"] = str(fps) if fps is not None else plate["fps"]
    return sequencer.ensure_edit_scene(scene, plate, plate["numbers"][0] + offset)
