# SPDX-License-Identifier: Apache-2.0
"""Meshes and shading in torch, which a GPU computes for many frames at once, held to the numpy ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scenes import GROUND, SLANTED, SPHERE, cast, source_camera

from ex4d.camera import build_take, parse_preset, static_trajectory
from ex4d.mesh import MeshSettings, build_mesh, build_released_mesh
from ex4d.mesh.occlusion_edges import PIECES_PER_FACE, local_width
from ex4d.mesh.torch import widths
from ex4d.mesh.torch.edges import edge_pieces
from ex4d.mesh.torch.surface import build_surfaces
from ex4d.raster.cuda.render_mesh import draw_mesh, draw_surfaces
from ex4d.raster.cuda.shading import in_take_cameras, shade
from ex4d.raster.embree import EmbreeRasterizer
from ex4d.raster.render_mesh import SplitMesh
from ex4d.raster.shading import shade as reference

CPU = torch.device("cpu")
FAR = 12.0


def rough_depth(seed, height=96, width=128):
    """Slopes, blocks, thin bars, single pixels, sky and holes."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / height
    depth = 4 + x + 0.5 * y
    for _ in range(6):
        top, left = random.integers(height), random.integers(width)
        size = random.integers(1, 40, 2)
        depth[top : top + size[0], left : left + size[1]] = random.uniform(1, 4)
    depth[:, random.integers(width)] = 1.5
    depth[random.integers(height, size=30), random.integers(width, size=30)] *= random.uniform(0.4, 0.95, 30)
    depth[:8, 20:60] = np.inf
    depth[40:44, 10:30] = np.nan
    depth[60, 70:74] = 0
    return depth.astype(np.float32)


def cameras(count=3, width=128, height=96):
    """Source cameras whose lens changes from frame to frame."""
    plain = source_camera(width, height, 110.0)
    return [dataclasses.replace(plain, K=plain.K * np.array([[1 + 0.1 * i], [1], [1]])) for i in range(count)]


def opaque_parts(count, shape=(96, 128)):
    out = np.ones((count, *shape), np.bool_)
    out[1:, 30:50, 90:] = False
    return out


SETTINGS = [MeshSettings(), MeshSettings(thickness=0.3, max_depth_ratio=1.05), MeshSettings(max_grid_side=50)]


def both(settings, seeds=(0, 1, 2)):
    """The meshes by numpy, and the batch of them by torch."""
    depth, sources, opaque = np.stack([rough_depth(s) for s in seeds]), cameras(len(seeds)), opaque_parts(len(seeds))
    meshes = [build_mesh(*frame, settings) for frame in zip(depth, sources, [FAR] * len(seeds), opaque, strict=True)]
    batch = build_surfaces(torch.from_numpy(depth), sources, FAR, torch.from_numpy(opaque), settings)
    return meshes, batch


@pytest.mark.parametrize("settings", SETTINGS)
def test_meshes_are_the_same_to_the_last_bit(settings):
    meshes, batch = both(settings)
    for frame, mesh in enumerate(meshes):
        np.testing.assert_array_equal(batch.points[:, frame].numpy().T, mesh.points)
        np.testing.assert_array_equal(batch.gaps[frame].numpy(), mesh.face_gap)
        spans = np.isfinite(mesh.face_gap) & (mesh.face_gap > 0)
        assert spans[: mesh.topology.grid_faces].sum() > 100, "the scene has jumps"


def test_one_lens_is_shared_by_the_frames():
    depth = torch.from_numpy(np.stack([rough_depth(s) for s in range(2)]))
    sources = [cameras(1)[0]] * 2
    batch = build_surfaces(depth, sources, FAR)
    for frame in range(2):
        mesh = build_mesh(depth[frame].numpy(), sources[0], FAR)
        np.testing.assert_array_equal(batch.points[:, frame].numpy().T, mesh.points)


@pytest.mark.parametrize("seed", range(4))
def test_widths_are_those_of_opencv(seed):
    random = np.random.default_rng(seed)
    edge = random.random((2, 60, 90)) < [0.001, 0.02, 0.1, 0.4][seed]
    edge[:, 30, 40] = True
    pixel = np.flatnonzero(edge)
    found = widths.widths_at(torch.from_numpy(edge), torch.from_numpy(pixel))
    np.testing.assert_array_equal(found.numpy(), np.stack([local_width(one) for one in edge]).reshape(-1)[pixel])


def test_distances_in_steps_are_the_same(monkeypatch):
    edge = torch.rand((2, 40, 50), generator=torch.Generator().manual_seed(1)) < 0.01
    pixel = edge.flatten().nonzero()[:, 0]
    whole = widths.squared_distances(edge), widths.widths_at(edge, pixel)
    monkeypatch.setattr(widths, "STEP_VALUES", 5000)
    torch.testing.assert_close(widths.squared_distances(edge), whole[0], rtol=0, atol=0)
    torch.testing.assert_close(widths.widths_at(edge, pixel), whole[1], rtol=0, atol=0)


