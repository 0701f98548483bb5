# SPDX-License-Identifier: Apache-2.0
"""Key frames: the few that a solve begins with, so far apart that they differ and so near that they share tracks."""

from __future__ import annotations

import numpy as np

from ex4d.solve.tracks import Tracks

#: Median motion of the tracks since the last key frame, as a share of the width, that makes the next one.
KEY_MOTION = 0.02
#: A key frame comes at the latest where less than this share of the last one's tracks is left, or after so many
#: frames.
LEAST_LEFT, MOST_FRAMES = 0.5, 24
#: And where less than this share of the tracks of the one before the last is left: a new camera is found from points,
#: and those from two key frames.
LEAST_SPANNED = 0.2
#: No more than so many in a plate; further apart then.
MOST_KEYS = 240


def key_frames(tracks: Tracks, start: int, stop: int) -> list[int]:
    """Indices of the key frames of [start, stop), by rising index; the first and the last frame are among them."""
    share = KEY_MOTION
    while True:
        keys = _keys(tracks, start, stop, share * max(tracks.size))
        if len(keys) <= MOST_KEYS:
            return keys
        share *= 1.4


def _keys(tracks: Tracks, start: int, stop: int, motion: float) -> list[int]:
    count = np.bincount(tracks.frame, minlength=tracks.frames)
    keys = [start]
    for index in range(start + 1, stop):
        common, a, b = tracks.common(keys[-1], index)
        if not count[index]:
            continue
        far = len(common) and float(np.median(np.linalg.norm(b - a, axis=1))) >= motion
        lost = len(common) < LEAST_LEFT * count[keys[-1]]
        if len(keys) > 1:
            lost |= len(tracks.common(keys[-2], index)[0]) < LEAST_SPANNED * count[keys[-2]]
        if far or lost or index - keys[-1] >= MOST_FRAMES:
            keys.append(index)
    last = stop - 1
    while last > keys[-1] and not count[last]:
        last -= 1
    if last > keys[-1]:
        keys.append(last)
    return keys
