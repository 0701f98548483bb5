# SPDX-License-Identifier: Apache-2.0
"""Points that are followed through the frames of a solved camera, and how far away they are.

They tell over which depths to look, and which frames show parallax. Most of them are enough: nothing is measured here
for good.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth.parallax.views import Passage

Array = NDArray[np.float64]
Grey = NDArray[np.uint8]

#: Frames that points are begun in, and how many in each.
KEYFRAMES, POINTS = 8, 300
#: Of the features that are found, and pixels between them.
QUALITY, SPACING = 0.004, 7
#: Window and levels of the tracker, and pixels by which a track may miss its start on the way back.
TRACK_WINDOW, LEVELS, RETURN_PX = 11, 4, 0.6
#: A track ends after this many frames.
LONGEST = 60
#: Pixels that a point may lie off its tracks, and of parallax that it must have shown.
ERROR_PX, PARALLAX_PX = 1.0, 1.5


@dataclass(frozen=True)
class Sightings:
    """Points seen in one frame.

    Attributes:
        at: (N, 2) array positions.
        disparity: (N,).
    """

    at: Array
    disparity: Array


def sightings(points: Array, cameras: Trajectory, index: int) -> Sightings:
    """Where points (N, 3) of the world are in a frame; those outside of its picture are left out."""
    with np.errstate(divide="ignore", invalid="ignore"):
        at, z = cameras[index].project(points)
    inside = (z > 0) & (at >= 0).all(axis=1) & (at < (cameras.width, cameras.height)).all(axis=1)
    return Sightings(at[inside] - 0.5, 1 / z[inside])


def _tracks(read: Callable[[int], Grey], start: int, step: int, count: int, first: Array) -> list[tuple[int, Array]]:
    """Positions (N, 2) of features in the frames from ``start`` on, forwards or backwards; NaN where they are lost."""
    at, alive, found = first.astype(np.float32), np.ones(len(first), bool), []
    former = read(start)
    index = start + step
    while 0 <= index < count and abs(index - start) <= LONGEST and alive.sum() > len(first) // 5:
        picture = read(index)
        there, ok = _followed(former, picture, at)
        back, returned = _followed(picture, former, there)
        alive &= ok & returned & (np.linalg.norm(back - at, axis=1) < RETURN_PX)
        at, former = there, picture
        found.append((index, np.where(alive[:, None], at, np.nan).astype(np.float64)))
        index += step
    return found


def _followed(start: Grey, end: Grey, at: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Where features (N, 2) of one picture are in another, and whether they were found (N,)."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)
    size = (TRACK_WINDOW, TRACK_WINDOW)
    there, ok, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
        start, end, at, None, winSize=size, maxLevel=LEVELS, criteria=criteria
    )
    return np.asarray(there, np.float32), np.asarray(ok[:, 0] > 0)


def _triangulated(cameras: Trajectory, start: int, first: Array, tracks: list[tuple[int, Array]]) -> Array:
    """Disparity (N,) in frame ``start`` of each feature, NaN where it can't be told: by least squares over all frames
    it is seen in."""
    passages = {index: Passage.between(cameras, start, index) for index, _ in tracks}
    here = np.column_stack([first, np.ones(len(first))])
    disparity = np.zeros(len(first))
    for _ in range(4):
        numerator, denominator = np.full(len(first), 1e-12), np.full(len(first), 1e-12)
        error, count = np.zeros(len(first)), np.zeros(len(first))
        for index, seen in tracks:
            passage = passages[index]
            there = here @ passage.A.T + disparity[:, None] * passage.b
            with np.errstate(divide="ignore", invalid="ignore"):
                off = seen - there[:, :2] / there[:, 2:]
                slope = (passage.b[:2] - there[:, :2] / there[:, 2:] * passage.b[2]) / there[:, 2:]
            usable = np.isfinite(off).all(axis=1) & np.isfinite(slope).all(axis=1)
            off, slope = np.where(usable[:, None], off, 0), np.where(usable[:, None], slope, 0)
            numerator += (off * slope).sum(axis=1)
            denominator += (slope * slope).sum(axis=1)
            error += (off * off).sum(axis=1)
            count += usable
        disparity = disparity + numerator / denominator
    parallax = np.zeros(len(first))
    for index, seen in tracks:
        shown = passages[index].parallax(first, np.maximum(disparity, 0))
        parallax = np.fmax(parallax, np.where(np.isfinite(seen[:, 0]), shown, 0))
    good = (count > 0) & (np.sqrt(error / np.maximum(count, 1)) < ERROR_PX) & (parallax > PARALLAX_PX) & (disparity > 0)
    return np.where(good, disparity, np.nan)


def find_points(read: Callable[[int], Grey], cameras: Trajectory) -> Array:
    """Points (N, 3) of the world that stand still in the frames.

    Args:
        read: gives the grey picture (H, W) uint8 of a frame by its index.
        cameras: of all frames, pinholes of the pictures' size.
    """
    count = len(cameras)
    found = [np.empty((0, 3))]
    for start in np.unique(np.linspace(0, count - 1, min(count, KEYFRAMES)).round().astype(int)):
        features = cv2.goodFeaturesToTrack(read(start), POINTS, QUALITY, SPACING, blockSize=5)
        # None where there are none.
        first = np.asarray([] if features is None else features, np.float64).reshape(-1, 2)
        if not len(first):
            continue
        tracks = [track for step in (1, -1) for track in _tracks(read, int(start), step, count, first)]
        if not tracks:
            continue
        disparity = _triangulated(cameras, int(start), first, tracks)
        good = np.isfinite(disparity)
        rays = np.column_stack([cameras[start].rays(first[good] + 0.5), np.ones(good.sum())])
        E = cameras.E[start]
        found.append((rays / disparity[good, None] - E[:3, 3]) @ E[:3, :3])
    return np.concatenate(found)
