# SPDX-License-Identifier: GPL-3.0-or-later
"""``blender -b shot.blend --command ex4d reconstruct|render|generate|status …``: the work without a window.

Everything blocks and prints lines; ``--json`` prints one JSON object per line instead. Exit codes as the backend's own
command line: 0 done, 2 wrong usage, 10 bad input, 20 not enough memory or no backend, 30 try again, 130 and 143
cancelled. A cancelled job is cancelled in the backend too; its finished stages are kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

import bpy

from ex4d.protocol.capabilities import GeneratorInfo, OptionValue, Welcome
from ex4d.protocol.errors import BadInputError, CancelledError, Ex4dError, InternalError, UsageError, error_record
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.requests import PreviewRequest, RenderRequest, TrajectoryCamera
from ex4d.protocol.results import GenerateResult, ReconstructResult, RenderResult, Result, result_record

from . import backend_link, capabilities, job_list, menus, props, saved
from .cli_camera import add_camera_options, set_fov, set_source_camera
from .cli_film import add_output_options, add_plate_options, add_take_options, set_plate, take_settings
from .cli_values import file_path, filled_text, number_in, whole_in
from .core import property_ranges as ranges
from .core import records
from .core.generator_options import PROMPT, SEED, parse_options, takes
from .core.saving import FileStamp
from .core.texts import gpu_lines, job_state
from .ops.generate import move_now, scene_options, submit_take, wanted_frames
from .ops.move_shot import is_in_old_place
from .ops.reconstruct import submit_reconstruction
from .ops.separate import separate_shots
from .ops.take_cameras import new_take, require_shot, sample_take, take_lens
from .props import state_of
from .scene import takes as take_cameras
from .scene.sequencer import working_scene
from .scene.shot import check_scene, find_shots, shot_of, take_shot

log = logging.getLogger(__name__)

COMMAND = "ex4d"
LINE_SECONDS = 1.0

ResultT = TypeVar("ResultT", bound=Result)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", f"`{self.prog} --help` shows what it takes.")


class _StoppedError(KeyboardInterrupt):
    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _Parser(prog="blender -b FILE.blend --command ex4d", description="Re-shoot a video without a window.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=text)
        found.add_argument("--json", action="store_true", help="one JSON object per line")
        return found

    def saves(found: argparse.ArgumentParser) -> None:
        found.add_argument("--save", action="store_true", help="save the .blend under its own name")
        found.add_argument("--output", type=file_path, help="save the .blend under this name")

    found = add("reconstruct", "Depth and mesh of a plate, into the scene")
    found.add_argument("--plate", type=file_path, help="movie or image sequence (default: the one in the .blend)")
    found.add_argument("--frames", help="by the plate's own numbers, such as 1001-1049")
    found.add_argument("--fps", help="of an image sequence")
    add_plate_options(found)
    depth = found.add_mutually_exclusive_group()
    depth.add_argument("--depth", type=file_path, help="depth files (default: as in the .blend)")
    depth.add_argument(
        "--estimator", type=filled_text, help="what estimates depth, such as auto or small (default: as in the .blend)"
    )
    found.add_argument("--depth-kind", choices=("depth", "disparity"), help="what depth files hold")
    found.add_argument("--depth-scale", type=number_in(*ranges.DEPTH_SCALE), help="depth of one code value")
    add_camera_options(found)
    found.add_argument(
        "--thickness", type=number_in(*ranges.THICKNESS), help="how deep things are, as a share of their width"
    )
    found.add_argument(
        "--min-angle", type=number_in(*ranges.ANGLE_DEG), help="faces with a smaller angle, degrees, are holes"
    )
    found.add_argument(
        "--depth-ratio",
        "--max-depth-ratio",
        type=number_in(*ranges.DEPTH_RATIO),
        help="faces whose corners' distances have a larger ratio are holes",
    )
    found.add_argument("--shot", type=file_path, help="the shot's folder")
    found.add_argument(
        "--viewport",
        type=whole_in(*ranges.VIEWPORT_SIDE),
        help="vertices along the longer side of the viewport's mesh",
    )
    found.add_argument(
        "--split-cuts",
        action="store_true",
        help="also make a shot of its own, in a scene of its own, of each shot of a plate that cuts",
    )
    found.add_argument("--keep-scene", action="store_true", help="leave resolution, rate, range and view as they are")
    saves(found)

    for name, text in (("render", "Colour, mask and coverage of a take"), ("generate", "A delivered take")):
        found = add(name, text)
        camera = found.add_mutually_exclusive_group()
        camera.add_argument("--take", type=filled_text, help="name of a take in the .blend")
        camera.add_argument("--camera", type=filled_text, help="name of a camera object")
        camera.add_argument("--move", type=filled_text, help="a new take camera with a move such as orbit:30")
        camera.add_argument("--scene-camera", action="store_true", help="the scene's camera, as markers switch it")
        found.add_argument(
            "--frames", type=filled_text, help="scene frames such as 1001-1020 (default: as in the .blend)"
        )
        found.add_argument(
            "--raster",
            choices=menus.rasterizer_names(),
            help="what renders (default: as in the .blend)",
        )
        add_take_options(found)
        if name == "render":
            found.add_argument("--preview", action="store_true", help="quickly, at a quarter of the size")
        else:
            found.add_argument("--profile", type=filled_text, help="how holes are filled (default: as in the .blend)")
            found.add_argument("--seed", type=whole_in(*ranges.SEED))
            found.add_argument("--prompt", help="what the picture shows; empty for none (default: as in the .blend)")
            found.add_argument(
                "--option",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                help="an option of the profile (default: as the take has it)",
            )
            add_output_options(found)
        saves(found)
    add("status", "The backend and its jobs")
    return parser


class _Output:
    """Lines for people or for programs, on standard output."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._last = ("", 0.0)

    def event(self, event: str, text: str, /, **values: Any) -> None:
        """One line."""
        self._print(json.dumps({"event": event, **values}) if self._json else text, sys.stdout)

    @staticmethod
    def _print(text: str, stream: TextIO) -> None:
        # What cannot be told is no reason to leave the work: its reader is gone, its disk full, its alphabet too small.
        encoding = stream.encoding or "utf-8"
        with suppress(OSError):
            print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)

    def progress(self, job: JobSnapshot) -> None:
        """Where a job is: at each stage, and every second within."""
        now = time.monotonic()
        if job.is_final or (job.stage == self._last[0] and now - self._last[1] < LINE_SECONDS):
            return
        self._last = (job.stage, now)
        text = f"[{job.fraction:4.0%}] {job_state(job)}"
        self.event("progress", text, stage=job.stage, step=job.step, of=job.of, eta=job.eta, fraction=job.fraction)

    def error(self, error: Ex4dError) -> None:
        """The command's failure."""
        if self._json:
            self.event("error", "", **error_record(error))
        else:
            self._print(f"error: {error.message}\n       {error.hint}", sys.stderr)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM as exceptions; Blender itself swallows Ctrl-C in background mode."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise _StoppedError(128 + number)

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            # None: Blender's own, which Python can neither tell nor put back; the process ends now anyway.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code. Called by Blender."""
    output = _Output(as_json="--json" in argv)
    link = backend_link.current()
    try:
        with _stoppable():
            args = build_parser().parse_args(list(argv))
            _COMMANDS[args.command](args, output)
    except _StoppedError as stop:
        _cancel_all()
        error: Ex4dError = CancelledError(stop.exit_code)
    except Ex4dError as failure:
        error = failure
    except SystemExit as leave:
        # --help
        return int(leave.code or 0)
    except Exception as failure:
        log.exception("ex4d")
        error = InternalError(failure)
    else:
        return 0
    finally:
        link.client.disconnect()
    output.error(error)
    return error.exit_code


