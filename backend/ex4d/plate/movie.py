# SPDX-License-Identifier: Apache-2.0
"""A movie as a plate: numbers for its frames, times from its first selected frame, notes for the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from ex4d.colour.plate_colour import PlateColour
from ex4d.colour.resolve import resolve
from ex4d.colour.transforms import DISPLAY_WORKING
from ex4d.media.encoding import HEADROOM_16
from ex4d.media.movie_pixels import HD_HEIGHT, CodeMeaning
from ex4d.media.movie_reader import MovieDamagedError, MovieFacts, MovieFrame, MovieReader, MovieTooShortError
from ex4d.media.picture_facts import PictureFacts
from ex4d.media.timecode import Timecode
from ex4d.plate.base import (
    FALLBACK_FPS,
    PlateFrame,
    PlateInfo,
    PlateOptions,
    handle_notes,
    outside_error,
    unused_notes,
    with_handles,
)
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import AUTOMATIC, FrameRange

#: Containers that count in milliseconds make intervals that differ by one at a constant rate.
_RATE_TOLERANCE = Fraction(3, 2000)


class MoviePlate:
    """Reads a movie as a plate.

    Args:
        path: the file.
        frames: the frames to read, all when None.
        fps: a constant rate that replaces the clip's own times.
        first_frame: number of the clip's first frame; a movie has no numbers of its own.
        handles: so many frames before and after ``frames`` are read as well, where there are any.
        options: how its pictures are read.

    Raises (when made and when read):
        BadInputError: as `ex4d.media.movie_reader.MovieReader`, and where the clip does not have all of ``frames``.
    """

    def __init__(
        self,
        path: Path,
        *,
        frames: FrameRange | None,
        fps: Fraction | None,
        first_frame: int,
        handles: int = 0,
        options: PlateOptions | None = None,
    ) -> None:
        options = options or PlateOptions()
        asked = CodeMeaning(options.colour_matrix, options.colour_range)
        self._reader = MovieReader(path, asked)
        self._clip_start = first_frame
        self._wanted = frames or FrameRange(first_frame)
        self._fixed_rate = fps is not None
        self._asked_fps = fps
        facts = self._reader.facts
        count = facts.frame_count
        if self._wanted.start < first_frame or (count is not None and not self._ends_within(count)):
            raise self._outside(count)
        found = (0, 0)
        if handles and frames is not None:
            count = sum(1 for _ in self._reader.frames(wanted=lambda _: False)) if count is None else count
            has = FrameRange(first_frame, first_frame + count)
            wanted = FrameRange(frames.start, has.stop if frames.stop is None else frames.stop)
            self._wanted, found = with_handles(wanted, has, handles)
        self._clips = False
        picture = self._decide(options)
        self._codes = self._colour.kind == "codes"
        self._own_notes = (
            *_asked_notes(facts, asked),
            *self._colour.notes,
            *handle_notes(handles, found),
            *unused_notes(options),
        )
        timing = _Timing(None if self._fixed_rate else facts.intervals)
        self._info = PlateInfo(
            path=path,
            kind="movie",
            width=facts.width,
            height=facts.height,
            fps=fps or facts.fps or FALLBACK_FPS,
            first_frame=self._wanted.start,
            frame_count=self._selected_count(count),
            bit_depth=16 if self._codes else facts.bit_depth,
            has_alpha=facts.has_alpha,
            rotation=facts.orientation.degrees if facts.orientation else 0,
            codec=facts.codec,
            variable_rate=False if self._fixed_rate else timing.varies,
            notes=self._notes(timing, None),
            facts=picture,
            colour=self._colour,
            source_bits=facts.source_bits,
            handles=found,
            clip_start=first_frame,
            # Before tags of containers and the practice of codecs were looked at, another matrix was taken.
            reader_version=0 if facts.former_matrix else 1,
        )

    @property
    def info(self) -> PlateInfo:
        """The plate's facts; what only decoding tells is there once `frames` has run to its end."""
        return self._info

    @property
    def paths(self) -> tuple[Path, ...]:
        """The movie's file."""
        return (self._reader.path,)

    def frames(self, wanted: Callable[[int], bool] | None = None) -> Iterator[PlateFrame]:
        """The selected frames; see `ex4d.plate.base.PlateReader`. What is not wanted is decoded and not converted."""
        start = self._wanted.start - self._clip_start
        stop = None if self._wanted.stop is None else self._wanted.stop - self._clip_start
        clock = _Clock(1 / self._info.fps, self._fixed_rate)
        extent: tuple[float, float] | None = None
        try:
            for frame in self._reader.frames(start, stop, wanted, codes=self._codes, measured=self._clips):
                time = clock.read(frame)
                if frame.luma is not None:
                    low, high = extent or frame.luma
                    extent = min(low, frame.luma[0]), max(high, frame.luma[1])
                if frame.pixels is not None:
                    yield PlateFrame(self._clip_start + frame.index, time, frame.pixels, frame.alpha)
        except MovieDamagedError as error:
            raise self._damaged(error) from error
        except MovieTooShortError as error:
            raise self._outside(error.frame_count) from error
        self._info = replace(
            self._info,
            frame_count=clock.count,
            variable_rate=bool(clock.timing.varies),
            notes=self._notes(clock.timing, extent),
        )

    def _decide(self, options: PlateOptions) -> PictureFacts:
        """What the truth of the movie is; its colour space is known then.

        A camera's log, PQ and HLG are codes. So are other movies with luma beyond black and white, if that is kept:
        the frames that are asked for are decoded until one is found.
        """
        facts = self._reader.facts
        picture = PictureFacts(
            facts.encoding,
            facts.colour,
            alpha="straight" if facts.has_alpha else "none",
            pixel_aspect=options.pixel_aspect or facts.pixel_aspect,
            timecode=_valid_timecode(facts),
            fps=facts.fps,
            lens=facts.lens,
        )

        def resolved(picture: PictureFacts) -> PlateColour:
            return resolve(picture, wanted=options.colour_space, ocio=options.ocio)

        self._colour = resolved(picture)
        keeps = (options.over_range or ("keep" if facts.source_bits > 8 else "clip")) == "keep"
        if self._colour.kind == "display" and facts.may_exceed:
            if not keeps:
                self._clips = True
                return picture
            if not self._exceeds():
                return picture
        elif self._colour.kind == "display":
            return picture
        picture = replace(picture, encoding=self._reader.encoding(codes=True))
        self._colour = resolved(picture)
        return picture

    def _exceeds(self) -> bool:
        """Whether luma of a frame that is asked for lies beyond black or white."""
        start = self._wanted.start - self._clip_start
        stop = None if self._wanted.stop is None else self._wanted.stop - self._clip_start
        try:
            for frame in self._reader.frames(start, stop, lambda _: False, measured=True):
                if frame.luma is not None and _is_beyond(frame.luma):
                    return True
        except (MovieDamagedError, MovieTooShortError):
            pass  # reading the frames comes to the same place, and says so
        return False

    def _notes(self, timing: _Timing, luma: tuple[float, float] | None) -> tuple[str, ...]:
        """All that is to be said, with what decoding has told of times and of luma."""
        facts = self._reader.facts
        notes = [*_picture_notes(facts), *self._own_notes]
        if self._codes and self._reader.encoding(codes=True) == HEADROOM_16 and self._colour.working == DISPLAY_WORKING:
            notes.append("Luma beyond black and white is kept: the movie's codes are the truth (--over-range keep).")
        if luma is not None and _is_beyond(luma):
            notes.append(
                f"Luma goes beyond black and white, {luma[0]:.4g} to {luma[1]:.4g} where they are 0 and 1: it is "
                "clipped; --over-range keep keeps it."
            )
        return (*notes, *_rate_notes(facts, self._asked_fps), *timing.notes())

    def _ends_within(self, clip_count: int) -> bool:
        last = self._wanted.start if self._wanted.stop is None else self._wanted.stop - 1
        return last < self._clip_start + clip_count

    def _selected_count(self, clip_count: int | None) -> int | None:
        if self._wanted.stop is not None:
            return self._wanted.stop - self._wanted.start
        return None if clip_count is None else self._clip_start + clip_count - self._wanted.start

    def _outside(self, clip_count: int | None) -> BadInputError:
        stop = None if clip_count is None else self._clip_start + clip_count
        return outside_error(self._reader.path, self._wanted, FrameRange(self._clip_start, stop))

    def _damaged(self, error: MovieDamagedError) -> BadInputError:
        stop = self._clip_start + error.good_frames
        if stop <= self._wanted.start:
            return BadInputError(error.message, error.hint)
        good = FrameRange(self._wanted.start, stop)
        return BadInputError(
            error.message, f"Copy or export the file again, or take only the whole frames with --frames {good}."
        )


