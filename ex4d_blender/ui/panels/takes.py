# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: their cameras, moves and previews."""

from contextlib import suppress
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from ... import live_preview, out_of_date, props
from ...core.move_amounts import AMOUNTS, property_name
from ...localisation import localised
from ...ops.preview import has_preview
from ...props import state_of
from ...props.steps import begins_shot
from ...scene import shot as shots
from ...scene.data import scene_of
from ..coverage import summary
from ..layout import draw_progress, draw_text, draw_tick, form_of, section


def _draw_take_camera(layout: Any, context: bpy.types.Context, take: Any) -> None:
    """Whose camera a take has, and of which shot it is."""
    state = state_of(scene_of(context))
    form = form_of(layout.column())
    if not take.use_scene_camera:
        form.prop(take, "camera")
    draw_tick(layout, take, "use_scene_camera")
    form = form_of(layout.column())
    # With one shot there is nothing to choose, unless the take is of another that is gone.
    known = shots.known(scene_of(context))
    if known.of_root(take.shot) is None or len(known.shots) > 1:
        form.prop(take, "shot")
    camera_state = shots.camera_state(scene_of(context), take)
    if camera_state == "missing":
        draw_text(layout, "Its camera is missing: choose one, or remove the take.", "ERROR")
    if camera_state == "own":
        row = layout.row(align=True)
        row.prop(state, "handheld_strength", text="Hand-Held")
        row.prop(state, "handheld_seed")
        layout.operator("ex4d.add_handheld", text="Add Hand-Held", icon="FORCE_TURBULENCE")


def _draw_path(form: Any, state: Any, shot: shots.ShotObjects) -> None:
    """What becomes of the source camera's own motion, where it has any."""
    if shot.record["depth"].get("source_poses_known", True) or state.move_path != "source":
        form.prop(state, "move_path")
    if state.move_path == "source":
        form.prop(state, "move_follow")
    elif state.move_path == "stabilise":
        form.prop(state, "stabilise_by")
        form.prop(state, "stabilise_seconds" if state.stabilise_by == "seconds" else "stabilise_amount")
        form.prop(state, "stabilise_level")
    else:
        form.prop(state, "lock_first")
        if not state.lock_first:
            form.prop(state, "lock_frame")


def _draw_preview(layout: Any, context: bpy.types.Context, take: Any) -> None:
    """The picture over a take's camera, and what the plate has seen of it."""
    scene = scene_of(context)
    state = state_of(scene)
    row = layout.row(align=True)
    row.operator("ex4d.preview_take", icon="HIDE_OFF")
    row.prop(state, "live_preview", toggle=True)
    if has_preview(scene, take):
        row.operator("ex4d.hide_preview", text="Hide")
        form_of(layout.column()).prop(state, "preview_opacity")
    stale = out_of_date.stale(take)
    if stale.picture:
        draw_text(layout, "The preview is out of date: the move has changed.", "FILE_REFRESH")
    elif stale.coverage:
        draw_text(layout, "What was seen is out of date: the move has changed.", "FILE_REFRESH")
    if state.live_preview and (problem := live_preview.refused(take)):
        draw_text(layout, problem, "ERROR")
    draw_progress(layout, "preview")
    if take.coverage:
        with suppress(BadInputError):
            draw_text(layout, summary(take.coverage, shots.known(scene).of_take(take)))
        form_of(layout.column()).prop(state, "show_coverage")


def draw_take(layout: Any, context: bpy.types.Context) -> None:
    """Take."""
    state = state_of(scene_of(context))
    known = shots.known(scene_of(context))
    shot = known.find()
    if shot is None:
        draw_text(layout, "Reconstruct a plate first.", "INFO")
        return
    if begins_shot(state):
        draw_text(layout, "Reconstruct the plate first.", "INFO")
        return
    if len(known.shots) > 1:
        draw_text(layout, f"New takes are of the shot {shot.root.name}.", "EMPTY_ARROWS")
    form = form_of(layout.column())
    form.prop(state, "move")
    if state.move in AMOUNTS:
        form.prop(state, property_name(state.move))
    column = layout.column(align=True)
    column.operator("ex4d.add_take_camera", icon="OUTLINER_OB_CAMERA")
    if len(state.takes):
        column.operator("ex4d.apply_preset", icon="KEYINGSET")
    if (form := section(layout, "ex4d_move", "Easing, Path, Other Cameras")) is not None:
        if not state.move.isdigit():
            form.prop(state, "move_ease")
        _draw_path(form, state, shot)
        row = form.row(align=True)
        row.operator("ex4d.add_take", text="From Selected").use_scene_camera = False
        row.operator("ex4d.add_take", text="Scene Camera").use_scene_camera = True
    if count := len(shots.unlisted(scene_of(context))):
        layout.operator("ex4d.find_takes", text=localised(f"Find Takes ({count})"), icon="VIEWZOOM")
    elif count := len(shots.removed(scene_of(context))):
        layout.operator("ex4d.find_takes", text=localised(f"Find Removed Takes ({count})"), icon="VIEWZOOM")
    if not len(state.takes):
        return
    row = layout.row()
    row.template_list("EX4D_UL_takes", "", state, "takes", state, "active_take", rows=2)
    row.operator("ex4d.remove_take", text="", icon="REMOVE")
    take = props.active_take(scene_of(context))
    if take is None:
        return
    # What is missing is not folded away.
    camera = (
        section(layout, "ex4d_camera", "Camera, Hand-Held")
        if shots.camera_state(scene_of(context), take) != "missing"
        else layout
    )
    if camera is not None:
        _draw_take_camera(camera, context, take)
    _draw_preview(layout, context, take)