def _cancel_all() -> None:
    client = backend_link.current().client
    for job in client.unfinished:
        client.cancel(job.id)
    end = time.monotonic() + 10.0
    while client.unfinished and time.monotonic() < end:
        client.poll(100)


def _reconstruct(args: argparse.Namespace, output: _Output) -> None:
    scene, before = working_scene(bpy.context), _before(args)
    state = state_of(scene)
    check_scene(scene)
    if args.plate is not None:
        state.plate_path, state.plate_scene_start, state.plate_clip = str(args.plate.absolute()), -1, None
        if state.plate_lens == "CLIP":
            state.plate_lens = "NONE"
    for name, value in (("plate_frames", args.frames), ("plate_fps", args.fps)):
        if value is not None or args.plate is not None:
            setattr(state, name, value or "")
    set_plate(state, args)
    _set_depth(state, args)
    for name, value in (
        ("thickness", args.thickness),
        ("min_angle", args.min_angle),
        ("max_depth_ratio", args.depth_ratio),
    ):
        if value is not None:
            setattr(state, name, value)
    set_fov(state, args)
    if args.shot is not None:
        state.shot_folder = str(args.shot.absolute())
    if args.viewport is not None:
        state.viewport_side = args.viewport
    job, notes = submit_reconstruction(scene, match_scene=not args.keep_scene, block=True, blend=_target(args))
    result = _finish(output, job, notes, ReconstructResult)
    of_shots = _separate(scene, output) if args.split_cuts else []
    _save(args, output, before, result.shot)
    text = "\n".join(_reconstructed(made) for made in (result, *of_shots))
    records = {"shots": [result_record(made) for made in of_shots]} if args.split_cuts else {}
    output.event("done", text, result=result_record(result), **records)


