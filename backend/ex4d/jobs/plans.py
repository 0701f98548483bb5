# SPDX-License-Identifier: Apache-2.0
"""Which stages each job has, in order, with their usual shares of its time: what ``Progress.expect`` is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ex4d.composite import TakeJob
from ex4d.composite.projection import ProjectionStage
from ex4d.depth.stage import DepthStage
from ex4d.fill import Generator
from ex4d.fill.background.stage import BackgroundStage
from ex4d.fill.stage import FillStage
from ex4d.jobs.source_camera import wanted_solve
from ex4d.mesh.stage import MeshStage
from ex4d.mesh.viewport import ViewportStage
from ex4d.plate.stage import PlateStage
from ex4d.protocol.requests import ReconstructRequest
from ex4d.raster.stage import RasterStage
from ex4d.shot.mattes import MatteStage
from ex4d.solve.stage import SolveStage
from ex4d.stages.stage import planned
from ex4d.system.progress import PlannedStage

RECONSTRUCT = planned(PlateStage, DepthStage, MeshStage)
SOLVED = planned(PlateStage, SolveStage, DepthStage, MeshStage)
WITH_MATTES = planned(PlateStage, SolveStage, MatteStage, DepthStage, MeshStage)
VIEWPORT = planned(ViewportStage)
RENDER = planned(RasterStage)
PROJECTION = planned(RasterStage, ProjectionStage)
DOCTOR = (PlannedStage("doctor"),)
EXPORT = (PlannedStage("export", 1.0),)
BENCH_QUALITY = (PlannedStage("score"),)
BENCH_DEPTH = planned(PlateStage, DepthStage)


def reconstruct_plan(request: ReconstructRequest, record: Mapping[str, Any]) -> tuple[PlannedStage, ...]:
    """That of a reconstruction in a shot whose ``shot.json`` says ``record``; of a single frame no camera is solved."""
    stages = SOLVED if wanted_solve(request, record) not in (None, "still") else RECONSTRUCT
    if request.depth.mattes is not None:
        stages = WITH_MATTES
    return stages if request.viewport_side is None else (*stages, *VIEWPORT)


def cuts_plan() -> tuple[PlannedStage, ...]:
    """That of looking for cuts."""
    return planned(PlateStage, SolveStage)


def take_plan(generator: Generator) -> tuple[PlannedStage, ...]:
    """That of one take; other frames are passed over where the source camera stands still."""
    fill = PlannedStage(FillStage.name, FillStage.weight_of(generator))
    return (*RENDER, *planned(BackgroundStage), fill, PlannedStage(TakeJob.name, TakeJob.weight))


def fill_plan(generator: Generator) -> tuple[PlannedStage, ...]:
    """That of filling movies."""
    return (PlannedStage(FillStage.name, FillStage.weight_of(generator)),)
