# SPDX-License-Identifier: Apache-2.0
"""The picture on every plate: two rows of eight patches, and below them a ramp that moves from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

WIDTH, HEIGHT = 128, 72
_SIDE, _ROW = 16, 24
#: (x, y) of the patches' middles.
CENTRES = tuple((_SIDE // 2 + _SIDE * (k % 8), _ROW // 2 + _ROW * (k // 8)) for k in range(16))

#: Scene-linear values of a plate: primaries that are nearly pure, greys, lamps, and what noise makes of black.
LINEAR = np.array(
    [
        (0.8, 0.02, 0.01),
        (0.05, 0.7, 0.03),
        (0.02, 0.03, 0.9),
        (0.0, 0.8, 0.8),
        (-0.05, 0.3, -0.02),
        (0.9, 0.8, 0.01),
        (1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0),
        (0.18, 0.18, 0.18),
        (0.5, 0.5, 0.5),
        (2.0, 2.0, 2.0),
        (8.0, 8.0, 8.0),
        (16.0, 14.0, 10.0),
        (60.0, 60.0, 60.0),
        (-0.02, -0.02, -0.02),
        (0.05, 0.05, 0.05),
    ]
)
#: Code values 0..1 of a display picture: primaries, greys, and colours that people judge by.
DISPLAY = np.array(
    [
        (1.0, 0.0, 0.0),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 1.0),
        (0.0, 1.0, 1.0),
        (1.0, 0.0, 1.0),
        (1.0, 1.0, 0.0),
        (1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0),
        (0.46, 0.46, 0.46),
        (0.5, 0.5, 0.5),
        (0.78, 0.58, 0.48),
        (0.35, 0.22, 0.15),
        (0.33, 0.42, 0.24),
        (0.35, 0.47, 0.63),
        (0.86, 0.46, 0.16),
        (0.1, 0.1, 0.1),
    ]
)
#: Light of an HDR picture, candela per square metre: saturated at 400, diffuse white 203, grey, lamps to 10,000.
NITS = np.array(
    [
        (400, 0, 0),
        (0, 400, 0),
        (0, 0, 400),
        (0, 400, 400),
        (400, 0, 400),
        (400, 400, 0),
        (203, 203, 203),
        (0, 0, 0),
        (26, 26, 26),
        (100, 100, 100),
        (500, 500, 500),
        (1000, 1000, 1000),
        (4000, 4000, 4000),
        (10000, 10000, 10000),
        (800, 300, 60),
        (1, 1, 1),
    ],
    float,
)


def draw(patches: Sequence[Sequence[float]] | Float, index: int, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Float:
    """Frame ``index`` (H, W, 3) with these patches (16, 3); a larger one has the chart in its upper left corner and its
    rim goes on beyond it."""
    values = np.asarray(patches, np.float64).reshape(2, 8, 3)
    picture = np.empty((HEIGHT, WIDTH, 3))
    picture[: 2 * _ROW] = values.repeat(_ROW, axis=0).repeat(_SIDE, axis=1)
    ramp = (np.arange(WIDTH) + 3 * index) % WIDTH / WIDTH
    grey = values[1, 0]
    picture[2 * _ROW :] = ramp[None, :, None] * grey
    width, height = size
    return np.pad(picture, ((0, height - HEIGHT), (0, width - WIDTH), (0, 0)), mode="edge")


def pq_codes(nits: Float) -> Float:
    """Code values 0..1 of light, SMPTE ST 2084."""
    share = (np.asarray(nits, np.float64) / 10000) ** (2610 / 16384)
    return np.asarray(((3424 / 4096 + 2413 / 128 * share) / (1 + 2392 / 128 * share)) ** (2523 / 32))


def hlg_codes(scene: Float) -> Float:
    """Code values 0..1 of scene light 0..1, ITU-R BT.2100 (its inverse gives 1/12 at code 0.5)."""
    scene = np.asarray(scene, np.float64)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    high = a * np.log(np.maximum(12 * scene - b, 1e-12)) + c
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * np.maximum(scene, 0)), high))


def logc3_codes(linear: Float) -> Float:
    """Code values 0..1 of scene-linear light, ARRI LogC3 at EI 800 (ALEXA LogC curve, usage in VFX, 2017)."""
    linear = np.asarray(linear, np.float64)
    cut, a, b, c, d, e, f = 0.010591, 5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809
    return np.asarray(np.where(linear > cut, c * np.log10(np.maximum(a * linear + b, 1e-12)) + d, e * linear + f))


def logc4_codes(linear: Float) -> Float:
    """Code values 0..1 of scene-linear light, ARRI LogC4 (Logarithmic Color Space Specification, 2022)."""
    linear = np.asarray(linear, np.float64)
    a, b, c = (2**18 - 16) / 117.45, (1023 - 95) / 1023, 95 / 1023
    s = 7 * np.log(2) * 2 ** (7 - 14 * c / b) / (a * b)
    t = (2 ** (14 * (-c / b) + 6) - 64) / a
    high = (np.log2(np.maximum(a * linear + 64, 1e-12)) - 6) / 14 * b + c
    return np.asarray(np.where(linear >= t, high, (linear - t) / s))


def slog3_codes(linear: Float) -> Float:
    """Code values 0..1 of scene-linear light, Sony S-Log3 (Technical Summary for S-Gamut3.Cine/S-Log3, 2014)."""
    linear = np.asarray(linear, np.float64)
    high = (420 + np.log10(np.maximum(linear + 0.01, 1e-12) / 0.19) * 261.5) / 1023
    return np.asarray(np.where(linear >= 0.01125, high, (linear * (171.2102946929 - 95) / 0.01125 + 95) / 1023))