@dataclass
class _Timing:
    """The intervals between frames, and what was wrong with their times.

    Attributes:
        intervals: the shortest and the longest in seconds.
        untimed: how many frames had no usable time.
        joins: how often the times start anew.
    """

    intervals: tuple[Fraction, Fraction] | None = None
    untimed: int = 0
    joins: int = 0

    @property
    def varies(self) -> bool | None:
        return None if self.intervals is None else self.intervals[1] - self.intervals[0] > _RATE_TOLERANCE

    def add(self, interval: Fraction) -> None:
        low, high = self.intervals or (interval, interval)
        self.intervals = (min(low, interval), max(high, interval))

    def notes(self) -> Iterator[str]:
        if self.intervals and self.varies:
            low, high = (f"{float(1 / interval):.4g}" if interval else "infinite" for interval in self.intervals[::-1])
            yield f"The frame rate varies, {low}-{high} fps: each frame keeps its own time."
        if self.joins:
            yield (
                f"The times of the clip start anew {self.joins} {'time' if self.joins == 1 else 'times'}, as in joined"
                " recordings: each part follows the one before at the nominal rate."
            )
        if self.untimed:
            yield f"{self.untimed} frames have no time of their own: each follows the one before at the nominal rate."


@dataclass
class _Clock:
    """Times from the first frame read, rising."""

    interval: Fraction
    fixed_rate: bool
    count: int = 0
    timing: _Timing = field(default_factory=_Timing)
    _origin: Fraction | None = None
    _last: Fraction = Fraction(0)
    _part: int = 0

    def read(self, frame: MovieFrame) -> Fraction:
        nominal = self._last + self.interval if self.count else Fraction(0)
        time = nominal
        if frame.part != self._part:
            self._part, self._origin = frame.part, None
            self.timing.joins += 1
        if not self.fixed_rate:
            if frame.time is not None and self._origin is None:
                self._origin = frame.time - nominal
            if frame.time is not None and self._origin is not None and self._is_next(frame.time - self._origin):
                time = frame.time - self._origin
            else:
                self.timing.untimed += 1
            if self.count:
                self.timing.add(time - self._last)
        self._last = time
        self.count += 1
        return time

    def _is_next(self, time: Fraction) -> bool:
        return time > self._last or self.count == 0


