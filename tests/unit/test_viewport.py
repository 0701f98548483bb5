# SPDX-License-Identifier: Apache-2.0
"""The viewport's mesh, the small copy for previews, and the choice of frames."""

from __future__ import annotations

import json
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from command import make_depth, make_plate

from ex4d.depth import create_depth_source
from ex4d.fill import create_generator
from ex4d.jobs.cameras import take_camera
from ex4d.jobs.takes import TakePipeline
from ex4d.mesh import MeshSettings, closed_topology
from ex4d.mesh.viewport import CoarseMeshes, ProxyShot, ViewportStage, grid_quads, polygon_edges
from ex4d.plate import FrameRange
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import MoveCamera, PlateRequest
from ex4d.raster import create_rasterizer
from ex4d.raster.preview import KEPT_PREVIEWS, PreviewStage, prune_previews
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction
from ex4d.system.progress import Silent

FRAMES = 4


@dataclass
class Made:
    shot: Shot
    reconstruction: Reconstruction

    def viewport(self, side: int) -> Path:
        stage = ViewportStage(
            self.reconstruction.plate_key,
            self.reconstruction.mesh_key,
            self.reconstruction.frames,
            self.reconstruction.mesh,
            self.reconstruction.frames.folder / "frames",
            side,
        )
        return self.shot.cache.ensure(stage, Silent())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("viewport")
    plate, depth = make_plate(root / "plate.mp4", FRAMES), make_depth(root / "depth.npz", FRAMES)
    shot = Shot(root / "shot")
    source = create_depth_source(str(depth), fov_deg=50)
    return Made(shot, make_reconstruction(shot, PlateRequest(str(plate)), DepthPlan(source), MeshSettings(), Silent()))


@pytest.mark.parametrize("grid", [(2, 2), (5, 3), (17, 9)])
def test_edges_are_those_of_the_polygons(grid: tuple[int, int]) -> None:
    topology = closed_topology(grid, grid)
    quads, triangles = grid_quads(topology), topology.faces[topology.grid_faces :]
    edges, loop_edges = polygon_edges(quads, triangles)
    corners = np.concatenate([quads.ravel(), triangles.ravel()])
    following = np.concatenate([np.roll(quads, -1, axis=1).ravel(), np.roll(triangles, -1, axis=1).ravel()])
    np.testing.assert_array_equal(
        np.sort(edges[loop_edges], axis=1), np.sort(np.stack([corners, following], 1), axis=1)
    )
    # Closed: every edge belongs to two polygons; and a topological sphere.
    assert set(Counter(loop_edges.tolist()).values()) == {2}
    assert len(topology.pixels) - len(edges) + len(quads) + len(triangles) == 2
    # The quads are the grid's triangles put together.
    top_left = quads[:, [0, 1, 3]]
    np.testing.assert_array_equal(top_left, topology.faces[: topology.grid_faces : 2])


def test_pictures_of_frames_below_0_are_counted_from_1(tmp_path: Path) -> None:
    for number in (-2, -1, 0):
        name = f"p.{'-' if number < 0 else ''}{abs(number):04d}.png"
        cv2.imwrite(str(tmp_path / name), np.full((32, 48, 3), 100 + 10 * number, np.uint8))
    depth = make_depth(tmp_path / "depth.npz", 3, 48, 32)
    source, shot = create_depth_source(str(depth), fov_deg=50), Shot(tmp_path / "shot")
    plate = PlateRequest(str(tmp_path / "p.####.png"))
    below = Made(shot, make_reconstruction(shot, plate, DepthPlan(source), MeshSettings(), Silent()))
    folder = below.viewport(16)
    assert json.loads((folder / "viewport.json").read_text())["numbers"] == [-2, -1, 0]
    for kind in ("color", "valid"):
        assert sorted(path.name for path in (folder / kind).iterdir()) == ["000001.png", "000002.png", "000003.png"]
    greys = [int(cv2.imread(str(folder / "color" / f"{picture:06d}.png"))[0, 0, 0]) for picture in (1, 2, 3)]
    assert greys == [80, 90, 100]


