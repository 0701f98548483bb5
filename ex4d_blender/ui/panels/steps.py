# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the work, one under the other: each folds to one line that says what there is, and does what is next."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from ... import job_list, props
from ...core.found_camera import said_of
from ...core.shot_rules import source_camera_of
from ...localisation import localised
from ...props import state_of
from ...props.steps import begins_shot, is_done, needs_look, takes_of_shot
from ...scene import shot as shots
from ...scene.data import scene_of
from .generate import draw_generate
from .geometry import draw_reconstruct
from .plate import draw_plate
from .shot_list import draw_shots
from .takes import draw_take


@dataclass(frozen=True)
class _Step:
    """One of them.

    Attributes:
        name: in ``props.steps``.
        title: of its line while it is open.
        draw: what is in it.
        line: what it is called while it is folded.
        action: the button of its line while it is folded, as operator, text and icon; None where it has none.
        jobs: the kind of its jobs, "" for none.
    """

    name: str
    title: str
    draw: Callable[[Any, bpy.types.Context], None]
    line: Callable[[bpy.types.Context], str]
    action: Callable[[bpy.types.Context], tuple[str, str, str] | None]
    jobs: str = ""


def _plate_line(context: bpy.types.Context) -> str:
    state = state_of(scene_of(context))
    if not state.plate_path:
        return "Plate"
    return f"{Path(state.plate_path).name}  {state.plate_info.partition(',')[0]}"


def _geometry_line(context: bpy.types.Context) -> str:
    shot = shots.known(scene_of(context)).find()
    if shot is None or not is_done(state_of(scene_of(context)), "geometry"):
        return "Geometry"
    found = source_camera_of(shot.record)
    return f"Geometry: {said_of(found, None)[0]}" if found is not None else "Geometry"


def _takes_line(context: bpy.types.Context) -> str:
    count = len(takes_of_shot(state_of(scene_of(context))))
    return f"Takes ({count})" if count else "Takes"


def _add_take(context: bpy.types.Context) -> tuple[str, str, str] | None:
    scene = scene_of(context)
    there = shots.known(scene).shots and not begins_shot(state_of(scene))
    return ("ex4d.add_take_camera", localised("Add"), "NONE") if there else None


def _generate(context: bpy.types.Context) -> tuple[str, str, str] | None:
    scene = scene_of(context)
    take = props.active_take(scene) if not begins_shot(state_of(scene)) else None
    return ("ex4d.generate", take.name, "RENDER_ANIMATION") if take is not None else None


_STEPS = (
    _Step("plate", "Plate", draw_plate, _plate_line, lambda _context: ("ex4d.load_plate", "", "FILE_FOLDER")),
    _Step("geometry", "Geometry", draw_reconstruct, _geometry_line, lambda _context: None, "reconstruct"),
    _Step("takes", "Takes", draw_take, _takes_line, _add_take, "preview"),
    _Step("generate", "Generate", draw_generate, lambda _context: "Generate", _generate, "generate"),
)


def draw_steps(layout: Any, context: bpy.types.Context) -> None:
    """Shots and steps."""
    draw_shots(layout, context)
    for step in _STEPS:
        _draw_step(layout, context, step)


def _draw_step(layout: Any, context: bpy.types.Context, step: _Step) -> None:
    state = state_of(scene_of(context))
    header, body = layout.panel_prop(state, f"open_{step.name}")
    icon = "RADIOBUT_OFF"
    if is_done(state, step.name):
        icon = "QUESTION" if needs_look(state, step.name) else "CHECKMARK"
    header.label(text=localised(step.line(context) if body is None else step.title), icon=icon)
    if body is not None:
        step.draw(body, context)
        return
    running = next(
        (row for row in job_list.current().rows if row.kind == step.jobs and row.state in ("running", "cancelling")),
        None,
    )
    action = step.action(context)
    if running is not None:
        # Beside the step's name there is no room for what is done.
        header.progress(factor=running.fraction, text=f"{running.fraction:.0%}", type="BAR")
    elif action is not None:
        # Beside the step's name there is room for the take's own; names are not translated.
        header.operator(action[0], text=action[1], translate=False, icon=action[2])
