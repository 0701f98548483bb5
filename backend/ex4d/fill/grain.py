# SPDX-License-Identifier: Apache-2.0
"""The plate's grain, measured and drawn again: what a model fills is smooth, what stands beside it is not.

Noise is what changes from one frame to the next where nothing else does. Its strength depends on brightness (shot noise
of a sensor, density of film) and on the channel; it is correlated between channels and neighbouring pixels
(demosaicing, scanning). All of these are measured on blocks that stand still, and noise with the same figures is drawn
from a seed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

#: Counts in keys: another number where the same plate gives another grain.
GRAIN_VERSION = 1
#: Side of the blocks that are judged, pixels.
BLOCK = 8
#: Bands of brightness, by their middles, as code values in 0..1.
BANDS = np.linspace(1 / 32, 31 / 32, 16)
#: A block whose differences are this much stronger than those of blocks of its brightness has moved: its sum of 64
#: squares varies by 18 % (one standard deviation), somewhat more where neighbours are correlated.
MOVED = 1.8
#: Grain changes from pixel to pixel; differences that are more alike than this from one pixel to the next, as a
#: correlation, are of things that move.
SMOOTH = 0.8
#: Noise over time is not stronger than over the picture where that is flattest: differences that are so many times
#: stronger are of things that move.
STRONGER = 2.0
#: Fewer still blocks than this, of all bands, say nothing; a band needs a quarter of it.
LEAST_BLOCKS = 64
#: Neighbours so far apart, in pixels, may be correlated.
REACH = 2
#: Codes nearer to black or white than this are clipped, and their noise with them.
CLIPPED = 2 / 255


@dataclass(frozen=True)
class Grain:
    """Noise of a plate in its working codes, 0..1.

    Attributes:
        variance: (3, 16) of each channel, in ``BANDS`` of its own brightness.
        channels: (3, 3) correlation between channels.
        kernel: (2·REACH + 1, 2·REACH + 1) filter with a sum of squares of 1 that gives white noise its neighbours'.
        blocks: on how many still blocks it rests.
    """

    variance: Float
    channels: Float
    kernel: Float
    blocks: int

    def draw(self, picture: NDArray[np.float32], seed: tuple[int, ...]) -> NDArray[np.float32]:
        """Noise (H, W, 3) for a picture (H, W, 3) in 0..1, always the same for a seed.

        Args:
            picture: what gets the noise, smooth.
            seed: of the take, and the frame's number.
        """
        height, width = picture.shape[:2]
        random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        white = random.standard_normal((height + 2 * REACH, width + 2 * REACH, 3), dtype=np.float32)
        kernel = self.kernel.astype(np.float32)
        inner = cv2.filter2D(white, -1, kernel)[REACH:-REACH, REACH:-REACH]
        mixed = inner @ _root(self.channels).T.astype(np.float32)
        strength = np.stack([np.sqrt(np.interp(picture[..., k], BANDS, self.variance[k])) for k in range(3)], axis=-1)
        return np.asarray(mixed * strength, np.float32)

    def record(self) -> dict[str, Any]:
        """As take.json has it; standard deviations in code values of 0..255."""
        sigma = 255 * np.sqrt(self.variance)
        return {
            "version": GRAIN_VERSION,
            "blocks": self.blocks,
            "bands": BANDS.tolist(),
            "sigma_8bit": [[round(float(value), 3) for value in row] for row in sigma],
            "neighbour": round(float(_autocorrelation(self.kernel)[REACH, REACH + 1]), 3),
        }


def measure_grain(pairs: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Grain | None:
    """The grain of a plate; None where too little of it stands still.

    Args:
        pairs: following frames (H, W, 3) in 0..1, of one size.
    """
    found = [_blocks(first, second) for first, second in pairs]
    if not found:
        return None
    levels, steps, relief = (np.concatenate(parts) for parts in zip(*found, strict=True))
    still = _still(levels, steps, relief)
    if still.sum() < LEAST_BLOCKS:
        return None
    levels, steps = levels[still], steps[still]
    variance = np.stack([_by_band(levels[:, k], _power(steps[..., k])) for k in range(3)])
    sigma = np.stack([np.sqrt(np.interp(levels[:, k], BANDS, variance[k])) for k in range(3)], axis=-1)
    even = steps / np.maximum(sigma, 1e-9)[:, None, None, :]
    even[(sigma < 1e-9).any(axis=1)] = 0
    flat = even.reshape(-1, 3)
    covariance = flat.T @ flat / len(flat)
    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-12))
    channels = covariance / np.outer(scale, scale)
    np.fill_diagonal(channels, 1)
    return Grain(variance, channels, _kernel(even), int(still.sum()))


def _blocks(first: NDArray[np.float32], second: NDArray[np.float32]) -> tuple[Float, Float, Float]:
    """Mean colours (N, 3) of blocks, their differences over time (N, 8, 8, 3) with the noise of one frame, and the
    variance (N,) of the first frame inside them, slopes left out."""
    height, width = (side // BLOCK * BLOCK for side in first.shape[:2])

    def cut(picture: Float) -> Float:
        rows = picture[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
        return rows.transpose(0, 2, 1, 3, 4).reshape(-1, BLOCK, BLOCK, 3)

    before, after = cut(first.astype(np.float64)), cut(second.astype(np.float64))
    level = (before + after).mean(axis=(1, 2)) / 2
    step = (after - before) / np.sqrt(2)
    values = np.stack([before, after])
    inside = (values > CLIPPED).all(axis=(0, 2, 3, 4)) & (values < 1 - CLIPPED).all(axis=(0, 2, 3, 4))
    # A codec that repeats a block has not photographed it twice.
    inside &= (step != 0).any(axis=(1, 2, 3))
    return level[inside], step[inside], _relief(before[inside])


def _relief(blocks: Float) -> Float:
    """Variance (N,) of blocks (N, 8, 8, 3) around the plane through each channel, the channels' mean."""
    ramp = np.arange(BLOCK) - (BLOCK - 1) / 2
    basis = [np.ones((BLOCK, BLOCK)), np.tile(ramp, (BLOCK, 1)), np.tile(ramp[:, None], (1, BLOCK))]
    total = (blocks**2).sum(axis=(1, 2))
    for plane in basis:
        total = total - np.einsum("nyxc,yx->nc", blocks, plane) ** 2 / (plane**2).sum()
    return np.asarray(np.maximum(total, 0).mean(axis=1) / (BLOCK * BLOCK - len(basis)))


