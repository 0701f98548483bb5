# SPDX-License-Identifier: Apache-2.0
"""The sky: what shows no parallax, or nothing to measure it by, and reaches the upper edge of the picture."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Grey = NDArray[np.uint8]

#: Disparities below this many of the planes' steps are as good as none.
FAR_STEPS = 0.6
#: Grey levels (0..255) by which a plain sky changes from pixel to pixel, at most.
PLAIN = 3.0
#: The same in most of a sky; walls of a room are less plain.
PLAINER = 1.5
#: The estimate of a plain sky is farther than this share of the median measured disparity.
FAR_SHARE = 0.35
#: A plain sky that the estimator does not put beyond this share of the far end's disparity has at least this share of
#: the picture: a bright patch of a wall is small, and only little behind the rest.
CLEARLY_FAR, LEAST_UNCLEAR = 0.5, 0.025
#: Share of the picture that a sky has at least.
LEAST_AREA = 2e-3
#: Pixels beside an outline that it makes look uneven.
RIM = 2
#: Of the estimates of all that is not plain, the percentile that counts as their far end; every so many pixels are
#: looked at.
FAR_PERCENTILE, SAMPLED = 10, 13


def sky(disparity: Float, measured: Bool, estimate: Float, grey: Grey, step: float) -> Bool:
    """Where the sky is, (H, W).

    Args:
        disparity: (H, W), filled.
        measured: (H, W), where it was measured.
        estimate: (H, W) the estimator's, fitted to what was measured.
        grey: (H, W) uint8 picture.
        step: of disparity between two planes of the sweep.
    """
    far = disparity < FAR_STEPS * step
    nearby = float(np.median(disparity[measured])) if measured.any() else 0.0
    empty = ~measured & is_plain(grey) & (estimate < FAR_SHARE * nearby)
    return reaches_top(far | empty)


def endless(measured: Float, step: float) -> Bool:
    """Where a frame measured the sky, (H, W): as good as infinitely far away, and up to the upper edge nothing nearer.

    At the edge itself little is measured: it is not in the other frames.

    Args:
        measured: (H, W) disparity, NaN = not measured.
        step: of disparity between two planes of the sweep.
    """
    known = np.isfinite(measured)
    with np.errstate(invalid="ignore"):
        far = measured < FAR_STEPS * step
    open_above = ~np.logical_or.accumulate(known & ~far, axis=0)
    return reaches_top(far | (~known & open_above)) & far


def is_plain(grey: Grey) -> Bool:
    """Where a picture (H, W) shows nothing that could be followed, (H, W)."""
    return np.asarray(_texture(grey) <= PLAIN)


def _texture(grey: Grey) -> Grey:
    """Grey levels by which a picture (H, W) changes from pixel to pixel."""
    kernel = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.morphologyEx(cv2.GaussianBlur(grey, (3, 3), 0), cv2.MORPH_GRADIENT, kernel), np.uint8)


def far_end(frames: Iterable[tuple[Float, Grey]]) -> float:
    """Disparity of the far end of what is not plain, over a shot; NaN where all is.

    Args:
        frames: of each, the estimator's disparity and the grey picture (H, W).
    """
    samples = []
    for estimate, grey in frames:
        values = estimate[np.isfinite(estimate) & ~is_plain(grey)][::SAMPLED]
        samples.append(values)
    every = np.concatenate(samples)
    return float(np.percentile(every, FAR_PERCENTILE)) if len(every) else float("nan")


def plain_sky(measured: Bool, estimate: Float, grey: Grey, far: float) -> Bool:
    """Plain parts of a picture (H, W) that nothing was measured in, that reach its upper edge, and that the estimator
    sees behind nearly everything else, small ones far behind: a night sky between towers, which has their depth
    otherwise.

    Pixels at its rim may have been measured all the same; they were not rightly.

    Args:
        measured: (H, W).
        estimate: (H, W) the estimator's disparity as it came, not drawn to what was measured beside it.
        grey: (H, W) uint8 picture.
        far: see ``far_end``.
    """
    texture = _texture(grey)
    parts = reaches_top(~measured & (texture <= PLAIN))
    count, labels = cv2.connectedComponents(parts.astype(np.uint8), connectivity=4)
    skies = []
    for number in range(1, count):
        part = labels == number
        most = far if part.mean() >= LEAST_UNCLEAR else CLEARLY_FAR * far
        if np.median(texture[part]) <= PLAINER and np.median(estimate[part]) <= most:
            skies.append(number)
    return _with_rim(np.isin(labels, skies), grey)


def _with_rim(sky: Bool, grey: Grey) -> Bool:
    """The sky with those pixels beside it that look like it: near an outline nothing is plain, and a window that
    reaches over it measures the near side's depth."""
    size = (2 * RIM + 1, 2 * RIM + 1)
    near = cv2.dilate(sky.astype(np.uint8), np.ones(size, np.uint8)) > 0
    weight = cv2.blur(sky.astype(np.float32), size)
    mean = cv2.blur(np.where(sky, grey, 0).astype(np.float32), size) / np.maximum(weight, np.float32(1e-3))
    return np.asarray(sky | (near & (np.abs(grey - mean) <= 2 * PLAIN)))


def reaches_top(mask: Bool) -> Bool:
    """The connected parts of a mask (H, W) that reach the upper edge and are large enough; small holes are closed."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    large = (stats[:, cv2.CC_STAT_TOP] == 0) & (stats[:, cv2.CC_STAT_AREA] >= LEAST_AREA * mask.size)
    large[0] = False
    return np.asarray(large[labels]) if count > 1 else np.zeros(mask.shape, bool)
