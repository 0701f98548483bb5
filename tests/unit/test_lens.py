# SPDX-License-Identifier: Apache-2.0
"""Lenses: the five models, their inverses and their files."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ex4d.camera import (
    Camera,
    Lens,
    LensCalibration,
    Trajectory,
    build_take,
    camera_from_blender,
    intrinsics,
    intrinsics_from_fov,
    lens_from_blender,
    parse_lens,
    parse_preset,
    read_trajectory,
    static_trajectory,
    write_json,
    write_transforms_json,
)
from ex4d.camera.lens import COEFFICIENTS
from ex4d.jobs.lens_files import read_lens
from ex4d.protocol.errors import BadInputError

FULL_OPENCV = (-0.28, 0.07, 0.001, -0.002, 0.01, 0.1, 0.02, 0.001, 0.001, 0.0003, -0.0004, 0.0002)
LENSES = [
    Lens("polynomial", (-0.3, 0.05, 0.01)),
    Lens("polynomial", (0.2,)),
    Lens("division", (-0.1, 0.02)),
    Lens("division", (0.2,)),
    Lens("brown", (-0.2, 0.05, 0.01, 0.002, 0.003, -0.002)),
    Lens("nuke", (0.12, 0.02)),
    Lens("nuke", (-0.1,)),
    Lens("opencv", FULL_OPENCV),
]
#: Of HD at 28 mm.
FOCAL, SIZE = 1493.0, (1920, 1080)
K = intrinsics(FOCAL, *SIZE)


def of_picture(count: int = 400, seed: int = 0) -> np.ndarray:
    """Normalised positions all over the picture."""
    pixels = np.random.default_rng(seed).uniform(0, 1, (count, 2)) * SIZE
    return (pixels - K[:2, 2]) / FOCAL


@pytest.mark.parametrize("lens", LENSES, ids=str)
def test_undistort_and_distort_are_each_others_inverse(lens: Lens) -> None:
    xy = of_picture().reshape(20, 20, 2)
    assert np.abs(lens.distort(lens.undistort(xy)) - xy).max() * FOCAL < 1e-7
    assert np.abs(lens.undistort(lens.distort(xy)) - xy).max() * FOCAL < 1e-7
    assert np.abs(lens.undistort(xy) - xy).max() * FOCAL > 1
    lens.check_picture(K, *SIZE)


@pytest.mark.parametrize("lens", LENSES, ids=str)
def test_beyond_the_picture_each_ray_has_one_place(lens: Lens) -> None:
    far = np.random.default_rng(1).uniform(-20, 20, (500, 2))
    assert np.abs(lens.undistort(lens.distort(far)) - far).max() < 1e-8
    turned = np.stack([np.linspace(0, 20, 2000), np.zeros(2000)], axis=-1)
    assert (np.diff(lens.distort(turned)[:, 0]) > 0).all()


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(COEFFICIENTS)),
    st.lists(st.floats(-0.15, 0.15), min_size=2, max_size=2),
    st.floats(-0.003, 0.003),
)
def test_any_lens_is_inverted_or_refused(model: str, k: list[float], tangential: float) -> None:
    values = {"k1": k[0], "k2": k[1], "p1": tangential, "p2": -tangential}
    lens = Lens(model, tuple(values.get(name, 0.0) for name in COEFFICIENTS[model]))
    xy = of_picture(50)
    try:
        lens.check_picture(K, *SIZE)
    except BadInputError:
        return
    assert np.abs(lens.distort(lens.undistort(xy)) - xy).max() * FOCAL < 1e-6


def test_blenders_models_are_libmvs() -> None:
    """Formulas of libmv's distortion_models.h with y upwards, as Blender has them."""
    x, y = of_picture().T
    up = -y
    r2 = x * x + up * up
    k1, k2, k3, k4, p1, p2 = -0.2, 0.05, 0.01, 0.002, 0.003, -0.002
    polynomial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    brown = polynomial + k4 * r2**4
    wanted = {
        "POLYNOMIAL": (x * polynomial, up * polynomial),
        "DIVISION": (x / (1 + k1 * r2 + k2 * r2**2), up / (1 + k1 * r2 + k2 * r2**2)),
        "BROWN": (
            x * brown + p1 * (r2 + 2 * x * x) + 2 * p2 * x * up,
            up * brown + p2 * (r2 + 2 * up * up) + 2 * p1 * x * up,
        ),
    }
    named = {"k1": k1, "k2": k2, "k3": k3, "k4": k4, "p1": p1, "p2": p2}
    for model, (there, above) in wanted.items():
        found = lens_from_blender(model, named, FOCAL, SIZE).distort(np.stack([x, y], axis=-1))
        assert np.abs(found - np.stack([there, -above], axis=-1)).max() * FOCAL < 1e-9, model


