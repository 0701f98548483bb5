# SPDX-License-Identifier: Apache-2.0
"""How near a depth is to the true one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.bench import DepthScore, Fit

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Pixels a frame that the alignment is fitted to.
FIT_PIXELS = 4000
#: Rounds of the robust fit.
FIT_ROUNDS = 10
#: Ratios of neighbouring depths that count as outlines, as in Depth Pro (Bochkovskii et al., 2024).
EDGE_RATIOS = (1.05, 1.1, 1.15, 1.2, 1.25)
#: Outlines may be off by this many pixels.
EDGE_SLACK_PX = 1
#: A pixel shows the same thing in two frames where the true depths differ by no more than this share.
SAME_SURFACE = 0.01
#: Least disparity after an affine fit, as a share of the true one's median: what falls below is as good as the sky.
LEAST_DISPARITY = 0.02


@dataclass(frozen=True)
class DepthFit:
    """Disparity of the truth = scale · disparity of the prediction + shift."""

    scale: float
    shift: float
    least: float

    def apply(self, z: Float) -> Float:
        """z-depth (H, W) in the truth's units."""
        with np.errstate(divide="ignore", invalid="ignore"):
            disparity = np.maximum(self.scale / z + self.shift, self.least)
            return np.asarray(1 / disparity, np.float32)


def _comparable(predicted: Float, true: Float) -> Bool:
    return np.asarray(np.isfinite(true) & (true > 0) & np.isfinite(predicted) & (predicted > 0))


def fit_depth(pairs: Iterable[tuple[Float, Float]], kind: Fit) -> DepthFit:
    """One fit for a whole clip, in disparity and by least absolute errors, as for depth that is known up to scale and
    shift (Ranftl et al., 2020).

    Args:
        pairs: predicted and true z-depth (H, W) of each frame.
    """
    if kind == "none":
        return DepthFit(1.0, 0.0, 0.0)
    samples: list[NDArray[np.float64]] = []
    for predicted, true in pairs:
        at = np.flatnonzero(_comparable(predicted, true).reshape(-1))
        at = at[:: max(1, len(at) // FIT_PIXELS)]
        samples.append(np.stack([1 / predicted.reshape(-1)[at], 1 / true.reshape(-1)[at]]).astype(np.float64))
    x, y = np.concatenate(samples, axis=1) if samples else np.zeros((2, 0))
    if not len(x):
        return DepthFit(math.nan, math.nan, math.nan)
    least = LEAST_DISPARITY * float(np.median(y))
    if kind == "scale":
        return DepthFit(float(np.median(y / x)), 0.0, 0.0)
    weight = np.ones_like(x)
    scale, shift = 0.0, float(np.median(y))
    for _ in range(FIT_ROUNDS):
        total = weight.sum()
        mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
        spread = (weight * (x - mean_x) ** 2).sum()
        # A depth that is the same everywhere has no scale, and one that runs the wrong way must not be turned round.
        scale = max((weight * (x - mean_x) * (y - mean_y)).sum() / spread, 0.0) if spread > 1e-12 * total else 0.0
        shift = mean_y - scale * mean_x
        weight = 1 / np.maximum(np.abs(y - scale * x - shift), 1e-3 * least)
    return DepthFit(float(scale), float(shift), least)


def _outlines(z: Float, ratio: float) -> tuple[Bool, Bool]:
    """Where the depth steps from a pixel to the next one, across (H, W−1) and down (H−1, W), nearer or farther."""
    filled = np.where(np.isfinite(z) & (z > 0), z, np.float32(1e9))

    def steps(first: Float, second: Float) -> Bool:
        return np.asarray(np.maximum(first, second) > ratio * np.minimum(first, second))

    return steps(filled[:, :-1], filled[:, 1:]), steps(filled[:-1], filled[1:])


class _EdgeCounts:
    def __init__(self) -> None:
        self.counts = np.zeros((len(EDGE_RATIOS), 4))

    def add(self, predicted: Float, true: Float) -> None:
        kernel = np.ones((2 * EDGE_SLACK_PX + 1,) * 2, np.uint8)
        for row, ratio in enumerate(EDGE_RATIOS):
            for ours, theirs in zip(_outlines(predicted, ratio), _outlines(true, ratio), strict=True):
                near_theirs, near_ours = (cv2.dilate(e.astype(np.uint8), kernel) > 0 for e in (theirs, ours))
                self.counts[row] += (ours & near_theirs).sum(), ours.sum(), (theirs & near_ours).sum(), theirs.sum()

    @property
    def f1(self) -> float:
        right, ours, found, theirs = self.counts.T
        scored = theirs > 0
        if not scored.any():
            return math.nan
        precision, recall = right / np.maximum(ours, 1), found / np.maximum(theirs, 1)
        return float((2 * precision * recall / np.maximum(precision + recall, 1e-12))[scored].mean())


def score_depth(pairs: Callable[[], Iterable[tuple[Float, Float]]], kind: Fit) -> DepthScore:
    """Score a clip.

    Args:
        pairs: gives predicted and true z-depth (H, W) float32 of each frame, NaN = not measured, inf = sky; it is
            called twice.
        kind: what may be fitted first: nothing, a scale, or scale and shift of the disparity.
    """
    fit = fit_depth(pairs(), kind)
    edges = _EdgeCounts()
    count = close = changes = 0
    relative = change = 0.0
    former: tuple[Float, Float] | None = None
    for predicted, true in pairs():
        fitted = fit.apply(predicted)
        ok = _comparable(fitted, true)
        ratio = fitted[ok].astype(np.float64) / true[ok]
        count += len(ratio)
        relative += float(np.abs(ratio - 1).sum())
        close += int((np.maximum(ratio, 1 / ratio) < 1.25).sum())
        # Outlines of the prediction as it is: ratios do not change with scale, and a shift is a guess.
        edges.add(fitted if kind == "affine" else predicted, true)
        error = np.where(ok, np.log(np.where(ok, fitted, 1) / np.where(ok, true, 1)), np.nan).astype(np.float32)
        if former is not None:
            with np.errstate(invalid="ignore"):
                same = np.abs(true / former[1] - 1) < SAME_SURFACE
            moved = np.abs(error - former[0])[same]
            moved = moved[np.isfinite(moved)]
            change, changes = change + float(moved.sum(dtype=np.float64)), changes + len(moved)
        former = error, true
    if not count:
        return DepthScore(math.nan, math.nan, edges.f1, math.nan)
    return DepthScore(relative / count, close / count, edges.f1, change / changes if changes else math.nan)
