# SPDX-License-Identifier: Apache-2.0
"""Depth from files: formats, units, cameras, matching, and what is refused."""

from __future__ import annotations

import io
import os
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from depth_factory import HEIGHT, NUMBERS, WIDTH, estimated, grey_plate

from ex4d.camera import Trajectory, intrinsics, intrinsics_from_fov, write_json
from ex4d.camera.transforms import invert_rigid, rigid, rotation_y
from ex4d.depth import create_depth_source, depth_names
from ex4d.depth import estimators as estimators_package
from ex4d.depth.files import FileDepth
from ex4d.depth.kinds import upward_share
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.media.exr import write_exr_channel
from ex4d.media.images import write_png
from ex4d.protocol.errors import BadInputError, TransientError, UsageError
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.stages.cache import StageCache
from ex4d.system.progress import Silent

# Nobody wants numpy's warnings about his files on the screen.
pytestmark = pytest.mark.filterwarnings("error")

COUNT = len(NUMBERS)
DEPTH = (1.5 + np.arange(COUNT)[:, None, None] + np.linspace(0, 1, HEIGHT)[:, None] * np.linspace(1, 2, WIDTH)).astype(
    np.float32
)
K = np.array([[60.0, 0, 25.0], [0, 62.0, 15.5], [0, 0, 1]])
E = np.stack([rigid(rotation_y(0.1 * i), np.array([0.2 * i, 0.1, -0.3])) for i in range(COUNT)])


@pytest.fixture
def frames(tmp_path):
    return grey_plate()


def depth_of(path, frames, tmp_path, **options):
    return estimated(FileDepth(path, **options), frames, tmp_path / "scratch")


def save(path: Path, **arrays) -> Path:
    np.savez_compressed(path, **arrays)
    return path


# ------------------------------------------------------------------------------------------------------------ formats


@pytest.mark.parametrize("shape", [(COUNT, HEIGHT, WIDTH), (COUNT, HEIGHT, WIDTH, 1), (COUNT, 1, HEIGHT, WIDTH)])
@pytest.mark.parametrize(("dtype", "error"), [(np.float16, 2e-3), (np.float32, 0), (np.float64, 0)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays(tmp_path, frames, shape, dtype, error, suffix):
    path = tmp_path / f"depth{suffix}"
    values = DEPTH.reshape(shape).astype(dtype)
    np.save(path, values) if suffix == ".npy" else save(path, depth=values)
    result, depth = depth_of(path, frames, tmp_path)
    assert np.abs(depth - DEPTH).max() <= error
    assert not result.poses_known
    assert not result.intrinsics_known


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint64, ">f4"])
def test_integers_byte_and_fortran_order(tmp_path, frames, suffix, dtype):
    path = tmp_path / f"d{suffix}"
    values = np.asfortranarray((DEPTH * 1000).round().astype(dtype))
    np.save(path, values) if suffix == ".npy" else save(path, depth=values)
    _, depth = depth_of(path, frames, tmp_path, scale=0.001)
    assert np.abs(depth - DEPTH).max() < 6e-4


ONE = [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1), (1, HEIGHT, WIDTH), (1, HEIGHT, WIDTH, 1), (1, 1, HEIGHT, WIDTH)]


@pytest.mark.parametrize("shape", ONE)
@pytest.mark.parametrize("name", ["d.npy", "d.npz", "maps/d.1001.npy", "maps/d.1001.npz"])
def test_one_frame(tmp_path, shape, name):
    frames = grey_plate(numbers=(1001,))
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    values = DEPTH[1].reshape(shape)
    np.save(path, values) if name.endswith(".npy") else save(path, depth=values)
    _, depth = depth_of(path.parent if "maps" in name else path, frames, tmp_path)
    assert np.array_equal(depth, DEPTH[1:2])


@pytest.mark.parametrize("name", ["depth", "depths", "arr_0"])
def test_names_of_depth(tmp_path, frames, name):
    _, depth = depth_of(save(tmp_path / "d.npz", **{name: DEPTH}), frames, tmp_path)
    assert np.array_equal(depth, DEPTH)


@pytest.mark.parametrize("name", ["disparity", "disp", "inverse_depth"])
def test_names_of_disparity(tmp_path, frames, name):
    _, depth = depth_of(save(tmp_path / "d.npz", **{name: 1 / DEPTH}), frames, tmp_path)
    assert np.abs(depth / DEPTH - 1).max() < 1e-6


def test_depth_goes_before_disparity(tmp_path, frames):
    _, depth = depth_of(save(tmp_path / "d.npz", disparity=0 * DEPTH, depth=DEPTH), frames, tmp_path)
    assert np.array_equal(depth, DEPTH)


def test_kind_overrules_the_name(tmp_path, frames):
    _, depth = depth_of(save(tmp_path / "d.npz", depth=1 / DEPTH), frames, tmp_path, kind="disparity")
    assert np.abs(depth / DEPTH - 1).max() < 1e-6


