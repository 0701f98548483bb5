# SPDX-License-Identifier: Apache-2.0
"""What a 3D program needs to project a finished take on the shot's mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ex4d.camera import json_bytes, read_trajectory
from ex4d.composite.projection import PROJECTION_FILE, ProjectionStage
from ex4d.composite.take import TAKE_FILE
from ex4d.jobs.cameras import take_camera
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import PROJECTION
from ex4d.jobs.takes import TakePipeline
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.requests import ProjectionRequest, TrajectoryCamera
from ex4d.protocol.results import ProjectionResult
from ex4d.protocol.values import FrameRange
from ex4d.raster.store import TRAJECTORY_FILE
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, open_reconstruction
from ex4d.stages.stage_files import StageFiles


def run(request: ProjectionRequest, context: JobContext) -> ProjectionResult:
    """Look which quads of the viewport's mesh a take has seen.

    Raises:
        BadInputError: the folders hold no shot or no take; the take is of another reconstruction, or bent by a lens.
    """
    context.progress.expect(PROJECTION)
    shot, folder = Shot(Path(request.shot)), Path(request.take)
    record, numbers = _take_record(folder)

    def work() -> ProjectionResult:
        reconstruction = open_reconstruction(shot, context.progress)
        _check_same(folder.name, record, reconstruction)
        chosen = reconstruction.selected(FrameRange(numbers[0], numbers[-1] + 1))
        trajectory = read_trajectory(folder / TRAJECTORY_FILE)
        if trajectory.lens is not None:
            raise BadInputError(
                f"The take {folder.name} is drawn through a lens that bends lines, which a projection cannot follow.",
                "Generate it without the plate's lens: Take Lens, None.",
            )
        camera = TrajectoryCamera(json_bytes(trajectory), str(folder / TRAJECTORY_FILE))
        pipeline = TakePipeline(shot, chosen, request.raster, context.progress)
        rendered = pipeline.render(take_camera(camera, None, shot, chosen, "none"))
        stage = ProjectionStage(
            reconstruction.mesh_key, reconstruction.mesh, request.side, rendered.key, rendered.raster
        )
        made = shot.cache.ensure(stage, context.progress)
        shot.cache.check(made)
        grid = StageFiles.open(made).json(PROJECTION_FILE)["grid"]
        return ProjectionResult(
            str(made), str(made / "seen"), str(made / "depth"), rendered.raster.numbers, (grid[0], grid[1])
        )

    return shot.heal(work, context.progress)


def _take_record(folder: Path) -> tuple[dict[str, Any], list[int]]:
    """The record of a finished take, and the numbers of its frames."""
    try:
        record = parse_json((folder / TAKE_FILE).read_bytes())
        return record, [int(frame["frame"]) for frame in record["frames"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{folder} holds no finished take.", "Choose a folder such as takes/v001.") from error


def _check_same(name: str, record: dict[str, Any], reconstruction: Reconstruction) -> None:
    """Raise BadInputError for a take that was made of another plate, depth or mesh: it has another world."""
    now = reconstruction.record()
    same = all(record.get(name) == now[name] for name in ("depth", "mesh"))
    if not same or record.get("plate", {}).get("sha256") != now["plate"].get("sha256"):
        raise BadInputError(
            f"The take {name} was made before the shot was reconstructed as it is now.",
            "Generate the take again.",
        )
