# SPDX-License-Identifier: Apache-2.0
"""Filling a render that exists only as two movies, colour and mask, such as the released EX-4D makes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.composite.blend import composite
from ex4d.composite.take import package_versions
from ex4d.fill import Generator, TakeFrame, TakeScene
from ex4d.media.encoding import display_encoding
from ex4d.media.movie import MovieWriter
from ex4d.plate import PlateReader, open_plate, plate_hash
from ex4d.protocol.errors import BadInputError, Ex4dError, UsageError
from ex4d.protocol.parsing import parse_json
from ex4d.system.files import atomic_write, make_folder
from ex4d.system.inputs import read_bytes
from ex4d.system.progress import Progress

RECORD_FORMAT = "ex4d-filled-movie"
#: Bytes of such a record; one has some 10 for a frame.
_MAX_RECORD = 64 << 20
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
        take = cls(open_plate(color), open_plate(mask), erosion)
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
    def geometry(self) -> TakeScene | None:
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


class _CompositeSink:
    """``FillSink`` that composites each filled frame with its take and writes the movie."""

    def __init__(self, take: MovieTake, movie: MovieWriter) -> None:
        self._frames = take.timed_frames()
        self._constant_rate = not take.color.info.variable_rate or take.picked is not None
        self._movie = movie
        self.generated: list[float] = []

    def write(self, number: int, color: NDArray[Any], confidence: NDArray[np.uint8]) -> None:
        frame, moment = next(self._frames)
        result = composite(frame.color, frame.mask, color, frame.z)
        self._movie.write(result, None if self._constant_rate else moment)
        self.generated.append(round(float((frame.mask == 0).mean()), 6))


def record_file(output: Path) -> Path:
    """The record beside a filled movie."""
    return output.with_suffix(".json")


def is_record(path: Path) -> bool:
    """Whether a file is the record of a filled movie."""
    try:
        record = parse_json(read_bytes(path, _MAX_RECORD))
    except (Ex4dError, ValueError):
        return False
    return isinstance(record, dict) and record.get("format") == RECORD_FORMAT


def fill_movies(take: MovieTake, generator: Generator, output: Path, progress: Progress) -> dict[str, Any]:
    """Fill a movie take and write ``output`` at the colour movie's rate, with a record beside it.

    Returns:
        The record: sources with their hashes, generator, share of generated pixels per frame.
    """
    make_folder(output.parent)
    info = take.color.info
    with MovieWriter(output, width=take.width, height=take.height, fps=info.fps) as movie:
        sink = _CompositeSink(take, movie)
        of = None if generator.progress_parts else take.count
        with progress.stage("fill", of, generator.progress_parts):
            notes = generator.generate(take, sink, progress)
    notes = (*info.notes, *take.notes, *notes)
    for note in notes:
        progress.note(note)
    record = {
        "format": RECORD_FORMAT,
        "version": 1,
        "versions": package_versions(),
        "movie": str(output),
        "color": {"path": str(info.path.absolute()), "sha256": plate_hash(take.color)},
        "mask": {"path": str(take.mask.info.path.absolute()), "sha256": plate_hash(take.mask)},
        "mask_erosion_px": take.erosion,
        "fill": {
            "name": generator.name,
            "label": generator.label,
            "licence": generator.licence,
            "generative_model": generator.generative,
            "seed": generator.seed,
            "prompt": generator.prompt,
        },
        "fps": str(info.fps),
        "generated_mean": round(float(np.mean(sink.generated)), 6),
        "generated_max": round(float(np.max(sink.generated)), 6),
        "generated": sink.generated,
        "notes": list(notes),
    }
    atomic_write(record_file(output), json.dumps(record, indent=1).encode())
    return record