def test_scale(tmp_path, frames):
    _, depth = depth_of(save(tmp_path / "d.npz", depth=DEPTH), frames, tmp_path, scale=2.5)
    assert np.allclose(depth, 2.5 * DEPTH, rtol=1e-6)
    _, depth = depth_of(save(tmp_path / "e.npz", disparity=1 / DEPTH), frames, tmp_path, scale=2.0)
    assert np.allclose(depth, DEPTH / 2, rtol=1e-6)


def write_sequence(folder: Path, suffix: str, numbers=NUMBERS, maps=DEPTH) -> Path:
    folder.mkdir(parents=True)
    for number, values in zip(numbers, maps, strict=True):
        path = folder / f"z.{number:04d}{suffix}"
        if suffix == ".exr":
            write_exr_channel(path, "Z", values)
        elif suffix == ".png":
            write_png(path, (values * 10000).round().astype(np.uint16))
        elif suffix == ".npy":
            np.save(path, values)
        else:
            np.savez(path, disparity=1 / values)
    return folder


@pytest.mark.parametrize(("suffix", "scale"), [(".exr", None), (".png", 1e-4), (".npy", None), (".npz", None)])
@pytest.mark.parametrize("by", ["folder", "hashes", "printf"])
def test_sequences(tmp_path, frames, suffix, scale, by):
    folder = write_sequence(tmp_path / "z", suffix)
    path = {"folder": folder, "hashes": folder / f"z.####{suffix}", "printf": folder / f"z.%04d{suffix}"}[by]
    result, depth = depth_of(path, frames, tmp_path, scale=scale)
    assert np.abs(depth - DEPTH).max() < 1e-4
    assert not any("order" in note for note in result.notes)


def test_one_file_of_an_exr_sequence(tmp_path, frames):
    folder = write_sequence(tmp_path / "z", ".exr")
    assert np.array_equal(depth_of(folder / "z.1002.exr", frames, tmp_path)[1], DEPTH)


def test_png_needs_a_scale_and_0_is_not_measured(tmp_path, frames):
    maps = DEPTH.copy()
    maps[:, 3, 4] = 0
    folder = write_sequence(tmp_path / "z", ".png", maps=maps)
    with pytest.raises(UsageError, match="scale"):
        depth_of(folder, frames, tmp_path)
    for kind in ("depth", "disparity"):
        _, depth = depth_of(folder, frames, tmp_path, scale=1e-4, kind=kind)
        assert np.isnan(depth[:, 3, 4]).all()
        assert np.isfinite(depth).sum() == depth.size - COUNT


# ------------------------------------------------------------------------------------------------------- odd values


ODD = [np.nan, -1.0, 0.0, np.inf, 1e10, -np.inf]


def test_odd_depths(tmp_path, frames):
    values = DEPTH.copy()
    values[0, 0, : len(ODD)] = ODD
    _, depth = depth_of(save(tmp_path / "d.npz", depth=values), frames, tmp_path)
    assert np.array_equal(depth[0, 0, : len(ODD)], np.float32([np.nan] * 3 + [np.inf] * 2 + [np.nan]), equal_nan=True)
    assert np.array_equal(depth[0, 1:], DEPTH[0, 1:])


def test_odd_disparities(tmp_path, frames):
    values = 1 / DEPTH
    values[0, 0, : len(ODD)] = ODD
    _, depth = depth_of(save(tmp_path / "d.npz", disparity=values), frames, tmp_path)
    expected = np.float32([np.nan, np.nan, np.inf, np.nan, 1e-10, np.nan])
    assert np.array_equal(depth[0, 0, : len(ODD)], expected, equal_nan=True)


def test_odd_depths_in_exr(tmp_path):
    values = DEPTH[0].copy()
    values[0, : len(ODD)] = ODD
    write_exr_channel(tmp_path / "z.exr", "Z", values)
    _, depth = depth_of(tmp_path / "z.exr", grey_plate(numbers=(0,)), tmp_path)
    assert np.array_equal(depth[0, 0, : len(ODD)], np.float32([np.nan] * 3 + [np.inf] * 2 + [np.nan]), equal_nan=True)
    assert np.array_equal(depth[0, 1:], values[1:])


@pytest.mark.parametrize(
    ("kind", "scale", "value", "expected"),
    [
        ("depth", None, 1e300, np.inf),
        ("depth", None, 1e-320, np.nan),
        ("depth", 1e-3, 1e-44, np.nan),
        ("disparity", 1e10, 3e38, np.nan),
        ("disparity", None, 1e300, np.nan),
        ("disparity", None, 1e-300, np.inf),
        ("depth", None, 0.99e9, np.float32(0.99e9)),
        ("depth", None, 1e9, np.inf),
        ("depth", 1e3, 1e6, np.inf),
    ],
)
def test_values_at_the_ends_of_the_range(tmp_path, frames, kind, scale, value, expected):
    """Depth is above zero also in float32, and what is too large for it is sky."""
    values = DEPTH.astype(np.float64)
    values[1, 2, 3] = value
    _, depth = depth_of(save(tmp_path / "d.npz", depth=values), frames, tmp_path, kind=kind, scale=scale)
    assert np.array_equal(depth[1, 2, 3], expected, equal_nan=True)
    assert np.isfinite(depth).sum() == depth.size - (not np.isfinite(expected))


