# SPDX-License-Identifier: Apache-2.0
"""A quick look at a take."""

from __future__ import annotations

from ex4d.jobs.cameras import TakeCamera
from ex4d.jobs.context import JobContext
from ex4d.jobs.takes import draw_take, drawn_result
from ex4d.protocol.requests import PreviewRequest
from ex4d.protocol.results import RenderResult
from ex4d.raster import borrow_rasterizer
from ex4d.raster.preview import PREVIEW_FILE, PreviewStage, prune_previews
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction
from ex4d.stages.stage import planned
from ex4d.stages.stage_files import StageFiles


def run(request: PreviewRequest, context: JobContext) -> RenderResult:
    """Draw a reconstructed shot, a quarter of its size.

    Raises:
        UsageError, BadInputError: there is no such camera, the shot is none, or they do not fit.
        ResourceError: the rasterizer does not work here.
    """

    def draw(shot: Shot, reconstruction: Reconstruction, camera: TakeCamera) -> RenderResult:
        # Takes use the same one; a preview's buffers stay until then.
        rasterizer, _ = borrow_rasterizer(request.raster)
        stage = PreviewStage(reconstruction.mesh_key, context.proxies.of(reconstruction), camera.trajectory, rasterizer)
        folder = shot.cache.ensure(stage, context.progress)
        prune_previews(shot.cache.root, folder)
        record = StageFiles.open(folder).json(PREVIEW_FILE)
        return drawn_result(
            shot,
            folder,
            reconstruction.frames.numbers,
            coverage=tuple(record["coverage"]),
            size=(record["size"][0], record["size"][1]),
            rasterizer=record["rasterizer"],
            device=record["device"],
            notes=tuple(record["notes"]),
            never_covered=tuple(record.get("never_covered", ())),
        )

    return draw_take(request, context, planned(PreviewStage), draw)
