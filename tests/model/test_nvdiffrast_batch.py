# SPDX-License-Identifier: Apache-2.0
"""The nvdiffrast rasterizer's batches, with a slow stand-in for nvdiffrast that follows its documentation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scenes import SPHERE, cast, smooth_picture, source_camera

from ex4d.camera import Lens, build_take, parse_preset, static_trajectory
from ex4d.mesh import build_mesh, build_released_mesh
from ex4d.protocol.errors import ResourceError
from ex4d.raster import nvdiffrast
from ex4d.raster.embree import EmbreeRasterizer
from ex4d.raster.nvdiffrast import NvdiffrastRasterizer

SOURCE = source_camera(64, 48, 60.0)
PICTURE = smooth_picture(64, 48)
TAKES = build_take(parse_preset("orbit:40"), static_trajectory(SOURCE.K, 64, 48, 5), np.array([0, 0, 3.0]))
FAR = 10.0


DEPTH_STEP = 1e-6


class SlowRasterization:
    """``rasterize`` in range mode: clip-space triangles whose corners all lie before the camera."""

    def __init__(self):
        self.ranges = []

    def rasterize(self, context, pos, tri, resolution, ranges):
        height, width = resolution
        self.ranges.append(ranges.tolist())
        out = np.zeros((len(ranges), height, width, 4), np.float32)
        for image, (start, count) in enumerate(ranges.tolist()):
            out[image, ..., 2], out[image, ..., 3] = self._one(
                pos.numpy(), tri.numpy()[start : start + count], start, width, height
            )
        return torch.from_numpy(out), None

    def _one(self, pos, tri, start, width, height):
        nearest, index = np.full((height, width), np.inf), np.zeros((height, width))
        screen = (pos[:, :2] / pos[:, 3:] + 1) * [width / 2, height / 2]
        depth = pos[:, 2] / pos[:, 3]
        for number, corners in enumerate(tri):
            if (np.abs(depth[corners]) > 1).any():
                continue
            (ax, ay), (bx, by), (cx, cy) = a, b, c = screen[corners]
            low = np.maximum(np.ceil(np.min([a, b, c], axis=0) - 0.5), 0).astype(int)
            high = np.minimum(np.floor(np.max([a, b, c], axis=0) - 0.5), [width - 1, height - 1]).astype(int)
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if (high < low).any() or area == 0:
                continue
            y, x = np.mgrid[low[1] : high[1] + 1, low[0] : high[0] + 1] + 0.5
            weights = np.stack(
                [(bx - x) * (cy - y) - (by - y) * (cx - x), (cx - x) * (ay - y) - (cy - y) * (ax - x),
                 (ax - x) * (by - y) - (ay - y) * (bx - x)]
            ) / area  # fmt: skip
            # Its depth buffer is this coarse; which of two equal ones wins is not documented, here the worse choice.
            z = np.round(np.tensordot(depth[corners], weights, 1) / DEPTH_STEP)
            here = (slice(low[1], high[1] + 1), slice(low[0], high[0] + 1))
            wins = (weights >= 0).all(axis=0) & (z <= nearest[here])
            nearest[here] = np.where(wins, z, nearest[here])
            index[here] = np.where(wins, start + number + 1, index[here])
        return np.where(index > 0, nearest * DEPTH_STEP, 0), index


class OnCpu(NvdiffrastRasterizer):
    """The rasterizer with everything in main memory."""

    def __init__(self):
        self.torch, self.dr, self.context = torch, SlowRasterization(), None
        self.memory = torch.device("cpu")

    def read_back(self, batch):
        return nvdiffrast.frames_of([batch.color, batch.mask, batch.z, batch.alpha, batch.plate])


def depth_of(index):
    depth = cast(SPHERE, SOURCE)[0].astype(np.float32)
    depth[10 + index : 30, 5:12] = 2.0
    return depth


def views(count, build=lambda depth: build_mesh(depth, SOURCE, FAR)):
    return [(build(depth_of(i)), np.roll(PICTURE, i, axis=1), TAKES[1 + i % 4]) for i in range(count)]


def assert_agree(frames, many):
    expected = list(EmbreeRasterizer().render_sequence(many))
    assert len(frames) == len(many)
    for a, b in zip(frames, expected, strict=True):
        seen, wanted = a.mask > 0, b.mask > 0
        assert wanted.mean() > 0.2
        assert (seen & wanted).sum() / (seen | wanted).sum() >= 0.995
        both = seen & wanted
        assert (np.abs(a.color[both].astype(int) - b.color[both]).max(axis=1) > 1).mean() < 2e-3
        np.testing.assert_allclose(np.nanmean(a.z), np.nanmean(b.z), rtol=1e-3)


def test_sequence_comes_in_order_and_agrees_with_embree():
    many = views(5)
    assert_agree(list(OnCpu().render_sequence(iter(many))), many)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint16])
def test_film_plates_with_alpha(monkeypatch, dtype):
    """At pixels that a position meets the plate's own bits, elsewhere what Embree makes of it; in two batches."""
    monkeypatch.setattr(nvdiffrast, "BATCH_PIXELS", 2 * 64 * 48)
    random = np.random.default_rng(1)
    picture = random.random((48, 64, 4))
    picture = (picture * 60000).astype(dtype) if np.dtype(dtype).kind == "u" else (picture * 8 - 1).astype(dtype)
    takes = [SOURCE, TAKES[1], TAKES[2]]
    many = [(build_mesh(depth_of(i), SOURCE, FAR), picture, camera) for i, camera in enumerate(takes)]
    frames = list(OnCpu().render_sequence(iter(many), positions=True))
    expected = list(EmbreeRasterizer().render_sequence(many, positions=True))
    assert len(frames) == 3
    scale = 60000 if np.dtype(dtype).kind == "u" else 8
    for a, b in zip(frames, expected, strict=True):
        both = (a.mask > 0) & (b.mask > 0)
        assert np.isnan(a.plate[a.mask == 0]).all()
        assert not a.alpha[a.mask == 0].any()
        near = np.abs(a.plate[both] - b.plate[both]).max(axis=1) < 1e-3
        assert near.mean() > 0.995
        for one, other in ((a.color, b.color), (a.alpha[..., None], b.alpha[..., None])):
            apart = np.abs(one[both][near].astype(float) - other[both][near])
            assert (apart.max(axis=1) > 2e-3 * scale).mean() < 2e-3
    seen = frames[0].mask > 0
    assert seen.mean() > 0.98
    np.testing.assert_array_equal(frames[0].color[seen], picture[seen][:, :3])
    np.testing.assert_array_equal(frames[0].alpha[seen], picture[seen][:, 3])