# ------------------------------------------------------------------------------------------------- frames without depth


def stored(tmp_path, frames, values):
    stage = DepthStage("plate", frames, FileDepth(save(tmp_path / "d.npz", depth=values)))
    return DepthStore.open(StageCache(tmp_path / "out").ensure(stage, Silent()))


@pytest.mark.parametrize("value", [np.nan, 0, -2])
def test_a_frame_without_valid_depth(tmp_path, frames, value):
    values = DEPTH.copy()
    values[1] = value
    with pytest.raises(BadInputError, match="frame 1002 has no valid pixel"):
        stored(tmp_path, frames, values)


def test_one_valid_pixel_and_a_frame_of_sky_will_do(tmp_path, frames):
    values = DEPTH.copy()
    values[0] = np.nan
    values[0, HEIGHT // 2, WIDTH // 2] = 8
    values[1] = 1e10
    store = stored(tmp_path, frames, values)
    assert store.deepest == 8
    assert store.median == pytest.approx((8 + np.median(DEPTH[2])) / 2)
    assert np.isfinite(store.read(1001)).sum() == 1
    assert np.isposinf(store.read(1002)).all()
    assert np.array_equal(store.read(1003), DEPTH[2])


def test_a_shot_of_nothing_but_sky(tmp_path, frames):
    with pytest.raises(BadInputError, match="infinite everywhere"):
        stored(tmp_path, frames, np.full_like(DEPTH, np.inf))


# ------------------------------------------------------------------------------------------------- depth or disparity


def slanted(count: int = COUNT, height: int = 120, width: int = 160) -> np.ndarray:
    """z-depth (T, h, w) of a floor and of a slanted wall above it."""
    y, x = np.mgrid[:height, :width]
    floor = 1 / (0.02 + 0.004 * np.maximum(y - height // 2, 0))
    wall = 1 / (0.15 + 0.002 * x)
    return np.broadcast_to(np.where(y > height // 2 + 5, floor, wall), (count, height, width)).astype(np.float32)


def test_surfaces_tell_depth_from_disparity() -> None:
    z = slanted()[0]
    noise = np.random.default_rng(1).normal(1, 0.02, z.shape)
    share, inverse, unclear = upward_share(z), upward_share(1 / z), upward_share(3 * noise)
    assert share is not None
    assert share > 0.95
    assert inverse is not None
    assert inverse < 0.05
    assert unclear is None or 0.3 < unclear < 0.7
    assert upward_share(np.full_like(z, 3)) is None
    assert upward_share(z[:2, :2]) is None


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"depth": slanted()}, ""),
        ({"depth": 1 / slanted()}, "--depth-kind disparity"),
        ({"disparity": 1 / slanted()}, ""),
        ({"disparity": slanted()}, "--depth-kind depth"),
        ({"depths": slanted()}, ""),
        ({"depths": 1 / slanted()}, "--depth-kind disparity"),
        ({"depths": np.full((COUNT, 120, 160), 3.0)}, "Video Depth Anything"),
        ({"depths": np.full((COUNT, 120, 160), 3.0), "cam_c2w": np.stack([np.eye(4)] * COUNT)}, ""),
    ],
)
def test_values_that_look_like_the_other_kind_are_noted(tmp_path, arrays, words):
    frames = grey_plate(size=(160, 120))
    result, depth = depth_of(save(tmp_path / "d.npz", **arrays), frames, tmp_path)
    notes = [note for note in result.notes if "--depth-kind" in note]
    assert [words in note for note in notes] == ([True] if words else [])
    (name, values), *_ = arrays.items()
    expected = 1 / values if name == "disparity" else values
    assert np.allclose(depth, expected, rtol=1e-5)
    for kind in ("depth", "disparity"):
        result, _ = estimated(FileDepth(tmp_path / "d.npz", kind=kind), frames, tmp_path / kind)
        assert not any("--depth-kind" in note for note in result.notes)


NORMALISED = (DEPTH - DEPTH.min()) / (DEPTH.max() - DEPTH.min())


def test_values_from_exactly_0_to_exactly_1_are_relative_disparity(tmp_path, frames):
    path = save(tmp_path / "d.npz", depth=NORMALISED)
    result, depth = depth_of(path, frames, tmp_path)
    assert any("relative disparity" in note for note in result.notes)
    assert np.isfinite(depth).all()
    # The nearer, the larger was the value; at most 50 times as far as the near end.
    order = np.argsort(NORMALISED.ravel())
    assert (np.diff(depth.ravel()[order]) <= 0).all()
    assert depth.max() == pytest.approx(50, rel=1e-3)
    assert FileDepth(path).inputs()["relative"] == 1


@pytest.mark.parametrize("options", [{"kind": "depth"}, {"kind": "disparity"}, {"scale": 2.0}])
def test_what_is_said_of_the_values_counts(tmp_path, frames, options):
    path = save(tmp_path / "d.npz", depth=NORMALISED)
    result, depth = depth_of(path, frames, tmp_path, **options)
    assert not any("relative" in note for note in result.notes)
    assert "relative" not in FileDepth(path, **options).inputs()
    assert (np.isnan(depth) | np.isinf(depth)).any()  # 0 is not measured, or sky


@pytest.mark.parametrize(
    "values",
    [DEPTH, NORMALISED * 0.999, NORMALISED + 1e-6, np.where(NORMALISED == 1, np.nan, NORMALISED), (DEPTH > 2) * 1],
)
def test_other_depth_keeps_its_key(tmp_path, values):
    path = save(tmp_path / "d.npz", depth=values)
    assert set(FileDepth(path).inputs()) == {"files", "kind", "scale", "camera", "fov_deg"}
    save(path, disparity=NORMALISED)
    assert set(FileDepth(path).inputs()) == {"files", "kind", "scale", "camera", "fov_deg"}


def test_arrays_that_are_not_read_are_named(tmp_path, frames):
    arrays = {"depth": DEPTH, "K": K, "images": DEPTH, "valid": DEPTH > 2, "x" * 99: DEPTH, "disparity": DEPTH}
    result, _ = depth_of(save(tmp_path / "d.npz", **arrays), frames, tmp_path)
    (note,) = [note for note in result.notes if "not read" in note]
    assert "valid" in note
    assert "disparity" in note
    assert "x" * 39 + "…" in note
    assert not any(name in note for name in ("images", "K,", "depth,"))


# ----------------------------------------------------------------------------------------------------------- cameras


def test_no_camera_is_stated(tmp_path, frames):
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH), frames, tmp_path)
    assert np.allclose(result.source.K, intrinsics_from_fov(DEFAULT_FOV_DEG, WIDTH, HEIGHT))
    assert np.array_equal(result.source.E, np.broadcast_to(np.eye(4), (COUNT, 4, 4)))
    assert any("--fov" in note for note in result.notes)
    assert any("stand still" in note for note in result.notes)