@pytest.mark.parametrize(("size", "aspect"), [((1920, 1080), 1.0), ((960, 1080), 2.0), ((1080, 1920), 1.0)])
def test_nukes_model_counts_halves_of_the_longer_side(size: tuple[int, int], aspect: float) -> None:
    """x_u = x_d / (1 + k1 r² + k2 r⁴), pixels by half of the longer side in square pixels."""
    width, height = size
    square = np.random.default_rng(2).uniform(-0.5, 0.5, (100, 2)) * (width, height / aspect)
    half = max(width, height / aspect) / 2
    r2 = ((square / half) ** 2).sum(axis=-1, keepdims=True)
    ideal = square / (1 + 0.1 * r2 - 0.02 * r2**2)
    lens = lens_from_blender("NUKE", {"k1": 0.1, "k2": -0.02}, FOCAL, size, aspect)
    assert np.abs(lens.undistort(square / FOCAL) - ideal / FOCAL).max() * FOCAL < 1e-9
    camera = camera_from_blender(FOCAL, (width / 2 + 3, height / 2 + 5), size, aspect)
    assert camera.focal == (FOCAL, FOCAL * aspect)
    assert camera.principal == (width / 2 + 3, height / 2 - 5)


def test_opencvs_model_is_opencvs() -> None:
    lens, coefficients = Lens("opencv", FULL_OPENCV), np.array(FULL_OPENCV)
    pixels = np.random.default_rng(3).uniform(0, 1, (500, 2)) * SIZE
    criteria = (3, 50, 1e-12)
    theirs = cv2.undistortPoints(pixels[:, None], K, coefficients, None, None, None, criteria)[:, 0]
    camera = Camera(K, np.eye(4), *SIZE, lens=lens)
    assert np.abs(camera.rays(pixels) - theirs).max() * FOCAL < 1e-6
    points = np.concatenate([theirs * 3, np.full((500, 1), 3.0)], axis=1)
    projected = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, coefficients)[0][:, 0]
    assert np.abs(camera.project(points)[0] - projected).max() < 1e-9
    # Brown's first terms are OpenCV's, where y runs downwards.
    brown, same = Lens("brown", (-0.2, 0.05, 0.01, 0, 0.003, -0.002)), Lens("opencv", (-0.2, 0.05, 0.002, 0.003, 0.01))
    assert np.abs(brown.distort(theirs) - same.distort(theirs)).max() < 1e-15


def test_a_lens_that_folds_inside_the_picture_is_refused() -> None:
    lens = Lens("polynomial", (-0.6,))
    assert lens.valid_radius == pytest.approx(math.sqrt(1 / (3 * 0.6)), rel=0.01)
    with pytest.raises(BadInputError, match="folds") as caught:
        lens.check_picture(intrinsics(800, *SIZE), *SIZE)
    assert "focal length" in caught.value.hint
    lens.check_picture(intrinsics(2500, *SIZE), *SIZE)


@pytest.mark.parametrize("lens", LENSES, ids=str)
def test_a_lens_returns_from_its_files(tmp_path: Path, lens: Lens) -> None:
    calibration = LensCalibration(lens, camera_from_blender(FOCAL, (961.5, 540), SIZE))
    assert parse_lens(calibration.text()) == calibration
    (tmp_path / "lens.json").write_text(LensCalibration(lens).text())
    assert read_lens(tmp_path / "lens.json") == LensCalibration(lens)
    write_json(tmp_path / "t.json", replace(static_trajectory(K, *SIZE, 2), lens=lens))
    assert read_trajectory(tmp_path / "t.json").lens == lens
    assert read_trajectory(tmp_path / "t.json")[1].lens == lens


