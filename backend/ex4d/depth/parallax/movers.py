# SPDX-License-Identifier: Apache-2.0
"""What moves by itself: pixels whose optical flow is not that of a still surface at the measured depth."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import flow_between
from ex4d.depth.parallax.agreement import without_islands
from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Grey = NDArray[np.uint8]

#: Frames before and after that the flow is taken to.
FLOW_FRAMES = 2
#: What comes nearer to the border than this share of the width may leave the picture.
BORDER = 0.02
#: Longer side of the pictures that the flow is found in, about.
FLOW_SIDE = 512
#: Pixels beyond which a residual is motion: at least these, this share of the width, and this share of the flow.
LEAST_PX, LEAST_SHARE, OF_FLOW = 1.5, 0.004, 0.07
#: Grey levels, means over a window of so many pixels, by which the flow explains a neighbour better than rest does.
BETTER_BY, BETTER_WINDOW = 2.5, 5
#: Side of the smallest square that fits into a part, as a share of the width.
LEAST_SIDE = 0.016
#: Of the picture: smaller parts are noise. Of a part, whose depth nothing confirms.
LEAST_AREA, LEAST_UNCONFIRMED = 6e-4, 0.3
#: A part grows into what looks like it (mean difference of channels, 0..255) and was not measured, over this share of
#: the width.
LIKE_COLOUR, GROWTH = 14.0, 0.06
#: Colours of a thing and of what lies behind it are means over this share of the width.
COLOUR_REACH = 0.03


def flow_residual(grey: Grey, others: Sequence[tuple[Grey, Passage]], disparity: Float) -> Float:
    """By how many pixels (H, W) the flow misses that of a still scene, less what it may; the least of all others, since
    what a neighbour hides has no flow to it. Above 0 = it moves."""
    height, width = disparity.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    residual = np.full(disparity.shape, np.inf, np.float32)
    edge = BORDER * width
    floor = max(LEAST_PX, LEAST_SHARE * width)
    for other, passage in others:
        flow = _flow(grey, other)
        x, y, ratio = passage.positions(disparity)
        off = np.hypot(columns + flow[..., 0] - x, rows + flow[..., 1] - y)
        better = _difference(grey, other, x, y) - _difference(grey, other, columns + flow[..., 0], rows + flow[..., 1])
        excess = off - OF_FLOW * np.hypot(flow[..., 0], flow[..., 1]) - np.float32(floor)
        # What leaves the picture has no flow.
        inside = (x >= edge) & (x <= width - 1 - edge) & (y >= edge) & (y <= height - 1 - edge) & (ratio > 0)
        residual = np.minimum(residual, np.where(inside & (better > BETTER_BY), excess, -1))
    return np.where(np.isfinite(residual), residual, -1).astype(np.float32)


def _flow(start: Grey, end: Grey) -> Float:
    """Optical flow (h, w, 2) in pixels; of small pictures enlarged, since it looks at blocks of them."""
    height, width = start.shape
    factor = max(1, round(FLOW_SIDE / max(height, width)))
    size = (factor * width, factor * height)
    large = (
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8) for picture in (start, end)
    )
    flow = cv2.resize(flow_between(*large), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(flow / np.float32(factor), np.float32)


def _difference(grey: Grey, other: Grey, x: Float, y: Float) -> Float:
    """Mean over windows of the difference in grey levels between a picture and what another shows at positions."""
    seen = cv2.remap(other, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.blur(cv2.absdiff(grey, seen).astype(np.float32), (BETTER_WINDOW, BETTER_WINDOW)), np.float32)


def moving_parts(residual: Float, picture: NDArray[np.uint8], disparity: Float) -> Bool:
    """Masks (H, W) of what moves.

    Args:
        residual: see ``flow_residual``.
        picture: (H, W, 3) uint8.
        disparity: (H, W) measured, NaN = not measured.
    """
    height, width = residual.shape
    side = max(3, round(LEAST_SIDE * width))
    seeds = cv2.morphologyEx((residual > 0).astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0
    mask = _unconfirmed(without_islands(seeds, round(LEAST_AREA * height * width)), ~np.isfinite(disparity))
    if not mask.any():
        return mask
    unmeasured = ~np.isfinite(disparity)
    smooth = cv2.blur(picture, (3, 3)).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    colours = smooth.reshape(-1, 3)
    for _ in range(round(GROWTH * width)):
        part = mask.astype(np.uint8)
        rim = np.flatnonzero((cv2.dilate(part, kernel) > 0) & ~mask & unmeasured)
        weight = cv2.blur(part.astype(np.float32), (9, 9)).reshape(-1).take(rim)
        beside = cv2.blur(cv2.copyTo(smooth, part), (9, 9)).reshape(-1, 3).take(rim, axis=0)
        unlike = np.abs(beside / np.maximum(weight, 1e-3)[:, None] - colours.take(rim, axis=0)).mean(axis=-1)
        like = rim[unlike < LIKE_COLOUR]
        if not len(like):
            break
        mask = mask.copy()
        mask.reshape(-1)[like] = True
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    return without_islands(_outlined(closed, smooth, ~unmeasured, side), round(LEAST_AREA * height * width))


def without(mask: Bool, still: Bool) -> Bool:
    """The mask without what turned out to stand still, and without the specks that this leaves; holes are closed.

    Args:
        still: (H, W), where other frames show the same surface.
    """
    height, width = mask.shape
    side = max(3, round(LEAST_SIDE * width))
    left = cv2.morphologyEx((mask & ~still).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    left = cv2.morphologyEx(left, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return without_islands((left > 0) & mask, round(LEAST_AREA * height * width))


def _outlined(mask: Bool, picture: Float, measured: Bool, side: int) -> Bool:
    """The mask without what was only uncovered beside a thing and is coloured like what lies behind, and without tails.

    Flow is smooth, and carries what lies beside a moving thing along.
    """
    core = cv2.erode(mask.astype(np.uint8), np.ones((2 * side + 1, 2 * side + 1), np.uint8)) > 0
    behind = measured & ~mask
    sigma = COLOUR_REACH * mask.shape[1]
    to_thing, to_behind = (_distance(picture, part, sigma) for part in (core, behind))
    unsure = mask & ~core
    own = np.where(unsure, to_thing <= to_behind, mask).astype(np.uint8)
    kept = cv2.morphologyEx(cv2.medianBlur(own, 5), cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    return np.asarray((kept > 0) & mask)


def _distance(picture: Float, part: Bool, sigma: float) -> Float:
    """Difference of colour (H, W) to the mean of a part's pixels nearby; inf where there are none."""
    weight = cv2.GaussianBlur(part.astype(np.float32), (0, 0), sigma)
    mean = (
        cv2.GaussianBlur(picture * part[..., None].astype(np.float32), (0, 0), sigma)
        / np.maximum(weight, 1e-4)[..., None]
    )
    return np.where(weight > 1e-3, np.abs(mean - picture).mean(axis=-1), np.inf).astype(np.float32)


def _unconfirmed(parts: Bool, unmeasured: Bool) -> Bool:
    """The parts of a mask of which enough was not measured: a flow that is wrong somewhere moves nothing."""
    count, labels = cv2.connectedComponents(parts.astype(np.uint8), connectivity=4)
    if count == 1:
        return parts
    sizes = np.bincount(labels.reshape(-1), minlength=count)
    share = np.bincount(labels.reshape(-1), weights=unmeasured.reshape(-1), minlength=count) / np.maximum(sizes, 1)
    share[0] = 0
    return np.asarray((share >= LEAST_UNCONFIRMED)[labels])