@pytest.mark.parametrize("name", ["intrinsics", "intrinsic", "K", "Ks"])
@pytest.mark.parametrize(
    "form",
    [
        K,
        np.stack([K] * COUNT),
        K[None],
        [K[0, 0], K[1, 1], K[0, 2], K[1, 2]],
        K / [[WIDTH], [HEIGHT], [1]],
        [K[0, 0] / WIDTH, K[1, 1] / HEIGHT, K[0, 2] / WIDTH, K[1, 2] / HEIGHT],
    ],
    ids=["matrix", "per frame", "one of one", "four numbers", "normalised", "four normalised numbers"],
)
def test_intrinsics(tmp_path, frames, name, form):
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, **{name: form}), frames, tmp_path)
    assert np.allclose(result.source.K, K)
    assert result.intrinsics_known
    assert not result.poses_known


def test_intrinsics_per_frame_in_four_numbers(tmp_path, frames):
    zoom = np.stack([[60.0 + i, 62.0 + i, 25.0, 15.5] for i in range(COUNT)])
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, K=zoom), frames, tmp_path)
    assert np.allclose(result.source.K[:, 0, 0], zoom[:, 0])
    assert np.allclose(result.source.K[:, 1, 1], zoom[:, 1])


def test_intrinsics_are_for_the_maps_size(tmp_path):
    frames = grey_plate(size=(2 * WIDTH, 2 * HEIGHT))
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, K=K), frames, tmp_path)
    assert np.allclose(result.source.K, K * [[2], [2], [1]])
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, K=K / [[WIDTH], [HEIGHT], [1]]), frames, tmp_path)
    assert np.allclose(result.source.K, K * [[2], [2], [1]])


def test_a_point_comes_back_to_its_pixel(tmp_path):
    """K and E together: the point behind a map's pixel is seen at that place of the larger plate."""
    frames = grey_plate(size=(2 * WIDTH, 2 * HEIGHT))
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, K=K, cam_c2w=invert_rigid(E)), frames, tmp_path)
    column, row, z = 11.5, 7.5, 3.0
    for index in range(COUNT):
        in_camera = z * np.linalg.inv(K) @ [column, row, 1]
        in_world = (np.linalg.inv(E[index]) @ [*in_camera, 1])[:3]
        pixel, depth = result.source[index].project(in_world)
        assert np.allclose(pixel, [2 * column, 2 * row])
        assert np.isclose(depth, z)


def test_fov_overrules(tmp_path, frames):
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, K=K), frames, tmp_path, fov_deg=40.0)
    assert np.allclose(result.source.K, intrinsics_from_fov(40.0, WIDTH, HEIGHT))
    assert result.intrinsics_known


@pytest.mark.parametrize(
    "arrays",
    [
        {"extrinsics": E},
        {"E": E[:, :3]},
        {"w2c": E},
        {"cam_c2w": invert_rigid(E)},
        {"c2w": invert_rigid(E)[:, :3]},
        {"poses": invert_rigid(E)},
        {"extrinsic": E[:, :3]},
        {"cam2world": invert_rigid(E)},
        {"w2c": E, "c2w": invert_rigid(E)},
    ],
    ids=lambda arrays: next(iter(arrays)),
)
def test_poses(tmp_path, frames, arrays):
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, **arrays), frames, tmp_path)
    assert np.allclose(result.source.E, E, atol=1e-12)
    assert result.poses_known
    assert not any("stand still" in note for note in result.notes)


