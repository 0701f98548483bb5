# SPDX-License-Identifier: Apache-2.0
"""The measures, on cases whose answer is known."""

import math
import sys
import types

import cv2
import numpy as np
import pytest

from ex4d.camera.transforms import invert_rigid, rigid, rotation_y
from ex4d.evaluation.alignment import Alignment, alignment
from ex4d.evaluation.depth import fit_depth, score_depth
from ex4d.evaluation.masks import MaskCounts
from ex4d.evaluation.perceptual import open_lpips
from ex4d.evaluation.pictures import PictureScore, ssim_map
from ex4d.evaluation.poses import camera_errors
from ex4d.evaluation.seams import seam_band, seam_error
from ex4d.evaluation.temporal import Flicker
from ex4d.protocol.errors import BadInputError

RNG = np.random.default_rng(3)


def texture(shift=(0.0, 0.0), size=160):
    """A smooth random picture in 0..1, moved by so many pixels exactly."""
    y, x = np.mgrid[:size, :size].astype(float)
    x, y = x - shift[0], y - shift[1]
    rng = np.random.default_rng(0)
    waves = sum(np.sin(rng.uniform(-0.6, 0.6) * x + rng.uniform(-0.6, 0.6) * y + rng.uniform(0, 6)) for _ in range(12))
    return np.repeat((0.5 + 0.08 * waves)[..., None], 3, axis=2).astype(np.float32)


def test_psnr_of_a_known_error_and_pooling_by_pixels():
    truth = np.full((20, 30, 3), 100, np.uint8)
    score = PictureScore()
    score.add(truth, truth)
    assert score.psnr == math.inf
    assert score.ssim == pytest.approx(1)
    score.add(truth + np.uint8(10), truth)
    assert score.psnr == pytest.approx(-10 * math.log10((10 / 255) ** 2 / 2))
    assert score.pixels == 1200


def test_only_pixels_in_the_region_count_and_an_empty_one_says_nothing():
    truth, result = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)
    result[:4] = 255
    lower = np.zeros((8, 8), bool)
    lower[4:] = True
    score = PictureScore()
    score.add(result, truth, lower)
    assert score.psnr == math.inf
    nothing = PictureScore()
    nothing.add(result, truth, np.zeros((8, 8), bool))
    assert math.isnan(nothing.psnr)
    assert math.isnan(nothing.ssim)
    with pytest.raises(BadInputError, match="4x4"):
        score.add(result[:4, :4], truth)


def test_codes_of_8_and_16_bits_and_floats_are_the_same_values():
    truth = texture(size=32)
    scores = []
    for result in (truth * 0.9, (truth * 0.9 * 65535 + 0.5).astype(np.uint16)):
        score = PictureScore()
        score.add(result, truth)
        scores.append(score.psnr)
    assert scores[0] == pytest.approx(scores[1], abs=0.01)


def test_ssim_ignores_a_little_brightness_and_punishes_blur():
    truth = texture()
    brighter, blurred = truth + 0.02, cv2.GaussianBlur(truth, (0, 0), 4)
    assert ssim_map(truth, truth).min() == pytest.approx(1, abs=1e-4)
    assert ssim_map(brighter, truth).mean() > 0.98
    assert ssim_map(blurred, truth).mean() < 0.8


def test_mask_counts():
    counts = MaskCounts()
    predicted, truth = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    predicted[:, :4], truth[:, 2:5] = True, True
    counts.add(predicted, truth)
    assert (counts.precision, counts.recall) == (0.5, pytest.approx(2 / 3))
    assert counts.iou == pytest.approx(2 / 5)
    assert counts.kept_iou == pytest.approx(5 / 8)
    assert math.isnan(MaskCounts().iou)
    with pytest.raises(BadInputError):
        counts.add(predicted, truth[:5])


