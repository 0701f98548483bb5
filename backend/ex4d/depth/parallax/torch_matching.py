# SPDX-License-Identifier: Apache-2.0
"""``Matcher`` in torch: the arithmetic of ``sweep``, ``semi_global`` and ``refine`` with all pixels of a row, or of a
picture, at once.

Costs are the same bytes and paths the same whole numbers, so what differs is rounding in the warps and the windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ex4d.depth.parallax import refine as fine
from ex4d.depth.parallax.matcher import Match
from ex4d.depth.parallax.semi_global import MOST_COST, STEP, jump_costs
from ex4d.depth.parallax.sweep import NOISE, OFFSET, UNSEEN, WINDOW, Neighbour
from ex4d.depth.parallax.views import Passage

Array = NDArray[np.float64]
Float = NDArray[np.float32]

#: Pixels times planes that are warped at once.
AT_ONCE = 1 << 24
#: Above all sums of paths and all disparities.
_FAR = 1e9


class TorchMatcher:
    """See the module."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def match(self, grey: Float, neighbours: Sequence[Neighbour], planes: Array) -> Match:
        """See ``Matcher``."""
        with torch.inference_mode():
            own = self._put(grey)
            others = [_Other(self._put(n.grey), n.passage, n.is_later) for n in neighbours]
            costs = _sweep(own, others, planes)
            plane, cost = _semi_global(costs, self._put(jump_costs(grey)).to(torch.int16))
            step = float(planes[1] - planes[0])
            w = _refine(own, others, float(planes[0]) + plane * step, step)
            return Match(w.clamp(min=0).cpu().numpy(), cost.cpu().numpy())

    def close(self) -> None:
        """See ``Matcher``."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _put(self, values: NDArray[np.float32] | NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)


class _Other:
    """Another frame: grey levels (H, W), the passage to it, and on which side in time it is."""

    def __init__(self, grey: Tensor, passage: Passage, is_later: bool) -> None:
        self.grey, self.passage, self.is_later = grey, passage, is_later


def _blur(values: Tensor, window: int = WINDOW) -> Tensor:
    """Means (N, H, W) over windows."""
    reach = window // 2
    # Summed with the digits that OpenCV sums with: a variance is a small difference of means, and a cost that comes out
    # a step otherwise can decide whether a whole part is kept.
    padded = functional.pad(values[:, None].double(), (reach, reach, reach, reach), mode="reflect")
    # Row by row and column by column, as it is a box.
    return functional.avg_pool2d(functional.avg_pool2d(padded, (window, 1), 1), (1, window), 1)[:, 0].to(values.dtype)


def _positions(passage: Passage, w: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """``Passage.positions`` of disparities (N, H, W), or (N, 1, 1) of planes; (N, H, W) each."""
    A, b = passage.A.tolist(), passage.b.tolist()
    x = torch.arange(width, device=w.device, dtype=torch.float32)
    y = torch.arange(height, device=w.device, dtype=torch.float32)[:, None]
    ratio = (A[2][0] * x + A[2][2]) + A[2][1] * y + b[2] * w
    over = 1 / torch.where(ratio.abs() > 1e-6, ratio, 1e-6)
    column = ((A[0][0] * x + A[0][2]) + A[0][1] * y + b[0] * w) * over
    row = ((A[1][0] * x + A[1][2]) + A[1][1] * y + b[1] * w) * over
    return column, row, ratio


def _sampled(pictures: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Pictures (C, H, W) at positions (N, H, W), (N, C, H, W); 0 outside."""
    height, width = pictures.shape[-2:]
    grid = torch.stack([x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1], dim=-1)
    count = len(grid)
    return functional.grid_sample(
        pictures.expand(count, *pictures.shape), grid, mode="bilinear", padding_mode="zeros", align_corners=True
    )