@pytest.mark.parametrize("settings", [*SETTINGS, MeshSettings(thickness=np.inf)])
def test_pieces_are_the_same(settings):
    meshes, batch = both(settings)
    pieces = edge_pieces(batch)
    counts = [len(mesh.edges.replaced) for mesh in meshes]
    assert len(set(counts)) > 1, "frames with fewer pieces than others"
    room = max(counts)
    faces = len(meshes[0].topology.faces)
    for frame, (mesh, count) in enumerate(zip(meshes, counts, strict=True)):
        expected = mesh.edges
        in_frame = pieces.replaced[pieces.replaced // faces == frame] % faces
        np.testing.assert_array_equal(in_frame.numpy(), expected.replaced)
        place = (np.arange(PIECES_PER_FACE)[:, None] * room + np.arange(count)).reshape(-1)
        used = np.zeros(PIECES_PER_FACE * room, np.bool_)
        used[place] = True
        np.testing.assert_array_equal(pieces.used[frame].numpy(), used)
        points = pieces.points[:, frame].numpy().T.reshape(-1, 3, 3)[place]
        np.testing.assert_allclose(points, expected.points, rtol=3e-7, atol=1e-7)
        plate = pieces.plate[:, frame].numpy().T.reshape(-1, 3, 2)[place]
        np.testing.assert_array_equal(plate, expected.plate)
        np.testing.assert_allclose(pieces.gaps[frame].numpy()[place], expected.gap, rtol=1e-6)


def test_scene_without_jumps():
    depth = torch.full((2, 96, 128), 3.0)
    drawn = draw_surfaces(build_surfaces(depth, [cameras(1)[0]] * 2, FAR))
    assert drawn.plate.shape[2] == 0
    assert drawn.faces_per_frame == len(drawn.topology.faces)


SOURCE = source_camera()


def take(text):
    return build_take(parse_preset(text), static_trajectory(SOURCE.K, 320, 240, 5), np.array([0, 0, 3.0]))[4]


def picture(dtype):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (240, 320, 3), dtype=dtype, endpoint=True)


def visible(mesh, camera):
    """Visible faces as Embree finds them, indices of ``SplitMesh.faces``."""
    seen = []
    rasterizer = EmbreeRasterizer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ex4d.raster.embree.shade", lambda drawn, texture, faces, take, positions: seen.append(faces))
        with rasterizer.upload(mesh, picture(np.uint8)) as scene:
            scene.render(camera)
    return seen[0]


