# SPDX-License-Identifier: GPL-3.0-or-later
"""The A/B wipe's buttons."""

from typing import Any

import bpy

from ... import wipe
from ...localisation import localised
from ...scene.data import scene_of


def draw_wipe(layout: Any, context: bpy.types.Context, take: Any) -> None:
    """The newest version over the camera, beside the plate or the version before; a sequencer has no camera."""
    if context.space_data is None or context.space_data.type != "VIEW_3D":
        return
    row = layout.row(align=True)
    shown = wipe.of_take(scene_of(context), take)
    if shown is None:
        row.operator("ex4d.wipe", text="A/B Plate", icon="MOD_MIRROR").against = "PLATE"
        before = row.row(align=True)
        before.enabled = len(take.versions) > 1
        before.operator("ex4d.wipe", text="A/B Last Version").against = "VERSION"
        return
    left, right = (side.label for side in shown.sides)
    row.label(text=f"{localised(left)} | {localised(right)}", icon="MOD_MIRROR")
    row.operator("ex4d.wipe_flip", text="Flip", icon="ARROW_LEFTRIGHT")
    row.operator("ex4d.wipe_end", text="", icon="X")
