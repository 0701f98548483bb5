# SPDX-License-Identifier: Apache-2.0
"""Source pixels and fill in one picture: source stays untouched, the fill bends to meet it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.fill.preview.background_side import far_side_weights
from ex4d.fill.preview.pull_push import pull_push
from ex4d.media.encoding import display_encoding
from ex4d.raster import Texture

#: Width of the band inside the fill over which it is drawn to the source's colours, as a share of the longer side.
FEATHER = 1 / 64


def enlarge(fill: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """The fill (h, w, 3) at the take's size (width, height), float32 code values."""
    picture = fill.astype(np.float32)
    if (fill.shape[1], fill.shape[0]) == size:
        return picture
    shrinking = fill.shape[1] > size[0]
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC))


def blend(
    color: Texture, mask: NDArray[np.uint8], fill: NDArray[Any], z: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """The fill (H, W, 3) float32 code values, drawn to the source: near the seam it is shifted by the smooth
    continuation of the difference between source and fill across the seam, fading over ``FEATHER``. The difference is
    taken from the far side where depth is known, because the near side's edge is a real one.

    Args:
        color: (H, W, 3) uint8 or uint16.
        mask: (H, W) uint8, 255 or 0.
        fill: (h, w, 3) of the same dtype, whole picture at any size.
        z: (H, W) float32 z-depth, or None.

    Returns:
        values of no meaning where ``mask`` is 255.
    """
    size = (mask.shape[1], mask.shape[0])
    known = mask > 0
    picture = enlarge(fill, size)
    reach = max(2.0, FEATHER * max(size))
    distance = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5)
    band = ~known & (distance < reach)
    if known.any() and band.any():
        weight, say = far_side_weights(z, known)
        difference = np.where(known[..., None], color.astype(np.float32) - picture, 0)
        fade = np.clip(1 - distance / np.float32(reach), 0, 1)
        fade = np.where(band, fade * fade * (3 - 2 * fade), 0)
        # All pixels, 0 beside the band: to pick those of the band takes numpy longer.
        picture += fade[..., None] * pull_push(difference, weight, say, band)
    return picture


def composite(color: Texture, mask: NDArray[np.uint8], fill: NDArray[Any], z: NDArray[np.float32] | None) -> Texture:
    """One result frame of display-referred codes: ``color`` where ``mask`` is 255, to the bit, else ``blend``, whose
    arguments these are."""
    known = mask > 0
    if known.all():
        return color
    return np.where(known[..., None], color, display_encoding(color.dtype).codes(blend(color, mask, fill, z)))
