# SPDX-License-Identifier: Apache-2.0
"""The generator's shift of colours is found and taken off, whatever else it does to the picture."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from ex4d.colour.difference import delta_e_2000, lab_from_srgb
from ex4d.fill.color_match import ColorMatch, ColorTransform, match_colors

LUMA = np.array([0.2126, 0.7152, 0.0722])
HOLE = np.s_[:, 180:]


def saturated(colors: np.ndarray, amount: float) -> np.ndarray:
    return (colors @ LUMA)[..., None] * (1 - amount) + colors * amount


DRIFTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "gain and offset": lambda x: x * (1.06, 0.97, 0.92) + (0.02, -0.01, 0.015),
    "less contrast": lambda x: x * 0.85 + 0.06,
    "less saturation": lambda x: saturated(x, 0.75),
    "more saturation": lambda x: saturated(x, 1.2),
    "darker gamma": lambda x: x**1.15,
    "brighter gamma": lambda x: x ** (1 / 1.2),
}


def scene(seed: int) -> np.ndarray:
    """(192, 256, 3) in 0..1."""
    small = np.random.default_rng(seed).random((6, 8, 3)) * 0.8 + 0.1
    return np.clip(cv2.resize(small, (256, 192), interpolation=cv2.INTER_CUBIC), 0.02, 0.98)


def generated(shifted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As an autoencoder gives it back: blurred and noisy; a tenth of the pixels is something else."""
    picture = cv2.GaussianBlur(shifted, (0, 0), 1.0) + rng.normal(0, 3 / 255, shifted.shape)
    others = rng.random(shifted.shape[:2]) < 0.1
    picture[others] = rng.random((int(others.sum()), 3))
    return np.clip(picture, 0, 1)


def coded(picture: np.ndarray, white: int) -> np.ndarray:
    return np.rint(picture * white).astype(np.uint8 if white == 255 else np.uint16)


def matched(drift: Callable[[np.ndarray], np.ndarray], white: int, shrink: int = 1) -> tuple[ColorMatch, np.ndarray]:
    """The match, and the CIEDE2000 that it leaves in the hole, without blur and noise."""
    rng = np.random.default_rng(1)
    mask = np.full((192, 256), 255, np.uint8)
    mask[HOLE] = 0
    frames, plates = [], [scene(seed) for seed in range(6)]
    for plate in plates:
        drawn = generated(np.clip(drift(plate), 0, 1), rng)
        drawn = cv2.resize(drawn, (256 // shrink, 192 // shrink), interpolation=cv2.INTER_AREA)
        frames.append((coded(drawn, white), coded(plate, white) * (mask > 0)[..., None].astype(np.uint8), mask))
    match = match_colors(frames, len(frames), white)
    holes = np.concatenate([plate[HOLE].reshape(-1, 3) for plate in plates])
    shifted = np.clip(drift(holes), 0, 1)
    # What the generator has clipped is gone.
    whole = ((shifted > 0) & (shifted < 1)).all(axis=1)
    left = delta_e_2000(lab_from_srgb(match.transform.apply(shifted[whole])), lab_from_srgb(holes[whole]))
    return match, left


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("name", list(DRIFTS))
def test_drifts_are_taken_off(name: str, white: int) -> None:
    match, left = matched(DRIFTS[name], white)
    assert match.before > 2
    assert left.mean() <= 0.5
    assert np.quantile(left, 0.95) <= 1.0
    assert match.after < match.before / 3


def test_drift_of_a_smaller_picture() -> None:
    match, left = matched(DRIFTS["gain and offset"], 255, shrink=2)
    assert match.before > 2
    assert left.mean() <= 1.0


@pytest.mark.parametrize("white", [255, 65535])
def test_identity_stays(white: int) -> None:
    match, left = matched(lambda x: x, white)
    assert left.max() <= 0.1
    assert match.note == ""


def test_too_little_is_seen() -> None:
    plate = coded(scene(0), 255)
    mask = np.zeros(plate.shape[:2], np.uint8)
    mask[50:60, 50:60] = 255
    match = match_colors([(plate, plate * (mask > 0)[..., None].astype(np.uint8), mask)], 1, 255)
    assert match.transform.is_identity
    assert "Too little" in match.note


def test_few_colours_are_no_reason_to_turn_others() -> None:
    """A grey wall says how brightness shifts, and nothing of a red thing in the hole."""
    rng = np.random.default_rng(2)
    wall = np.clip(rng.normal(0.5, 0.08, (192, 256, 1)), 0.1, 0.9) * np.ones(3)
    wall = cv2.GaussianBlur(wall, (0, 0), 6)
    mask = np.full((192, 256), 255, np.uint8)
    match = match_colors([(coded(wall * 0.9 + 0.03, 255), coded(wall, 255), mask)], 1, 255)
    red = np.array([[0.6, 0.15, 0.1]])
    moved = match.transform.apply(red * 0.9 + 0.03)
    assert delta_e_2000(lab_from_srgb(moved), lab_from_srgb(red))[0] < 4
    assert delta_e_2000(lab_from_srgb(match.transform.apply([[0.48] * 3])), lab_from_srgb(np.array([[0.5] * 3])))[0] < 1


def test_curves_go_on_beyond_black_and_white() -> None:
    transform = ColorTransform(np.eye(3, 4), np.tile(np.linspace(0.1, 0.9, 9), (3, 1)))
    values = transform.apply(np.array([[-0.5, 0.5, 1.5]]))
    np.testing.assert_allclose(values, [[-0.4, 0.5, 1.4]], atol=1e-6)
    assert (ColorTransform.identity().apply(np.array([[-3.0, 0.2, 7.0]])) == np.float32([[-3.0, 0.2, 7.0]])).all()