def at_rest(height, width, shift=(0, 0)):
    """Paths of pixels that all move by so much."""
    x, y = np.meshgrid(np.arange(width) + 0.5 + shift[0], np.arange(height) + 0.5 + shift[1])
    return np.stack([x, y], axis=-1).astype(np.float32)


def test_flicker_is_change_where_nothing_moves():
    steady, shaky, everywhere = Flicker(), Flicker(), np.ones((6, 6), bool)
    for i in range(4):
        paths = at_rest(6, 6) if i else None
        steady.add(np.full((6, 6, 3), 90, np.uint8), everywhere, paths)
        shaky.add(np.full((6, 6, 3), 90 + 10 * (i % 2), np.uint8), everywhere, paths)
    assert steady.value == pytest.approx(0, abs=1e-4)
    assert shaky.value == pytest.approx(10, abs=1e-3)
    assert math.isnan(Flicker().value)


def test_flicker_follows_what_moves_in_the_picture():
    following, staring, everywhere = Flicker(), Flicker(), np.ones((160, 160), bool)
    for i in range(3):
        picture = texture((2.0 * i, 1.0 * i))
        following.add(picture, everywhere, at_rest(160, 160, (2, 1)) if i else None)
        staring.add(picture, everywhere, at_rest(160, 160) if i else None)
    # At the border the texture leaves the picture.
    assert following.value < 0.05 * staring.value


def test_flicker_leaves_out_what_has_no_path_and_other_regions():
    flicker, left = Flicker(), np.ones((6, 6), bool)
    left[:, 3:] = False
    paths = at_rest(6, 6)
    paths[0] = np.nan
    first, second = np.zeros((6, 6, 3), np.uint8), np.full((6, 6, 3), 8, np.uint8)
    second[0], second[:, 3:] = 255, 255
    flicker.add(first, left, None)
    flicker.add(second, left, paths)
    assert flicker.value == pytest.approx(8, abs=1e-3)


def test_seam_error_sees_a_step_at_the_border_and_not_a_soft_fill():
    truth = texture()
    mask = np.full(truth.shape[:2], 255, np.uint8)
    mask[:, 80:] = 0
    band = seam_band(mask)
    assert band.any(axis=0).nonzero()[0].tolist() == [78, 79, 80, 81]
    stepped, soft = truth.copy(), truth.copy()
    stepped[:, 80:] += 0.2
    soft[:, 80:] = cv2.GaussianBlur(truth, (0, 0), 3)[:, 80:]
    assert seam_error(truth, truth, mask) == 0
    assert seam_error(stepped, truth, mask) > 5
    assert seam_error(soft, truth, mask) < 3
    assert math.isnan(seam_error(truth, truth, np.full_like(mask, 255)))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.07, -0.04), (0.5, 0.25), (-1.3, 0.8)])
def test_alignment_finds_shifts_to_hundredths_of_a_pixel(shift):
    truth = texture()
    moved = 1.05 * texture(shift) - 0.02 + RNG.normal(0, 0.004, truth.shape)
    where = np.ones(truth.shape[:2], bool)
    where[40:70, 40:70] = False
    moved[40:70, 40:70] = 0
    found = alignment(moved.astype(np.float32), truth, where)
    assert len(found.shifts) >= 12
    np.testing.assert_allclose(found.shifts.mean(axis=0), shift, atol=0.02)
    assert found.bias_px == pytest.approx(math.hypot(*shift), abs=0.02)


def test_alignment_says_nothing_about_flat_and_striped_pictures():
    flat = np.full((96, 96, 3), 0.5, np.float32)
    stripes = np.repeat(np.repeat(np.sin(np.arange(96) / 2)[None, :, None], 96, 0), 3, 2).astype(np.float32)
    for picture in (flat, stripes):
        found = alignment(picture, picture, np.ones((96, 96), bool))
        assert len(found.shifts) == 0
        assert math.isnan(found.median_px)
    assert math.isnan(Alignment.pooled([]).bias_px)


