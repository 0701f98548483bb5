# SPDX-License-Identifier: Apache-2.0
"""The plate's truth at plate positions: halves and floats, alpha, codes of more than eight bits.

Graphics cards need not keep a NaN, an infinity or the last bit of a half. So rasterizers of such plates draw where on
the plate each pixel lies, and the values are taken from there here, the same for all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.raster.base import SNAP_PX, RasterFrame, Texture

Float = NDArray[np.float32]

#: Rows that are taken at a time: few enough to stay in the processor's cache, and to keep memory flat.
BAND = 128


def is_drawn_directly(texture: Texture) -> bool:
    """Whether rasterizers draw its colours themselves: display codes without alpha."""
    return texture.dtype in (np.uint8, np.uint16) and texture.shape[2] == 3


def colored(frame: RasterFrame, texture: Texture) -> RasterFrame:
    """A frame of positions with the colours of a texture (H, W, 3 or 4) at them: ``color`` (h, w, 3) and ``alpha``
    (h, w), or None, in the texture's dtype; both 0 where the mask is 0.

    Positions within ``SNAP_PX`` of a pixel's centre have its values as they are, to the bit. Others are linear over the
    half of the pixel quad that they fall into. Whole numbers have straight alpha, which weighs their colours; floats
    have associated alpha, which is a channel like the others.
    """
    assert frame.plate is not None
    height, width = frame.mask.shape
    out = np.zeros((height, width, texture.shape[2]), texture.dtype)
    # cv2 gathers halves as what they are in memory, and knows no other numbers of two bytes.
    source = np.ascontiguousarray(texture)
    for top in range(0, height, BAND):
        rows = np.s_[top : top + BAND]
        if frame.mask[rows].any():
            out[rows] = _sampled(source, frame.plate[rows], frame.mask[rows] > 0)
    if texture.shape[2] == 3:
        return replace(frame, color=out)
    return replace(frame, color=np.ascontiguousarray(out[..., :3]), alpha=np.ascontiguousarray(out[..., 3]))


def _gather(texture: Texture, columns: NDArray[np.int16], rows: NDArray[np.int16]) -> Texture:
    """Pixels (h, w, C) at whole positions."""
    bits = texture.view(np.uint16) if texture.dtype == np.float16 else texture
    places = np.dstack([columns, rows])
    found = cv2.remap(bits, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    found = np.asarray(found).reshape(*columns.shape, texture.shape[2])
    return found.view(np.float16) if texture.dtype == np.float16 else found


def _sampled(texture: Texture, at: Float, seen: NDArray[np.bool_]) -> Texture:
    height, width = texture.shape[:2]
    p = np.where(seen[..., None], at - np.float32(0.5), np.float32(0))
    np.clip(p, 0, (width - 1, height - 1), out=p)
    nearest = np.rint(p)
    whole = (np.abs(p - nearest) <= SNAP_PX).all(axis=2)
    near = nearest.astype(np.int16)
    out = _gather(texture, near[..., 0], near[..., 1])
    if not (whole | ~seen).all():
        between = _between(texture, p)
        out = np.where(whole[..., None], out, between)
    out[~seen] = 0
    return out


def _between(texture: Texture, p: Float) -> Texture:
    """Values at pixel positions (h, w, 2), counted from the first pixel's centre, inside the picture."""
    height, width = texture.shape[:2]
    base = np.floor(p)
    f = p - base
    second = f.sum(axis=2) > 1
    x0, y0 = base[..., 0].astype(np.int16), base[..., 1].astype(np.int16)
    x1, y1 = np.minimum(x0 + 1, width - 1).astype(np.int16), np.minimum(y0 + 1, height - 1).astype(np.int16)
    near_x, far_x = np.where(second, x1, x0), np.where(second, x0, x1)
    near_y, far_y = np.where(second, y1, y0), np.where(second, y0, y1)
    g = np.where(second[..., None], 1 - f, f)
    across, down = g[..., :1], g[..., 1:]
    weights = (1 - across - down, across, down)
    corners = ((near_x, near_y), (far_x, near_y), (near_x, far_y))
    values = [_gather(texture, *corner).astype(np.float32) for corner in corners]
    if texture.dtype.kind == "f":
        return _weighted(weights, values).astype(texture.dtype)
    white = np.float32(np.iinfo(texture.dtype).max)
    if texture.shape[2] == 4:
        shares = [value[..., 3:] / white for value in values]
        alpha = _weighted(weights, shares)
        plain = _weighted(weights, [value[..., :3] for value in values])
        color = _weighted(weights, [value[..., :3] * share for value, share in zip(values, shares, strict=True)])
        color = np.where(alpha > 0, color / np.maximum(alpha, 1e-12), plain)
        mixed = np.concatenate([color, alpha * white], axis=2)
    else:
        mixed = _weighted(weights, values)
    return np.clip(mixed + np.float32(0.5), 0, white).astype(texture.dtype)


def _weighted(weights: tuple[Float, Float, Float], values: list[Any]) -> Float:
    """Their sum; a pixel that has no weight has no say, even where it is infinite."""
    total = np.zeros_like(values[0])
    with np.errstate(invalid="ignore", over="ignore"):
        for weight, value in zip(weights, values, strict=True):
            total += np.where(weight == 0, np.float32(0), weight * value)
    return total