def _separate(scene: bpy.types.Scene, output: _Output) -> list[ReconstructResult]:
    """Reconstruct each shot of the scene's plate in a scene of its own; none where the plate does not cut."""
    found = []
    for own in separate_shots(scene):
        job, notes = submit_reconstruction(own.scene, match_scene=True, block=True, name=own.name)
        found.append(_finish(output, job, notes, ReconstructResult))
    return found


def _reconstructed(result: ReconstructResult) -> str:
    plate = result.plate
    return f"{result.shot}: {len(plate.numbers)} frames of {plate.width}x{plate.height}"


def _set_depth(state: Any, args: argparse.Namespace) -> None:
    if args.depth is not None:
        state.depth_source, state.depth_path = menus.FILES, str(args.depth.absolute())
    elif args.estimator is not None:
        state.depth_source = args.estimator
    of_files = {"depth_kind": args.depth_kind, "depth_scale": args.depth_scale}
    given = {name: value for name, value in of_files.items() if value is not None}
    if given and state.depth_source != menus.FILES:
        raise UsageError("--depth-kind and --depth-scale are for depth files.", "Give the files with --depth PATH.")
    for name, value in given.items():
        setattr(state, name, value)
    set_source_camera(state, args)


def _target(args: argparse.Namespace) -> Path | None:
    """The file that the command saves; None where it saves none.

    Raises:
        UsageError: it has no name.
    """
    if args.output is not None:
        return Path(args.output.absolute())
    if not args.save:
        return None
    if not bpy.data.filepath:
        raise UsageError("The .blend has no name yet.", "Give it one with --output FILE.")
    return Path(bpy.data.filepath)


def _chosen_take(args: argparse.Namespace) -> Any:
    scene = working_scene(bpy.context)
    shot = require_shot(scene)
    if args.move:
        camera = take_cameras.add_moving_camera(scene, shot, args.move, follow=state_of(scene).move_follow)
        return new_take(scene, shot, camera, camera.name)
    if args.camera:
        chosen = scene.objects.get(args.camera)
        if chosen is None:
            raise BadInputError(f"The scene has no object «{args.camera}».", "Name a camera of the scene.")
        known = next((take for take in state_of(scene).takes if take.camera == chosen), None)
        if chosen.type != "CAMERA":
            raise BadInputError(f"«{chosen.name}» is not a camera.", "Name a camera of the scene.")
        return known or new_take(scene, shot_of(chosen) or shot, chosen, chosen.name)
    if args.scene_camera:
        return new_take(scene, shot, None, records.SCENE_CAMERA_NAME, use_scene_camera=True)
    if args.take:
        named = [take for take in state_of(scene).takes if take.name == args.take]
        if len(named) > 1:
            raise BadInputError(f"{len(named)} takes are called «{args.take}».", "Rename them, or use --camera.")
        found = next(iter(named), None)
    else:
        found = props.active_take(scene)
    if found is None:
        names = ", ".join(take.name for take in state_of(scene).takes) or "none"
        raise BadInputError(
            "There is no such take.", f"The .blend has: {names}. Or use --move, --camera, --scene-camera."
        )
    return found