@pytest.mark.parametrize("lenses", [(True, True), (True, False), (False, True)], ids=["both", "plate", "take"])
def test_through_lenses(lenses):
    """From where the plate was shot it comes back to the bit; elsewhere Embree sees the same."""
    lens = Lens("brown", (-0.2, 0.03, 0, 0, 0.004, -0.003))
    source = dataclasses.replace(SOURCE, lens=lens if lenses[0] else None)
    takes = [dataclasses.replace(SOURCE, lens=lens if lenses[1] else None)]
    takes += [dataclasses.replace(TAKES[1], lens=takes[0].lens), TAKES[2]]
    picture = np.random.default_rng(1).random((48, 64, 3)).astype(np.float16)
    many = [(build_mesh(depth_of(0), source, FAR), picture, camera) for camera in takes]
    frames = list(OnCpu().render_sequence(iter(many), positions=True))
    expected = list(EmbreeRasterizer().render_sequence(many, positions=True))
    for a, b in zip(frames, expected, strict=True):
        seen, wanted = a.mask > 0, b.mask > 0
        assert wanted.mean() > 0.2
        assert (seen & wanted).sum() / (seen | wanted).sum() >= 0.99
        near = np.abs(a.plate - b.plate)[seen & wanted].max(axis=1) < 2e-3
        # At a silhouette another face may win.
        assert near.mean() > 0.99
    if all(lenses):
        seen = frames[0].mask > 0
        assert seen.mean() > 0.97
        np.testing.assert_array_equal(frames[0].color[seen], picture[seen])


