# SPDX-License-Identifier: Apache-2.0
"""Values of the plate between its pixels, in numpy: the rules of ``shaders/plate.glsl``.

A value is mixed of up to three pixels. A pixel of weight 0 is not looked at, so that an inf or NaN stays where it
really belongs. A position within ``SNAP_PX`` of a pixel's centre takes that pixel as it is, to the last bit:
round-off moves positions by up to 1e-3 px (4096 pixels wide, float32), and from the source camera the plate must come
back as it was.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.raster.base import SNAP_PX, Texture, snaps

Float = NDArray[np.float64]
Index = NDArray[np.intp]


def mix(texels: Texture, weights: Float) -> Texture:
    """Weighted means (N, C) of pixels, in their dtype.

    Args:
        texels: (N, 3, C), C = 3 or 4. Alpha of code values is straight, that of floats associated.
        weights: (N, 3), of sum 1; of sum 0 where all pixels are to be left out.
    """
    weights = np.maximum(weights, 0)
    if texels.dtype.kind == "f":
        return _weighted(texels, weights).astype(texels.dtype)
    if texels.shape[2] == 3:
        return np.asarray(_weighted(texels, weights) + 0.5).astype(texels.dtype)
    alpha = weights * texels[..., 3]
    total = alpha.sum(axis=1)
    # Where all is transparent the colours count as they stand.
    color = _weighted(texels[..., :3], np.where(total[:, None] > 0, alpha, weights))
    color /= np.where(total > 0, total, 1)[:, None]
    return np.asarray(np.concatenate([color, total[:, None]], axis=1) + 0.5).astype(texels.dtype)


def _weighted(texels: Texture, weights: Float) -> Float:
    shares = weights[..., None]
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(shares > 0, shares * texels.astype(np.float64), 0).sum(axis=1))


def sample_plate(texture: Texture, at: Float) -> tuple[Texture, Float]:
    """The plate at positions, linear over the half of the pixel quad they fall into.

    Args:
        texture: (H, W, C), see ``Texture``.
        at: (N, 2) plate pixel positions; beyond the outermost centres those count.

    Returns:
        (N, C) values in the texture's dtype, and the positions (N, 2) that were looked at.
    """
    height, width = texture.shape[:2]
    p = np.clip(at - 0.5, 0, (width - 1, height - 1))
    base = np.floor(p).astype(np.intp)
    f = p - base
    second = f.sum(axis=1) > 1
    x0, y0 = base[:, 0], base[:, 1]
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    corner = texture[np.where(second, y1, y0), np.where(second, x1, x0)]
    across = texture[np.where(second, y1, y0), np.where(second, x0, x1)]
    down = texture[np.where(second, y0, y1), np.where(second, x1, x0)]
    g = np.where(second[:, None], 1 - f, f)
    if texture.shape[2] == 3 and texture.dtype.kind == "u":
        first = corner.astype(np.float64)
        values = np.asarray(first + g[:, :1] * (across - first) + g[:, 1:] * (down - first) + 0.5).astype(texture.dtype)
    else:
        weights = np.stack([1 - g[:, 0] - g[:, 1], g[:, 0], g[:, 1]], axis=1)
        values = mix(np.stack([corner, across, down], axis=1), weights)
    if not snaps(texture):
        return values, p + 0.5
    nearest = np.rint(p)
    snapped = (np.abs(p - nearest) <= SNAP_PX).all(axis=1)
    x, y = nearest[snapped].astype(np.intp).T
    values[snapped] = texture[y, x]
    p[snapped] = nearest[snapped]
    return values, p + 0.5


def sample_vertices(
    texture: Texture, corners: Index, weights: Float, visible: NDArray[np.bool_]
) -> tuple[Texture, Float]:
    """Values of visible vertices mixed, one vertex a plate pixel (the released construction).

    Args:
        texture: (H, W, C).
        corners: (N, 3) indices of vertices.
        weights: (N, 3) of theirs.
        visible: (N, 3) bool; those that are not are left out, and the rest is weighted anew.

    Returns:
        As ``sample_plate``.
    """
    shares = np.where(visible, weights, 0)
    total = shares.sum(axis=1)
    # Un-premultiplied: the released code leaves dark outlines where alpha is between 0 and 1.
    texels = texture.reshape(-1, texture.shape[2])[corners]
    places = np.stack([corners % texture.shape[1] + 0.5, corners // texture.shape[1] + 0.5], axis=-1)
    if texture.shape[2] == 3 and texture.dtype.kind == "u":
        color = np.asarray(np.einsum("nk,nkc->nc", shares, texels) / total[:, None] + 0.5).astype(texture.dtype)
    else:
        color = mix(texels, shares / total[:, None])
    at = np.einsum("nk,nkd->nd", shares / total[:, None], places)
    if snaps(texture):
        heaviest = weights.argmax(axis=1)[:, None]
        taken = (np.take_along_axis(weights, heaviest, 1) >= 1 - SNAP_PX) & np.take_along_axis(visible, heaviest, 1)
        snapped = np.flatnonzero(taken[:, 0])
        vertex = corners[snapped, heaviest[snapped, 0]]
        color[snapped] = texture.reshape(-1, texture.shape[2])[vertex]
        at[snapped] = places[snapped, heaviest[snapped, 0]]
    return color, at


def split_alpha(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Values (..., C) as colour (..., 3) and alpha (...), None where there is none."""
    if values.shape[-1] == 3:
        return values, None
    return np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3])
