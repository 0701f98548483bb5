# SPDX-License-Identifier: Apache-2.0
"""How near a picture is to the true one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.media.encoding import display_encoding
from ex4d.protocol.errors import BadInputError

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Picture = NDArray[Any]

#: Window and constants of SSIM (Wang, Bovik, Sheikh and Simoncelli, 2004), for values in 0..1.
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
#: Blur of both pictures, in pixels, that leaves misalignment and takes resampling away.
LOW_PASS_PX = 1.5


def unit(picture: Picture) -> Float:
    """Values in 0..1, float32, from code values of 8 or 16 bits; floats stay as they are."""
    if picture.dtype.kind == "u":
        return display_encoding(picture.dtype).unit(picture)
    return np.asarray(picture, np.float32)


def check_shapes(result: Picture, truth: Picture, where: Bool | None) -> None:
    """Raises BadInputError for pictures or masks of different sizes."""
    if result.shape != truth.shape or (where is not None and where.shape != truth.shape[:2]):
        raise BadInputError(
            f"The result is {result.shape[1]}x{result.shape[0]}, the truth {truth.shape[1]}x{truth.shape[0]} pixels.",
            "Compare pictures of one size.",
        )


def low_passed(picture: Picture) -> Float:
    """(H, W, 3) float32 in 0..1 without what is as fine as a pixel: of two pictures it leaves misalignment and takes
    resampling away."""
    return np.asarray(cv2.GaussianBlur(unit(picture), (0, 0), LOW_PASS_PX))


def ssim_map(result: Picture, truth: Picture) -> Float:
    """Structural similarity (H, W) float32 in −1..1 of pictures (H, W, 3): mean of the channels, at each pixel."""
    a, b = unit(result), unit(truth)

    def mean(values: Float) -> Float:
        window = (SSIM_WINDOW, SSIM_WINDOW)
        return np.asarray(cv2.GaussianBlur(values, window, SSIM_SIGMA, borderType=cv2.BORDER_REFLECT_101))

    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    similar = (2 * mean_a * mean_b + SSIM_C1) * (2 * covariance + SSIM_C2)
    similar /= (mean_a**2 + mean_b**2 + SSIM_C1) * (var_a + var_b + SSIM_C2)
    return np.asarray(similar.mean(axis=-1), np.float32)


@dataclass
class PictureScore:
    """PSNR and SSIM over parts of many frames, from pooled sums: a frame counts by its pixels.

    Attributes:
        pixels: that were compared.
        squares: sum of squared errors, mean of the channels, for values in 0..1.
        similarity: sum of SSIM.
    """

    pixels: int = 0
    squares: float = 0.0
    similarity: float = 0.0

    def add(self, result: Picture, truth: Picture, where: Bool | None = None, similar: Float | None = None) -> None:
        """Add a frame.

        Args:
            result, truth: (H, W, 3), 8 or 16 bits or float in 0..1.
            where: (H, W) pixels that count, None = all.
            similar: their ``ssim_map`` where it is known already.

        Raises:
            BadInputError: sizes differ.
        """
        check_shapes(result, truth, where)
        where = np.ones(truth.shape[:2], np.bool_) if where is None else where
        if not where.any():
            return
        error = (unit(result)[where] - unit(truth)[where]).astype(np.float64)
        self.pixels += int(where.sum())
        self.squares += float((error**2).mean(axis=-1).sum())
        similar = ssim_map(result, truth) if similar is None else similar
        self.similarity += float(similar[where].sum(dtype=np.float64))

    @property
    def psnr(self) -> float:
        """Peak signal-to-noise ratio, dB; inf for equal pictures, NaN where nothing was compared."""
        if not self.pixels:
            return math.nan
        return math.inf if self.squares == 0 else -10 * math.log10(self.squares / self.pixels)

    @property
    def ssim(self) -> float:
        """Mean structural similarity; NaN where nothing was compared."""
        return self.similarity / self.pixels if self.pixels else math.nan
