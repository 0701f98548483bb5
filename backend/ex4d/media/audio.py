# SPDX-License-Identifier: Apache-2.0
"""The sound of a movie, carried into another one: packets as they are, or samples of PCM cut where the frames are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer

from ex4d.media.containers import open_container
from ex4d.protocol.errors import BadInputError

#: Codecs whose packets mov and mp4 hold as they are; cut between packets.
COPIED = frozenset({"aac", "ac3", "eac3", "alac", "mp3"})
_USUAL_LAYOUTS = {
    1: "mono",
    2: "stereo",
    3: "3.0",
    4: "4.0",
    5: "5.0",
    6: "5.1",
    7: "6.1",
    8: "7.1",
    16: "hexadecagonal",
}


@dataclass(frozen=True)
class SoundFacts:
    """The sound that goes with a movie.

    Attributes:
        codec: FFmpeg's name of the best stream's.
        sample_rate: hertz.
        channels: of that stream.
        layout: FFmpeg's name of what these are.
        streams: how many there are; the best one is carried.
    """

    codec: str
    sample_rate: int
    channels: int
    layout: str
    streams: int


def sound_of(container: InputContainer) -> SoundFacts | None:
    """The sound of an open movie; None = it has none that can be decoded."""
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream) or stream.codec_context is None:
        return None
    context = stream.codec_context
    name = context.codec.canonical_name
    channels = context.channels or 0
    return SoundFacts(
        name,
        context.sample_rate or 0,
        channels,
        _layout_name(context.layout.name, channels),
        len(container.streams.audio),
    )


def _layout_name(name: str, channels: int) -> str:
    """That of the file; where it says only how many there are, as MXF does, the usual one of so many."""
    return _USUAL_LAYOUTS.get(channels, name) if name == f"{channels} channels" else name


def check_sound(path: Path) -> None:
    """Raise BadInputError unless a path is a movie with sound that both kinds of movies can hold."""
    found = None
    # A folder or a pattern of pictures is no movie.
    if path.is_file():
        with open_container(path) as file:
            found = sound_of(file)
    if found is None:
        raise BadInputError(f"{path} has no sound.", "Leave --audio out.")
    if found.codec not in COPIED and not _fits_aac(found):
        raise BadInputError(
            f"The sound of {path} has {found.channels} channels at {found.sample_rate} Hz, which AAC cannot hold.",
            "Leave --audio out, or give the plate sound of at most 8 channels and 96 kHz.",
        )


def _fits_aac(sound: SoundFacts) -> bool:
    encoder: Any = av.CodecContext.create("aac", "w")
    try:
        encoder.sample_rate, encoder.layout, encoder.format = sound.sample_rate, sound.layout, "fltp"
        encoder.time_base = Fraction(1, max(sound.sample_rate, 1))
        encoder.open()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


class CarriedSound:
    """Part of a movie's sound on its way into another movie.

    Make it before anything is muxed, as it adds a stream; ``write_until`` goes beside the pictures, ``close`` at the
    end. Sound begins with the first frame of the part; what the source lacks at its beginning is silence (PCM) or
    nothing (packets), and at its end nothing.

    Args:
        source: the movie.
        container: the one that is written, mov or mp4.
        start: seconds from the source's first picture to the first of the part.
        duration: seconds of the part.

    Raises:
        BadInputError: the source has no sound.
    """

    def __init__(self, source: Path, container: OutputContainer, start: Fraction, duration: Fraction) -> None:
        self._out = container
        self._stack = ExitStack()
        self._source = self._stack.enter_context(open_container(source))
        facts = sound_of(self._source)
        stream = self._source.streams.best("audio")
        if facts is None or not isinstance(stream, av.AudioStream):
            self._stack.close()
            raise BadInputError(f"{source} has no sound.", "Leave --audio out.")
        self._stream = stream
        self._start, self._duration = start + _first_picture(self._source), duration
        self.is_copied = facts.codec in COPIED
        self._track: Any
        if self.is_copied:
            self._track = container.add_stream_from_template(stream)
        else:
            in_mov = container.format.name == "mov"
            codec = "aac" if not in_mov else facts.codec if facts.codec.startswith("pcm_") else "pcm_s24le"
            self._track = container.add_stream(codec, rate=facts.sample_rate)
            self._track.layout = facts.layout
        self._layout = facts.layout
        self._packets = self._copied() if self.is_copied else self._encoded(facts.sample_rate)
        self._waiting: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        self._stack.close()

    def write_until(self, moment: Fraction) -> None:
        """Mux what is heard before ``moment``, in seconds from the part's beginning."""
        while (packet := self._waiting or next(self._packets, None)) is not None:
            self._waiting = None
            if packet.pts is not None and packet.pts * packet.time_base >= moment:
                self._waiting = packet
                return
            self._out.mux(packet)

    def close(self) -> None:
        """Mux what is left."""
        self.write_until(self._duration + 1_000_000)
        self._stack.close()

    def _copied(self) -> Iterator[Any]:
        """The packets whose middle lies within the part."""
        for packet in self._source.demux(self._stream):
            if packet.pts is None or not packet.size:
                continue
            base = packet.time_base
            at = packet.pts * base - self._start
            middle = at + (packet.duration or 0) * base / 2
            if middle < 0:
                continue
            if middle >= self._duration:
                return
            shift = round(self._start / base)
            packet.pts -= shift
            packet.dts = packet.pts
            if packet.pts < 0:  # half a packet at most
                packet.pts = packet.dts = 0
            packet.stream = self._track
            yield packet

    def _encoded(self, rate: int) -> Iterator[Any]:
        count, written = round(self._duration * rate), 0
        for frame in self._frames():
            first = written
            if frame.pts is not None and frame.time_base is not None:
                first = round((frame.pts * frame.time_base - self._start) * rate)
            samples = frame.to_ndarray()
            width = frame.layout.nb_channels
            skipped = max(written - first, 0)
            samples = samples[:, skipped * width :]
            if first > written:
                gap = min(first, count) - written
                if gap > rate // 100:
                    yield from self._encode(np.zeros((samples.shape[0], gap * width), samples.dtype), frame, written)
                    written += gap
            samples = samples[:, : (count - written) * width]
            if samples.shape[1]:
                yield from self._encode(samples, frame, written)
                written += samples.shape[1] // width
            if written >= count:
                break
        yield from self._track.encode(None)

    def _frames(self) -> Iterator[av.AudioFrame]:
        packer: av.AudioResampler | None = None
        try:
            for frame in self._source.decode(self._stream):
                if not frame.format.is_planar:
                    yield frame
                    continue
                # PyAV counts the planes of eight channels and more wrongly, and reads beyond them.
                if packer is None:
                    packer = av.AudioResampler(frame.format.packed, frame.layout, frame.sample_rate)
                yield from packer.resample(frame)
        except av.error.EOFError:
            return

    def _encode(self, samples: np.ndarray[Any, Any], like: av.AudioFrame, at: int) -> Iterator[Any]:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=like.format.name, layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = like.sample_rate, at, Fraction(1, like.sample_rate)
        yield from self._track.encode(frame)


def _first_picture(container: InputContainer) -> Fraction:
    """Time of the first picture in seconds: sound is timed from the container's zero."""
    stream = container.streams.best("video")
    if stream is None or stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * stream.time_base
