# SPDX-License-Identifier: Apache-2.0
"""A render that exists only as two movies, colour and mask, such as the released EX-4D makes; and its result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.composite.blend import composite
from ex4d.fill import TakeFrame, TakeScene
from ex4d.media.encoding import display_encoding
from ex4d.media.movie import MovieWriter
from ex4d.plate import PlateReader, open_display_plate
from ex4d.protocol.errors import BadInputError, UsageError

MASK_THRESHOLD = 127
#: How far compression moves black and white, of 1, and how many of a mask's pixels may be moved farther, at its edges.
MASK_BLUR, MASK_TONES = 0.2, 0.25


@dataclass(frozen=True)
class MovieTake:
    """``TakeView`` of a colour and a mask movie (or image sequences).

    Attributes:
        color, mask: the opened movies, of one size.
        erosion: pixels taken off the mask's edge.
        picked: indices of the frames that are taken, None = all.
        notes: sentences for the report.
    """

    color: PlateReader
    mask: PlateReader
    erosion: int
    picked: frozenset[int] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def open(cls, color: Path, mask: Path, erosion: int, count: int | None = None) -> MovieTake:
        """Open both.

        Args:
            count: frames to take, evenly out of all, as the released generate.py does; None = all.

        Raises:
            UsageError: no frame is to be taken.
            BadInputError: one cannot be used, or they do not fit each other.
        """
        take = cls(open_display_plate(color), open_display_plate(mask), erosion)
        a, b = take.color.info, take.mask.info
        if (a.width, a.height) != (b.width, b.height):
            raise BadInputError(
                f"{color.name} is {a.width}x{a.height} and {mask.name} is {b.width}x{b.height}.",
                "Give the colour and the mask of the same render.",
            )
        if None not in (a.frame_count, b.frame_count) and a.frame_count != b.frame_count:
            raise take._unequal()
        _check_mask(take.mask)
        return take if count is None else take._with_count(count)

    def _with_count(self, count: int) -> MovieTake:
        if count < 1:
            raise UsageError(f"{count} frames are none.", "Give --num_frames 1 or more.")
        has = self.color.info.frame_count
        if has is None:
            has = sum(1 for _ in self.color.frames())
        if has <= count:
            few = f"{self.color.info.path.name} has {has} frames, fewer than --num_frames {count}: all were taken."
            return self if has == count else replace(self, notes=(few,))
        picked = frozenset(np.linspace(0, has - 1, count, dtype=int).tolist())
        note = (
            f"{count} of {has} frames were taken, evenly spread, as generate.py takes them: the movie is "
            f"{has / count:.2g} times as fast."
        )
        return replace(self, picked=picked, notes=(note,))

    @property
    def width(self) -> int:
        """Pixels."""
        return self.color.info.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.color.info.height

    @property
    def count(self) -> int | None:
        """Number of frames, where it is known."""
        return self.color.info.frame_count if self.picked is None else len(self.picked)

    @property
    def scene(self) -> TakeScene | None:
        """Unknown."""
        return None

    def frames(self) -> Iterator[TakeFrame]:
        """See ``TakeView``."""
        return (frame for frame, _ in self.timed_frames())

    def timed_frames(self) -> Iterator[tuple[TakeFrame, Fraction]]:
        """The frames, colours 0 in the holes, and the seconds since the first one."""
        kernel = np.ones((2 * self.erosion + 1, 2 * self.erosion + 1), np.uint8)
        masks = self.mask.frames()
        for index, frame in enumerate(self.color.frames()):
            seen = next(masks, None)
            if seen is None:
                raise self._unequal()
            if self.picked is not None and index not in self.picked:
                continue
            threshold = MASK_THRESHOLD * (display_encoding(seen.pixels.dtype).white // 255)
            mask = (seen.pixels[..., 1] > threshold).astype(np.uint8) * 255
            # A frame without holes has no blurred edge; the picture's border is none either.
            mask = np.asarray(cv2.erode(mask, kernel, borderValue=255), dtype=np.uint8)
            color = np.where(mask[..., None] > 0, frame.pixels, 0).astype(frame.pixels.dtype)
            yield TakeFrame(frame.number, color, mask, None), frame.time
        if next(masks, None) is not None:
            raise self._unequal()

    def _unequal(self) -> BadInputError:
        return BadInputError(
            f"{self.mask.info.path.name} has another number of frames than {self.color.info.path.name}.",
            "Give the colour and the mask of the same render.",
        )


def _check_mask(movie: PlateReader) -> None:
    """Refuse what is no mask, judged by its first frame: colours, or many tones between black and white."""
    for frame in movie.frames():
        pixels = display_encoding(frame.pixels.dtype).unit(frame.pixels)
        is_black_or_white = (pixels.max(axis=2) < MASK_BLUR) | (pixels.min(axis=2) > 1 - MASK_BLUR)
        if is_black_or_white.mean() < 1 - MASK_TONES:
            raise BadInputError(
                f"{movie.info.path.name} is not a mask.", "A mask is white where the render is real, black elsewhere."
            )
        return


class CompositeSink:
    """``FillSink`` that composites each filled frame with its take and writes the movie.

    Attributes:
        generated: share of generated pixels of each frame so far.
    """

    def __init__(self, take: MovieTake, movie: MovieWriter) -> None:
        self._frames = take.timed_frames()
        self._constant_rate = not take.color.info.variable_rate or take.picked is not None
        self._movie = movie
        self.generated: list[float] = []

    def write(self, number: int, color: NDArray[Any], origin: NDArray[np.uint8]) -> None:
        """See ``FillSink``."""
        frame, moment = next(self._frames)
        result = composite(frame.color, frame.mask, color, frame.z)
        self._movie.write(result, None if self._constant_rate else moment)
        self.generated.append(round(float((frame.mask == 0).mean()), 6))