def _is_beyond(luma: tuple[float, float]) -> bool:
    return luma[0] < 0 or luma[1] > 1


def _valid_timecode(facts: MovieFacts) -> str | None:
    """That of the file, if it can be one at the file's rate."""
    try:
        return str(Timecode.parse(facts.timecode, facts.fps)) if facts.timecode and facts.fps else None
    except ValueError:
        return None


def _picture_notes(facts: MovieFacts) -> Iterator[str]:
    yield from facts.tag_notes
    if facts.assumed_matrix:
        why = f"the height is {'at least' if facts.height >= HD_HEIGHT else 'below'} {HD_HEIGHT}"
        if facts.mastering:
            why = f"{facts.colour.container}s are of high definition"
        yield f"The colour matrix is not tagged: {facts.assumed_matrix} is assumed, as {why}."
    if facts.interlaced:
        yield "The clip is interlaced: the two fields of a frame are used as one picture."
    if facts.clean_aperture is not None:
        width, height = facts.clean_aperture
        yield (
            f"Players show the clean aperture of {_short(width)}x{_short(height)} pixels alone: the whole picture of "
            f"{facts.width}x{facts.height} is used, as compositing programs do."
        )
    if facts.orientation is None:
        yield "The clip is tagged with a rotation that is no multiple of 90 degrees: it is left out."
    if facts.alpha_left_out:
        yield "The clip's alpha is left out: this build of FFmpeg has no decoder for it."
    if facts.video_streams > 1:
        size = f"{facts.width}x{facts.height}"
        yield f"The file has {facts.video_streams} video streams: the main one, of {size} pixels, is used."
    if facts.movies > 1:
        yield f"The file is {facts.movies} movies joined end to end: what comes after the first can be left out."
    if facts.timecode is not None and _valid_timecode(facts) is None:
        yield f"The file's time code «{facts.timecode}» is none at its rate: it is left out."
    if facts.sound is not None:
        yield "The plate has sound: --audio takes it into a take's movies, which are silent without."


def _asked_notes(facts: MovieFacts, asked: CodeMeaning) -> Iterator[str]:
    """Where what is asked for takes the place of what the movie says, or of what would be assumed."""
    if asked == CodeMeaning():
        return
    if not facts.has_matrix:
        yield "The movie is RGB or grey: a colour matrix or a colour range that was asked for has no effect."
        return
    if asked.matrix != AUTOMATIC and facts.tagged_matrix is None:
        yield f"The colour matrix is not tagged: {asked.matrix_title} is used, as was asked for."
    elif asked.matrix != AUTOMATIC and facts.tagged_matrix != asked.matrix_title:
        yield f"The colour matrix is tagged {facts.tagged_matrix}: {asked.matrix_title} is used, as was asked for."
    if asked.range != AUTOMATIC and facts.tagged_range is None:
        yield f"The colour range is not tagged: {asked.range} is used, as was asked for."
    elif asked.range not in (AUTOMATIC, facts.tagged_range):
        yield f"The colour range is tagged {facts.tagged_range}: {asked.range} is used, as was asked for."


def _short(size: Fraction) -> str:
    return f"{float(size):g}"


def _rate_notes(facts: MovieFacts, fixed: Fraction | None) -> Iterator[str]:
    if fixed is not None:
        yield f"A rate of {float(fixed):.6g} fps was asked for: it replaces the clip's own times."
    elif facts.fps is None:
        yield f"The file names no frame rate: {FALLBACK_FPS} fps is assumed."