@pytest.mark.parametrize("names", [("K", "E"), ("intrinsic", "extrinsic")])
def test_cameras_beside_each_map_of_a_sequence(tmp_path, frames, names):
    folder = tmp_path / "z"
    folder.mkdir()
    for index, number in enumerate(NUMBERS):
        save(folder / f"z.{number}.npz", depth=DEPTH[index], **{names[0]: K, names[1]: E[index]})
    result, _ = depth_of(folder, frames, tmp_path)
    assert np.allclose(result.source.E, E)
    assert np.allclose(result.source.K, K)
    assert (result.poses_known, result.intrinsics_known) == (True, True)
    assert FileDepth(folder).inputs()["cameras"] == 1
    save(folder / f"z.{NUMBERS[1]}.npz", depth=DEPTH[1])
    with pytest.raises(BadInputError, match="not one camera"):
        estimated(FileDepth(folder), frames, tmp_path / "again")


def test_only_cameras_that_were_not_always_read_change_the_key(tmp_path):
    path = save(tmp_path / "d.npz", depth=DEPTH, extrinsics=E, intrinsic=K)
    assert "cameras" not in FileDepth(path).inputs()
    assert FileDepth(save(path, depth=DEPTH, extrinsic=E)).inputs()["cameras"] == 1
    camera = tmp_path / "camera.json"
    write_json(camera, Trajectory(K, E, WIDTH, HEIGHT))
    assert "cameras" not in FileDepth(path, camera=camera).inputs()


def test_notes_of_the_camera_file_are_passed_on(tmp_path, frames):
    write_json(tmp_path / "camera.json", Trajectory(K, E, WIDTH, HEIGHT).numbered((1, 2, 3), None))
    path = save(tmp_path / "d.npz", depth=DEPTH)
    result, _ = depth_of(path, frames, tmp_path, camera=tmp_path / "camera.json")
    assert any("camera.json" in note and "in order" in note for note in result.notes)