def assert_same(batch, frame, expected):
    mask, z = batch.mask[frame].numpy(), batch.z[frame].numpy()
    color = batch.color[frame].numpy()
    assert color.dtype == expected.color.dtype
    # float32 here, float64 there: a pixel may fall to either side of the rim or of a limit.
    assert (mask != expected.mask).mean() <= 1e-4
    inside = (mask > 0) & (expected.mask > 0)
    assert inside.mean() > 0.05
    difference = np.abs(color[inside].astype(int) - expected.color[inside])
    # From pixel to pixel the noise jumps by any amount; its slope turns position errors of 1e-4 px into codes.
    assert difference.max() <= max(1, np.iinfo(color.dtype).max // 2000)
    assert not color[mask == 0].any()
    assert (np.isnan(z) != np.isnan(expected.z)).mean() <= 1e-4
    there = np.isfinite(z) & np.isfinite(expected.z)
    assert (np.abs(z[there] / expected.z[there] - 1) > 1e-4).mean() <= 1e-4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shapes", [SLANTED, SPHERE, GROUND])
def test_shading_is_the_same(shapes, dtype):
    depth = cast(shapes, SOURCE)[0].astype(np.float32)
    mesh = build_mesh(depth, SOURCE, 10.0)
    texts = ("orbit:20", "orbit:60", "dolly_in:0.78", "pan:180")
    takes = [SOURCE, *(take(text) for text in texts)]
    texture = picture(dtype)
    faces = [visible(mesh, camera) for camera in takes]
    many = len(takes)
    drawn = draw_surfaces(build_surfaces(torch.from_numpy(depth).expand(many, -1, -1), [SOURCE] * many, 10.0))
    total = drawn.faces_per_frame
    ids = torch.from_numpy(np.stack([np.where(f >= 0, f + i * total, -1) for i, f in enumerate(faces)]))
    colors = torch.from_numpy(texture).expand(many, -1, -1, -1).contiguous()
    batch = shade(drawn, colors, in_take_cameras(drawn, takes), ids, takes)
    for frame in range(many - 1):
        assert_same(batch, frame, reference(SplitMesh.of(mesh), texture, faces[frame], takes[frame]))
    assert not batch.mask[-1].any(), "turned away"
    assert torch.isnan(batch.z[-1]).all()
    if dtype == np.uint8:
        # Embree's offset rays meet the skirt at the lowest pixels, which stands nearly edge-on there.
        np.testing.assert_array_equal(batch.color[0, :-1].numpy(), texture[:-1])


def test_shading_of_the_released_construction_is_the_same():
    mesh = build_released_mesh(cast(SPHERE, SOURCE)[0].astype(np.float32), SOURCE)
    camera, texture = take("orbit:40"), picture(np.uint8)
    faces = visible(mesh, camera)
    drawn = draw_mesh(mesh, CPU)
    ids = torch.from_numpy(faces)[None]
    batch = shade(drawn, torch.from_numpy(texture)[None], in_take_cameras(drawn, [camera]), ids, [camera])
    assert_same(batch, 0, reference(SplitMesh.of(mesh), texture, faces, camera))


def test_far_limit_and_a_mesh_from_numpy():
    depth = cast(SPHERE, SOURCE)[0].astype(np.float32)
    mesh = build_mesh(depth, SOURCE, 10.0)
    camera, texture = dataclasses.replace(take("orbit:20"), far=4.0), picture(np.uint8)
    faces = visible(mesh, camera)
    drawn = draw_mesh(mesh, CPU)
    built = draw_surfaces(build_surfaces(torch.from_numpy(depth)[None], [SOURCE], 10.0))
    torch.testing.assert_close(drawn.points, built.points)
    torch.testing.assert_close(drawn.gaps, built.gaps)
    ids = torch.from_numpy(faces)[None]
    batch = shade(drawn, torch.from_numpy(texture)[None], in_take_cameras(drawn, [camera]), ids, [camera])
    assert_same(batch, 0, reference(SplitMesh.of(mesh), texture, faces, camera))
    assert np.nanmax(batch.z.numpy()) <= 4.0


BITS = {np.uint8: np.uint8, np.uint16: np.uint16, np.float16: np.uint16, np.float32: np.uint32}


def film_picture(dtype, channels):
    """All bits that halves can have; other types' likewise."""
    random = np.random.default_rng(2)
    bits = random.integers(0, np.iinfo(BITS[dtype]).max, (240, 320, channels), dtype=BITS[dtype], endpoint=True)
    return bits.view(dtype)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", list(BITS))
def test_film_plates_come_back_to_the_bit(dtype, channels):
    depth = cast(SLANTED, SOURCE)[0].astype(np.float32)
    mesh, texture = build_mesh(depth, SOURCE, 10.0), film_picture(dtype, channels)
    drawn = draw_mesh(mesh, CPU)
    ids = torch.from_numpy(visible(mesh, SOURCE))[None]
    seen = in_take_cameras(drawn, [SOURCE])
    batch = shade(drawn, torch.from_numpy(texture)[None], seen, ids, [SOURCE], positions=True)
    inside = batch.mask[0].numpy() > 0
    assert inside[:-1].all()
    found = batch.color[0].numpy()
    if channels == 4:
        found = np.concatenate([found, batch.alpha[0].numpy()[..., None]], axis=-1)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[inside].view(BITS[dtype]), texture[inside].view(BITS[dtype]))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize(
    "build", [lambda depth: build_mesh(depth, SOURCE, 10.0), lambda d: build_released_mesh(d, SOURCE)]
)
def test_film_plates_are_shaded_the_same(build, dtype, channels):
    mesh = build(cast(SPHERE, SOURCE)[0].astype(np.float32))
    texture = np.random.default_rng(3).random((240, 320, channels))
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 40
    texture = (texture * top).astype(dtype)
    if np.dtype(dtype).kind == "f":
        texture[100:103, 150:153] = np.inf
        texture[50, 60] = np.nan
    camera = take("orbit:20")
    faces = visible(mesh, camera)
    drawn = draw_mesh(mesh, CPU)
    ids, colors = torch.from_numpy(faces)[None], torch.from_numpy(texture)[None]
    batch = shade(drawn, colors, in_take_cameras(drawn, [camera]), ids, [camera], positions=True)
    expected = reference(SplitMesh.of(mesh), texture, faces, camera, positions=True)
    inside = (batch.mask[0].numpy() > 0) & (expected.mask > 0)
    assert (batch.mask[0].numpy() != expected.mask).mean() <= 1e-4
    np.testing.assert_allclose(batch.plate[0].numpy()[inside], expected.plate[inside], atol=2e-3)
    pairs = [(batch.color[0].numpy(), expected.color)]
    if channels == 4:
        pairs.append((batch.alpha[0].numpy(), expected.alpha))
    for found, wanted in pairs:
        finite = np.isfinite(wanted[inside].astype(float))
        assert (np.isfinite(found[inside].astype(float)) == finite).mean() > 0.9999
        both = finite & np.isfinite(found[inside].astype(float))
        apart = np.abs(found[inside][both].astype(float) - wanted[inside][both].astype(float))
        # Un-premultiplied colours of next to no alpha are steep.
        assert np.quantile(apart, 0.999) <= max(2e-3 * top, 1)
