# SPDX-License-Identifier: Apache-2.0
"""Decoding a movie: every frame once, in display order, as upright RGB, with its own time.

Frames here have indices from 0; a plate gives them numbers (`ex4d.plate`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias, cast

import av
from av.codec.codec import UnknownCodecError
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Disposition

from ex4d.media.audio import SoundFacts, sound_of
from ex4d.media.camera_raw import refuse_camera_raw
from ex4d.media.colour_tags import ColourTags
from ex4d.media.container_check import ContainerCheck, container_check
from ex4d.media.containers import DECODE_ERRORS, cannot_be_opened, error_of, open_container
from ex4d.media.encoding import TruthEncoding
from ex4d.media.images import Pixels
from ex4d.media.lens_tags import LensTags, movie_lens
from ex4d.media.movie_pixels import (
    MASTERING_CODECS,
    ClipTags,
    CodeMeaning,
    FrameConverter,
    Orientation,
    orientation_of,
    tags_of,
)
from ex4d.media.movie_tags import colour_tags, timecode_of
from ex4d.media.mp4_tables import claims_too_much, clean_aperture, joined_movies
from ex4d.media.transport_stream import ends_whole
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import empty_file_error, open_input

# FFmpeg's own VP8 and VP9 decoders leave alpha out.
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

# Each packet of these is one picture, so that a packet without one is a loss. Others have packets of hidden frames.
_PICTURE_PER_PACKET = frozenset({"h264", "hevc", "mjpeg", "prores", "dnxhd", "cfhd", "ffv1", "png", "qtrle", "utvideo"})

# Packets that FFmpeg may have begun when the counter of a transport stream jumps.
_IN_HAND = 2

_Packet: TypeAlias = "av.Packet[av.VideoStream]"


class MovieDamagedError(BadInputError):
    """Decoding cannot go on.

    Attributes:
        good_frames: how many frames from the start of the clip are whole.
    """

    def __init__(self, path: Path, what: str, good_frames: int) -> None:
        frames = "1 frame" if good_frames == 1 else f"{good_frames} frames"
        super().__init__(f"{path} {what} after {frames}.", "Copy or export the file again.")
        self.good_frames = good_frames


class MovieTooShortError(BadInputError):
    """The clip ends before the frames that were asked for.

    Attributes:
        frame_count: how many frames the whole clip has.
    """

    def __init__(self, path: Path, frame_count: int) -> None:
        super().__init__(f"{path} ends after {frame_count} frames.", "Ask for fewer frames.")
        self.frame_count = frame_count


@dataclass(frozen=True)
class MovieFacts:
    """What a movie is, as far as its header and first frame tell.

    Attributes:
        width, height: pixels of the upright picture.
        fps: average frame rate, None if the container has none.
        frame_count: None if only decoding tells.
        intervals: shortest and longest time between frames in seconds, None if only decoding tells.
        tick: the unit of the clip's times in seconds.
        bit_depth: 8, or 16 for a source of more than 8 bits.
        has_alpha: whether frames have alpha.
        alpha_left_out: the clip has alpha that no decoder here can read.
        orientation: how frames are turned to be upright, None if the display matrix is no multiple of 90 degrees.
        codec: FFmpeg's name.
        interlaced: whether a frame is two fields.
        pixel_aspect: width of a pixel by its height, in the upright picture.
        clean_aperture: width and height of the part that players show, in the picture as it is stored; None = all.
        has_matrix, tagged_matrix, tagged_range: see ``FrameConverter``.
        assumed_matrix: the colour matrix taken where the clip has no tag and nobody asks for one.
        former_matrix: see ``FrameConverter``.
        mastering: whether codec or container are those of finished high definition.
        colour: what container and frames say of the colours.
        tag_notes: sentences where they say several things.
        encoding: of frames that are read as display pictures.
        source_bits: of a code value in the file.
        may_exceed: whether luma can lie beyond black and white.
        timecode: of the clip's first frame, "01:00:59;28"; None = none.
        sound: the sound that goes with the picture; None = none.
        video_streams: how many there are, without covers; the best one is read.
        movies: how many were joined end to end; see ``joined_movies``.
        lens: what the metadata says of the lens; None = nothing.
    """

    width: int
    height: int
    fps: Fraction | None
    frame_count: int | None
    intervals: tuple[Fraction, Fraction] | None
    tick: Fraction
    bit_depth: Literal[8, 16]
    has_alpha: bool
    alpha_left_out: bool
    orientation: Orientation | None
    codec: str
    interlaced: bool
    pixel_aspect: Fraction
    clean_aperture: tuple[Fraction, Fraction] | None
    has_matrix: bool
    tagged_matrix: str | None
    tagged_range: str | None
    assumed_matrix: str | None
    former_matrix: bool
    mastering: bool
    colour: ColourTags
    tag_notes: tuple[str, ...]
    encoding: TruthEncoding
    source_bits: int
    may_exceed: bool
    timecode: str | None
    sound: SoundFacts | None
    video_streams: int
    movies: int
    lens: LensTags | None


@dataclass(frozen=True)
class MovieFrame:
    """One decoded frame.

    Attributes:
        index: from 0, the place in the clip.
        time: presentation time in seconds as the container has it, or None.
        pixels: (H, W, 3) RGB uint8 or uint16, upright; None where they were not wanted.
        alpha: (H, W) straight alpha of the same dtype, or None.
        luma: the lowest and the highest coded one, from 0 = black to 1 = white; None where it cannot exceed these, or
            was not asked for.
        part: from 0; a transport stream that was joined of several has a part for each time that its times start anew.
    """

    index: int
    time: Fraction | None
    pixels: Pixels | None
    alpha: Pixels | None
    part: int = 0
    luma: tuple[float, float] | None = None


class MovieReader:
    """Reads one movie file, from the start, as often as wanted.

    Args:
        path: the file.
        asked: what its luma and chroma codes mean, before what it says.

    Raises (when made and when read):
        BadInputError: the file is missing, no movie, has no video, no frames or frames of several sizes.
        MovieDamagedError: the file is damaged or cut short.
    """

    def __init__(self, path: Path, asked: CodeMeaning | None = None) -> None:
        self.path = path
        self._asked = asked
        refuse_camera_raw(path)
        with open_input(path) as file:
            if not file.read(1):
                raise empty_file_error(path)
        if claims_too_much(path):
            raise BadInputError(
                f"{path} is damaged: its index claims more frames than the file can hold.",
                "Copy or export the file again.",
            )
        with _Source.open(path) as source:
            first = next(source.pictures(), None)
            if first is None:
                raise BadInputError(f"The video in {path} has no frames.", "Choose another file.")
            tags = tags_of(first, source.container_tags)
            self._tags, self._is_mastering = tags, source.is_mastering
            converter = self._converter(first, codes=False)
            self._code_encoding = self._converter(first, codes=True).encoding
            self.facts = _facts(source, first, converter, tags)

    def encoding(self, *, codes: bool) -> TruthEncoding:
        """Of the pixels of ``frames`` with that ``codes``."""
        return self._code_encoding if codes else self.facts.encoding

    def frames(
        self,
        start: int = 0,
        stop: int | None = None,
        wanted: Callable[[int], bool] | None = None,
        *,
        codes: bool = False,
        measured: bool = False,
    ) -> Iterator[MovieFrame]:
        """Frames ``start`` to ``stop`` (half-open, indices from 0), to the clip's end without ``stop``.

        Those before ``start`` are decoded, as only that counts them, but not converted. Memory does not grow with
        the length of the clip.

        Args:
            wanted: asked for each frame, by its index from ``start`` on; those that it does not want come without
                pixels. None = all are wanted.
            codes: give code values of a curve: of luma and chroma with what lies beyond black and white.
            measured: tell the extent of luma of each frame from ``start`` on, wanted or not.

        Raises:
            MovieTooShortError: at the clip's end, when it comes before ``stop`` or ``start``.
        """
        orientation = self.facts.orientation or Orientation()
        decoded = 0
        with _Source.open(self.path) as source:
            converter: FrameConverter | None = None
            for index, picture in enumerate(source.pictures(stop)):
                decoded = index + 1
                converter = converter or self._converter(picture, codes=codes)
                if not converter.fits(picture):
                    raise MovieDamagedError(self.path, "changes the size of its picture", index)
                if index < start:
                    continue
                time = None if picture.pts is None else picture.pts * self.facts.tick
                luma = converter.extent(picture) if measured and converter.may_exceed else None
                if wanted is not None and not wanted(index - start):
                    yield MovieFrame(index, time, None, None, source.part, luma)
                    continue
                try:
                    pixels, alpha = converter.convert(picture)
                except DECODE_ERRORS as error:
                    raise error_of(error, MovieDamagedError(self.path, "cannot be converted to RGB", index)) from error
                alpha = None if alpha is None else orientation.apply(alpha)
                yield MovieFrame(index, time, orientation.apply(pixels), alpha, source.part, luma)
        if decoded <= start or (stop is not None and decoded < stop):
            raise MovieTooShortError(self.path, decoded)

    def _converter(self, picture: av.VideoFrame, *, codes: bool) -> FrameConverter:
        return FrameConverter(picture, self._tags, is_mastering=self._is_mastering, codes=codes, asked=self._asked)


@dataclass
class _Source:
    """An open container, its video stream and the decoder for it.

    Attributes:
        container_tags: primaries, transfer and matrix of H.273 by the container.
        part: which of the parts of a joined stream the last picture is of.
    """

    path: Path
    container: InputContainer
    stream: av.VideoStream
    decoder: av.VideoCodecContext
    alpha_left_out: bool
    container_tags: tuple[int, int, int]
    part: int = 0

    @property
    def is_mastering(self) -> bool:
        """Whether codec or container are those of finished high definition."""
        return self.decoder.codec.canonical_name in MASTERING_CODECS or "mxf" in self.container.format.name

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[_Source]:
        with open_container(path) as container:
            yield cls._of_container(path, container)

    @classmethod
    def _of_container(cls, path: Path, container: InputContainer) -> _Source:
        if not len(container.streams):
            raise cannot_be_opened(path)  # an mp4 whose header is cut short may still open, with no streams
        stream = container.streams.best("video")
        # The picture of an album is a video stream too.
        if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
            raise BadInputError(f"{path} has no video.", "Choose a file with a video stream.")
        decoder = stream.codec_context
        if decoder is None:
            raise BadInputError(
                f"The codec of the video in {path} is not known: it may be camera raw, which is not read.",
                "Export it as ProRes, or as OpenEXR files.",
            )
        wants_alpha = stream.metadata.get("alpha_mode") == "1" and decoder.name in _ALPHA_DECODERS
        alpha_decoder = _alpha_decoder(decoder) if wants_alpha else None
        decoder = alpha_decoder or decoder
        decoder.thread_type = ThreadType.AUTO
        context = stream.codec_context  # read before anything is decoded: the frames' tags take their place then
        tags = (int(context.color_primaries), int(context.color_trc), int(context.colorspace))
        left_out = wants_alpha and alpha_decoder is None
        return cls(path, container, stream, decoder, alpha_left_out=left_out, container_tags=tags)

    def pictures(self, stop: int | None = None) -> Iterator[av.VideoFrame]:
        """Decoded frames in display order, ``stop`` at most.

        Raises:
            MovieDamagedError: at the first frame that is missing or not whole.
        """
        if stop == 0:
            return
        with container_check(self.path, self.container, self.stream) as check:
            for count, picture in enumerate(self._sound_pictures(check), start=1):
                yield picture
                if count == stop:
                    return

    def _sound_pictures(self, check: ContainerCheck) -> Iterator[av.VideoFrame]:
        count = 0
        waiting: set[int] = set()  # times of the pictures the decoder has taken in and not given out
        safe_before: int | None = None  # what is shown before this time cannot follow a packet that is missing
        packets = _Packets(self.container.demux(self.stream), self._may_be_joined, self._is_whole_before)
        try:
            for packet in packets:
                at_end = packet.size == 0
                if packets.starts_anew:
                    for picture in self._end_of_part(packet, waiting, count):
                        yield picture
                        count += 1
                    waiting, safe_before = set(), None
                    self.part += 1
                if packets.is_damaged and packet.dts is not None:
                    safe_before = packet.dts
                if packets.is_damaged or not check.is_whole_to(None if at_end else packet.pos):
                    for picture in self._whole_before(safe_before):
                        yield picture
                        count += 1
                    raise MovieDamagedError(self.path, "is cut short or damaged", count)
                if packet.dts is not None:
                    safe_before = packet.dts + 1
                if not at_end and not packet.is_discard and packet.pts is not None:
                    waiting.add(packet.pts)
                for picture in self.decoder.decode(None if at_end else packet):
                    self._check_sound(picture, count)
                    yield picture
                    count += 1
                    if picture.pts is not None:
                        waiting = {time for time in waiting if time > picture.pts}
                    if picture.interlaced_frame:
                        waiting.clear()  # fields may come in packets of their own
        except DECODE_ERRORS as error:
            raise error_of(error, MovieDamagedError(self.path, "is damaged", count)) from error
        self._check_complete(waiting, count)

    def _end_of_part(self, following: _Packet, waiting: set[int], count: int) -> Iterator[av.VideoFrame]:
        """The pictures left in the decoder where another part begins; ``count`` have come before, ``waiting`` not."""
        if not self._is_whole_before(following):
            raise MovieDamagedError(self.path, "is cut short or damaged", max(count - 1, 0))
        left = set(waiting)
        for count_now, picture in enumerate(self.decoder.decode(None), start=count):
            self._check_sound(picture, count_now)
            yield picture
            count = count_now + 1
            left.discard(cast(int, picture.pts))
        self._check_complete(left, count)
        self.decoder.flush_buffers()

    def _check_sound(self, picture: av.VideoFrame, count: int) -> None:
        if picture.is_corrupt:
            raise MovieDamagedError(self.path, "is damaged", count)

    def _check_complete(self, waiting: set[int], count: int) -> None:
        # PyAV drops an error of the decoder when it comes with good frames, which is how the last frames come out.
        if waiting and self.decoder.codec.canonical_name in _PICTURE_PER_PACKET:
            raise MovieDamagedError(self.path, "is damaged", count)

    @property
    def _may_be_joined(self) -> bool:
        """Whether files of this kind are joined by putting one behind the other, as recordings are."""
        return bool({"mpegts", "mpeg"} & set(self.container.format.name.split(",")))

    def _is_whole_before(self, start: _Packet) -> bool:
        """Whether the picture before the first packet of a part is not cut short."""
        if "mpegts" not in self.container.format.name.split(",") or start.pos is None:
            return True
        return ends_whole(self.path, self.stream.id, start.pos)

    def _whole_before(self, time: int | None) -> Iterator[av.VideoFrame]:
        """The pictures left in the decoder that are shown before ``time``.

        Later ones may come out too, but without those that should be between. As a packet is decoded no later than
        it is shown, this does not depend on how far ahead the decoder's threads have read.
        """
        for picture in self.decoder.decode(None):
            if time is None or picture.pts is None or picture.pts >= time or picture.is_corrupt:
                return
            yield picture


class _Packets:
    """The packets of a stream, one after the other.

    Args:
        packets: they.
        may_be_joined: whether the stream can be made of several parts.
        is_whole_before: whether the picture before the first packet of a part is whole.

    Attributes:
        starts_anew: the last one begins another part of a joined stream: a key frame before which the clock went back.
        is_damaged: bytes of the last one are missing. FFmpeg says so of a packet around which the counter of a
            transport stream jumps, which at the end of a part it does without a loss.
    """

    def __init__(
        self, packets: Iterator[_Packet], may_be_joined: bool, is_whole_before: Callable[[_Packet], bool]
    ) -> None:
        self._packets = packets
        self._may_be_joined = may_be_joined
        self._is_whole_before = is_whole_before
        self._ahead: deque[_Packet] = deque()
        self._last_dts: int | None = None
        self.starts_anew = self.is_damaged = False

    def __iter__(self) -> Iterator[_Packet]:
        while (packet := self._next()) is not None:
            self.starts_anew = self._is_start(packet, self._last_dts)
            if packet.dts is not None:
                self._last_dts = packet.dts
            self.is_damaged = packet.is_corrupt and not self._ends_part()
            yield packet

    def _next(self) -> _Packet | None:
        return self._ahead.popleft() if self._ahead else next(self._packets, None)

    def _ends_part(self) -> bool:
        """Whether a part begins among the packets that the parser may have had in hand when the counter jumped."""
        while self._may_be_joined and len(self._ahead) < _IN_HAND and (packet := next(self._packets, None)) is not None:
            self._ahead.append(packet)
        before = self._last_dts
        for packet in self._ahead:
            if self._is_start(packet, before):
                return self._is_whole_before(packet)
            if packet.is_corrupt:
                return False
            before = packet.dts
        return False

    def _is_start(self, packet: _Packet, before: int | None) -> bool:
        back = packet.dts is not None and before is not None and packet.dts < before
        return self._may_be_joined and back and packet.is_keyframe and packet.size > 0


def _alpha_decoder(native: av.VideoCodecContext) -> av.VideoCodecContext | None:
    try:
        decoder = av.CodecContext.create(_ALPHA_DECODERS[native.name], "r")
    except UnknownCodecError:
        return None
    decoder.extradata = native.extradata
    return cast(av.VideoCodecContext, decoder)


def _facts(source: _Source, first: av.VideoFrame, converter: FrameConverter, tags: ClipTags) -> MovieFacts:
    stream = source.stream
    orientation = orientation_of(first)
    turned = orientation is not None and orientation.transpose
    aspect = stream.sample_aspect_ratio or Fraction(1)
    count, intervals = _index_facts(stream)
    tick = stream.time_base or Fraction(1, 90000)
    fps = stream.average_rate or stream.guessed_rate or stream.base_rate
    clap = clean_aperture(source.path)
    return MovieFacts(
        width=first.height if turned else first.width,
        height=first.width if turned else first.height,
        fps=fps,
        frame_count=count,
        intervals=(intervals[0] * tick, intervals[1] * tick) if intervals else None,
        tick=tick,
        bit_depth=converter.bit_depth,
        has_alpha=converter.has_alpha,
        alpha_left_out=source.alpha_left_out,
        orientation=orientation,
        codec=source.decoder.codec.canonical_name,
        interlaced=first.interlaced_frame,
        pixel_aspect=1 / aspect if turned else aspect,
        clean_aperture=clap if clap is not None and _is_cropped(clap, first) else None,
        has_matrix=converter.has_matrix,
        tagged_matrix=converter.tagged_matrix,
        tagged_range=converter.tagged_range,
        assumed_matrix=converter.assumed_matrix,
        former_matrix=converter.former_matrix,
        mastering=source.is_mastering,
        colour=colour_tags(source.container, stream, source.decoder.codec.canonical_name, first, tags),
        tag_notes=tags.notes,
        encoding=converter.encoding,
        source_bits=converter.source_bits,
        may_exceed=converter.may_exceed,
        timecode=timecode_of(source.container, stream, first),
        sound=sound_of(source.container),
        video_streams=sum(not video.disposition & Disposition.attached_pic for video in source.container.streams.video),
        movies=joined_movies(source.path),
        lens=movie_lens((stream.metadata, source.container.metadata)),
    )


def _is_cropped(aperture: tuple[Fraction, Fraction], picture: av.VideoFrame) -> bool:
    return aperture[0] != picture.width or aperture[1] != picture.height


def _index_facts(stream: av.VideoStream) -> tuple[int | None, tuple[int, int] | None]:
    """How many frames are shown, and the shortest and longest interval, where the container has an index of all.

    The times of an index are those of decoding. Frames that an edit list cuts away stand among the others there, so
    that all of them count for the intervals.
    """
    if stream.frames == 0 or len(stream.index_entries) < stream.frames:
        return None, None
    times = [entry.timestamp for entry in stream.index_entries]
    shown = sum(not entry.is_discard for entry in stream.index_entries)
    intervals = [after - before for before, after in pairwise(times)]
    return shown or None, (min(intervals), max(intervals)) if intervals else None
