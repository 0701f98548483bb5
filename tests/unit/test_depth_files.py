# SPDX-License-Identifier: Apache-2.0
"""Depth from files: formats, units, cameras, matching, and what is refused."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from depth_factory import HEIGHT, NUMBERS, WIDTH, estimated, grey_plate

from ex4d.camera import Trajectory, intrinsics, intrinsics_from_fov, write_json
from ex4d.camera.transforms import invert_rigid, rigid, rotation_y
from ex4d.depth import create_depth_source, depth_names
from ex4d.depth import estimators as estimators_package
from ex4d.depth.base import DEFAULT_FOV_DEG
from ex4d.depth.files import FileDepth
from ex4d.media.exr import write_exr_channel
from ex4d.media.images import write_png
from ex4d.progress import Silent
from ex4d.protocol.errors import BadInputError, UsageError

COUNT = len(NUMBERS)
DEPTH = (1.5 + np.arange(COUNT)[:, None, None] + np.linspace(0, 1, HEIGHT)[:, None] * np.linspace(1, 2, WIDTH)).astype(
    np.float32
)
K = np.array([[60.0, 0, 25.0], [0, 62.0, 15.5], [0, 0, 1]])
E = np.stack([rigid(rotation_y(0.1 * i), np.array([0.2 * i, 0.1, -0.3])) for i in range(COUNT)])


@pytest.fixture
def frames(tmp_path):
    return grey_plate(tmp_path / "plate")


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


def test_integers_and_fortran_order(tmp_path, frames):
    np.save(tmp_path / "d.npy", np.asfortranarray((DEPTH * 1000).round().astype(np.uint16)))
    _, depth = depth_of(tmp_path / "d.npy", frames, tmp_path, scale=0.001)
    assert np.abs(depth - DEPTH).max() < 6e-4


@pytest.mark.parametrize("name", ["depth", "depths", "arr_0"])
def test_names_of_depth(tmp_path, frames, name):
    _, depth = depth_of(save(tmp_path / "d.npz", **{name: DEPTH}), frames, tmp_path)
    assert np.array_equal(depth, DEPTH)


@pytest.mark.parametrize("name", ["disparity", "disp", "inverse_depth"])
def test_names_of_disparity(tmp_path, frames, name):
    _, depth = depth_of(save(tmp_path / "d.npz", **{name: 1 / DEPTH}), frames, tmp_path)
    assert np.abs(depth / DEPTH - 1).max() < 1e-6


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


# ----------------------------------------------------------------------------------------------------------- cameras


def test_no_camera_is_stated(tmp_path, frames):
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH), frames, tmp_path)
    assert np.allclose(result.source.K, intrinsics_from_fov(DEFAULT_FOV_DEG, WIDTH, HEIGHT))
    assert np.array_equal(result.source.E, np.broadcast_to(np.eye(4), (COUNT, 4, 4)))
    assert any("--fov" in note for note in result.notes)
    assert any("stand still" in note for note in result.notes)


@pytest.mark.parametrize("name", ["intrinsics", "K"])
@pytest.mark.parametrize(
    "form",
    [K, np.stack([K] * COUNT), K[None], [K[0, 0], K[1, 1], K[0, 2], K[1, 2]], K / [[WIDTH], [HEIGHT], [1]]],
    ids=["matrix", "per frame", "one of one", "four numbers", "normalised"],
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
    frames = grey_plate(tmp_path / "large", size=(2 * WIDTH, 2 * HEIGHT))
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, K=K), frames, tmp_path)
    assert np.allclose(result.source.K, K * [[2], [2], [1]])


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
    ],
    ids=lambda arrays: next(iter(arrays)),
)
def test_poses(tmp_path, frames, arrays):
    result, _ = depth_of(save(tmp_path / "d.npz", depth=DEPTH, **arrays), frames, tmp_path)
    assert np.allclose(result.source.E, E, atol=1e-12)
    assert result.poses_known
    assert not any("stand still" in note for note in result.notes)


def test_camera_file(tmp_path, frames):
    half = Trajectory(K * [[0.5], [0.5], [1]], E, WIDTH // 2, HEIGHT // 2).numbered(NUMBERS, None)
    write_json(tmp_path / "camera.json", half)
    other_K = np.array([[9.0, 0, 9], [0, 9, 9], [0, 0, 1]])
    path = save(tmp_path / "d.npz", depth=DEPTH, K=other_K)
    result, _ = depth_of(path, frames, tmp_path, camera=tmp_path / "camera.json")
    assert np.allclose(result.source.K, K)
    assert np.allclose(result.source.E, E)
    assert result.poses_known
    assert result.intrinsics_known


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
    frames = grey_plate(tmp_path / "plate", numbers=(1003, 1001)[::-1])
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


def test_array_of_another_length(tmp_path, frames):
    with pytest.raises(BadInputError, match="2 depth maps, the plate 3"):
        depth_of(save(tmp_path / "d.npz", depth=DEPTH[:2]), frames, tmp_path)


def test_poses_go_with_their_maps(tmp_path):
    """Poses of a file are in the order of its maps also where only the number decides."""
    frames = grey_plate(tmp_path / "one", numbers=(7,))
    result, depth = depth_of(save(tmp_path / "d.npz", depth=DEPTH[1], E=E[1]), frames, tmp_path)
    assert np.array_equal(depth[0], DEPTH[1])
    assert np.allclose(result.source.E[0], E[1])


# -------------------------------------------------------------------------------------------------------------- size


def test_another_size_of_the_same_aspect_is_resampled(tmp_path):
    frames = grey_plate(tmp_path / "large", size=(3 * WIDTH, 3 * HEIGHT))
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
        ("d.npz", {"depth": np.array([{"a": 1}], object)}, "damaged"),
        ("d.npz", {"depth": DEPTH[0, 0]}, "shape"),
        ("d.npz", {"depth": DEPTH[:0]}, "shape"),
        ("d.npy", DEPTH[None, None], "shape"),
        ("d.npy", np.array([{"a": 1}], object), "damaged"),
    ],
)
def test_arrays_that_are_no_depth(tmp_path, frames, name, arrays, words):
    path = tmp_path / name
    np.savez(path, **arrays) if name.endswith("z") else np.save(path, arrays)
    with pytest.raises(BadInputError, match=words) as caught:
        depth_of(path, frames, tmp_path)
    assert caught.value.hint


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


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_long_file_is_not_read_whole(tmp_path, suffix):
    count = 60
    frames = grey_plate(tmp_path / "plate", numbers=range(1, count + 1), size=(320, 240))
    values = np.ones((count, 240, 320), np.float32)
    path = tmp_path / f"d{suffix}"
    np.save(path, values) if suffix == ".npy" else save(path, depth=values)

    class Dropped:
        def write(self, number, depth):
            assert depth.shape == (240, 320)

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    del values
    tracemalloc.start()
    FileDepth(path).estimate(frames, Dropped(), scratch, Silent())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count * 240 * 320 * 4 / 2


def test_an_estimator_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "flat.py").write_text(
        "from ex4d.depth.estimators.prior import PriorDepth\n"
        "def create(fov_deg):\n    source = PriorDepth(fov_deg)\n    object.__setattr__(source, 'name', 'flat')\n"
        "    return source\n"
    )
    assert "flat" not in depth_names()
    monkeypatch.setattr(estimators_package, "__path__", [*estimators_package.__path__, str(tmp_path)])
    assert "flat" in depth_names()
    assert create_depth_source("flat", fov_deg=30).name == "flat"


@pytest.mark.parametrize("option", [{"kind": "depth"}, {"scale": 0.0}, {"camera": Path("x.json")}])
def test_file_options_with_an_estimator(option):
    with pytest.raises(UsageError, match="depth files"):
        create_depth_source("prior", **option)


def test_a_name_is_a_path_else(tmp_path):
    assert isinstance(create_depth_source(str(tmp_path / "d.npz")), FileDepth)
    assert intrinsics(1.0, 2, 2)[0, 2] == 1
