# SPDX-License-Identifier: Apache-2.0
"""Which quads of the viewport's mesh a take has seen."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from command import make_depth, make_plate

from ex4d.camera import Lens, Trajectory, read_trajectory, write_json
from ex4d.composite.aov import NO_SURFACE
from ex4d.composite.projection import seen_quads
from ex4d.depth import create_depth_source
from ex4d.fill import create_generator
from ex4d.jobs.context import JobContext
from ex4d.jobs.projection import run
from ex4d.jobs.takes import RenderedShot, TakePipeline
from ex4d.mesh import MeshSettings
from ex4d.mesh.viewport import CoarseMeshes, quad_validity
from ex4d.plate import FrameRange
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import MoveCamera, PlateRequest, ProjectionRequest
from ex4d.raster.store import TRAJECTORY_FILE
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction
from ex4d.system.progress import Silent

FRAMES = 4


@dataclass
class Made:
    shot: Shot
    reconstruction: Reconstruction

    def take(self, move: str, frames: FrameRange | None = None) -> tuple[Path, RenderedShot, TakePipeline]:
        pipeline = TakePipeline(self.shot, self.reconstruction.selected(frames), "embree", Silent())
        rendered = pipeline.render(pipeline.camera(MoveCamera(move)))
        return pipeline.deliver(rendered, create_generator("preview")), rendered, pipeline


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("projection")
    plate, depth = make_plate(root / "plate.mp4", FRAMES), make_depth(root / "depth.npz", FRAMES)
    shot = Shot(root / "shot")
    source = create_depth_source(str(depth), fov_deg=50)
    return Made(shot, make_reconstruction(shot, PlateRequest(str(plate)), DepthPlan(source), MeshSettings(), Silent()))


@pytest.mark.parametrize("side", [96, 40])
def test_a_camera_in_the_sources_place_sees_all_surface(made: Made, side: int) -> None:
    _, rendered, _ = made.take("hold")
    raster = rendered.raster
    for index, number in enumerate(raster.numbers):
        mesh = CoarseMeshes(made.reconstruction.mesh, side).read(index)
        seen = seen_quads(mesh, raster.trajectory[index], raster.z(number), raster.mask(number))
        valid = quad_validity(mesh)
        assert not (seen > valid).any()
        assert (seen == 255).sum() > 0.98 * (valid == 255).sum()


@pytest.mark.parametrize("move", ["orbit:25", "orbit:-15", "crane:0.3"])
def test_seen_is_what_the_render_took_from_there(made: Made, move: str) -> None:
    # The plate positions that another stage renders tell the same, without any depth.
    _, rendered, pipeline = made.take(move)
    raster, positions = rendered.raster, pipeline.positions(rendered)
    number, index = raster.numbers[-1], len(raster.numbers) - 1
    mesh = CoarseMeshes(made.reconstruction.mesh, 96).read(index)
    camera, mask = raster.trajectory[index], raster.mask(number)
    seen = seen_quads(mesh, camera, raster.z(number), mask) > 0
    valid = quad_validity(mesh) > 0
    taken = positions.read(number)[mask > 0]
    drawn = np.zeros(seen.shape, np.uint8)
    # Vertices are pixel centres.
    columns, rows = np.clip(np.floor(taken - 0.5).astype(int), 0, np.array(seen.shape[::-1]) - 1).T
    drawn[rows, columns] = 1
    near = cv2.dilate(drawn, np.ones((3, 3), np.uint8)) > 0
    # Nothing is seen that lies further than a quad from what the render shows, and most of that is seen.
    assert not (seen & ~near).any()
    assert (seen & (drawn > 0)).sum() > 0.93 * (valid & (drawn > 0)).sum()
    # The near square hides some of the wall, so that this can tell.
    assert (valid & ~near).sum() > 20


def test_hidden_surface_is_not_seen(made: Made) -> None:
    _, rendered, _ = made.take("orbit:25")
    raster = rendered.raster
    mesh, number = CoarseMeshes(made.reconstruction.mesh, 96).read(3), raster.numbers[3]
    seen = seen_quads(mesh, raster.trajectory[3], raster.z(number), raster.mask(number)) > 0
    nothing = seen_quads(mesh, raster.trajectory[3], np.full_like(raster.z(number), 0.5), raster.mask(number))
    assert seen.any()
    assert not nothing.any()
    unknown = seen_quads(mesh, raster.trajectory[3], np.full_like(raster.z(number), np.nan), raster.mask(number))
    assert not unknown.any()


def test_the_job_writes_pictures_of_all_frames_and_depth_of_the_takes(made: Made) -> None:
    folder, rendered, _ = made.take("orbit:10", FrameRange(1002, 1004))
    result = run(ProjectionRequest(str(made.shot.root), str(folder), 40, "embree"), JobContext())
    assert result.numbers == (1002, 1003)
    seen = {int(path.stem): cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in Path(result.seen).iterdir()}
    assert sorted(seen) == [1001, 1002, 1003, 1004]
    assert all(picture.shape == (result.grid[1], result.grid[0] - 1) for picture in seen.values())
    assert [seen[number].any() for number in sorted(seen)] == [False, True, True, False]
    assert sorted(path.name for path in Path(result.depth).iterdir()) == ["001002.exr", "001003.exr"]
    with OpenEXR.File(str(Path(result.depth) / "001003.exr")) as file:
        depth = file.channels()["Y"].pixels.copy()
    z = rendered.raster.z(1003)
    np.testing.assert_array_equal(depth, np.where(np.isfinite(z), z, np.float32(NO_SURFACE)))
    again = run(ProjectionRequest(str(made.shot.root), str(folder), 40, "embree"), JobContext())
    assert again == result


def test_takes_that_do_not_fit_are_refused(made: Made, tmp_path: Path) -> None:
    folder, _, _ = made.take("orbit:12")
    with pytest.raises(BadInputError, match="no finished take"):
        run(ProjectionRequest(str(made.shot.root), str(tmp_path)), JobContext())
    record = json.loads((folder / "take.json").read_text())
    other = tmp_path / "v007"
    other.mkdir()
    trajectory = read_trajectory(folder / TRAJECTORY_FILE)
    write_json(other / TRAJECTORY_FILE, trajectory)
    (other / "take.json").write_text(json.dumps({**record, "mesh": {**record["mesh"], "far": 99.0}}))
    with pytest.raises(BadInputError, match="before the shot was reconstructed"):
        run(ProjectionRequest(str(made.shot.root), str(other)), JobContext())
    (other / "take.json").write_text(json.dumps(record))
    bent: Trajectory = replace(trajectory, lens=Lens("brown", (-0.1, 0.0, 0.0, 0.0, 0.0)))
    write_json(other / TRAJECTORY_FILE, bent)
    with pytest.raises(BadInputError, match="bends lines"):
        run(ProjectionRequest(str(made.shot.root), str(other)), JobContext())
