# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of when frames were taken. Their notes count frames from 1."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tools.scenes.truth.edits.clip import Clip

#: Which of four frames the five of a 2:3 pulldown have in their even and odd rows.
PULLDOWN = ((0, 0), (1, 1), (1, 2), (2, 3), (3, 3))


def part(clip: Clip, first: int, last: int, every: int = 1) -> Clip:
    """Frames from the first to the last, counted from 1, or every so many of them, which makes all faster; backwards
    where the last is before the first. The rate stays."""
    if not (1 <= first <= len(clip) and 1 <= last <= len(clip) and every >= 1):
        raise ValueError(f"the clip has frames 1 to {len(clip)}")
    forward = last >= first
    return clip.chosen(np.arange(first, last + 1 if forward else last - 1, every if forward else -every) - 1)


def held(clip: Clip, hold: int) -> Clip:
    """Each frame that stays is shown so many times, as of animation on twos; length and rate stay. ``held``: frames
    that repeat the one before."""
    if hold < 2:
        raise ValueError("a frame that is held is shown twice at least")
    indices = np.arange(len(clip)) // hold * hold
    return clip.chosen(indices).noted(held=[i + 1 for i in range(1, len(clip)) if i % hold])


def pulldown(clip: Clip) -> Clip:
    """Film on interlaced video: five frames of four, two of which are woven of the rows of two. The cameras are those
    of the even rows. ``woven``: these frames. What is beyond the last four is left out."""
    groups = len(clip) // len({row for pair in PULLDOWN for row in pair})
    if not groups:
        raise ValueError("a pulldown needs four frames at least")
    even, odd = (np.array([4 * g + pair[k] for g in range(groups) for pair in PULLDOWN]) for k in (0, 1))
    woven = np.flatnonzero(even != odd) + 1
    return _faster(_by_rows(clip, [even, odd], np.arange(clip.height) % 2, even), Fraction(5, 4)).noted(
        woven=woven.tolist()
    )


def cut(clip: Clip, other: Clip) -> Clip:
    """The other clip after it, in a world of its own; its ids follow on. ``shots``: their first frames."""
    if (clip.width, clip.height) != (other.width, other.height):
        raise ValueError("both sides of a cut have to be of one size")
    if clip.camera.lens != other.camera.lens:
        raise ValueError("both sides of a cut have to have the same lens distortion")
    first = len(clip.record["objects"])
    names = {str(first + int(key)): value for key, value in other.record["objects"].items()}
    camera = replace(
        clip.camera,
        K=np.concatenate([clip.camera.K, other.camera.K]),
        E=np.concatenate([clip.camera.E, other.camera.E]),
        near=np.concatenate([clip.camera.near, other.camera.near]),
        far=np.concatenate([clip.camera.far, other.camera.far]),
        frame_numbers=tuple(range(1, len(clip) + len(other) + 1)),
    )
    return Clip(
        np.concatenate([clip.pictures, other.pictures]),
        np.concatenate([clip.z, other.z]),
        np.concatenate([clip.ids, np.where(other.ids > 0, other.ids + first, 0).astype(np.int32)]),
        np.concatenate([clip.normals, other.normals]),
        camera,
        {**clip.record, "objects": {**clip.record["objects"], **names}, "shots": [1, len(clip) + 1]},
    )


def shutter(clip: Clip, each: int, open_for: int) -> Clip:
    """Motion blur, of a clip rendered at so many times the rate: of ``each`` frames the shutter is open for the first
    ``open_for``. The truth is that of the middle one of these."""
    _check_share(clip, each, open_for)
    starts = np.arange(len(clip) // each) * each
    middle = clip.chosen(starts + open_for // 2)
    light = sum(clip.pictures[starts + k] for k in range(open_for)) / np.float32(open_for)
    return replace(_faster(middle, Fraction(1, each)), pictures=np.asarray(light, np.float32)).noted(
        shutter=open_for / each
    )


def rolling(clip: Clip, each: int, rows_for: int) -> Clip:
    """Rolling shutter, of a clip rendered at so many times the rate: the rows from the first to the last are those of
    the first ``rows_for`` of ``each`` frames, with their depth. The camera is that of the middle row. ``readout``:
    share of the time of a frame that the rows take."""
    _check_share(clip, each, rows_for)
    starts = np.arange(len(clip) // each) * each
    when = np.arange(clip.height) * rows_for // clip.height
    taken = _by_rows(clip, [starts + k for k in range(rows_for)], when, starts + rows_for // 2)
    return _faster(taken, Fraction(1, each)).noted(readout=rows_for / each)


def _by_rows(clip: Clip, indices: list[NDArray[np.intp]], which: NDArray[np.intp], cameras: NDArray[np.intp]) -> Clip:
    """Frames whose rows come from several.

    Args:
        indices: lists of frames, all as long as the result.
        which: (H,) which list each row is taken from.
        cameras: frames whose cameras the result has.
    """
    out = clip.chosen(cameras)
    sources = np.stack(indices)[which].T
    rows = np.arange(clip.height)
    return replace(
        out,
        pictures=clip.pictures[sources, rows],
        z=clip.z[sources, rows],
        ids=clip.ids[sources, rows],
        normals=clip.normals[sources, rows],
    )


def _faster(clip: Clip, factor: Fraction) -> Clip:
    rate = clip.camera.fps
    return replace(clip, camera=replace(clip.camera, fps=rate * factor if rate is not None else None))


def _check_share(clip: Clip, each: int, part: int) -> None:
    if part < 1 or part % 2 == 0:
        raise ValueError("the number of frames that are taken has to be odd, so that one is in the middle")
    if not part <= each <= len(clip):
        raise ValueError("more frames are taken than there are")
