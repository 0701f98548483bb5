# SPDX-License-Identifier: Apache-2.0
"""What moves by itself in a frame, told by other frames: it is never copied into the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.fill.background.depth_grids import DepthGrid, looks_past

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Frames that a frame is compared with.
WITNESSES = 12
#: A surface that this share of the frames which could see it look past is not there always: it moves.
LEAST_PAST = 0.15
#: Colours that differ by more than this share of the range, after a blur, are not those of one surface.
SAME_COLOR = 0.1
#: Fewer frames than these are no witnesses of what stands still: what they alone have looked at belongs to what moves
#: beside it, within this share of the longer side, as long as depth changes by no more than this from one grid point to
#: the next.
SURE = 4
REACH, SAME_DEPTH = 0.15, 0.01
#: Of that blur, in grid steps; misfits of a pixel at edges are no movement.
BLUR = 1.5


def witnesses(anchor: int, candidates: Sequence[int]) -> list[int]:
    """Indices of the frames that an anchor is compared with: half of them nearby, the others spread.

    Args:
        anchor: index of the frame.
        candidates: indices of frames that show something of what it shows.
    """
    others = sorted((other for other in candidates if other != anchor), key=lambda other: abs(other - anchor))
    half = WITNESSES // 2
    near, far = others[:half], sorted(others[half:])
    spread = np.unique(np.linspace(0, len(far) - 1, min(WITNESSES - half, len(far))).round().astype(int))
    return sorted([*near, *(far[place] for place in spread)])


def moving_by_depth(anchor: DepthGrid, others: Sequence[DepthGrid], tolerance: float) -> Bool:
    """Where an anchor's surface moves: enough of the frames that could see it look past the place where it is.

    Guessed depths tell no movement; of the grids as ``trusting`` has them they do, and more is found that moves, and
    more that stands still.

    Args:
        tolerance: relative error within which two depths may be the same surface.

    Returns:
        (h, w) bool on the anchor's grid.
    """
    points = anchor.world_points
    past, there = np.zeros(anchor.z.shape, np.int16), np.zeros(anchor.z.shape, np.int16)
    for other in others:
        looked_past, shown = looks_past(other, points, tolerance, anchor.guessed)
        past += looked_past
        there += shown
    return _grown(_often_past(past, there), anchor.z, past + there < SURE)


def _often_past(past: NDArray[np.int16], there: NDArray[np.int16]) -> Bool:
    return np.asarray((past > 0) & (past >= LEAST_PAST * (past + there)))


@dataclass(frozen=True)
class Shown:
    """What another frame shows.

    Attributes:
        grid: its depth.
        picture: (h, w, 3) float32 0..1, on its grid.
        moving: (h, w) bool, what is known to move in it, and says nothing of what stands still; None = nothing is.
    """

    grid: DepthGrid
    picture: Float
    moving: Bool | None = None


def moving_by_color(anchor: DepthGrid, picture: Float, others: Sequence[Shown], tolerance: float) -> Bool:
    """The same for cameras that only turn, where no parallax has measured depth, and colours have to agree as well:
    a surface moves where enough frames show another colour and something farther away, or most another colour.

    Args:
        picture: (h, w, 3) float32 0..1, the anchor's frame on its grid.
        others: other frames.
        tolerance: relative error within which two depths may be the same surface.

    Returns:
        (h, w) bool on the anchor's grid.
    """
    points = anchor.world_points
    own = _soft(picture)
    differ, agree, past = (np.zeros(anchor.z.shape, np.int16) for _ in range(3))
    for other in others:
        row, column, _, inside = other.grid.look_up(points)
        if other.moving is not None:
            inside = inside & ~other.moving[row, column]
        theirs = _soft(other.picture)[row, column]
        # Exposure may have changed between the frames.
        gain = _gain(own[inside], theirs[inside]) if inside.any() else np.float32(1)
        codes = (inside & (np.abs(own * gain - theirs).max(axis=-1) > SAME_COLOR)).astype(np.uint8)
        unlike = cv2.morphologyEx(codes, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
        looked_past, _ = looks_past(other.grid, points, tolerance)
        differ += unlike
        agree += inside & ~unlike
        past += looked_past & unlike
    return _grown((differ > agree) | _often_past(past, agree), anchor.z, differ + agree < SURE)


def _grown(moving: Bool, z: Float, unsure: Bool) -> Bool:
    """What moves, and what goes on from it at the same depth where too few other frames have looked to be sure: a thing
    that is half out of their pictures moves as a whole."""
    square = np.ones((3, 3), np.uint8)
    for _ in range(round(REACH * max(z.shape))):
        beside = cv2.dilate(np.where(moving, z, np.float32(0)), square)
        more = unsure & ~moving & (np.abs(z - beside) <= SAME_DEPTH * z)
        if not more.any():
            break
        moving = moving | more
    return moving


def _soft(picture: Float) -> Float:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), BLUR), np.float32)


def _gain(own: Float, theirs: Float) -> Float:
    """(3,) factor that brings one frame's colours (N, 3) to another's."""
    return np.asarray(np.median((theirs + np.float32(1e-3)) / (own + np.float32(1e-3)), axis=0), np.float32)
