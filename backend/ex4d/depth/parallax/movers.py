# SPDX-License-Identifier: Apache-2.0
"""What moves by itself: pixels whose optical flow is not that of a still surface at the measured depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.agreement import without_islands
from ex4d.depth.parallax.views import Passage

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Grey = NDArray[np.uint8]

#: Frames before and after that the flow is taken to: what moves fast is lost soon, what moves slowly shows late.
FLOW_FRAMES = (1, 2, 5)
#: What comes nearer to the border than this share of the width may leave the picture.
BORDER = 0.02
#: Pixels beyond which a residual is motion: at least these, this share of the width, and this share of the flow.
LEAST_PX, LEAST_SHARE, OF_FLOW = 1.5, 0.004, 0.07
#: Grey levels, means over a window of so many pixels, by which the flow explains a neighbour better than rest does, and
#: the share of rest's that it leaves at most: where something else has come, neither explains it.
BETTER_BY, MOST_LEFT, BETTER_WINDOW = 2.5, 0.7, 5
#: What differs by fewer grey levels from what a neighbour shows at its place of rest, is not explained better than that
#: by the flow, and has that much texture, is no mover's.
AT_REST, NO_BETTER, LEAST_TEXTURE = 3.0, 1.0, 2.0
#: Surfaces that are guessed to be this many times nearer than the farthest measured one may be any farther.
MAY_BE_FARTHER = 1.5
#: Side of the smallest square that fits into a part, as a share of the width.
LEAST_SIDE = 0.016
#: Of the picture: smaller parts are noise. Of a part, whose depth nothing confirms; of a hole in one, which is filled.
LEAST_AREA, LEAST_UNCONFIRMED, UNCONFIRMED_HOLE = 6e-4, 0.3, 0.5
#: A part grows into what looks like it (mean difference of channels, 0..255) and was not measured, over this share of
#: the width.
LIKE_COLOUR, GROWTH = 14.0, 0.06
#: What hides what other frames measured belongs to a part that comes so near to it, as a share of the width; and what
#: is so like it, and so unlike all that was measured beside it, over this share of the width.
NEXT_TO, MORE_ALIKE, STRANGE, FURTHER_GROWTH = 0.01, 10.0, 14.0, 0.2
#: Share of a part that is plain sky, above which it is a cloud.
MOSTLY_SKY = 0.5
#: Colours of a thing and of what lies behind it are means over this share of the width.
COLOUR_REACH = 0.03
#: Frames before and after whose masks are asked, how many must agree to add a pixel, and how many must be able to say
#: so to take one away that none has.
ASKED_FRAMES, ADDS, CAN_SAY = (1, 2), 2, 2


@dataclass(frozen=True)
class Look:
    """Another frame, as a frame's flow finds it.

    Attributes:
        grey: (H, W) uint8.
        passage: from the frame to it.
        flow: (H, W, 2) float32, pixels.
        leads_back: (H, W), where the flow from there leads back.
    """

    grey: Grey
    passage: Passage
    flow: Float
    leads_back: Bool


def motion(grey: Grey, looks: Sequence[Sequence[Look]], disparity: Float, far: float) -> tuple[Float, Bool]:
    """By how many pixels (H, W) the flow misses that of a still scene, less what it may, above 0 = it moves; and where
    (H, W) another frame shows the pixel at its place of rest.

    Of the frames of one distance the least counts, since one may hide what the other shows; of distances the most.

    Args:
        grey: (H, W) uint8.
        looks: other frames, of one distance each.
        disparity: (H, W) of what stands still, without gaps.
        far: of the farthest measured surface.
    """
    residual = np.full(disparity.shape, -1, np.float32)
    rests = np.zeros(disparity.shape, bool)
    for same_distance in looks:
        least = np.full(disparity.shape, np.inf, np.float32)
        for look in same_distance:
            excess, at_rest = _excess(grey, look, disparity, far)
            least, rests = np.minimum(least, excess), rests | at_rest
        residual = np.maximum(residual, np.where(np.isfinite(least), least, -1))
    # What is plain looks the same wherever it is.
    return residual, rests & (texture(grey) > LEAST_TEXTURE)


def _excess(grey: Grey, look: Look, disparity: Float, far: float) -> tuple[Float, Bool]:
    """The same of one look; inf where it says nothing."""
    height, width = disparity.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    to_x, to_y = columns + look.flow[..., 0], rows + look.flow[..., 1]
    x, y, ratio = look.passage.positions(disparity)
    at_rest = _difference(grey, look.grey, x, y)
    moved = _difference(grey, look.grey, to_x, to_y)
    # What leaves the picture has no flow.
    edge = BORDER * width
    inside = (x >= edge) & (x <= width - 1 - edge) & (y >= edge) & (y <= height - 1 - edge) & (ratio > 0)
    inside &= (to_x >= edge) & (to_x <= width - 1 - edge) & (to_y >= edge) & (to_y <= height - 1 - edge)
    # Beyond all that was measured: anywhere on the way to what is infinitely far away.
    end_x, end_y, _ = look.passage.positions(np.where(disparity <= MAY_BE_FARTHER * far, np.float32(0), disparity))
    way_x, way_y = end_x - x, end_y - y
    along = ((to_x - x) * way_x + (to_y - y) * way_y) / np.maximum(way_x * way_x + way_y * way_y, np.float32(1e-9))
    along = np.clip(along, 0, 1)
    off = np.hypot(to_x - x - along * way_x, to_y - y - along * way_y)
    floor = np.float32(max(LEAST_PX, LEAST_SHARE * width))
    excess = off - OF_FLOW * np.hypot(look.flow[..., 0], look.flow[..., 1]) - floor
    better = (at_rest - moved > BETTER_BY) & (moved < MOST_LEFT * at_rest)
    excess = np.where(inside & better, excess, np.float32(-1))
    rests = inside & (at_rest < AT_REST) & (at_rest - moved < NO_BETTER)
    return np.where(look.leads_back | ~inside, excess, np.float32(np.inf)).astype(np.float32), rests


def texture(grey: Grey) -> Float:
    """(H, W): mean over windows of the difference in grey levels to the window's mean."""
    window = (BETTER_WINDOW, BETTER_WINDOW)
    return np.asarray(cv2.blur(cv2.absdiff(grey, cv2.blur(grey, window)).astype(np.float32), window), np.float32)


