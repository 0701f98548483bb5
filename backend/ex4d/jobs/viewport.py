# SPDX-License-Identifier: Apache-2.0
"""The mesh for a viewport: fewer vertices, all frames in one file."""

from __future__ import annotations

from pathlib import Path

from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import VIEWPORT
from ex4d.mesh.viewport import ViewportStage
from ex4d.protocol.requests import ViewportRequest
from ex4d.protocol.results import ViewportResult
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction
from ex4d.system.progress import Progress


def run(request: ViewportRequest, context: JobContext) -> ViewportResult:
    """Make it of a reconstructed shot.

    Raises:
        BadInputError: the folder holds none.
    """
    context.progress.expect(VIEWPORT)
    shot = Shot(Path(request.shot))

    def work() -> Path:
        return make_viewport(shot, open_reconstruction(shot, context.progress), request.side, context.progress)

    return ViewportResult(str(shot.heal(work, context.progress)))


def make_viewport(shot: Shot, reconstruction: Reconstruction, side: int, progress: Progress) -> Path:
    """The folder with the mesh; what is shown of it, and of the plate beside it, is checked."""
    stage = ViewportStage(
        reconstruction.plate_key,
        reconstruction.mesh_key,
        reconstruction.frames,
        reconstruction.mesh,
        reconstruction.frames.folder / "frames",
        side,
        reconstruction.depth if reconstruction.depth.measured is not None else None,
    )
    folder = shot.cache.ensure(stage, progress)
    shot.cache.check(folder)
    if not stage.needs_own_colors():
        shot.cache.check(reconstruction.frames.folder)
    return folder
