# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures made of seeded random numbers; numpy only.

Each maker returns a tile (SIZE, SIZE, 3) float32 of sRGB values in 0..1 that joins its own copies without a seam.
Pictures, and not Cycles' noise nodes, because they are several times faster to render.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Rng = np.random.Generator

SIZE = 512

#: sRGB colours that surfaces are made of, dull ones first; the last eight are paints.
PALETTE = (
    "8a8378 b7ad9a 6f675c a3a7a4 5d6468 c9c0ae 7c5f45 a67c52 54402f 93a08a 5f7352 3f5a3c 7f8c99 4a5766 d8d2c4 2f2f33 "
    "b0402f d98a35 e0c04a 4f8a55 2f7f86 3a64a8 7a4a8c c26a86"
)


def colours(rng: Rng, count: int) -> list[Float]:
    """Different colours of the palette, each a little changed."""
    codes = rng.choice(PALETTE.split(), count, replace=False)
    base = [np.array([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)], np.float32) for code in codes]
    return [
        np.clip(c * rng.uniform(0.8, 1.15) + rng.uniform(-0.03, 0.03, 3), 0.03, 0.92).astype(np.float32) for c in base
    ]


def noise(rng: Rng, roughness: float, stretch: tuple[float, float] = (1.0, 1.0), coarsest: float = 2.0) -> Float:
    """(SIZE, SIZE) with mean 0.5 and most values in 0..1; its spectrum falls with frequency to the power −roughness.

    Args:
        stretch: how much coarser it is along x and y.
        coarsest: lowest frequency, in periods over the tile.
    """
    y, x = np.meshgrid(np.fft.fftfreq(SIZE, 1 / SIZE), np.fft.fftfreq(SIZE, 1 / SIZE), indexing="ij")
    frequency = np.hypot(x * stretch[0], y * stretch[1])
    amplitude = np.where(frequency >= coarsest, np.maximum(frequency, coarsest) ** -roughness, 0)
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * amplitude).real
    return np.asarray(0.5 + 0.22 * field / field.std(), dtype=np.float32)


