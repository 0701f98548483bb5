# SPDX-License-Identifier: Apache-2.0
"""Smooth hole filling by a weighted pull-push pyramid (after Gortler et al., The Lumigraph, SIGGRAPH 1996, §3.4.3).

Levels are smoothed tile by tile, as a whole picture of film size does not stay in a processor's cache, and only where
somebody looks at the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
#: Top, bottom, left, right.
_Window = tuple[int, int, int, int]

#: Smoothing steps per level. Pull-push alone turns to the mean of everything within a few pixels of a hole's border;
#: these bring it near the membrane (Laplace's equation), which keeps each border's own colour before it.
RELAXATIONS = 8
#: Sides of tiles. Each smoothing step spoils one more pixel along a cut edge, so that they are made larger by as many.
_TILE = 128
#: Pixels of the coarser level beside the one that enlarging looks at.
_REACH = 2


def pull_push(color: Float, weight: Float, say: Float, where: NDArray[np.bool_] | None = None) -> Float:
    """A smooth picture through the known pixels.

    Args:
        color: (H, W, C) float32.
        weight: (H, W) float32 in 0..1, how surely a pixel is known; 0 = hole. Decides how far its colour reaches.
        say: (H, W) float32 in 0..1, how much its colour counts against others where several reach.
        where: (H, W) bool, the pixels that are wanted; None = all.

    Returns:
        (H, W, C) float32, of no meaning beside ``where``; all zero where nothing is known at all.
    """
    channels = color.shape[2]
    stack = np.empty((*weight.shape, channels + 2), np.float32)
    voice = np.multiply(weight, say, out=stack[..., channels])
    np.multiply(color, voice[..., None], out=stack[..., :channels])
    stack[..., channels + 1] = weight
    levels = [stack]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(np.asarray(cv2.pyrDown(levels[-1]), dtype=np.float32))
    filled = _own_colors(levels[-1])
    for level, tiles in reversed(list(zip(levels[:-1], _tiles(levels, where), strict=True))):
        height, width = level.shape[:2]
        larger: Float = np.asarray(cv2.resize(filled, (width, height)), np.float32).reshape(height, width, channels)
        filled = np.zeros_like(larger)
        for tile in tiles:
            top, bottom, left, right = _enlarged(tile, RELAXATIONS, (height, width))
            smooth = _relaxed(level[top:bottom, left:right], larger[top:bottom, left:right])
            rows, columns = slice(tile[0], tile[1]), slice(tile[2], tile[3])
            filled[rows, columns] = smooth[tile[0] - top : tile[1] - top, tile[2] - left : tile[3] - left]
    return filled


def _own_colors(level: Float) -> Float:
    """The known pixels' mean (h, w, C) at a level."""
    return np.divide(level[..., :-2], np.maximum(level[..., -2:-1], np.finfo(np.float32).tiny), dtype=np.float32)


def _relaxed(level: Float, larger: Float) -> Float:
    """A window of a level, smoothed, from the coarser one's."""
    own, filled = _own_colors(level), larger.copy()
    # A level speaks for itself where its neighbourhood holds half a pixel of full weight. For all channels, as numpy is
    # ten times slower with a last axis of one.
    share = np.repeat(np.minimum(2 * level[..., -1:], 1), own.shape[2], axis=2)
    smooth, change = np.empty_like(filled), np.empty_like(filled)
    for _ in range(RELAXATIONS):
        blurred = cv2.blur(filled, (3, 3), dst=smooth, borderType=cv2.BORDER_REPLICATE)
        smooth = np.asarray(blurred, np.float32).reshape(own.shape)
        np.subtract(own, smooth, out=change)
        change *= share
        np.add(smooth, change, out=filled)
    return filled


def _tiles(levels: Sequence[Float], where: NDArray[np.bool_] | None) -> Iterator[list[_Window]]:
    """The windows of each level but the last that have to be made."""
    shape = (levels[0].shape[0], levels[0].shape[1])
    wanted = set(_grid((0, shape[0], 0, shape[1])))
    if where is not None:
        wanted = {(i, j) for i, j in wanted if where[i * _TILE : (i + 1) * _TILE, j * _TILE : (j + 1) * _TILE].any()}
    for level, coarser in pairwise(levels):
        shape, below = (level.shape[0], level.shape[1]), (coarser.shape[0], coarser.shape[1])
        tiles = [_cut(i, j, shape) for i, j in sorted(wanted)]
        yield tiles
        wanted = {cell for tile in tiles for cell in _grid(_below(_enlarged(tile, RELAXATIONS, shape), shape, below))}


def _grid(window: _Window) -> Iterable[tuple[int, int]]:
    """The tiles, by row and column, that a window touches."""
    top, bottom, left, right = window
    rows, columns = range(top // _TILE, -(-bottom // _TILE)), range(left // _TILE, -(-right // _TILE))
    return ((i, j) for i in rows for j in columns)


def _cut(i: int, j: int, shape: tuple[int, int]) -> _Window:
    return i * _TILE, min((i + 1) * _TILE, shape[0]), j * _TILE, min((j + 1) * _TILE, shape[1])


def _enlarged(window: _Window, by: int, shape: tuple[int, int]) -> _Window:
    top, bottom, left, right = window
    return max(top - by, 0), min(bottom + by, shape[0]), max(left - by, 0), min(right + by, shape[1])


def _below(window: _Window, shape: tuple[int, int], below: tuple[int, int]) -> _Window:
    """The window of the coarser level that enlarging looks at."""
    top, bottom, left, right = window
    rows, columns = below[0] / shape[0], below[1] / shape[1]
    scaled = int(top * rows), int(np.ceil(bottom * rows)), int(left * columns), int(np.ceil(right * columns))
    return _enlarged(scaled, _REACH, below)