def _sweep(grey: Tensor, others: Sequence[_Other], planes: Array) -> Tensor:
    """``sweep.sweep`` (D, H, W) uint8."""
    height, width = grey.shape
    values = grey - grey.mean()
    mean = _blur(values[None])
    variance = _blur((values * values)[None]) - mean * mean
    scale = 1 / (variance.clamp(min=0) + NOISE).sqrt()
    costs = torch.empty((len(planes), height, width), dtype=torch.uint8, device=grey.device)
    sides = [[other for other in others if other.is_later is later] for later in (False, True)]
    every = torch.from_numpy(planes.astype(np.float32)).to(grey.device)[:, None, None]
    at_once = max(1, AT_ONCE // (height * width))
    for start in range(0, len(planes), at_once):
        w = every[start : start + at_once]
        best = torch.full((len(w), height, width), 2.0, device=grey.device)
        for side in sides:
            if not side:
                continue
            total, count = torch.zeros_like(best), torch.zeros_like(best)
            for other in side:
                x, y, _ = _positions(other.passage, w, height, width)
                seen = _sampled(other.grey[None] + OFFSET, x, y)[:, 0]
                inside = (seen > OFFSET - 1e-3).float()
                there = _blur(seen)
                spread = ((_blur(seen * seen) - there * there).clamp(min=0) + NOISE).sqrt()
                like = (_blur(values * seen) - mean * there) * scale / spread
                total += like * inside
                count += inside
            unlike = torch.where(count > 0, 1 - total / count.clamp(min=1e-3), 2.0)
            best = torch.minimum(best, unlike)
        costs[start : start + at_once] = torch.where(best > 1.999, UNSEEN, best.clamp(0, 2) * (MOST_COST / 2)).to(
            torch.uint8
        )
    return costs


def _path_step(former: Tensor, cost: Tensor, jump: Tensor) -> Tensor:
    """``semi_global._step`` of paths (2, P, D, N) int16 at once; ``cost`` (2, 1, D, N), ``jump`` (2, 1, 1, N)."""
    least = former.amin(dim=2, keepdim=True)
    out = torch.minimum(former, least + jump)
    next_plane = former + STEP
    torch.minimum(out[:, :, 1:], next_plane[:, :, :-1], out=out[:, :, 1:])
    torch.minimum(out[:, :, :-1], next_plane[:, :, 1:], out=out[:, :, :-1])
    return out.sub_(least).add_(cost)


def _sums_of_paths(costs: Tensor, jumps: Tensor, slants: tuple[int, ...]) -> Tensor:
    """Sums (R, D, N) int16 of the paths over the rows of ``costs`` (R, D, N), down and up at once.

    What is done for a row is a dozen small steps, and a GPU waits for each to be asked for: so as little as can be is
    left to them.
    """
    rows, planes, width = costs.shape
    both = torch.stack([costs, costs.flip(0)], dim=1).to(torch.int16)[:, :, None]
    jump = torch.stack([jumps, jumps.flip(0)], dim=1)[:, :, None, None]
    sums = torch.empty((rows, 2, planes, width), dtype=torch.int16, device=costs.device)
    paths = torch.zeros((2, len(slants), planes, width), dtype=torch.int16, device=costs.device)
    for row in range(rows):
        if slants != (0,):
            # A path begins anew at the picture's side.
            padded = functional.pad(paths, (1, 1))
            paths = torch.stack(
                [padded[:, place, :, 1 - slant : 1 - slant + width] for place, slant in enumerate(slants)], dim=1
            )
        paths = _path_step(paths, both[row], jump[row])
        torch.sum(paths, dim=1, dtype=torch.int16, out=sums[row])
    return sums[:, 0] + sums[:, 1].flip(0)


def _semi_global(costs: Tensor, jumps: Tensor) -> tuple[Tensor, Tensor]:
    """``semi_global.semi_global``: the plane (H, W) float32 with a share of a step, and its cost (H, W) uint8.

    Args:
        costs: (D, H, W) uint8.
        jumps: (H, W) int16.
    """
    planes = len(costs)
    total = _sums_of_paths(costs.permute(1, 0, 2), jumps, (-1, 0, 1)).permute(1, 0, 2)
    total = total + _sums_of_paths(costs.permute(2, 0, 1), jumps.T, (0,)).permute(1, 2, 0)
    # The first of equals.
    order = torch.arange(planes, dtype=torch.int32, device=costs.device)[:, None, None]
    at = (total.to(torch.int32) * planes + order).amin(dim=0).remainder(planes).long()
    inner = at.clamp(1, planes - 2)
    below, middle, above = (total.gather(0, (inner + k)[None])[0].float() for k in (-1, 0, 1))
    bend = below - 2 * middle + above
    share = torch.where((bend > 0) & (at == inner), (below - above) / (2 * bend).clamp(min=1), 0.0)
    return at + share.clamp(-0.5, 0.5), costs.gather(0, at[None])[0]


def _normalised(values: Tensor) -> tuple[Tensor, Tensor]:
    """``refine._normalised`` of (1, H, W)."""
    mean = _blur(values)
    scale = 1 / ((_blur(values * values) - mean * mean).clamp(min=0) + NOISE).sqrt()
    return (values - mean) * scale, scale


def _beside(padded: Tensor, distance: int) -> list[tuple[Tensor, Tensor]]:
    """The opposite pixels (H, W) of each direction in a map (H + 2 * distance, W + 2 * distance)."""
    height, width = (side - 2 * distance for side in padded.shape)

    def at(dy: int, dx: int) -> Tensor:
        return padded[distance * (1 + dy) :, distance * (1 + dx) :][:height, :width]

    return [(at(dy, dx), at(-dy, -dx)) for dy, dx in fine.DIRECTIONS]


def _likeness(grey: Tensor, distance: int) -> list[Tensor]:
    """``refine._likeness``."""
    plain = _blur(grey[None], 3)
    pairs = _beside(functional.pad(plain[None], (distance,) * 4, mode="replicate")[0, 0], distance)
    return [(torch.maximum((a - plain[0]).abs(), (b - plain[0]).abs()) / -fine.LIKE_GREY).exp() for a, b in pairs]


def _opposite_means(w: Tensor, distance: int, like: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """``refine._opposite_means``."""
    pairs = _beside(functional.pad(w, (distance,) * 4, value=_FAR), distance)
    total, weights = torch.zeros_like(w), torch.zeros_like(w)
    for (first, second), alike in zip(pairs, like, strict=True):
        a, b = first - w, second - w
        off = (a + b) / 2
        same = (torch.maximum(a.abs(), b.abs()) < fine.MOST_SLOPE * distance) & (off.abs() < fine.MOST_BEND * distance)
        off = torch.where(same, off, 0.0)
        weight = torch.where(same, alike / (1 + (off / fine.BEND).square()), 0.0)
        total += weight * off
        weights += weight
    return total, weights


def _slopes(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Of grey levels (H, W), a pixel, to the right and downwards: Sobel's, an eighth."""
    # Not as a convolution: GPUs do those with fewer digits.
    padded = functional.pad(grey[None, None], (1, 1, 1, 1), mode="reflect")[0, 0]
    across = padded[:, 2:] - padded[:, :-2]
    down = padded[2:] - padded[:-2]
    right = across[:-2] + 2 * across[1:-1] + across[2:]
    below = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return right / 8, below / 8


def _refine(grey: Tensor, others: Sequence[_Other], w: Tensor, step: float) -> Tensor:
    """``refine.refine`` (H, W)."""
    own, _ = _normalised(grey[None])
    like = [_likeness(grey, distance) for distance in fine.DISTANCES]
    packed = [torch.stack([other.grey + 1, *_slopes(other.grey)]) for other in others]
    for _ in range(fine.ROUNDS):
        numerator, denominator = torch.zeros_like(w), torch.zeros_like(w)
        for other, layers in zip(others, packed, strict=True):
            x, y, ratio = (values[0] for values in _positions(other.passage, w[None], *w.shape))
            values, gx, gy = _sampled(layers, x[None], y[None])[0]
            inside = (values > 0.99) & (ratio > 0.05)
            there, scale = (found[0] for found in _normalised(values[None]))
            b = other.passage.b.tolist()
            slope = (gx * (b[0] - x * b[2]) + gy * (b[1] - y * b[2])) / ratio.clamp(min=0.05) * scale * step
            alike = _blur(own * there)[0].clamp(0, 1)
            weighted = torch.where(inside, alike, 0.0) * slope
            numerator += weighted * (own[0] - there)
            denominator += weighted * slope
        sums = (numerator, denominator)
        numerator, denominator = (_blur(total[None], fine.TOGETHER)[0] / len(others) for total in sums)
        start, move = w / step, torch.zeros_like(w)
        for distance, alike in zip(fine.DISTANCES, like, strict=True):
            total, weights = _opposite_means(start + move, distance, alike)
            wanted = numerator - denominator * move + fine.SMOOTHNESS * total
            move += wanted / (denominator + fine.SMOOTHNESS * weights.clamp(min=fine.LEAST_PAIRS))
            move.clamp_(-fine.MOST_STEPS, fine.MOST_STEPS)
        w = w + move * step
    return w