def test_camera_file(tmp_path, frames):
    half = Trajectory(K * [[0.5], [0.5], [1]], E, WIDTH // 2, HEIGHT // 2).numbered(NUMBERS, None)
    write_json(tmp_path / "camera.json", half)
    other_K = np.array([[9.0, 0, 9], [0, 9, 9], [0, 0, 1]])
    path = save(tmp_path / "d.npz", depth=DEPTH, K=other_K)
    result, _ = depth_of(path, frames, tmp_path, camera=tmp_path / "camera.json", fov_deg=20.0)
    assert np.allclose(result.source.K, K)
    assert np.allclose(result.source.E, E)
    assert result.poses_known
    assert result.intrinsics_known


def test_camera_file_with_more_frames_is_matched_by_number(tmp_path):
    write_json(tmp_path / "camera.json", Trajectory(K, E, WIDTH, HEIGHT).numbered(NUMBERS, None))
    frames = grey_plate(numbers=NUMBERS[1:])
    path = save(tmp_path / "d.npz", depth=DEPTH[1:])
    result, _ = depth_of(path, frames, tmp_path, camera=tmp_path / "camera.json")
    assert np.allclose(result.source.E, E[1:])
    assert result.source.frame_numbers == NUMBERS[1:]


@pytest.mark.parametrize(("count", "width", "words"), [(2, WIDTH, "2 cameras, the plate 3"), (3, 20, "another shape")])
def test_camera_files_that_do_not_fit(tmp_path, frames, count, width, words):
    camera = tmp_path / "camera.json"
    centred = np.array([[60.0, 0, width / 2], [0, 60, HEIGHT / 2], [0, 0, 1]])
    write_json(camera, Trajectory(centred, E[:count], width, HEIGHT))
    with pytest.raises(BadInputError, match=words):
        depth_of(save(tmp_path / "d.npz", depth=DEPTH), frames, tmp_path, camera=camera)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"K": np.eye(2)}, "intrinsics of shape"),
        ({"K": np.full((3, 3), np.nan)}, "finite"),
        ({"K": np.array([[60.0, 0, 900], [0, 60, 16], [0, 0, 1]])}, "principal point"),
        ({"K": np.array([[-60.0, 0, 24], [0, 60, 16], [0, 0, 1]])}, "pinhole"),
        ({"K": np.stack([K] * 7)}, "7 cameras"),
        ({"E": 2 * E}, "rigid"),
        ({"poses": np.zeros((COUNT, 4, 4))}, "rigid"),
        ({"E": E[:, :2]}, "poses of shape"),
        ({"E": np.concatenate([E, E])}, "6 cameras"),
        ({"w2c": E, "c2w": E}, "contradict"),
        ({"K": np.zeros((1 << 20, 3, 3))}, "72 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusable_cameras(tmp_path, frames, arrays, words):
    with pytest.raises(BadInputError, match=words) as caught:
        depth_of(save(tmp_path / "d.npz", depth=DEPTH, **arrays), frames, tmp_path)
    assert caught.value.hint


# ---------------------------------------------------------------------------------------------------------- matching


def test_numbers_choose_the_maps(tmp_path):
    folder = write_sequence(tmp_path / "z", ".npy", numbers=(1000, 1001, 1003))
    frames = grey_plate(numbers=(1003, 1001)[::-1])
    assert np.array_equal(depth_of(folder, frames, tmp_path)[1], DEPTH[[1, 2]])


def test_foreign_numbers_match_in_order_with_a_note(tmp_path, frames):
    folder = write_sequence(tmp_path / "z", ".npy", numbers=(1, 2, 3))
    result, depth = depth_of(folder, frames, tmp_path)
    assert np.array_equal(depth, DEPTH)
    assert any("in order" in note for note in result.notes)


@pytest.mark.parametrize(
    ("numbers", "words"), [((1001, 1002, 1009), "no depth for frame 1003"), ((1, 2), "2 depth maps, the plate 3")]
)
def test_missing_frames(tmp_path, frames, numbers, words):
    folder = write_sequence(tmp_path / "z", ".npy", numbers=numbers, maps=DEPTH[: len(numbers)])
    with pytest.raises(BadInputError, match=words):
        depth_of(folder, frames, tmp_path)


def test_gaps_that_are_the_plates_own(tmp_path):
    folder = write_sequence(tmp_path / "z", ".npy", numbers=(1, 2, 5))
    frames = grey_plate(numbers=(1001, 1002, 1005))
    assert np.array_equal(depth_of(folder, frames, tmp_path)[1], DEPTH)


def test_a_missing_map_is_not_bridged(tmp_path, frames):
    folder = write_sequence(tmp_path / "z", ".npy", numbers=(1, 2, 4))
    with pytest.raises(BadInputError, match="no depth 3,"):
        depth_of(folder, frames, tmp_path)


def test_steps_are_noted(tmp_path, frames):
    folder = write_sequence(tmp_path / "z", ".npy", numbers=(2, 4, 6))
    result, depth = depth_of(folder, frames, tmp_path)
    assert np.array_equal(depth, DEPTH)
    assert any("steps of 2" in note for note in result.notes)


def test_array_of_another_length(tmp_path, frames):
    with pytest.raises(BadInputError, match="2 depth maps, the plate 3"):
        depth_of(save(tmp_path / "d.npz", depth=DEPTH[:2]), frames, tmp_path)


def test_poses_go_with_their_maps(tmp_path):
    """Poses of a file are in the order of its maps also where only the number decides."""
    frames = grey_plate(numbers=(7,))
    result, depth = depth_of(save(tmp_path / "d.npz", depth=DEPTH[1], E=E[1]), frames, tmp_path)
    assert np.array_equal(depth[0], DEPTH[1])
    assert np.allclose(result.source.E[0], E[1])


# -------------------------------------------------------------------------------------------------------------- size


def test_another_size_of_the_same_aspect_is_resampled(tmp_path):
    frames = grey_plate(size=(3 * WIDTH, 3 * HEIGHT))
    result, depth = depth_of(save(tmp_path / "d.npz", depth=DEPTH), frames, tmp_path)
    assert depth.shape[1:] == (3 * HEIGHT, 3 * WIDTH)
    assert np.array_equal(depth[:, 1::3, 1::3], DEPTH)  # every third pixel's centre is a map pixel's
    assert any("resampled" in note for note in result.notes)


def test_another_aspect_is_refused(tmp_path, frames):
    with pytest.raises(BadInputError, match="another shape"):
        depth_of(save(tmp_path / "d.npz", depth=DEPTH[:, :, :-6]), frames, tmp_path)


def test_maps_of_changing_size(tmp_path, frames):
    folder = write_sequence(tmp_path / "z", ".npy")
    np.save(folder / "z.1003.npy", DEPTH[0, ::2, ::2])
    with pytest.raises(BadInputError, match="another size"):
        depth_of(folder, frames, tmp_path)


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "arrays", "words"),
    [
        ("d.npz", {"colour": DEPTH}, "no array of depth; its arrays are colour"),
        ("d.npz", {"depth": DEPTH.astype(complex)}, "not numbers"),
        ("d.npz", {"depth": DEPTH[0, 0]}, "shape"),
        ("d.npz", {"depth": DEPTH[:0]}, "shape"),
        ("d.npy", DEPTH[None, None], "shape"),
    ],
)
def test_arrays_that_are_no_depth(tmp_path, frames, name, arrays, words):
    path = tmp_path / name
    np.savez(path, **arrays) if name.endswith("z") else np.save(path, arrays)
    with pytest.raises(BadInputError, match=words) as caught:
        depth_of(path, frames, tmp_path)
    assert caught.value.hint


