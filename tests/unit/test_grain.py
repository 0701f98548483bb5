# SPDX-License-Identifier: Apache-2.0
"""The plate's grain is measured on what stands still, and drawn with the same figures."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from ex4d.fill.grain import BANDS, REACH, Grain, measure_grain

HEIGHT, WIDTH = 256, 448


def true_variance(level: np.ndarray | float) -> np.ndarray:
    """Of a sensor: noise of reading, and of counting light."""
    return 0.004**2 + 0.0002 * np.asarray(level)


def plate(seed: int, count: int, *, blur: float = 0.0, shake: float = 0.0) -> list[np.ndarray]:
    """Frames (H, W, 3) in 0..1 with that noise: a still scene, in which a textured thing moves."""
    rng = np.random.default_rng(seed)
    still = rng.random((6, 10, 3)).astype(np.float32) * 0.9 + 0.05
    still = np.clip(cv2.resize(still, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), 0.03, 0.97)
    thing = rng.random((90, 120, 3)).astype(np.float32)
    frames = []
    for index in range(count):
        moved = np.float32([[1, 0, shake * index * 7.3], [0, 1, shake * index * 5.1]])
        picture = (
            cv2.warpAffine(still, moved, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT) if shake else still.copy()
        )
        left = 60 + 6 * index
        picture[80:170, left : left + 120] = thing
        noise = rng.standard_normal(picture.shape)
        if blur:
            noise = cv2.GaussianBlur(noise, (0, 0), blur)
            noise /= noise.std()
        noisy = picture + noise * np.sqrt(true_variance(picture))
        frames.append((np.rint(np.clip(noisy, 0, 1) * 65535) / 65535).astype(np.float32))
    return frames


def measured(frames: list[np.ndarray]) -> Grain | None:
    return measure_grain(itertools.pairwise(frames))


@pytest.mark.parametrize("blur", [0.0, 0.6])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_variance_in_five_bands(seed: int, blur: float) -> None:
    grain = measured(plate(seed, 5, blur=blur))
    assert grain is not None
    ramp = np.tile(np.linspace(0.05, 0.95, 640, dtype=np.float32)[None, :, None], (360, 1, 3))
    noise = grain.draw(ramp, (7, 1001))
    for low in (0.06, 0.24, 0.42, 0.6, 0.78):
        inside = (ramp[..., 0] >= low) & (ramp[..., 0] < low + 0.16)
        wanted = true_variance(ramp[..., 0][inside]).mean()
        np.testing.assert_allclose(noise[inside].var(axis=0), wanted, rtol=0.1)


def test_neighbours_are_alike_as_in_the_plate() -> None:
    frames = plate(3, 5, blur=0.6)
    grain = measured(frames)
    assert grain is not None
    noise = grain.draw(np.full((200, 200, 3), 0.5, np.float32), (1, 1))
    step = (frames[1] - frames[0])[200:, :].astype(np.float64)

    def neighbour(picture: np.ndarray) -> float:
        picture = picture - picture.mean()
        return float((picture[:, 1:] * picture[:, :-1]).mean() / (picture**2).mean())

    assert neighbour(step) > 0.35
    assert neighbour(noise) == pytest.approx(neighbour(step), abs=0.05)
    assert (grain.kernel**2).sum() == pytest.approx(1)
    assert grain.kernel.shape == (2 * REACH + 1, 2 * REACH + 1)


def test_channels_are_alike_as_in_the_plate() -> None:
    rng = np.random.default_rng(4)
    still = np.full((HEIGHT, WIDTH, 3), 0.4, np.float32)
    frames = []
    for _ in range(4):
        common = rng.standard_normal((HEIGHT, WIDTH, 1))
        own = rng.standard_normal((HEIGHT, WIDTH, 3))
        frames.append((still + 0.01 * (np.sqrt(0.6) * common + np.sqrt(0.4) * own)).astype(np.float32))
    grain = measured(frames)
    assert grain is not None
    noise = grain.draw(still, (0, 0)).reshape(-1, 3)
    np.testing.assert_allclose(np.corrcoef(noise.T)[np.triu_indices(3, 1)], 0.6, atol=0.03)


def test_the_same_seed_gives_the_same_grain() -> None:
    grain = measured(plate(0, 3))
    assert grain is not None
    flat = np.full((64, 64, 3), 0.3, np.float32)
    assert (grain.draw(flat, (5, 1001)) == grain.draw(flat, (5, 1001))).all()
    assert (grain.draw(flat, (5, 1001)) != grain.draw(flat, (5, 1002))).any()
    assert (grain.draw(flat, (5, 1001)) != grain.draw(flat, (6, 1001))).any()


def test_nothing_stands_still() -> None:
    rng = np.random.default_rng(5)
    assert measure_grain([]) is None
    assert measured([np.ones((64, 64, 3), np.float32) * 0.5] * 3) is None
    # Strong texture that moves everywhere is no grain of that strength.
    texture = rng.random((HEIGHT, WIDTH, 3)).astype(np.float32) * 0.8 + 0.1
    texture = cv2.GaussianBlur(texture, (0, 0), 4)
    frames = [np.roll(texture, 9 * index, axis=1) for index in range(4)]
    grain = measured(frames)
    assert grain is None or grain.variance.max() < 0.02**2


def test_a_camera_that_moves() -> None:
    """The whole picture shifts: where that is no measure of grain nothing is said, rather than too much."""
    for seed in range(3):
        grain = measured(plate(seed, 5, shake=1.0))
        assert grain is None or (grain.variance < 1.5 * true_variance(BANDS)).all()


def test_a_plate_without_noise_gets_none() -> None:
    """A codec's repeated blocks count for nothing; a clean render has none to give."""
    rng = np.random.default_rng(6)
    still = np.clip(cv2.resize(rng.random((6, 10, 3)).astype(np.float32), (WIDTH, HEIGHT)), 0.1, 0.9)
    assert measured([still, still, still]) is None
