# SPDX-License-Identifier: Apache-2.0
"""Takes: rendered, filled, composited, delivered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ex4d.composite.pixel_aspect import take_pixel_aspect
from ex4d.composite.take import TAKE_FILE, take_folders
from ex4d.fill import Generator
from ex4d.jobs.cameras import TakeCamera, check_camera, take_camera
from ex4d.jobs.context import JobContext
from ex4d.jobs.fills import create_generator
from ex4d.jobs.plans import take_plan
from ex4d.jobs.reconstruct import colour_info
from ex4d.jobs.takes import SHOWN, RenderedShot, TakePipeline, check_output
from ex4d.protocol.requests import GenerateRequest, TrajectoryCamera
from ex4d.protocol.results import GenerateResult
from ex4d.raster.sight import check_sight
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction


def run(request: GenerateRequest, context: JobContext) -> GenerateResult:
    """Deliver a take of a reconstructed shot; the pictures that the result names are checked.

    Raises:
        UsageError, BadInputError: there is no such camera or generator, the shot is none, or they do not fit.
        ResourceError: this machine lacks what the rasterizer or the generator needs.
    """
    return _run((request,), context, shown=True)[0]


def run_all(requests: Sequence[GenerateRequest], context: JobContext) -> tuple[GenerateResult, ...]:
    """Deliver takes of one shot, with one fill; all cameras are checked before the first one is rendered. Raises as
    ``run``."""
    return _run(requests, context, shown=False)


def _run(requests: Sequence[GenerateRequest], context: JobContext, *, shown: bool) -> tuple[GenerateResult, ...]:
    generator = create_generator(requests[0].fill)
    for request in requests:
        check_camera(request.camera)
    context.progress.expect(len(requests) * take_plan(generator))
    shot = Shot(Path(requests[0].shot))
    before = set(take_folders(shot.takes))
    with generator.read_ahead():
        return shot.heal(
            lambda: deliver(
                shot, open_reconstruction(shot, context.progress), requests, generator, context, before, shown=shown
            ),
            context.progress,
        )


def deliver(
    shot: Shot,
    reconstruction: Reconstruction,
    requests: Sequence[GenerateRequest],
    generator: Generator,
    context: JobContext,
    before: set[Path],
    *,
    shown: bool,
) -> tuple[GenerateResult, ...]:
    """Deliver takes of a reconstruction.

    Args:
        shot: where they go.
        reconstruction: of its plate.
        requests: the takes.
        generator: what fills.
        context: of the job.
        before: takes that were there when the job began.
        shown: whether somebody shows the render's pictures, which are checked then.
    """
    chosen: list[tuple[GenerateRequest, Reconstruction, TakeCamera]] = []
    for request in requests:
        frames = reconstruction.selected(request.range, request.handles)
        camera = take_camera(request.camera, request.size, shot, frames, request.lens)
        check_output(request.output, shot, frames, (camera.trajectory.width, camera.trajectory.height))
        chosen.append((request, frames, camera))
    generator.prepare(max(len(frames.frames) for _, frames, _ in chosen))
    results = []
    pipelines: dict[tuple[str, str], TakePipeline] = {}
    for request, frames, camera in chosen:
        pipeline = pipelines.setdefault(
            (request.raster, frames.plate_key), TakePipeline(shot, frames, request.raster, context.progress)
        )
        rendered = pipeline.render(camera)
        if isinstance(request.camera, TrajectoryCamera) and request.camera.file:
            # A file is somebody else's work, whose world may be another.
            check_sight(request.camera.file, rendered.raster.coverage)
        folder = pipeline.deliver(rendered, generator, request.title, request.output)
        if shown:
            shot.cache.check(rendered.raster.folder, SHOWN)
        results.append(_result(request, folder, frames, rendered, reused=folder in before))
    return tuple(results)


def _result(
    request: GenerateRequest, folder: Path, frames: Reconstruction, rendered: RenderedShot, *, reused: bool
) -> GenerateResult:
    take = json.loads((folder / TAKE_FILE).read_text(encoding="utf-8"))
    render = rendered.raster
    return GenerateResult(
        folder.name,
        str(folder),
        frames.frames.numbers,
        str(frames.frames.fps),
        str(folder / "result"),
        str(folder / "result.mp4"),
        request.fill.generator,
        take["fill"]["label"],
        take["generated_mean"],
        take["generated_max"],
        str(render.folder / "color"),
        str(render.folder / "mask"),
        rendered.coverage,
        rendered.size,
        render.rasterizer,
        render.device,
        tuple(dict.fromkeys((*take["notes"], *rendered.notes))),
        reused,
        colour_info(frames.frames),
        str(take_pixel_aspect(frames.frames, render.trajectory)),
        frames.frames.handles,
        str(folder / "aov") if "aov" in take else "",
        str(folder / take["edit_movie"]) if "edit_movie" in take else "",
    )