def _power(step: Float) -> Float:
    return np.asarray((step**2).mean(axis=(1, 2)))


def _still(levels: Float, steps: Float, relief: Float) -> NDArray[np.bool_]:
    """Which blocks do not move: their differences are as strong as the weakest of their brightness, have no mean,
    are not smooth, and not stronger than the relief of the flattest blocks."""
    grey, power = levels.mean(axis=1), (steps**2).mean(axis=(1, 2, 3))
    # Four pixels may be one, where neighbours are alike.
    drift = (steps.mean(axis=(1, 2)) ** 2).max(axis=1) * BLOCK * BLOCK / 4
    band = np.digitize(grey, (BANDS[1:] + BANDS[:-1]) / 2)
    still = np.zeros(len(grey), np.bool_)
    for number in np.unique(band):
        of_band = np.flatnonzero(band == number)
        values = power[of_band]
        usual = float(np.quantile(values, 0.2))
        for _ in range(8):
            kept = values[values < MOVED * usual]
            usual = float(np.median(kept)) if len(kept) else usual
        if usual > STRONGER * np.quantile(relief[of_band], 0.1):
            continue
        still[of_band] = (values < MOVED * usual) & (drift[of_band] < 9 * usual / 4)
    return still & (_smoothness(steps) < SMOOTH)


def _smoothness(steps: Float) -> Float:
    """Correlation (N,) of neighbouring pixels' differences."""
    across = (steps[:, :, 1:] * steps[:, :, :-1]).mean(axis=(1, 2, 3))
    down = (steps[:, 1:] * steps[:, :-1]).mean(axis=(1, 2, 3))
    return np.asarray((across + down) / 2 / np.maximum((steps**2).mean(axis=(1, 2, 3)), 1e-15))


def _by_band(level: Float, power: Float) -> Float:
    """Variance in each of ``BANDS``; where nothing was seen, that of the nearest one that was."""
    middles, found = [], []
    edges = [-np.inf, *(BANDS[1:] + BANDS[:-1]) / 2, np.inf]
    for low, high in itertools.pairwise(edges):
        inside = (level >= low) & (level < high)
        if inside.sum() >= LEAST_BLOCKS // 4:
            middles.append(float(level[inside].mean()))
            found.append(float(power[inside].mean()))
    if not found:
        return np.full(len(BANDS), float(power.mean()))
    return np.asarray(np.interp(BANDS, middles, found))


def _kernel(even: Float) -> Float:
    """The filter that gives white noise the correlation of neighbours in these blocks (N, 8, 8, 3)."""
    side = 2 * REACH + 1
    found = np.zeros((side, side))
    for down in range(-REACH, REACH + 1):
        for across in range(-REACH, REACH + 1):
            a = even[:, max(down, 0) : BLOCK + min(down, 0), max(across, 0) : BLOCK + min(across, 0)]
            b = even[:, max(-down, 0) : BLOCK + min(-down, 0), max(-across, 0) : BLOCK + min(-across, 0)]
            found[down + REACH, across + REACH] = (a * b).mean()
    found /= max(found[REACH, REACH], 1e-12)
    size = 32
    padded = np.zeros((size, size))
    padded[:side, :side] = found
    spectrum = np.fft.fft2(np.roll(padded, (-REACH, -REACH), axis=(0, 1))).real
    filtered = np.fft.ifft2(np.sqrt(np.maximum(spectrum, 0))).real
    kernel = np.roll(filtered, (REACH, REACH), axis=(0, 1))[:side, :side]
    return np.asarray(kernel / np.sqrt((kernel**2).sum()))


def _root(channels: Float) -> Float:
    """A matrix whose product with its transpose is the correlation of channels."""
    values, vectors = np.linalg.eigh(channels)
    root = vectors * np.sqrt(np.maximum(values, 0))
    return np.asarray(root / np.sqrt((root**2).sum(axis=1, keepdims=True)))


def _autocorrelation(kernel: Float) -> Float:
    padded = np.pad(kernel, REACH)
    side = 2 * REACH + 1
    return np.array([[(padded[y : y + side, x : x + side] * kernel).sum() for x in range(side)] for y in range(side)])
