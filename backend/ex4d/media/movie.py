# SPDX-License-Identifier: Apache-2.0
"""Writing movies, and of these the ordinary one: H.264 in mp4, limited range, BT.709's matrix."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, cast

import av
import av.codec
import av.error
import cv2
import numpy as np
from av.codec.codec import UnknownCodecError
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from ex4d.media.audio import CarriedSound
from ex4d.media.colour_tags import HdrMetadata
from ex4d.media.images import Pixels
from ex4d.media.movie_pixels import ACCURATE
from ex4d.protocol.errors import BadInputError, ResourceError
from ex4d.system.files import atomic_path
from ex4d.system.memory import CODEC_BYTES, memory_error

H264_ENCODERS = ("libx264", "h264_videotoolbox", "h264_mf", "libopenh264")
_LAST_RESORT = "mpeg4"

# BT.709 in ITU-T H.273, tables 2 to 4: primaries, transfer and matrix have the same number.
_BT709 = 1
UNSPECIFIED = 2

# Encoders without a constant quality get this many bits a pixel, which is ample for H.264.
_BITS_PER_PIXEL = 0.4

# Times that differ from frame to frame are counted in these units. MPEG-4 Part 2 has 16 bits for the unit.
_TICKS, _TICKS_LIMIT = 90000, 1_000_000
_TICKS_MPEG4 = 60000


def h264_encoder() -> str | None:
    """Name of the best H.264 encoder this build of FFmpeg has, or None."""
    return next((name for name in H264_ENCODERS if _exists(name)), None)


def _exists(encoder: str) -> bool:
    try:
        av.codec.Codec(encoder, "w")
    except UnknownCodecError:
        return False
    return True


@contextmanager
def _telling_memory() -> Iterator[None]:
    """Threads and buffers that FFmpeg cannot have are no full disk."""
    try:
        yield
    except av.error.FFmpegError as error:
        if short := memory_error(error):
            raise short from error
        raise


@dataclass(frozen=True)
class _Encoding:
    codec: str
    pixel_format: str

    @classmethod
    def for_size(cls, width: int, height: int) -> _Encoding:
        codec = h264_encoder()
        if width % 2 == 0 and height % 2 == 0:
            return cls(codec or _LAST_RESORT, "yuv420p")
        # H.264 can crop 4:2:0 pictures by two pixels only. An exact size matters more than wide support, so odd
        # sizes are 4:4:4, which only x264 writes; MPEG-4 has no such limit.
        return cls("libx264", "yuv444p") if codec == "libx264" else cls(_LAST_RESORT, "yuv420p")


@dataclass(frozen=True)
class MovieLabels:
    """What a movie's file says of its pictures.

    Attributes:
        primaries, transfer, matrix: code points of ITU-T H.273.
        pixel_aspect: width of a pixel divided by its height.
        timecode: of the first frame, "01:00:59;28"; None = none.
        comment: in words; "" = none.
        hdr: static metadata of HDR10, for formats that have a place for it; None = none.
    """

    primaries: int = _BT709
    transfer: int = _BT709
    matrix: int = _BT709
    pixel_aspect: Fraction = Fraction(1)
    timecode: str | None = None
    comment: str = ""
    hdr: HdrMetadata | None = None


@dataclass(frozen=True)
class MovieSound:
    """Sound that goes into a movie.

    Attributes:
        source: the movie that has it.
        start: seconds from that one's first picture to the first that is written.
        duration: seconds.
    """

    source: Path
    start: Fraction
    duration: Fraction


class MovieFile(ABC):
    """Writes frames to a movie; a context manager. The file appears, whole, when the block ends well.

    Args:
        path: the file; its folder must exist. An existing file is replaced.
        width, height: pixels of every frame.
        fps: frame rate, also of the time base.
        labels: what the file says.
        sound: that goes with the pictures; None = none.

    Raises (when the block ends or a frame is written):
        BadInputError: no frame was written, or there is no such sound.
        ResourceError: the encoder refuses to start.
        TransientError: the disk is full or the file cannot be written.
    """

    #: What FFmpeg is told of the file.
    container_options: ClassVar[dict[str, str]] = {"movflags": "+faststart"}

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: Fraction,
        labels: MovieLabels | None = None,
        sound: MovieSound | None = None,
    ) -> None:
        if width < 1 or height < 1 or fps <= 0:
            raise ValueError(f"a movie of {width}x{height} pixels at {fps} fps")
        self._path = path
        self._size = (width, height)
        self._fps = fps
        self._labels = labels or MovieLabels()
        self._wanted_sound = sound
        self._sound: CarriedSound | None = None
        self._stack = ExitStack()
        self._container: OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._timed = False
        self._last_pts = -1
        self._count = 0

    @property
    def container_format(self) -> str:
        """FFmpeg's name of the kind of file."""
        return "mp4"

    @property
    @abstractmethod
    def codec(self) -> str:
        """FFmpeg's name of the encoder."""

    @property
    @abstractmethod
    def pixel_format(self) -> str:
        """FFmpeg's name of the frames' format."""

    @abstractmethod
    def _set_encoder(self, context: av.VideoCodecContext) -> None:
        """What the encoder is told besides what all are told."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self._path))
            stack.push(self._close)
            self._container = av.open(
                f"file:{temporary}", "w", format=self.container_format, container_options=self.container_options
            )
            if self._labels.timecode is not None:
                self._container.metadata["timecode"] = self._labels.timecode
            if self._labels.comment:
                self._container.metadata["comment"] = self._labels.comment
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return bool(self._stack.__exit__(kind, error, trace))

    def _begin_frame(self, time: Fraction | None) -> tuple[OutputContainer, av.VideoStream, int]:
        """The open file, its stream, and the time stamp of the next frame; raises ValueError."""
        if self._container is None:
            raise ValueError("the movie is not open")
        if self._stream is None:
            self._timed = time is not None
            self._stream = self._add_stream(self._container)
            if (sound := self._wanted_sound) is not None:
                self._sound = CarriedSound(sound.source, self._container, sound.start, sound.duration)
                self._stack.push(self._sound.__exit__)
        if self._timed != (time is not None):
            raise ValueError("only some frames have a time")
        time_base = self._stream.codec_context.time_base
        pts = self._count if time is None else round(time / time_base)
        if pts <= self._last_pts:
            raise ValueError(f"the time of frame {self._count}, {time} s, is not after that of the frame before")
        return self._container, self._stream, pts

    def _write(self, picture: Callable[[], av.VideoFrame], time: Fraction | None) -> None:
        """Encode the frame that ``picture`` makes; ``time`` as ``MovieWriter.write`` takes it."""
        container, stream, pts = self._begin_frame(time)
        time_base = stream.codec_context.time_base
        with _telling_memory():
            frame = picture()
            frame.pts, frame.time_base = pts, time_base
            frame.duration = max(1, round(1 / self._fps / time_base))
            container.mux(stream.encode(frame))
            if self._sound is not None:
                self._sound.write_until(pts * time_base)
        self._last_pts = pts
        self._count += 1

    def _close(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        container, self._container = self._container, None
        if container is None:
            return
        try:
            if error is None:
                if self._stream is None:
                    raise BadInputError(f"There are no frames for {self._path}.", "Choose a range that has frames.")
                with _telling_memory():
                    container.mux(self._stream.encode(None))
                    container.close()
        finally:
            # Also ends a file that is given up, as Windows removes no open files.
            with suppress(av.error.FFmpegError):
                container.close()

    def _add_stream(self, container: OutputContainer) -> av.VideoStream:
        stream = cast(av.VideoStream, container.add_stream(self.codec, rate=self._fps))
        context = stream.codec_context
        context.width, context.height = self._size
        context.pix_fmt = self.pixel_format
        context.time_base = self._time_base()
        context.framerate = self._fps
        labels = self._labels
        context.color_primaries, context.color_trc, context.colorspace = (
            labels.primaries,
            labels.transfer,
            labels.matrix,
        )
        context.color_range = ColorRange.MPEG
        if labels.pixel_aspect != 1:
            context.sample_aspect_ratio = labels.pixel_aspect
        # PyAV's own choice, slices, would make x264 cut every frame into pieces and compress worse.
        context.thread_type = ThreadType.AUTO
        self._set_encoder(context)
        try:
            context.open(strict=False)
        except (av.error.FFmpegError, MemoryError) as error:
            # x264 says of everything that it could not allocate that it is «an external library».
            reason = getattr(error, "strerror", error)
            raise memory_error(error, needs=CODEC_BYTES) or ResourceError(
                f"The encoder {self.codec} cannot write {self._size[0]}x{self._size[1]} pixels: {reason}.",
                "Use another size, or install PyAV with libx264.",
            ) from error
        return stream

    def _time_base(self) -> Fraction:
        if not self._timed:
            return 1 / self._fps
        if self.codec == _LAST_RESORT:
            return Fraction(1, _TICKS_MPEG4)
        ticks = math.lcm(self._fps.numerator, _TICKS)
        return Fraction(1, ticks if ticks <= _TICKS_LIMIT else _TICKS)


class MovieWriter(MovieFile):
    """Writes display pictures to an mp4 file.

    The same frames give the same bytes on the same machine: x264, as it is set here, is deterministic for a given
    number of threads, and it takes that number from the processors there are.

    Args, Raises: see ``MovieFile``.
        crf: quality of x264 from 0 (best) to 51; the other encoders work at a fixed high rate.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: Fraction,
        crf: int = 14,
        labels: MovieLabels | None = None,
        sound: MovieSound | None = None,
    ) -> None:
        super().__init__(path, width=width, height=height, fps=fps, labels=labels, sound=sound)
        self._crf = crf
        self._encoding = _Encoding.for_size(width, height)
        self._reformatter = VideoReformatter()

    @property
    def codec(self) -> str:
        """FFmpeg's name of the encoder."""
        return self._encoding.codec

    @property
    def pixel_format(self) -> str:
        """FFmpeg's name of the frames' format."""
        return self._encoding.pixel_format

    def write(self, pixels: Pixels, time: Fraction | None = None) -> None:
        """Encode one frame.

        Args:
            pixels: (H, W, 3) RGB uint8 or uint16, or (H, W) uint8 grey, display-referred.
            time: seconds since the first frame, rising, kept to 1/90000 s; None for a constant rate. All frames
                have one, or none has.

        Raises:
            ValueError: another size or dtype, times that do not rise or are not given for all frames.
        """
        width, height = self._size
        grey = pixels.ndim == 2 and pixels.dtype == np.uint8
        colour = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype in (np.uint8, np.uint16)
        if not (grey or colour) or pixels.shape[:2] != (height, width):
            raise ValueError(f"a frame is {pixels.dtype} {pixels.shape}, not RGB of {height}x{width}")
        self._write(lambda: self._picture(pixels), time)

    def _set_encoder(self, context: av.VideoCodecContext) -> None:
        if self.codec == "libx264":
            # The vector code of x264's macroblock tree gives results that differ from run to run at some widths.
            context.options = {"crf": str(self._crf), "x264-params": "mbtree=0"}
        else:
            context.bit_rate = round(self._size[0] * self._size[1] * self._fps * _BITS_PER_PIXEL)

    def _picture(self, pixels: Pixels) -> av.VideoFrame:
        """RGB or grey -> the encoder's YUV by the BT.709 matrix, limited range."""
        if pixels.dtype == np.uint16:
            # swscale is off by one level on average from 16 bits, and exact from 8.
            pixels = cast(Pixels, cv2.convertScaleAbs(pixels, alpha=1 / 257))
        if pixels.ndim == 2:
            pixels = cast(Pixels, np.repeat(pixels[..., None], 3, axis=2))
        frame = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels, dtype=np.uint8), format="rgb24"),
            format=self._encoding.pixel_format,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=ACCURATE,
        )
        frame.color_primaries, frame.color_trc = self._labels.primaries, self._labels.transfer
        return frame
