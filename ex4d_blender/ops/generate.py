# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivering takes and getting them back into the sequencer."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import bpy
from bpy.props import BoolProperty, StringProperty

from ex4d.camera import json_bytes, read_trajectory
from ex4d.protocol.capabilities import GeneratorInfo, OptionValue
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import FillRequest, GenerateRequest, OutputRequest, TrajectoryCamera
from ex4d.protocol.values import CodesAs, EditMovie, ExrCompression

from .. import capabilities, colour_spaces, job_list, out_of_date, props, take_options
from ..core.coverage_record import mean_share
from ..core.deliveries import read_take
from ..core.generator_options import PROMPT, SEED, request_options
from ..core.kept_colour import COLOR
from ..localisation import localised
from ..props import state_of
from ..scene import sequencer, takes
from ..scene import shot as shots
from ..scene.data import manager_of, scene_of
from ..scene.results_scene import results_scene
from ..strip_takes import version_of
from ..take_versions import version_options
from .common import JobOperator, OperatorResult, report_errors, run_reporting
from .preview import fingerprint
from .take_cameras import TakeJobOperator, new_take, require_take, take_lens

#: A mean share that is shown as 0 %.
NOTHING = 0.005


def wanted_frames(scene: bpy.types.Scene, shot: shots.ShotObjects) -> tuple[list[int], str | None]:
    """Scene frames to generate, and the plate's range where that is not all.

    Raises:
        BadInputError: the chosen frames are not the plate's, or there is no preview range.
    """
    state = state_of(scene)
    if state.frame_range == "ALL":
        return list(shot.frames), None
    if state.frame_range == "FRAMES":
        return shot.timing.chosen_frames(state.frame_start, state.frame_end)
    if not scene.use_preview_range:
        raise BadInputError(
            f"The scene «{scene.name}» has no preview range.", "Set one in the timeline (P), or set Range to All."
        )
    first, last = scene.frame_preview_start, scene.frame_preview_end
    inside = shot.timing.clipped_frames(first, last)
    if inside == shot.frames:
        return list(shot.frames), None
    return shot.timing.chosen_frames(inside[0], inside[-1]) if inside else shot.timing.chosen_frames(first, last)


class EX4D_OT_generate(TakeJobOperator, bpy.types.Operator):
    bl_idname = "ex4d.generate"
    bl_label = "Generate"
    bl_description = "Render the take, fill what the plate never showed, and put the result into the sequencer"
    bl_options = {"REGISTER"}

    if TYPE_CHECKING:
        take: str
        was_asked: bool
    else:
        take: StringProperty(options={"SKIP_SAVE", "HIDDEN"}, description="Id of the take; empty for the chosen one")
        was_asked: BoolProperty(options={"HIDDEN", "SKIP_SAVE"}, description="The question before it was answered")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> OperatorResult:
        scene = scene_of(context)
        take = props.take_by_uid(scene, self.take) or props.active_take(scene)
        if take is None or bpy.app.background or not sees_nothing(take):
            return super().invoke(context, event)
        self.was_asked = True
        return manager_of(context).invoke_confirm(
            self,
            event,
            message=localised(f"The plate has seen nothing of what «{take.name}» shows: all of it will be made up."),
        )

    def execute(self, context: bpy.types.Context) -> OperatorResult:
        # Who has answered the question sits before a window, and goes on working.
        if self.was_asked:
            return run_reporting(self, context, lambda: self._submit(context))
        return super().execute(context)

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        scene = scene_of(context)
        shots.check_scene(scene)
        take = (props.take_by_uid(scene, self.take) if self.take else None) or require_take(scene)
        shot = shots.take_shot(scene, take)
        frames, chosen = wanted_frames(scene, shot)
        props.check_camera(scene, take)
        state = state_of(scene)
        generator = capabilities.resolve_generator(state.profile, block=block)
        options = scene_options(scene, take, generator)
        trajectory = self.sample(scene, shot, take, frames)
        return submit_take(
            context,
            shot,
            take,
            trajectory,
            shows=move_now(scene, take),
            frames=chosen,
            generator=generator.name,
            options=options,
            block=block,
        )


