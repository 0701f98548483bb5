# SPDX-License-Identifier: Apache-2.0
"""Colour, mask and coverage of a take; nothing is filled."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from ex4d.jobs.cameras import check_camera, take_camera
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import RENDER
from ex4d.jobs.takes import SHOWN, TakePipeline
from ex4d.protocol.requests import RenderRequest
from ex4d.protocol.results import RenderResult
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import open_reconstruction


def run(request: RenderRequest, context: JobContext) -> RenderResult:
    """Render a reconstructed shot.

    Raises:
        UsageError, BadInputError: there is no such camera, the shot is none, or they do not fit.
        ResourceError: the rasterizer does not work here.
    """
    started = time.monotonic()
    check_camera(request.camera)
    context.progress.expect(RENDER)
    shot = Shot(Path(request.shot))
    result = shot.heal(lambda: _render(shot, request, context), context.progress)
    return replace(result, seconds=round(time.monotonic() - started, 3))


def _render(shot: Shot, request: RenderRequest, context: JobContext) -> RenderResult:
    reconstruction = open_reconstruction(shot, context.progress).selected(request.range)
    camera = take_camera(request.camera, request.size, shot, reconstruction)
    rendered = TakePipeline(shot, reconstruction, request.raster, context.progress).render(camera)
    folder = rendered.raster.folder
    shot.cache.check(folder, SHOWN)
    return RenderResult(
        str(folder),
        str(folder / "color"),
        str(folder / "mask"),
        reconstruction.frames.numbers,
        rendered.coverage,
        rendered.size,
        rendered.raster.rasterizer,
        rendered.raster.device,
        rendered.notes,
    )