def _difference(grey: Grey, other: Grey, x: Float, y: Float) -> Float:
    """Mean over windows of the difference in grey levels between a picture and what another shows at positions."""
    seen = cv2.remap(other, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.blur(cv2.absdiff(grey, seen).astype(np.float32), (BETTER_WINDOW, BETTER_WINDOW)), np.float32)


def moving_parts(residual: Float, rests: Bool, picture: NDArray[np.uint8], disparity: Float) -> Bool:
    """Masks (H, W) of what moves.

    Args:
        residual, rests: see ``motion``.
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
    mask = _grown(mask, unmeasured & ~rests, smooth, LIKE_COLOUR, round(GROWTH * width))
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    parts = without_islands(_outlined(closed, smooth, ~unmeasured, side), round(LEAST_AREA * height * width))
    return _without_holes(parts, unmeasured)


def _grown(mask: Bool, free: Bool, smooth: Float, unlike: float, steps: int) -> Bool:
    """The mask, grown over pixels that are free by as many steps into what looks like what it has beside them."""
    kernel = np.ones((3, 3), np.uint8)
    colours = smooth.reshape(-1, 3)
    for _ in range(steps):
        part = mask.astype(np.uint8)
        rim = np.flatnonzero((cv2.dilate(part, kernel) > 0) & ~mask & free)
        weight = cv2.blur(part.astype(np.float32), (9, 9)).reshape(-1).take(rim)
        beside = cv2.blur(cv2.copyTo(smooth, part), (9, 9)).reshape(-1, 3).take(rim, axis=0)
        apart = np.abs(beside / np.maximum(weight, 1e-3)[:, None] - colours.take(rim, axis=0)).mean(axis=-1)
        like = rim[apart < unlike]
        if not len(like):
            break
        mask = mask.copy()
        mask.reshape(-1)[like] = True
    return mask


def whole(mask: Bool, hides: Bool, picture: NDArray[np.uint8], measured: Bool, strangeness: Float) -> Bool:
    """The mask (H, W) of what moves with the rest of each thing: what its flow does not tell, because it stands for a
    moment or goes behind something.

    Args:
        mask: what is known to move.
        hides: (H, W), see ``Background.hidden``.
        picture: (H, W, 3) uint8.
        measured: (H, W).
        strangeness: (H, W), see ``gaps.strangeness``.
    """
    if not mask.any():
        return mask
    width = mask.shape[1]
    mask = _with_neighbours(mask, hides & ~measured, max(1, round(NEXT_TO * width)))
    free = ~measured & (strangeness > STRANGE)
    smooth = cv2.blur(picture, (3, 3)).astype(np.float32)
    grown = _grown(mask, free, smooth, MORE_ALIKE, round(FURTHER_GROWTH * width))
    closed = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0
    return _without_holes(closed & (mask | ~measured), ~measured)


def _with_neighbours(mask: Bool, others: Bool, reach: int) -> Bool:
    """The mask with the connected parts of another that come within ``reach`` pixels of it."""
    opened = cv2.morphologyEx(others.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents(opened, connectivity=4)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
    beside = np.zeros(count, bool)
    beside[labels[near]] = True
    beside[0] = False
    return mask | np.asarray(beside[labels])


def in_time(mask: Bool, free: Bool, others: Sequence[tuple[Bool, Look]]) -> Bool:
    """The mask (H, W) as the frames nearby bear it out: what two of them have moving moves here too, what none has does
    not.

    Args:
        free: (H, W), what was not measured and is seen nowhere at its place of rest.
        others: masks of other frames, and these.
    """
    said, could = np.zeros(mask.shape, np.uint8), np.zeros(mask.shape, np.uint8)
    height, width = mask.shape
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    for other, look in others:
        x, y = columns + look.flow[..., 0], rows + look.flow[..., 1]
        there = cv2.remap(other.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        said += look.leads_back & (there > 0)
        could += look.leads_back
    added = cv2.morphologyEx(((said >= ADDS) & free).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    borne_out = (mask & ~((said == 0) & (could >= CAN_SAY))) | added
    closed = cv2.morphologyEx(borne_out.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    parts = without_islands(closed & (mask | free), round(LEAST_AREA * height * width))
    return _without_holes(parts, free)


def without_clouds(mask: Bool, sky: Bool) -> Bool:
    """The mask without the parts of it that are mostly plain sky: clouds drift, and stay where the sky is.

    Args:
        sky: (H, W), see ``plain_sky``.
    """
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    sizes = np.bincount(labels.reshape(-1), minlength=count)
    plain = np.bincount(labels.reshape(-1), weights=sky.reshape(-1), minlength=count)
    drifts = plain > MOSTLY_SKY * sizes
    drifts[0] = False
    return np.asarray(mask & ~drifts[labels])


def _without_holes(mask: Bool, unmeasured: Bool) -> Bool:
    """The mask with the holes of its parts, but for those through which what was measured is seen."""
    height, width = mask.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    left, top, across, down = stats[:, : cv2.CC_STAT_AREA].T
    hole = (left > 0) & (top > 0) & (left + across < width) & (top + down < height)
    share = np.bincount(labels.reshape(-1), weights=unmeasured.reshape(-1), minlength=count)
    hole &= share >= UNCONFIRMED_HOLE * stats[:, cv2.CC_STAT_AREA]
    hole[labels[mask]] = False
    return mask | np.asarray(hole[labels])


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