def test_a_trajectory_without_a_lens_is_written_as_it_was(tmp_path: Path) -> None:
    write_json(tmp_path / "t.json", static_trajectory(K, *SIZE, 1))
    assert "lens" not in json.loads((tmp_path / "t.json").read_text())


@pytest.mark.parametrize("suffix", ["yaml", "xml", "json"])
def test_opencvs_calibration_files_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"calibration.{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 1920)
    storage.write("image_height", 1080)
    storage.write("camera_matrix", K - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    storage.write("distortion_coefficients", np.array([[-0.2, 0.05, 0.001, -0.002, 0.01]]))
    storage.release()
    found = read_lens(path)
    assert found.lens == Lens("opencv", (-0.2, 0.05, 0.001, -0.002, 0.01))
    assert found.camera is not None
    # OpenCV counts pixel centres from 0.
    np.testing.assert_allclose(found.camera.intrinsics(*SIZE), K, atol=1e-9)
    np.testing.assert_allclose(found.camera.intrinsics(960, 540), K * [[0.5], [0.5], [1]], atol=1e-9)
    assert found.camera.fov_deg == pytest.approx(math.degrees(2 * math.atan(960 / FOCAL)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("{}", "no lens"),
        ("%YAML:1.0\n---\nimage_width: 3\n", "no lens"),
        ("\xff\xfe", "no lens"),
        ('{"model": "fisheye", "coefficients": {}}', "no lens model"),
        ('{"model": "brown", "coefficients": {"k9": 1}}', "k9"),
        ('{"model": "brown", "coefficients": {"k1": "x"}}', "numbers"),
        ('{"model": "brown", "coefficients": {"k1": true}}', "numbers"),
        ('{"model": "division", "coefficients": [1, 2, 3]}', "do not fit"),
        ('{"model": "brown", "coefficients": {"k1": 0}, "version": 2}', "version"),
        ('{"model": "brown", "coefficients": {"k1": 0}, "camera": {"fx": 1}}', "lacks a number"),
        (
            '{"model": "brown", "coefficients": {}, "camera": {"fx":0,"fy":1,"cx":1,"cy":1,"width":2,"height":2}}',
            "focal length",
        ),
    ],
)
def test_files_that_are_no_lens(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "l.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BadInputError, match=words) as caught:
        read_lens(tmp_path / "l.json")
    assert caught.value.hint


def test_transforms_json_has_opencvs_lens(tmp_path: Path) -> None:
    path = tmp_path / "transforms.json"
    for lens in (Lens("opencv", (-0.2, 0.05, 0.001, -0.002)), Lens("opencv", FULL_OPENCV[:5])):
        write_transforms_json(path, replace(static_trajectory(K, *SIZE, 2), lens=lens))
        assert read_trajectory(path).lens == lens
    for lens, words in ((Lens("brown", (0.1,)), "brown"), (Lens("opencv", FULL_OPENCV), "k6")):
        with pytest.raises(BadInputError, match=words):
            write_transforms_json(path, replace(static_trajectory(K, *SIZE, 2), lens=lens))


def test_moves_carry_the_lens_and_windows_keep_the_rays() -> None:
    lens = LENSES[4]
    source = replace(static_trajectory(K, *SIZE, 3), lens=lens)
    take = build_take(parse_preset("orbit:20"), source, np.array([0.0, 0, 3]))
    assert take.lens == lens
    assert take.resized(960, 540)[0].lens == lens
    window = source.cropped(-20, 11, 2000, 900)
    assert isinstance(window, Trajectory)
    pixels = np.array([[3.5, 700.25], [1900.0, 20.0]])
    np.testing.assert_allclose(window[0].rays(pixels - (-20, 11)), source[0].rays(pixels), atol=1e-15)


def test_the_field_of_view_spans_the_longer_side_as_it_looks() -> None:
    squeezed = intrinsics_from_fov(60, 960, 1080, 2.0)
    wide = intrinsics_from_fov(60, 1920, 1080)
    np.testing.assert_allclose(squeezed, wide * [[0.5], [1], [1]])
    assert squeezed[1, 1] / squeezed[0, 0] == 2
