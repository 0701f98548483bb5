# SPDX-License-Identifier: Apache-2.0
"""The movies of a take: the preview, and one for editing where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.colour.tags import DISPLAY_VIEW_TAGS, MovieTags, movie_tags
from ex4d.colour.transforms import transform_of
from ex4d.composite.pixel_aspect import take_pixel_aspect
from ex4d.composite.pixels import ResultPictures
from ex4d.media.edit_movie import FORMATS, EditMovieWriter
from ex4d.media.movie import MovieLabels, MovieSound, MovieWriter
from ex4d.media.yuv import LUMA_WEIGHTS
from ex4d.plate.store import FrameStore
from ex4d.protocol.requests import OutputRequest

MOVIE_FILE = "result.mp4"
_PQ = 16  # of H.273's transfer characteristics


@dataclass(frozen=True)
class MovieMaker:
    """What the movies of a take are made of.

    Attributes:
        frames: the plate.
        pictures: of the result.
        output: what was asked for.
        timecode: of the first frame; None = none.
        sound: that goes into them; None = none.
    """

    frames: FrameStore
    pictures: ResultPictures
    output: OutputRequest
    timecode: str | None
    sound: MovieSound | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the movies' files in a take."""
        return (MOVIE_FILE, *((self.edit_file,) if self.edit_file else ()))

    @property
    def _pixel_aspect(self) -> Fraction:
        return take_pixel_aspect(self.frames, self.pictures.raster.trajectory)

    @property
    def edit_file(self) -> str:
        """Name of the movie for editing; "" = none is wanted."""
        return FORMATS[self.output.movie].file if self.output.movie else ""

    @contextmanager
    def open(self, out: Path) -> Iterator[TakeMovies]:
        """The movies in the take's folder, while they are written: they appear, whole, when the block ends well."""
        size = self.pictures.raster.trajectory
        common: dict[str, Any] = {
            "width": size.width,
            "height": size.height,
            "fps": self.frames.fps,
            "sound": self.sound,
        }
        with ExitStack() as stack:
            preview = stack.enter_context(MovieWriter(out / MOVIE_FILE, **common, labels=self.preview_labels))
            edit = None
            if self.output.movie:
                edit = stack.enter_context(
                    EditMovieWriter(out / self.edit_file, self.output.movie, **common, labels=self.edit_labels)
                )
            yield TakeMovies(self, preview, edit)

    @property
    def preview_labels(self) -> MovieLabels:
        """What the preview says of itself. The luma and chroma of its codes are BT.709's in any case."""
        colour = self.frames.colour
        tags = movie_tags(colour) if self.pictures.encoding.is_display and colour.space else DISPLAY_VIEW_TAGS
        return MovieLabels(tags.primaries, tags.transfer, 1, self._pixel_aspect, self.timecode)

    @property
    def edit_labels(self) -> MovieLabels:
        """What the movie for editing says of itself."""
        colour = self.frames.colour
        tags = movie_tags(colour) if colour.space else DISPLAY_VIEW_TAGS
        comment = f"Colour space: {colour.space}" if colour.kind == "codes" else ""
        # What the mastering display could show is said of PQ alone, whose codes are light.
        hdr = self.frames.hdr if tags.transfer == _PQ else None
        matrix = _matrix(tags)
        return MovieLabels(tags.primaries, tags.transfer, matrix, self._pixel_aspect, self.timecode, comment, hdr)

    def shown(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """A result's pixels as the preview shows them: display codes of 8 or 16 bits."""
        return pixels if self.pictures.encoding.is_display else self.pictures.shown(pixels)

    def codes(self, pixels: NDArray[Any], alpha: NDArray[Any] | None) -> NDArray[np.float32]:
        """A result's pixels (H, W, 3) as float codes of the plate's own curve, 0 = black, 1 = white, straight; of a
        plate that is codes of some curve and not scene-linear."""
        encoding, colour = self.pictures.encoding, self.frames.colour
        unit = encoding.unit(pixels)
        if not encoding.is_float:
            return unit
        if alpha is not None:
            share = np.asarray(alpha, np.float32)[..., None]
            unit = np.divide(unit, share, out=unit.copy(), where=share > 0)
        return transform_of(colour).unit_from_linear(unit)

    @property
    def is_linear(self) -> bool:
        """Whether the plate is scene-linear, and movies show it through a display view."""
        return self.frames.colour.kind == "linear"


@dataclass(frozen=True)
class TakeMovies:
    """The movies while they are written.

    Attributes:
        maker: what they are made of.
        preview, edit: where they go; None = none is wanted.
    """

    maker: MovieMaker
    preview: MovieWriter
    edit: EditMovieWriter | None

    def write(self, pixels: NDArray[Any], alpha: NDArray[Any] | None, time: Fraction | None) -> None:
        """Add one frame.

        Args:
            pixels, alpha: of the result, as ``ResultPicture`` has them.
            time: see ``MovieWriter.write``.
        """
        shown = self.maker.shown(pixels)
        self.preview.write(shown, time)
        if self.edit is not None:
            linear = self.maker.is_linear
            codes = shown.astype(np.float32) / np.float32(255) if linear else self.maker.codes(pixels, alpha)
            self.edit.write(codes, _unit_alpha(alpha), time)


def _unit_alpha(alpha: NDArray[Any] | None) -> NDArray[np.float32] | None:
    if alpha is None or alpha.dtype.kind == "f":
        return None if alpha is None else np.nan_to_num(np.asarray(alpha, np.float32))
    return np.asarray(alpha, np.float32) / np.float32(np.iinfo(alpha.dtype).max)


def _matrix(tags: MovieTags) -> int:
    """That of luma and chroma: as the plate's, where movies have it; else as its primaries want it."""
    if tags.matrix in LUMA_WEIGHTS:
        return tags.matrix
    return 9 if tags.primaries == 9 else 1


def sound_record(sound: MovieSound) -> dict[str, str]:
    """What a take's record says of its sound."""
    return {"source": sound.source.name, "start": str(sound.start), "duration": str(sound.duration)}
