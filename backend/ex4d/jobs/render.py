# SPDX-License-Identifier: Apache-2.0
"""Colour, mask and coverage of a take; nothing is filled."""

from __future__ import annotations

from ex4d.jobs.cameras import TakeCamera
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import RENDER
from ex4d.jobs.takes import TakePipeline, draw_take, drawn_result
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
        return drawn_result(
            shot,
            rendered.raster.folder,
            reconstruction.frames.numbers,
            coverage=rendered.coverage,
            size=rendered.size,
            rasterizer=rendered.raster.rasterizer,
            device=rendered.raster.device,
            notes=rendered.notes,
            never_covered=rendered.raster.never_covered,
        )

    return draw_take(request, context, RENDER, draw)