def sees_nothing(take: props.EX4D_PG_take) -> bool:
    """Whether the plate is known to have seen nothing of what a take shows now."""
    share = mean_share(take.coverage)
    return share is not None and share < NOTHING and not out_of_date.stale(take).coverage


def scene_options(scene: bpy.types.Scene, take: props.EX4D_PG_take, generator: GeneratorInfo) -> dict[str, OptionValue]:
    """What scene and take say of a generator's options; raises UsageError for a value that it does not take."""
    given = take_options.given_values(take, generator)
    return request_options(generator, given, seed=state_of(scene).seed, prompt=state_of(scene).prompt)


@dataclass(frozen=True)
class ShownMove:
    """The move that a take shows.

    Attributes:
        text: what it is called, such as orbit:30; "" where it has no name.
        fingerprint: see ``ops.preview.fingerprint``; "" where none is known.
    """

    text: str = ""
    fingerprint: str = ""


def move_now(scene: bpy.types.Scene, take: props.EX4D_PG_take) -> ShownMove:
    """The move that a take has now."""
    return ShownMove(takes.move_of(take.camera) if take.camera is not None else "", fingerprint(scene, take))


def _output_request(state: props.EX4D_PG_scene) -> OutputRequest:
    movie = cast(EditMovie, state.result_movie)
    return OutputRequest(
        pictures=cast(CodesAs, state.result_pictures),
        compression=cast(ExrCompression, state.result_compression),
        aov=state.result_aov,
        movie=movie if state.result_movie != "NONE" else None,
        audio=state.result_audio,
        grain=state.result_grain,
        colour_match=state.result_colour_match,
    )


def submit_take(
    context: bpy.types.Context,
    shot: shots.ShotObjects,
    take: props.EX4D_PG_take,
    trajectory: bytes,
    *,
    shows: ShownMove,
    generator: str,
    options: dict[str, OptionValue],
    frames: str | None,
    raster: str | None = None,
    block: bool,
) -> str:
    """Ask for a take; returns the job's id.

    Args:
        context: of the operator.
        shot: that the take is of.
        take: in the scene's list.
        trajectory: its camera, JSON of ``ex4d.camera``.
        shows: the move that it was made of.
        generator: name of what fills.
        options: of the generator.
        frames: such as "1001-1020", by the plate's own numbers; None = all.
        raster: a rasterizer instead of the scene's.
        block: wait for the backend.
    """
    scene = sequencer.working_scene(context)
    state = state_of(scene)
    request = GenerateRequest(
        shot=shot.folder,
        camera=TrajectoryCamera(trajectory, made_of=shows.text),
        frames=frames,
        raster=raster or state.rasterizer,
        fill=FillRequest(generator, options),
        title=take.name,
        handles=state.take_handles,
        lens=take_lens(state),
        output=_output_request(state),
    )
    data = {
        "take": take.uid,
        "title": take.name,
        "offset": shot.first_frame - shot.numbers[0],
        "with_mask": state.with_mask,
        "with_color": state.with_color,
        "seed": options.get(SEED),
        "prompt": options.get(PROMPT),
        "options": {name: value for name, value in options.items() if name not in (SEED, PROMPT)},
        "frames": frames,
        "fingerprint": shows.fingerprint,
        "move": shows.text,
    }
    colour_spaces.ask(scene, block=block)
    return job_list.current().submit(
        scene, request, action="generate", data=data, title=f"Generate {take.name}", block=block
    )