class Trap:
    """Pickled; whoever unpickles it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)


@pytest.mark.parametrize("form", ["npy", "npz", "sequence npy", "sequence npz", "camera", "bare pickle"])
def test_pickles_are_refused_unread(tmp_path, frames, form):
    sprung = tmp_path / "sprung"
    array = np.empty(1, object)
    array[0] = Trap(sprung)
    path = tmp_path / f"d.1001.{'npz' if form in ('camera', 'npz', 'sequence npz') else 'npy'}"
    if form == "bare pickle":
        path.write_bytes(array.dumps())
    elif path.suffix == ".npy":
        np.save(path, array, allow_pickle=True)
    else:
        np.savez(path, **({"depth": DEPTH, "K": array} if form == "camera" else {"depth": array}))
    if form.startswith("sequence"):
        path, frames = tmp_path / f"d.####{path.suffix}", grey_plate(numbers=(1001,))
    source = FileDepth(path)
    assert len(source.inputs()["files"]) == 64
    with pytest.raises(BadInputError) as caught:
        estimated(source, frames, tmp_path / "scratch")
    assert caught.value.hint
    assert not sprung.exists()


def test_an_archive_under_the_name_of_an_array(tmp_path, frames):
    save(tmp_path / "d.npz", depth=DEPTH).rename(tmp_path / "d.npy")
    with pytest.raises(BadInputError, match="damaged or not a numpy file"):
        depth_of(tmp_path / "d.npy", frames, tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_with_any_method_and_damaged(tmp_path, frames, method):
    """Packing again is no fault; damage is one of the input, not of the folder that it is unpacked to."""
    array = io.BytesIO()
    np.save(array, DEPTH)
    with zipfile.ZipFile(tmp_path / "d.npz", "w", method) as archive:
        archive.writestr("depth.npy", array.getvalue())
    assert np.array_equal(depth_of(tmp_path / "d.npz", frames, tmp_path)[1], DEPTH)
    data = bytearray((tmp_path / "d.npz").read_bytes())
    data[200:240] = bytes(40)
    (tmp_path / "d.npz").write_bytes(data)
    with pytest.raises(BadInputError, match="damaged"):
        depth_of(tmp_path / "d.npz", frames, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a process's files")
def test_a_full_disk_is_no_damage(tmp_path, frames):
    import resource

    path = save(tmp_path / "d.npz", depth=DEPTH)
    usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (DEPTH.nbytes // 2, most))
    try:
        with pytest.raises(TransientError):
            depth_of(path, frames, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))


def pack(path: Path, name: str, shape: tuple[int, ...], megabytes: int, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """An npz file with an array that claims that shape of float32, and has so many MiB of zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", method) as archive, archive.open(f"{name}.npy", "w") as file:
        file.write(header.getvalue())
        for _ in range(megabytes):
            file.write(bytes(1 << 20))
    return path


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((12, 1024, 1024), "12 depth maps, the plate 3"),  # for another plate
        ((COUNT, 2048, 2048), "more than 4 times"),  # as many maps, of a monstrous size
        ((COUNT, HEIGHT, WIDTH), "damaged"),  # more behind the array than it says
        ((COUNT, 1 << 40, 1 << 40), "damaged"),  # much less than it says
        ((3 << 22,), "shape"),
    ],
)
@pytest.mark.parametrize("form", ["array", "sequence"])
def test_nothing_is_unpacked_that_is_not_for_the_plate(tmp_path, shape, words, form):
    """A bomb of 48 MiB is refused by what its header says: neither the disk nor the memory sees it."""
    path = pack(tmp_path / "d.0001.npz", "depth", shape, 48)
    assert path.stat().st_size < 1 << 18
    frames = grey_plate(numbers=(1,) if form == "sequence" else NUMBERS)
    source = FileDepth(tmp_path / "d.####.npz" if form == "sequence" else path)
    scratch = tmp_path / "scratch"
    tracemalloc.start()
    try:
        with pytest.raises(BadInputError) as caught:
            estimated(source, frames, scratch)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert form == "sequence" or words in caught.value.message
    assert list(scratch.iterdir()) == []