def _grid() -> tuple[Float, Float]:
    axis = ((np.arange(SIZE) + 0.5) / SIZE).astype(np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def _soft(values: Float, edge: float, width: float) -> Float:
    """0 below the edge, 1 above it, with a soft step."""
    return np.asarray(np.clip((values - edge) / width + 0.5, 0, 1), dtype=np.float32)


def _mix(share: Float, a: Float, b: Float) -> Float:
    return np.asarray(a + (b - a) * share[..., None], dtype=np.float32)


def plaster(rng: Rng) -> Float:
    """Patchy, with fine grain."""
    a, b = colours(rng, 2)
    return _mix(0.5 * noise(rng, 1.6) + 0.5 * noise(rng, 0.9, coarsest=16), 0.75 * a, np.clip(a + 0.25 * b, 0, 1))


def marble(rng: Rng) -> Float:
    """Veins along the level lines of noise."""
    a, b = colours(rng, 2)
    veins = np.abs(np.sin((noise(rng, 1.9) * rng.uniform(6, 14)).astype(np.float32)))
    return _mix(veins ** np.float32(0.6), a, b) * (0.75 + 0.4 * noise(rng, 1.0, coarsest=12)[..., None])


def bricks(rng: Rng) -> Float:
    """Rows of stones, each with its own tone, set in mortar."""
    stone, mortar = colours(rng, 2)
    x, y = _grid()
    rows = int(rng.choice([8, 12, 16]))
    across = rows // int(rng.choice([2, 3]) if rows != 8 else 2)
    row = np.floor(y * rows).astype(int)
    along = x * across + 0.5 * (row % 2)
    column = np.floor(along).astype(int) % across
    tone = rng.uniform(0.6, 1.15, (rows, across)).astype(np.float32)[row, column]
    u, v = along % 1, (y * rows) % 1
    gap = np.minimum(np.minimum(u, 1 - u) * rows / across, np.minimum(v, 1 - v))
    surface = stone * (tone * (0.7 + 0.6 * noise(rng, 1.2, coarsest=8)))[..., None]
    return _mix(_soft(gap, 0.07, 0.05), np.broadcast_to(mortar, surface.shape), surface)


def tiles(rng: Rng) -> Float:
    """A board of two colours with worn squares."""
    a, b = colours(rng, 2)
    x, y = _grid()
    n = int(rng.choice([4, 6, 8]))
    odd = ((np.floor(x * n) + np.floor(y * n)) % 2).astype(np.float32)
    joint = np.minimum(np.abs((x * n) % 1 - 0.5), np.abs((y * n) % 1 - 0.5))
    board = _mix(odd, a, b) * (0.7 + 0.6 * noise(rng, 1.3, coarsest=4)[..., None])
    return board * (1 - 0.6 * _soft(joint, 0.485, 0.01))[..., None]


def wood(rng: Rng) -> Float:
    """Boards along x, with grain."""
    a, b = colours(rng, 2)
    _, y = _grid()
    n = int(rng.integers(3, 9))
    board = np.floor(y * n).astype(int)
    shift = rng.integers(0, SIZE, n)[board]
    grain = noise(rng, 1.4, (6.0, 0.6), 6.0)
    columns = (np.arange(SIZE)[None] + shift) % SIZE
    grain = np.take_along_axis(grain, columns, axis=1)
    tone = rng.uniform(0.7, 1.15, n).astype(np.float32)[board]
    joint = np.abs((y * n) % 1 - 0.5)
    return _mix(grain, 0.5 * a, 0.6 * a + 0.4 * b) * (tone * (1 - 0.7 * _soft(joint, 0.49, 0.01)))[..., None]


def stripes(rng: Rng) -> Float:
    """Coloured stripes of several widths, woven."""
    _, y = _grid()
    edges = np.sort(rng.uniform(0, 1, 8))
    tones = np.stack(colours(rng, 8))
    cloth = tones[np.searchsorted(edges, y) % 8]
    return cloth * (0.75 + 0.5 * noise(rng, 0.5, coarsest=48)[..., None])


def spots(rng: Rng) -> Float:
    """A print of discs on noise."""
    ground = plaster(rng)
    tones = colours(rng, 4)
    x, y = _grid()
    for i in range(int(rng.integers(20, 60))):
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.015, 0.09)
        # The nearest copy of the disc, so that the tile has no seam.
        dx, dy = (x - cx + 0.5) % 1 - 0.5, (y - cy + 0.5) % 1 - 0.5
        inside = 1 - _soft(np.hypot(dx, dy), r, 0.006)
        ground = _mix(inside, ground, np.broadcast_to(tones[i % 4], ground.shape))
    return ground


def gravel(rng: Rng) -> Float:
    """Stones: cells round random points, each with its own tone."""
    a, b = colours(rng, 2)
    x, y = _grid()
    n = int(rng.choice([10, 16, 24]))
    jitter = rng.uniform(0.1, 0.9, (2, n, n))
    tone = rng.uniform(0, 1, (n, n)).astype(np.float32)
    cell_x, cell_y = np.floor(x * n).astype(int), np.floor(y * n).astype(int)
    first = np.full((SIZE, SIZE), 9.0)
    second, own = first.copy(), np.zeros((SIZE, SIZE), np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            i, j = (cell_y + dy) % n, (cell_x + dx) % n
            distance = np.hypot(cell_x + dx + jitter[0][i, j] - x * n, cell_y + dy + jitter[1][i, j] - y * n)
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            own = np.where(nearer, tone[i, j], own)
            first = np.where(nearer, distance, first)
    stones = _mix(own, 0.6 * a, 0.5 * a + 0.5 * b) * (0.75 + 0.5 * noise(rng, 1.0, coarsest=16)[..., None])
    return stones * (0.35 + 0.65 * _soft(np.asarray(second - first, np.float32), 0.1, 0.15))[..., None]


def leaves(rng: Rng) -> Float:
    """Blotches with hard edges, as of a hedge or a meadow seen from afar."""
    a, b, c = colours(rng, 3)
    shape = _soft(noise(rng, 1.7, coarsest=7), 0.5, 0.25)
    return _mix(_soft(noise(rng, 1.5, coarsest=12), 0.6, 0.3), _mix(shape, 0.4 * a, b), 0.5 * b + 0.5 * c)


MAKERS: dict[str, Callable[[Rng], Float]] = {
    maker.__name__: maker for maker in (plaster, marble, bricks, tiles, wood, stripes, spots, gravel, leaves)
}


def picture(kind: str, rng: Rng) -> Float:
    """A tile of that kind."""
    return np.clip(MAKERS[kind](rng), 0.01, 0.97).astype(np.float32)