class EX4D_OT_redo_take(JobOperator, bpy.types.Operator):
    bl_idname = "ex4d.redo_take"
    bl_label = "Redo with This Take's Settings"
    bl_description = "Generate the selected strip's take again, with the camera and settings it was made with"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        strip = sequencer.selected_strip(context)
        if strip is not None and sequencer.take_of_strip(strip) is not None:
            return True
        cls.poll_message_set(localised("Select the strip of a take in the sequencer"))
        return False

    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        strip = sequencer.selected_strip(context)
        known = sequencer.take_of_strip(strip) if strip is not None else None
        if known is None:
            raise BadInputError("No strip of a take is selected.", "Select one in the sequencer.")
        made = read_take(Path(known["folder"]))
        scene = sequencer.working_scene(context)
        shots.check_scene(scene)
        take, version = version_of(scene, known["folder"])
        shot = shots.find_shot(scene, str(made.shot)) or (shots.take_shot(scene, take) if take is not None else None)
        if shot is None:
            raise BadInputError(
                f"The shot of this take, {made.shot}, is not in the scene.", "Reconstruct its plate here, then redo it."
            )
        generator = capabilities.resolve_generator(made.profile, block=block)
        given = version_options(version) if version is not None else {}
        options = request_options(generator, given, seed=made.seed, prompt=made.prompt)
        if take is None:
            # The camera that it was made with is known to no list: its trajectory is.
            take = new_take(scene, shot, None, made.title or made.take)
        trajectory = read_trajectory(Path(made.trajectory))
        whole = len(made.numbers) == len(shot.numbers)
        return submit_take(
            context,
            shot,
            take,
            json_bytes(trajectory),
            # The camera may have moved on since.
            shows=ShownMove(*((version.move, version.fingerprint) if version is not None else (made.move,))),
            frames=None if whole else f"{made.numbers[0]}-{made.numbers[-1]}",
            generator=generator.name,
            options=options,
            block=block,
        )


class EX4D_OT_show_options(bpy.types.Operator):
    bl_idname = "ex4d.show_options"
    bl_label = "Show Options"
    bl_description = "Show the options of the chosen profile, which the chosen take keeps"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        scene = sequencer.working_scene(context)
        if props.active_take(scene) is None:
            cls.poll_message_set(localised("Add a take camera first"))
            return False
        return capabilities.find_generator(state_of(scene).profile) is not None

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        scene = sequencer.working_scene(context)
        generator = capabilities.resolve_generator(state_of(scene).profile, block=False)
        take_options.ensure_rows(require_take(scene), generator)
        return {"FINISHED"}


class EX4D_OT_import_take(bpy.types.Operator):
    bl_idname = "ex4d.import_take"
    bl_label = "Import Take"
    bl_description = "Put a take that was delivered earlier, such as takes/v001, into the sequencer"
    bl_options = {"REGISTER", "UNDO"}

    if TYPE_CHECKING:
        directory: str
    else:
        directory: StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        shot = shots.find_shot(scene_of(context))
        if shot is not None:
            self.directory = str(Path(shot.folder) / "takes") + "/"
        manager_of(context).fileselect_add(self)
        return {"RUNNING_MODAL"}

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        made = read_take(Path(bpy.path.abspath(self.directory)))
        scene = sequencer.working_scene(context)
        # The frames of another shot would put it elsewhere.
        shot = shots.find_shot(scene, str(made.shot)) or next(
            (found for found in shots.find_shots(scene) if set(made.numbers) <= set(found.numbers)), None
        )
        offset = shot.first_frame - shot.numbers[0] if shot else 0
        edit = results_scene(scene, made.shot, made.numbers, offset=offset, take=made)
        colour_spaces.ask(scene, block=bpy.app.background)
        placed = sequencer.place_take(
            edit,
            made,
            with_mask=state_of(scene).with_mask,
            with_color=state_of(scene).with_color and (Path(made.folder) / COLOR).is_dir(),
            name=f"{made.title or 'Take'} {made.take}",
            frame_offset=offset,
        )
        _, version = version_of(scene, made.folder)
        if version is not None:
            version.note = " ".join(placed.notes)
        for note in placed.notes:
            self.report({"WARNING"}, localised(note))
        if context.window is not None:
            sequencer.show_edit(context.window, edit)
        return {"FINISHED"}


CLASSES = (EX4D_OT_generate, EX4D_OT_redo_take, EX4D_OT_show_options, EX4D_OT_import_take)