def test_batches_hold_what_memory_does(monkeypatch):
    monkeypatch.setattr(nvdiffrast, "BATCH_PIXELS", 2 * 64 * 48)
    rasterizer, many = OnCpu(), views(5)
    assert_agree(list(rasterizer.render_sequence(iter(many))), many)
    assert [len(each) for each in rasterizer.dr.ranges] == [2, 2, 1]


def test_frames_of_one_batch_are_drawn_apart_where_indices_would_not_fit(monkeypatch):
    many = views(3)
    monkeypatch.setattr(nvdiffrast, "FACE_LIMIT", 2 * 9000)
    rasterizer = OnCpu()
    assert_agree(list(rasterizer.render_sequence(iter(many))), many)
    assert [len(each) for each in rasterizer.dr.ranges] == [2, 1]
    monkeypatch.setattr(nvdiffrast, "FACE_LIMIT", 3000)
    with pytest.raises(ResourceError, match="larger than nvdiffrast draws"):
        list(rasterizer.render_sequence(iter(many)))


def test_batch_of_tensors(monkeypatch):
    monkeypatch.setattr(nvdiffrast, "BATCH_PIXELS", 2 * 64 * 48)
    many = views(3)
    batch = OnCpu().render_batch(
        torch.from_numpy(np.stack([depth_of(i) for i in range(3)])),
        torch.from_numpy(np.stack([texture for _, texture, _ in many])),
        [SOURCE] * 3,
        [camera for _, _, camera in many],
        FAR,
    )
    assert batch.color.shape == (3, 48, 64, 3)
    assert_agree(OnCpu().read_back(batch), many)


def test_scenes_of_both_constructions():
    rasterizer = OnCpu()
    for build in (lambda depth: build_mesh(depth, SOURCE, FAR), lambda depth: build_released_mesh(depth, SOURCE)):
        many = views(1, build)
        with rasterizer.upload(*many[0][:2]) as scene:
            assert_agree([scene.render(many[0][2])], many)


def test_kinds_are_not_mixed():
    """Another size of take, or a released mesh, starts another batch."""
    many = views(2)
    many += [(mesh, texture, camera.resized(32, 24)) for mesh, texture, camera in many]
    many += views(1, lambda depth: build_released_mesh(depth, SOURCE))
    rasterizer = OnCpu()
    assert_agree(list(rasterizer.render_sequence(iter(many))), many)
    assert [len(each) for each in rasterizer.dr.ranges] == [2, 2, 1]


def test_near_plane_of_the_take_holds():
    mesh, texture, _ = views(1)[0]
    camera = dataclasses.replace(SOURCE, near=2.5)
    frame = next(OnCpu().render_sequence([(mesh, texture, camera)]))
    assert np.nanmin(frame.z) >= 2.45, "the block at 2.0 is cut away"


def inside_a_scene_with_sky():
    """The camera stands beside a block, whose nearest corners are behind it, and looks at a wall and the sky."""
    depth = np.full((48, 64), 5.0, np.float32)
    depth[:20] = np.inf
    depth[30:, :12] = 1.5
    camera = dataclasses.replace(SOURCE, E=np.block([[np.eye(3), np.array([[0.3], [0], [-1.6]])], [0, 0, 0, 1]]))
    return [(build_mesh(depth, SOURCE, 60_000.0), PICTURE, dataclasses.replace(camera, near=0.003))]


def test_sky_is_told_from_the_far_plane_behind_it(monkeypatch):
    many = inside_a_scene_with_sky()
    rasterizer = OnCpu()
    assert_agree(list(rasterizer.render_sequence(iter(many))), many)
    assert len(rasterizer.dr.ranges) == 2, "drawn twice"
    monkeypatch.setattr(nvdiffrast, "NEAREST_SHARE", 0.0)
    with pytest.raises(AssertionError):
        assert_agree(list(rasterizer.render_sequence(iter(many))), many)