def test_pictures_of_other_frames_have_their_numbers(made: Made) -> None:
    """Stages that were made before are found."""
    reconstruction = made.reconstruction
    frames, mesh = reconstruction.frames, reconstruction.mesh
    stage = ViewportStage(reconstruction.plate_key, reconstruction.mesh_key, frames, mesh, frames.folder / "frames", 64)
    assert stage.inputs().keys() == {"plate", "mesh", "side"}
    preview = PreviewStage(
        reconstruction.mesh_key, ProxyShot(frames, mesh, 64), mesh.source, create_rasterizer("embree")[0]
    )
    assert preview.inputs().keys() == {"mesh", "side", "frames", "trajectory", "rasterizer"}


def test_the_folder_tells_measured_from_guessed(made: Made) -> None:
    reconstruction = made.reconstruction
    frames, mesh = reconstruction.frames, reconstruction.mesh

    def read_measured(number: int) -> np.ndarray:
        mask = np.ones((64, 96), np.bool_)
        mask[10, 20 + number - frames.numbers[0]] = False
        return mask

    depth: Any = SimpleNamespace(read_measured=read_measured)
    keys = reconstruction.plate_key, reconstruction.mesh_key
    stage = ViewportStage(*keys, frames, mesh, frames.folder / "frames", 512, depth)
    folder = made.shot.cache.ensure(stage, Silent())
    assert folder != made.viewport(512)
    record = json.loads((folder / "viewport.json").read_text())
    for index, number in enumerate(frames.numbers):
        told = cv2.imread(str(folder / record["measured"] / f"{number:06d}.png"), cv2.IMREAD_UNCHANGED)
        guessed = np.zeros((64, 95), np.bool_)
        # The four quads around that pixel; the last row is skirt and cap.
        guessed[9:11, 19 + index : 21 + index] = guessed[-1] = True
        np.testing.assert_array_equal(told, np.where(guessed, 0, 255))
    assert "measured" not in json.loads((made.viewport(512) / "viewport.json").read_text())


def test_the_folder_holds_the_mesh(made: Made) -> None:
    folder = made.viewport(512)
    record = json.loads((folder / "viewport.json").read_text(encoding="utf-8"))
    frames, mesh = made.reconstruction.frames, made.reconstruction.mesh
    assert record["grid"] == [96, 64]
    assert record["numbers"] == list(frames.numbers)
    assert record["vertices"] == len(mesh.read(0).points)
    color = (folder / record["color"]).resolve()
    assert color == (frames.folder / "frames").resolve()
    for number in frames.numbers:
        assert (color / f"{number:06d}.png").is_file()
    data = (folder / "mesh.pc2").read_bytes()
    magic, version, points, first, rate, samples = struct.unpack("<12siiffi", data[:32])
    assert (magic, version, points, samples) == (b"POINTCACHE2\0", 1, record["vertices"], FRAMES)
    assert (first, rate) == (frames.numbers[0], 1.0)
    vertices = np.frombuffer(data[32:], "<f4").reshape(FRAMES, points, 3)
    for index in range(FRAMES):
        np.testing.assert_allclose(vertices[index], mesh.read(index).world_points(), rtol=1e-6, atol=1e-6)
    uv = np.load(folder / "uv.npy")
    assert uv.shape == (points, 2)
    np.testing.assert_allclose(uv[0], [0.5 / 96, 0.5 / 64], rtol=1e-6)