def test_looking_at_the_values_of_a_bomb_takes_no_memory(tmp_path):
    path = pack(tmp_path / "d.npz", "depth", (12, 1024, 1024), 48)
    tracemalloc.start()
    FileDepth(path).inputs()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_long_names_make_no_long_message(tmp_path, frames):
    with zipfile.ZipFile(tmp_path / "n.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(40):
            archive.writestr("x" * 60_000 + f"{index}.npy", b"")
    with pytest.raises(BadInputError, match="and 35 more") as caught:
        depth_of(tmp_path / "n.npz", frames, tmp_path)
    assert len(str(caught.value)) < 600


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system, which Windows has not")
@pytest.mark.parametrize("kind", ["pipe", "zero"])
@pytest.mark.parametrize("name", ["d.npz", "d.npy", "z.1001.exr", "z.1001.png", "z.1001.npz", "camera.json"])
def test_pipes_and_devices_are_no_files(tmp_path, frames, kind, name):
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    source = FileDepth(path)
    if name == "camera.json":
        source = FileDepth(save(tmp_path / "d.npz", depth=DEPTH), camera=path)
    with pytest.raises(BadInputError, match="not a file"):
        source.inputs()
    with pytest.raises(BadInputError, match="not a file"):
        estimated(source, frames, tmp_path / "scratch")


@pytest.mark.parametrize("name", ["nothing.npz", "nothing.npy", "nothing", "nothing.exr", "z.####.exr"])
def test_missing_files(tmp_path, frames, name):
    source = FileDepth(tmp_path / name)
    with pytest.raises(BadInputError):
        source.inputs()
    with pytest.raises(BadInputError):
        estimated(source, frames, tmp_path / "scratch")


@pytest.mark.parametrize("scale", [0, -1, np.inf, np.nan])
def test_impossible_scale(tmp_path, scale):
    with pytest.raises(UsageError, match="scale"):
        FileDepth(tmp_path / "d.npz", scale=scale)


# ------------------------------------------------------------------------------------------------------------- rest


def test_inputs_change_with_the_content(tmp_path):
    path = save(tmp_path / "d.npz", depth=DEPTH)
    first = FileDepth(path).inputs()
    assert FileDepth(path).inputs() == first
    save(path, depth=DEPTH + 1)
    assert FileDepth(path).inputs() != first
    folder = write_sequence(tmp_path / "z", ".npy")
    before = FileDepth(folder).inputs()
    np.save(folder / "z.1002.npy", DEPTH[0])
    assert FileDepth(folder).inputs() != before
    before = FileDepth(folder).inputs()
    (folder / "z.1003.npy").rename(folder / "z.1004.npy")
    assert FileDepth(folder).inputs() != before


def test_inputs_change_with_every_option(tmp_path):
    path = save(tmp_path / "d.npz", depth=DEPTH)
    camera = tmp_path / "camera.json"
    write_json(camera, Trajectory(K, E, WIDTH, HEIGHT))
    options = [{}, {"kind": "depth"}, {"kind": "disparity"}, {"scale": 2.0}, {"fov_deg": 40.0}, {"camera": camera}]
    inputs = [FileDepth(path, **option).inputs() for option in options]
    write_json(camera, Trajectory(K, E[::-1], WIDTH, HEIGHT))
    inputs.append(FileDepth(path, camera=camera).inputs())
    assert all(a != b for index, a in enumerate(inputs) for b in inputs[:index])


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_long_file_is_not_read_whole(tmp_path, suffix):
    count = 60
    frames = grey_plate(numbers=range(1, count + 1), size=(320, 240))
    values = np.ones((count, 240, 320), np.float32)
    path = tmp_path / f"d{suffix}"
    np.save(path, values) if suffix == ".npy" else save(path, depth=values)

    class Dropped:
        def write(self, frame):
            assert frame.depth.shape == (240, 320)

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    del values
    tracemalloc.start()
    FileDepth(path).estimate(frames, Dropped(), scratch, Silent())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count * 240 * 320 * 4 / 2
    if suffix == ".npz":
        assert (scratch / "maps.npy").stat().st_size > count * 240 * 320 * 4


FLAT_ESTIMATOR = """
import numpy as np

from ex4d.camera import intrinsics_from_fov, static_trajectory
from ex4d.depth.base import DepthFrame, DepthResult


class Flat:
    name, label, licence, tolerance = "flat", "a wall", "CC0-1.0", 0.01

    def __init__(self, fov_deg):
        self.fov_deg = fov_deg

    def inputs(self):
        return {"fov_deg": self.fov_deg}

    def steps(self, frames):
        return len(frames)

    def estimate(self, frames, sink, scratch, progress):
        width, height = frames.size
        for number in frames.numbers:
            sink.write(DepthFrame(number, np.full((height, width), number / 1000, np.float32)))
        source = static_trajectory(intrinsics_from_fov(self.fov_deg, width, height), width, height, len(frames))
        return DepthResult(source, False, True, ("A wall.",))


create = Flat
"""


def test_an_estimator_is_one_file(tmp_path, frames, monkeypatch):
    (tmp_path / "flat.py").write_text(FLAT_ESTIMATOR)
    before = depth_names()
    assert "prior" in before
    monkeypatch.setattr(estimators_package, "__path__", [*estimators_package.__path__, str(tmp_path)])
    assert depth_names() == sorted([*before, "flat"])
    try:
        source = create_depth_source("flat", fov_deg=30)
    finally:
        sys.modules.pop("ex4d.depth.estimators.flat", None)
    store = DepthStore.open(StageCache(tmp_path / "out").ensure(DepthStage("plate", frames, source), Silent()))
    assert (store.name, store.label, store.licence, store.tolerance) == ("flat", "a wall", "CC0-1.0", 0.01)
    assert store.notes == ("A wall.",)
    assert store.median == pytest.approx(1.002)
    assert np.allclose(store.source.K, intrinsics_from_fov(30, WIDTH, HEIGHT))
    assert np.array_equal(store.read(1003), np.full((HEIGHT, WIDTH), 1.003, np.float32))


@pytest.mark.parametrize("option", [{"kind": "depth"}, {"scale": 0.0}, {"camera": Path("x.json")}])
def test_file_options_with_an_estimator(option):
    with pytest.raises(UsageError, match="depth files"):
        create_depth_source("prior", **option)


def test_a_name_is_a_path_else(tmp_path):
    assert isinstance(create_depth_source(str(tmp_path / "d.npz")), FileDepth)
    assert intrinsics(1.0, 2, 2)[0, 2] == 1