def relief(frame=0):
    """A ramp with a box on it, z-depth."""
    z = np.repeat(np.linspace(4, 8, 80, dtype=np.float32)[:, None], 100, axis=1)
    z[20:50, 30:60] = 2.5
    z[:, frame : frame + 2] = np.nan
    z[:3, -5:] = np.inf
    return z


def clip(change):
    return lambda: ((change(relief(i), i), relief(i)) for i in range(3))


def test_perfect_depth():
    score = score_depth(clip(lambda z, i: z), "none")
    assert (score.abs_rel, score.delta1, score.wobble) == pytest.approx((0, 1, 0), abs=1e-6)
    assert score.edge_f1 == pytest.approx(1)


def test_scale_and_shift_are_fitted_once_for_the_clip():
    scaled = clip(lambda z, i: 3 * z)
    assert score_depth(scaled, "none").delta1 == 0
    assert score_depth(scaled, "scale").abs_rel == pytest.approx(0, abs=1e-5)
    shifted = clip(lambda z, i: 1 / (0.5 / z + 0.1))
    assert score_depth(shifted, "scale").abs_rel > 0.05
    assert score_depth(shifted, "affine").abs_rel == pytest.approx(0, abs=1e-4)
    pumping = clip(lambda z, i: z * (1 + 0.1 * (i % 2)))
    assert score_depth(pumping, "affine").wobble > 0.05
    backwards = fit_depth(clip(lambda z, i: 10 - z)(), "affine")
    assert backwards.scale == 0


def test_a_known_error_and_lost_outlines():
    worse = score_depth(clip(lambda z, i: 1.3 * z), "none")
    assert worse.abs_rel == pytest.approx(0.3, abs=1e-5)
    assert worse.delta1 == 0
    smooth = score_depth(clip(lambda z, i: np.full_like(z, 5.0)), "none")
    assert smooth.edge_f1 == 0
    nothing = score_depth(clip(lambda z, i: np.full_like(z, np.nan)), "affine")
    assert math.isnan(nothing.abs_rel)


def test_camera_errors():
    path = np.stack([invert_rigid(rigid(rotation_y(0.02 * i), np.array([0.3 * i, 0, 0]))) for i in range(8)])
    elsewhere = path @ rigid(rotation_y(1.0), np.array([5.0, 1, 2]))
    same = camera_errors(elsewhere, path)
    assert same.rotation_max_deg == pytest.approx(0, abs=1e-6)
    assert same.translation == pytest.approx(0, abs=1e-9)
    bigger = path.copy()
    bigger[:, :3, 3] *= 2
    assert camera_errors(bigger, path).scale == pytest.approx(0.5)
    assert camera_errors(bigger, path, fit_scale=False).translation > 0.1
    turned = np.stack([rigid(rotation_y(math.radians(i)), np.zeros(3)) @ E for i, E in enumerate(path)])
    assert camera_errors(turned, path).rotation_deg == pytest.approx(3.5, abs=1e-6)
    assert math.isnan(camera_errors(path[:1], path[:1]).translation)
    with pytest.raises(BadInputError, match="one camera for each frame"):
        camera_errors(path[:2], path)


def test_lpips_says_what_is_missing_and_downloads_nothing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lpips", None)
    assert "is not installed" in str(open_lpips())
    made = {}

    def network(**options):
        made.update(options)
        return types.SimpleNamespace(eval=lambda: "network")

    for name in ("torch", "torchvision", "lpips"):
        module = types.ModuleType(name)
        module.__spec__ = types.SimpleNamespace(name=name)
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["torch"].hub = types.SimpleNamespace(get_dir=lambda: str(tmp_path))
    sys.modules["lpips"].LPIPS = network
    assert "alexnet" in str(open_lpips())
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").touch()
    assert not isinstance(open_lpips(), str)
    assert made == {"net": "alex", "spatial": True, "verbose": False}