def test_validity_is_that_of_the_quads(made: Made) -> None:
    folder = made.viewport(512)
    for index, number in enumerate(made.reconstruction.frames.numbers):
        picture = cv2.imread(str(folder / "valid" / f"{number:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (64, 95)
        assert not picture[-1].any()
        mesh = made.reconstruction.mesh.read(index)
        faces = mesh.face_valid[: mesh.topology.grid_faces].reshape(63, 95, 2)
        np.testing.assert_array_equal(picture[:-1] == 255, faces.all(axis=2))
        assert 0 < (picture == 255).mean() < 1


def test_a_coarser_mesh_lies_on_the_fine_one(made: Made) -> None:
    folder = made.viewport(32)
    record = json.loads((folder / "viewport.json").read_text(encoding="utf-8"))
    assert record["grid"] == [32, 21]
    coarse = CoarseMeshes(made.reconstruction.mesh, 32)
    fine = made.reconstruction.mesh
    assert coarse.settings.max_depth_ratio == pytest.approx(fine.settings.max_depth_ratio**3)
    columns = np.minimum(coarse.read(0).topology.pixels[:32, 0].astype(int), 95)
    np.testing.assert_allclose(
        coarse.read(0).points[:32, 2], fine.read(0).points[: 96 * 64, 2].reshape(64, 96)[0, columns], rtol=1e-6
    )


def test_the_small_copy_shows_the_same_scene(made: Made, tmp_path: Path) -> None:
    reconstruction = made.reconstruction
    rasterizer, _ = create_rasterizer("embree")
    trajectory = take_camera(MoveCamera("orbit:10"), None, made.shot, reconstruction, "plate").trajectory
    proxy = ProxyShot(reconstruction.frames, reconstruction.mesh, 96)
    stage = PreviewStage(reconstruction.mesh_key, proxy, trajectory, rasterizer)
    folder = made.shot.cache.ensure(stage, Silent())
    record = json.loads((folder / "preview.json").read_text(encoding="utf-8"))
    assert record["size"] == [24, 16]
    pipeline = TakePipeline(made.shot, reconstruction, "embree", Silent())
    full = pipeline.render(pipeline.camera(MoveCamera("orbit:10")))
    np.testing.assert_allclose(record["coverage"], full.raster.coverage, atol=0.03)
    picture = cv2.imread(str(folder / "color" / "001004.png"), cv2.IMREAD_UNCHANGED)
    mask = cv2.imread(str(folder / "mask" / "001004.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (16, 24, 4)
    np.testing.assert_array_equal(picture[..., 3], mask)
    small = cv2.resize(full.raster.color(1004), (24, 16), interpolation=cv2.INTER_AREA)[..., ::-1]
    inside = (mask == 255) & (cv2.resize(full.raster.mask(1004), (24, 16), interpolation=cv2.INTER_AREA) == 255)
    assert np.abs(picture[inside][:, :3].astype(int) - small[inside]).mean() < 10
    rasterizer.close()


def test_old_previews_go_and_the_shown_one_stays(made: Made) -> None:
    reconstruction = made.reconstruction
    rasterizer, _ = create_rasterizer("embree")
    proxy = ProxyShot(reconstruction.frames, reconstruction.mesh, 24)
    folders = []
    for angle in range(KEPT_PREVIEWS + 2):
        trajectory = take_camera(MoveCamera(f"orbit:{angle}"), None, made.shot, reconstruction, "plate").trajectory
        stage = PreviewStage(reconstruction.mesh_key, proxy, trajectory, rasterizer)
        folders.append(made.shot.cache.ensure(stage, Silent()))
        prune_previews(made.shot.cache.root, folders[0])
    left = [folder for folder in folders if folder.exists()]
    assert len(left) == KEPT_PREVIEWS
    assert folders[0] in left
    assert folders[-1] in left
    rasterizer.close()


def test_some_frames_are_a_take_of_their_own(made: Made) -> None:
    some = made.reconstruction.selected(FrameRange(1002, 1004))
    assert some.frames.numbers == (1002, 1003)
    assert some.mesh.source.frame_numbers == (1002, 1003)
    np.testing.assert_array_equal(some.mesh.read(0).points, made.reconstruction.mesh.read(1).points)
    pipeline = TakePipeline(made.shot, some, "embree", Silent())
    rendered = pipeline.render(pipeline.camera(MoveCamera("orbit:10")))
    assert rendered.raster.numbers == (1002, 1003)
    take = pipeline.deliver(rendered, create_generator("preview"), title="Wide")
    assert sorted(path.name for path in (take / "result").iterdir()) == ["result.1002.png", "result.1003.png"]
    assert json.loads((take / "take.json").read_text(encoding="utf-8"))["title"] == "Wide"
    others = TakePipeline(made.shot, made.reconstruction.selected(FrameRange(1001, 1003)), "embree", Silent())
    assert others.render(others.camera(MoveCamera("orbit:10"))).raster.numbers == (1001, 1002)


def test_all_frames_are_the_shot_itself(made: Made) -> None:
    for frames in (None, FrameRange(1001, 1005), FrameRange(1001)):
        assert made.reconstruction.selected(frames) is made.reconstruction


@pytest.mark.parametrize("frames", [FrameRange(1, 5), FrameRange(1003, 1009), FrameRange(1005), FrameRange(1000, 1002)])
def test_frames_outside_are_refused(made: Made, frames: FrameRange) -> None:
    with pytest.raises(BadInputError, match="1001-1004"):
        made.reconstruction.selected(frames)