def _frames(args: argparse.Namespace, shot: Any) -> tuple[list[int], str | None]:
    scene = working_scene(bpy.context)
    state = state_of(scene)
    if not args.frames:
        return wanted_frames(scene, shot)
    found = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", args.frames)
    if found is None:
        raise UsageError(f"'{args.frames}' is not a frame range.", "Write it like 1001-1049.")
    former = state.frame_range, state.frame_start, state.frame_end
    state.frame_range, state.frame_start, state.frame_end = "FRAMES", int(found[1]), int(found[2] or found[1])
    try:
        return wanted_frames(scene, shot)
    finally:
        # Of this command only: in the saved file they would silently cut the next take short.
        state.frame_range, state.frame_start, state.frame_end = former


def _render(args: argparse.Namespace, output: _Output) -> None:
    scene, before = working_scene(bpy.context), _before(args)
    take = _chosen_take(args)
    shot = take_shot(scene, take)
    frames, chosen = _frames(args, shot)
    trajectory, notes = sample_take(scene, shot, take, frames)
    request = (PreviewRequest if args.preview else RenderRequest)(
        shot.folder,
        TrajectoryCamera(trajectory),
        frames=chosen,
        raster=args.raster or state_of(scene).rasterizer,
        lens=args.take_lens or take_lens(state_of(scene)),
    )
    job = job_list.current().submit(
        scene,
        request,
        action="preview",
        data={"take": take.uid, "show": False},
        title=f"Render {take.name}",
        block=True,
    )
    result = _finish(output, job, notes, RenderResult)
    _save(args, output, before, result.folder)
    text = f"{result.color}: {min(result.coverage):.0%} seen at least"
    output.event("done", text, result=result_record(result))


def _generate(args: argparse.Namespace, output: _Output) -> None:
    context, scene, before = bpy.context, working_scene(bpy.context), _before(args)
    take = _chosen_take(args)
    shot = take_shot(scene, take)
    frames, chosen = _frames(args, shot)
    generator = capabilities.resolve_generator(args.profile or state_of(scene).profile, block=True)
    options = _options(args, scene, take, generator)
    trajectory, notes = sample_take(scene, shot, take, frames)
    with take_settings(state_of(scene), args):
        job = submit_take(
            context,
            shot,
            take,
            trajectory,
            shows=move_now(scene, take),
            generator=generator.name,
            options=options,
            frames=chosen,
            raster=args.raster,
            block=True,
        )
    result = _finish(output, job, notes, GenerateResult)
    _save(args, output, before, result.folder)
    text = f"{result.movie}: {result.generated_mean:.0%} filled ({result.label})"
    output.event("done", text, result=result_record(result))


def _options(
    args: argparse.Namespace, scene: bpy.types.Scene, take: props.EX4D_PG_take, generator: GeneratorInfo
) -> dict[str, OptionValue]:
    """The generator's options: as in the .blend, then as given; what is given and it does not take, it refuses."""
    options = {**scene_options(scene, take, generator), **parse_options(generator, args.option)}
    if args.seed is not None:
        options[SEED] = args.seed
    if args.prompt is not None:
        options.pop(PROMPT, None)
    if args.prompt:
        options[PROMPT] = args.prompt
    return options


