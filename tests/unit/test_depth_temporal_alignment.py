# SPDX-License-Identifier: Apache-2.0
"""Flicker in scale and shift is taken out; real change over time and the shot's contrast stay."""

from __future__ import annotations

import cv2
import numpy as np

from ex4d.depth.temporal_alignment import ScaleShift, TemporalAlignment

COUNT, HEIGHT, WIDTH = 40, 72, 128


def scene(shift: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A textured picture (H, W, 3) and its disparity (H, W); the camera pans by ``shift`` pixels."""
    rng = np.random.default_rng(seed)
    wide = cv2.GaussianBlur(rng.integers(0, 255, (HEIGHT, WIDTH + 120, 3)).astype(np.float32), (0, 0), 1.5)
    wide = np.clip((wide - 127) * 4 + 127, 0, 255)
    rows, columns = np.mgrid[:HEIGHT, : WIDTH + 120].astype(np.float32)
    disparity = 1 + 2 * rows / HEIGHT + np.sin(columns / 25).astype(np.float32)
    move = np.array([[1, 0, -shift], [0, 1, 0]], np.float32)
    picture = cv2.warpAffine(wide, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    return picture.astype(np.uint8), cv2.warpAffine(disparity, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)


def clip(scale: np.ndarray, shift: np.ndarray, noise: float = 0.0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pictures and disparities with a scale and a shift of their own in each frame; the true ones beside them."""
    rng = np.random.default_rng(5)
    pictures, estimates = [], []
    for index in range(len(scale)):
        picture, disparity = scene(1.5 * index)
        pictures.append(picture)
        own = scale[index] * disparity + shift[index] + rng.normal(0, noise, disparity.shape)
        estimates.append(own.astype(np.float32))
    return pictures, estimates


def steadied(pictures: list[np.ndarray], estimates: list[np.ndarray]) -> tuple[ScaleShift, TemporalAlignment]:
    steadier = TemporalAlignment()
    for picture, estimate in zip(pictures, estimates, strict=True):
        steadier.add(picture, estimate)
    return steadier.lines(), steadier


def flicker(scale: np.ndarray, shift: np.ndarray) -> float:
    """RMS change from frame to frame of a disparity of 2."""
    return float(np.sqrt(np.mean(np.diff(2 * scale + shift) ** 2)))


def test_flicker_is_taken_out() -> None:
    rng = np.random.default_rng(1)
    scale, shift = rng.uniform(0.8, 1.25, COUNT), rng.uniform(-0.3, 0.3, COUNT)
    lines, _ = steadied(*clip(scale, shift))
    left_scale, left_shift = lines.scale * scale, lines.scale * shift + lines.shift
    assert flicker(left_scale, left_shift) < 0.05 * flicker(scale, shift)
    assert np.ptp(left_scale) < 0.1 * np.ptp(scale)


def test_a_steady_estimate_stays_as_it_is() -> None:
    lines, _ = steadied(*clip(np.ones(COUNT), np.zeros(COUNT)))
    assert np.allclose(lines.scale, 1, atol=0.02)
    assert np.allclose(lines.shift, 0, atol=0.04)


def test_noise_does_not_shrink_the_contrast() -> None:
    lines, _ = steadied(*clip(np.ones(COUNT), np.zeros(COUNT), noise=0.4))
    assert abs(lines.scale.mean() - 1) < 1e-9
    assert np.ptp(lines.scale) < 0.15
    assert np.abs(np.diff(lines.scale)).max() < 0.02


def test_a_slow_change_is_not_flicker() -> None:
    # Over 160 frames everything comes twice as near: an estimate that says so is believed in the main.
    growth = np.linspace(1, 2, 160)
    lines, _ = steadied(*clip(growth, np.zeros(160)))
    left = lines.scale * growth
    assert left[-10:].mean() / left[:10].mean() > 1.4


def test_frames_across_a_cut_are_not_tied() -> None:
    pictures, estimates = clip(np.ones(10), np.zeros(10))
    after = [scene(1.5 * index, seed=9)[0] // 6 for index in range(10)]
    lines, steadier = steadied(pictures + after, estimates + [3 * e + 5 for e in estimates])
    assert steadier.cuts == [10]
    assert np.allclose(lines.scale, 1, atol=0.05)


def test_something_that_covers_a_part_does_not_pull_the_rest() -> None:
    pictures, estimates = clip(np.ones(20), np.zeros(20))
    for index in range(20):
        left = 4 * index
        pictures[index][20:50, left : left + 24] = (200, 30, 30)
        estimates[index][20:50, left : left + 24] += 6
    lines, _ = steadied(pictures, estimates)
    assert np.allclose(lines.scale, 1, atol=0.05)
    assert np.abs(np.diff(lines.shift)).max() < 0.03


def test_no_depth_and_no_texture() -> None:
    flat = [np.full((HEIGHT, WIDTH, 3), 90, np.uint8)] * 3
    lines, _ = steadied(flat, [np.zeros((20, 30), np.float32)] * 3)
    assert np.array_equal(lines.scale, np.ones(3))
    assert np.array_equal(lines(0, np.zeros((2, 2))), np.zeros((2, 2), np.float32))


def test_one_frame() -> None:
    pictures, estimates = clip(np.ones(1), np.zeros(1))
    lines, _ = steadied(pictures, estimates)
    assert np.allclose(lines(0, estimates[0]), estimates[0], atol=1e-6)
