# SPDX-License-Identifier: GPL-3.0-or-later
"""What fills a take, what is delivered, and what was."""

from typing import Any

import bpy

from ... import capabilities
from ...core.generator_options import PROMPT, SEED, takes
from ...localisation import localised
from ...ops.sequencer import EX4D_OT_show_result, stray_strips
from ...props import state_of
from ...props.steps import begins_shot
from ...scene import shot as shots
from ...scene.data import scene_of
from ...strip_takes import offered_take
from ..layout import draw_progress, draw_text, form_of, needs_backend, section
from ..options import draw_options
from .versions import draw_versions
from .wipe import draw_wipe


def _draw_profile(layout: Any, state: Any, take: Any) -> None:
    """What fills, and what it takes."""
    profile = capabilities.find_generator(state.profile)
    form = form_of(layout.column())
    form.prop(state, "profile_menu")
    if profile is None:
        draw_text(layout, f"The backend has not offered «{state.profile}».", "ERROR")
    else:
        draw_text(layout, f"{localised(profile.label)} [{profile.licence}]", "INFO")
    if profile is None or takes(profile, SEED):
        form.prop(state, "seed")
    if profile is None or takes(profile, PROMPT):
        form.prop(state, "prompt")
    if profile is not None and take is not None:
        draw_options(form, take, profile)


def _draw_range(layout: Any, scene: bpy.types.Scene) -> None:
    """Which frames are made."""
    state, form = state_of(scene), form_of(layout.column())
    form.prop(state, "frame_range")
    if state.frame_range == "PREVIEW" and not scene.use_preview_range:
        draw_text(layout, "The timeline has no preview range.", "ERROR")
    if state.frame_range == "FRAMES":
        row = form.row(align=True)
        row.prop(state, "frame_start")
        row.prop(state, "frame_end")


def _draw_output(layout: Any, state: Any, shot: shots.ShotObjects | None) -> None:
    """What is delivered; choices without effect for the shot's plate are left out."""
    form = section(layout, "ex4d_output", "Output")
    if form is None:
        return
    colour = shot.record["plate"].get("colour") if shot is not None else None
    kind = colour["kind"] if colour else "display"
    form.prop(state, "rasterizer")
    if state.rasterizer == "nvdiffrast":
        draw_text(form, "nvdiffrast is licensed for research and evaluation only.", "ERROR")
    form.prop(state, "with_mask")
    form.prop(state, "with_color")
    form.prop(state, "take_handles")
    form.prop(state, "take_lens")
    if kind == "codes":
        form.prop(state, "result_pictures")
    form.prop(state, "result_aov")
    if state.result_aov or kind == "linear" or (kind == "codes" and state.result_pictures == "linear"):
        form.prop(state, "result_compression", text="Compression")
    form.prop(state, "result_movie")
    form.prop(state, "result_audio")
    form.prop(state, "result_grain")
    form.prop(state, "result_colour_match")


def _draw_stray_strips(layout: Any, scene: bpy.types.Scene) -> None:
    """Strips of takes that stand in for the scene's objects, whatever shot is worked on."""
    if count := stray_strips(scene):
        box = layout.box()
        text = (
            "A strip of a take is in this scene: it renders it in place of its objects."
            if count == 1
            else f"{count} strips of takes are in this scene: it renders them in place of its objects."
        )
        draw_text(box, text, "ERROR")
        box.operator("ex4d.move_strips", icon="SEQUENCE")


def draw_generate(layout: Any, context: bpy.types.Context) -> None:
    """Generate."""
    state = state_of(scene_of(context))
    # In the viewport the step before has said it.
    if context.space_data is None or context.space_data.type != "VIEW_3D":
        needs_backend(layout)
    # In the sequencer a strip says which take is meant.
    elif begins_shot(state):
        draw_text(layout, "Reconstruct the plate first.", "INFO")
        _draw_stray_strips(layout, scene_of(context))
        return
    take = offered_take(context)
    known = shots.known(scene_of(context))
    row = layout.row()
    row.scale_y = 1.4
    button = row.operator(
        "ex4d.generate", icon="RENDER_ANIMATION", text=localised(f"Generate {take.name}" if take else "Generate")
    )
    if take is not None:
        button.take = take.uid
    if take is not None and take.shot is not None and len(known.shots) > 1:
        draw_text(layout, f"Of the shot {take.shot.name}", "EMPTY_ARROWS")
    draw_progress(layout, "generate")
    if EX4D_OT_show_result.poll(context):
        layout.operator("ex4d.show_result", icon="SEQUENCE")
    if take is not None and len(take.versions):
        draw_wipe(layout, context, take)
    _draw_profile(layout, state, take)
    _draw_range(layout, scene_of(context))
    _draw_output(layout, state, (known.of_root(take.shot) if take is not None else None) or known.find())
    _draw_stray_strips(layout, scene_of(context))
    if take is not None:
        draw_versions(layout, take)
    row = layout.row(align=True)
    if take is not None:
        row.operator("ex4d.find_versions")
    row.operator("ex4d.import_take")
