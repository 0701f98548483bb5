# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene in whose sequencer results are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import bpy

from ..core.deliveries import DeliveredTake
from . import sequencer
from . import shot as shots
from .camera import render_size, scene_fps
from .files import absolute_path, stored_path


def results_scene(
    scene: bpy.types.Scene, folder: Path, numbers: Sequence[int], *, offset: int, take: DeliveredTake | None = None
) -> bpy.types.Scene:
    """The scene whose sequencer takes a take in; see ``sequencer.ensure_edit_scene``.

    Args:
        scene: that is worked in.
        folder: of the take's shot.
        numbers: of the take's frames, by the plate's own.
        offset: scene frame minus plate frame number.
        take: whose size, rate and colour count; what it does not say is the plate's, or the scene's.
    """
    shot = shots.find_shot(scene, str(folder)) or shots.find_shot(scene)
    plate: dict[str, Any] = dict(shot.record["plate"]) if shot is not None else {"fps": str(scene_fps(scene))}
    if "numbers" not in plate:
        plate["numbers"], plate["handles"] = list(numbers), take.handles if take is not None else (0, 0)
    if take is not None and take.size is not None:
        plate["width"], plate["height"] = take.size
    elif "width" not in plate:
        plate["width"], plate["height"] = render_size(scene)
    if take is not None:
        plate["fps"] = str(take.fps) if take.fps is not None else plate["fps"]
        plate["colour"] = asdict(take.colour) if take.colour is not None else None
        plate["pixel_aspect"] = str(take.pixel_aspect)
    return sequencer.ensure_edit_scene(scene, plate, plate["numbers"][0] + offset, output=stored_output(folder))


def output_folder(folder: Path) -> Path:
    """Where renders of a shot's results go: beside its folder, which holds nothing but what the backend makes."""
    return folder.parent / f"{folder.name} Edit"


def stored_output(folder: Path) -> str:
    """``output_folder`` as scenes keep it."""
    return stored_path(output_folder(folder)) + "/"


def follow_output(old: Path, new: Path) -> None:
    """Let scenes that render beside a shot's former folder do so beside the new one; what is rendered stays."""
    for scene in bpy.data.scenes:
        if scene.library is None and absolute_path(scene.render.filepath) == output_folder(old):
            scene.render.filepath = stored_output(new)
