# SPDX-License-Identifier: Apache-2.0
"""All of it: a plate reconstructed, and its takes delivered."""

from __future__ import annotations

from pathlib import Path

from ex4d.composite.take import take_folders
from ex4d.jobs.cameras import check_camera
from ex4d.jobs.context import JobContext
from ex4d.jobs.deliveries import check_plate_output
from ex4d.jobs.fills import create_generator
from ex4d.jobs.generate import deliver
from ex4d.jobs.plans import reconstruct_plan, take_plan
from ex4d.jobs.reconstruct import depth_plan, reconstruct
from ex4d.jobs.takes import check_rasterizer
from ex4d.plate import PlateInfo
from ex4d.protocol.requests import RunRequest
from ex4d.protocol.results import RunResult
from ex4d.shot.folder import Shot


def run(request: RunRequest, context: JobContext) -> RunResult:
    """Reconstruct and deliver; what is already there is not done again. What would fail later is found first.

    Raises:
        UsageError, BadInputError, ResourceError: as the jobs ``reconstruct`` and ``generate``.
    """
    plate, takes = request.reconstruct, request.takes
    for take in takes:
        check_camera(take.camera)
    shot = Shot(Path(plate.shot))
    depth, generator = depth_plan(plate, shot), create_generator(takes[0].fill)
    for name in dict.fromkeys(take.raster for take in takes):
        check_rasterizer(name)
    context.progress.expect((*reconstruct_plan(plate, shot.record), *(len(takes) * take_plan(generator))))
    before = set(take_folders(shot.takes))

    def accept(opened: PlateInfo) -> None:
        for take in takes:
            check_plate_output(take, opened)

    def work() -> RunResult:
        reconstruction, result = reconstruct(shot, plate, depth, context, accept)
        return RunResult(result, deliver(shot, reconstruction, takes, generator, context, before, shown=False))

    with generator.read_ahead():
        generator.prepare(None)
        return shot.heal(work, context.progress)
