# SPDX-License-Identifier: Apache-2.0
"""Tracks: where the same point of the plate is seen in frame after frame.

All positions are work pixels: square ones, the plate brought to a longer side of at most ``WORK_SIDE``, centres at
i+0.5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Tracks:
    """Sightings of points, by rising frame and, within one, by rising track.

    Attributes:
        size: (width, height) in work pixels.
        frames: how many frames the plate has.
        frame: (N,) int32 index of the frame of each sighting.
        track: (N,) int32 index of its track, 0 … count - 1.
        xy: (N, 2) float64 position, work pixels.
        count: how many tracks there are.
    """

    size: tuple[int, int]
    frames: int
    frame: Ints
    track: Ints
    xy: Array
    count: int

    def __len__(self) -> int:
        return len(self.frame)

    def lengths(self) -> NDArray[np.int64]:
        """(count,) sightings of each track."""
        return np.bincount(self.track, minlength=self.count)

    def picked(self, sightings: Bools) -> Tracks:
        """Only these sightings, (N,) bool; tracks keep their index. All of them are not copied."""
        if sightings.all():
            return self
        return replace(self, frame=self.frame[sightings], track=self.track[sightings], xy=self.xy[sightings])

    def of_frames(self, start: int, stop: int) -> Tracks:
        """The frames [start, stop), counted from 0 on; tracks are counted anew."""
        inside = (self.frame >= start) & (self.frame < stop)
        names, track = np.unique(self.track[inside], return_inverse=True)
        return Tracks(
            self.size,
            stop - start,
            (self.frame[inside] - start).astype(np.int32),
            track.astype(np.int32),
            self.xy[inside],
            len(names),
        )

    def common(self, first: int, second: int) -> tuple[Ints, Array, Array]:
        """Tracks that two frames share (M,), and where they are in each, (M, 2)."""
        a, b = self.in_frame(first), self.in_frame(second)
        tracks, at_a, at_b = np.intersect1d(self.track[a], self.track[b], assume_unique=True, return_indices=True)
        return tracks.astype(np.int32), self.xy[a][at_a], self.xy[b][at_b]

    def in_frame(self, index: int) -> slice:
        """The sightings of one frame."""
        start, stop = np.searchsorted(self.frame, [index, index + 1])
        return slice(int(start), int(stop))

    def motion(self, first: int, second: int) -> float:
        """Median motion, px, of the tracks that two frames share; inf where they share fewer than 8."""
        _, a, b = self.common(first, second)
        return float(np.median(np.linalg.norm(b - a, axis=1))) if len(a) >= LEAST_COMMON else np.inf

    def extents(self) -> Array:
        """(count,) diagonal, px, of the box that each track stays in; 0 where it has no sightings."""
        low = np.full((self.count, 2), np.inf)
        high = np.full((self.count, 2), -np.inf)
        np.minimum.at(low, self.track, self.xy)
        np.maximum.at(high, self.track, self.xy)
        seen = np.isfinite(low[:, 0])
        return np.where(seen, np.linalg.norm(np.where(seen[:, None], high - low, 0), axis=1), 0.0)


#: Fewer tracks than these that two frames share tell nothing of the motion between them.
LEAST_COMMON = 8


def tracks_of(size: tuple[int, int], frames: int, sightings: list[tuple[int, Ints, Array]]) -> Tracks:
    """Tracks from the names and positions in each frame, tracks of one sighting left out.

    Args:
        size: (width, height) in work pixels.
        frames: how many the plate has.
        sightings: index of the frame, names (M,) and positions (M, 2) of its tracks, by rising frame.
    """
    if not sightings:
        nothing = np.empty(0, np.int32)
        return Tracks(size, frames, nothing, nothing, np.empty((0, 2)), 0)
    frame = np.concatenate([np.full(len(names), index, np.int32) for index, names, _ in sightings])
    name = np.concatenate([names for _, names, _ in sightings])
    xy = np.concatenate([at for _, _, at in sightings]).astype(np.float64).reshape(-1, 2)
    kept = np.bincount(name, minlength=1)[name] > 1
    names, track = np.unique(name[kept], return_inverse=True)
    frame, xy = frame[kept], xy[kept]
    order = np.lexsort((track, frame))
    return Tracks(size, frames, frame[order], track[order].astype(np.int32), xy[order], len(names))
