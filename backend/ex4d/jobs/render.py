# SPDX-License-Identifier: Apache-2.0
"""Colour, mask and coverage of a take; nothing is filled."""

from __future__ import annotations

from ex4d.jobs.cameras import TakeCamera
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import RENDER
from ex4d.jobs.takes import SHOWN, TakePipeline, draw_take
from ex4d.protocol.requests import RenderRequest
from ex4d.protocol.results import RenderResult
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction


def run(request: RenderRequest, context: JobContext) -> RenderResult:
    """Render a reconstructed shot.

    Raises:
        UsageError, BadInputError: there is no such camera, the shot is none, or they do not fit.
        ResourceError: the rasterizer does not work here.
    """

    def draw(shot: Shot, reconstruction: Reconstruction, camera: TakeCamera) -> RenderResult:
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

    return draw_take(request, context, RENDER, draw)