def _status(_args: argparse.Namespace, output: _Output) -> None:
    link = backend_link.current()
    backend = link.backend_process()
    handshake = backend.find()
    if handshake is None:
        output.event("status", "The backend does not run.", running=False)
        return
    client = link.client
    client.connect(handshake)
    client.list()
    end, listed = time.monotonic() + 5.0, False
    while time.monotonic() < end and not (listed and client.welcome):
        listed = client.poll(100).listed or listed
    welcome = client.welcome
    if welcome is None:
        output.event("status", f"The backend (process {handshake.pid}) does not answer.", running=False)
        return
    text = f"Backend {welcome.version}, process {handshake.pid}, {welcome.device or 'starting'}"
    if welcome.workers:
        text = "\n  ".join([text, *gpu_lines(welcome)])
    output.event("status", text, running=True, backend=_welcome_record(welcome))
    for job in sorted(client.jobs.values(), key=lambda job: job.created):
        output.event("job", f"{job.id}  {job.title or job.kind}: {job_state(job)}", job=_job_record(job))


def _welcome_record(welcome: Welcome) -> dict[str, Any]:
    """What a backend says of itself, in the words that programs know from the first version on."""
    offered = welcome.capabilities
    profiles = [
        {
            "name": generator.name,
            "label": generator.label,
            "licence": generator.licence,
            "takes_seed": takes(generator, SEED),
            "takes_prompt": takes(generator, PROMPT),
        }
        for generator in (offered.generators if offered is not None else ())
    ]
    depth = [dataclasses.asdict(estimator) for estimator in (offered.estimators if offered is not None else ())]
    return {
        "protocol": welcome.protocol,
        "version": welcome.version,
        "pid": welcome.pid,
        "ready": welcome.ready,
        "runtime": welcome.runtime,
        "log": welcome.log,
        "device": welcome.device,
        "memory_gib": welcome.memory_gib,
        "gpus": list(welcome.gpus),
        "workers": [dataclasses.asdict(worker) for worker in welcome.workers],
        "capabilities": {"profiles": profiles, "depth": depth} if offered is not None else {},
    }


def _job_record(job: JobSnapshot) -> dict[str, Any]:
    """Where a job is, in the same words."""
    record = job.record()
    return {
        **{name: value for name, value in record.items() if name != "thumbnail"},
        "kind": "render" if job.kind == "preview" else job.kind,
        "look": job.thumbnail,
    }


def _before(args: argparse.Namespace) -> FileStamp | None:
    """What the file that the command saves is like before it does anything."""
    target = _target(args)
    if target is None:
        return None
    saved.check_place(target)
    return saved.expected(target)


def _finish(output: _Output, job: str, notes: Sequence[str], kind: type[ResultT]) -> ResultT:
    """Wait for a job and tell what should be known of it; returns its result, which is of that kind."""
    snapshot = job_list.current().wait(job, output.progress)
    lying = [f"«{shot.root.name}»" for shot in find_shots(working_scene(bpy.context)) if is_in_old_place(shot.folder)]
    if lying:
        text = f"The shot {', '.join(lying)} lies in the extension's folder and goes with it; Move Shot takes it out."
        notes = (*notes, text)
    for note in (*notes, *snapshot.notes):
        output.event("note", f"note: {note}", text=note)
    assert isinstance(snapshot.result, kind)
    return snapshot.result


def _save(args: argparse.Namespace, output: _Output, before: FileStamp | None, finished: str) -> None:
    """Save the .blend where that was asked for; ``finished``: where the work lies that it would tell of."""
    target = _target(args)
    if target is not None and before is not None:
        saved.save(target, before, finished)
        output.event("saved", f"saved {bpy.data.filepath}", file=bpy.data.filepath)


_COMMANDS = {"reconstruct": _reconstruct, "render": _render, "generate": _generate, "status": _status}
_handle: Any = None


def register() -> None:
    """Add the command."""
    global _handle  # noqa: PLW0603
    utils: Any = bpy.utils
    _handle = utils.register_cli_command(COMMAND, main)


def unregister() -> None:
    """Take it away."""
    global _handle  # noqa: PLW0603
    if _handle is not None:
        bpy.utils.unregister_cli_command(_handle)
        _handle = None
