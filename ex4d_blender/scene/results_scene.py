# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene in whose sequencer results are shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from . import sequencer
from . import shot as shots
from .camera import render_size, scene_fps


def results_scene(scene: bpy.types.Scene, result: Mapping[str, Any], offset: int) -> bpy.types.Scene:
    """The scene whose sequencer takes a take in; see ``sequencer.ensure_edit_scene``.

    Args:
        result: of a ``generate`` job, or of ``ops.generate.read_take``.
        offset: scene frame minus plate frame number.
    """
    shot = shots.find_shot(scene, str(Path(result["folder"]).parent.parent)) or shots.find_shot(scene)
    plate = dict(shot.record["plate"]) if shot is not None else {"fps": str(scene_fps(scene))}
    plate.setdefault("numbers", result["numbers"])
    if "size" in result:
        plate["width"], plate["height"] = result["size"]
    elif "width" not in plate:
        plate["width"], plate["height"] = render_size(scene)
    plate["fps"] = result.get("fps", plate["fps"])
    return sequencer.ensure_edit_scene(scene, plate, plate["numbers"][0] + offset)
