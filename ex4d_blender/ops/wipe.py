# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing a take with the plate or with the version before, over the camera."""

from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.props import EnumProperty

from ex4d.protocol.errors import BadInputError

from .. import props, wipe
from ..localisation import localised
from ..scene import editors
from ..scene import shot as shots
from ..scene.data import scene_of
from ..scene.wipe_pictures import origin_side, plate_side, preview_sides, version_side
from .common import OperatorResult, report_errors
from .preview import has_preview
from .take_cameras import require_take

AGAINST = [
    ("PLATE", "Plate", "The plate as it was filmed"),
    ("VERSION", "Last Version", "The version of the take before its newest"),
    ("ORIGIN", "Origin", "Where its pixels come from: the plate's own frame, another frame, or what fills"),
]


class EX4D_OT_wipe(bpy.types.Operator):
    bl_idname = "ex4d.wipe"
    bl_label = "A/B Wipe"
    bl_description = (
        "Show the take's newest version over its camera, beside the plate or the version before it. Drag the line; "
        "W over the viewport changes sides"
    )
    # The scene gets another camera.
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        against: str
    else:
        against: EnumProperty(name="Against", items=AGAINST, options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        take = props.active_take(scene_of(context))
        if take is not None and (len(take.versions) or has_preview(scene_of(context), take)):
            return True
        cls.poll_message_set(localised("Generate a take first, or preview it"))
        return False

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = scene_of(context)
        take = require_take(scene)
        props.check_camera(scene, take)
        shot = shots.take_shot(scene, take)
        folders = [Path(bpy.path.abspath(version.folder)) for version in take.versions]
        if self.against != "ORIGIN" and not folders:
            raise BadInputError(f"The take «{take.name}» has no version.", "Generate it first.")
        if self.against == "VERSION" and len(folders) < 2:
            raise BadInputError(
                f"The take «{take.name}» has one version.",
                "Generate it again with other settings, or compare it with the plate.",
            )
        if not folders:
            left, right = preview_sides(shot, props.preview_cameras(scene, take)[0])
        else:
            others = {
                "PLATE": lambda: plate_side(shot),
                "VERSION": lambda: version_side(shot, folders[-2]),
                "ORIGIN": lambda: origin_side(shot, folders[-1]),
            }
            left, right = version_side(shot, folders[-1]), others[self.against]()
        if not take.use_scene_camera:
            scene.camera = take.camera
        editors.look_through_scene_camera(context.space_data)
        # Of origins all is shown at first, as a map.
        share = 0.0 if self.against == "ORIGIN" else 0.5
        wipe.begin(wipe.Wipe(scene.session_uid, take.uid, (left, right), share))
        return {"FINISHED"}


def _has_wipe(cls: type, context: bpy.types.Context) -> bool:
    shown = wipe.current()
    if shown is not None and shown.scene == scene_of(context).session_uid:
        return True
    found: type[bpy.types.Operator] = cls
    found.poll_message_set(localised("No A/B wipe is shown"))
    return False


class EX4D_OT_wipe_flip(bpy.types.Operator):
    bl_idname = "ex4d.wipe_flip"
    bl_label = "Flip Sides"
    bl_description = "Show on the left of the line what was on its right"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_wipe(cls, context)

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        shown = wipe.current()
        assert shown is not None
        shown.flip()
        wipe.redraw()
        return {"FINISHED"}


class EX4D_OT_wipe_end(bpy.types.Operator):
    bl_idname = "ex4d.wipe_end"
    bl_label = "End A/B Wipe"
    bl_description = "Show the scene through the camera again"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _has_wipe(cls, context)

    @report_errors
    def execute(self, _context: bpy.types.Context) -> OperatorResult:
        wipe.end()
        return {"FINISHED"}


CLASSES = (EX4D_OT_wipe, EX4D_OT_wipe_flip, EX4D_OT_wipe_end)
