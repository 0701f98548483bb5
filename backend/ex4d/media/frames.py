# SPDX-License-Identifier: Apache-2.0
"""Numbered pictures with times, wherever they lie: what stages take. They know no folders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ex4d.media.encoding import Encoding, TruthEncoding, display_encoding, truth_of
from ex4d.media.picture_facts import PixelWindow

#: Values as an ``Encoding`` or a ``TruthEncoding`` has them.
Pixels: TypeAlias = NDArray[Any]


class FrameSource(Protocol):
    """Frames of a plate, read in any order.

    Attributes:
        width, height: in pixels.
        fps: frames per second.
        numbers: the plate's own frame numbers, ascending.
        times: seconds since the first frame, one per frame.
        encoding: what the values of the working picture stand for.
        has_alpha: whether the frames carry alpha.
        truth: what the values of the truth stand for.
        pixel_aspect: width of a pixel by its height.
        frame: where the frame lies in the pixels, which are more where there is overscan; None = they are the frame.
    """

    @property
    def width(self) -> int: ...  # noqa: D102  see the class
    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def fps(self) -> Fraction: ...  # noqa: D102
    @property
    def numbers(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def times(self) -> tuple[Fraction, ...]: ...  # noqa: D102
    @property
    def encoding(self) -> Encoding: ...  # noqa: D102
    @property
    def has_alpha(self) -> bool: ...  # noqa: D102
    @property
    def truth(self) -> TruthEncoding: ...  # noqa: D102
    @property
    def pixel_aspect(self) -> Fraction: ...  # noqa: D102
    @property
    def frame(self) -> PixelWindow | None: ...  # noqa: D102

    def __len__(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        ...

    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """The working picture of frame ``number``: RGB (H, W, 3) in the encoding, and straight alpha (H, W) or None."""
        ...

    def read_8bit(self, number: int) -> NDArray[np.uint8]:
        """Frame ``number`` as RGB (H, W, 3) uint8, for analysis and previews."""
        ...

    def read_truth(self, number: int) -> tuple[Pixels, Pixels | None]:
        """Frame ``number`` as its file has it: RGB (H, W, 3) and alpha (H, W), or None, in the dtype of ``truth``.
        Colours of integers are straight, of floats multiplied by alpha."""
        ...

    def picked(self, indices: Sequence[int]) -> Self:
        """The frames with these indices, with their times."""
        ...


@dataclass(frozen=True)
class FrameSourceBase(ABC):
    """What follows of ``FrameSource`` from ``read`` and the attributes."""

    width: int
    height: int
    fps: Fraction
    numbers: tuple[int, ...]
    times: tuple[Fraction, ...]
    encoding: Encoding
    has_alpha: bool

    @abstractmethod
    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def size(self) -> tuple[int, int]:
        """See ``FrameSource``."""
        return self.width, self.height

    def read_8bit(self, number: int) -> NDArray[np.uint8]:
        """See ``FrameSource``."""
        return self.encoding.to_8bit(self.read(number)[0])

    @property
    def truth(self) -> TruthEncoding:
        """See ``FrameSource``: the working picture, where nothing else is said."""
        return truth_of(self.encoding)

    @property
    def pixel_aspect(self) -> Fraction:
        """See ``FrameSource``: square, where nothing else is said."""
        return Fraction(1)

    @property
    def frame(self) -> PixelWindow | None:
        """See ``FrameSource``: all pixels, where nothing else is said."""
        return None

    def read_truth(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``."""
        return self.read(number)

    def picked(self, indices: Sequence[int]) -> Self:
        """See ``FrameSource``."""
        return replace(
            self,
            numbers=tuple(self.numbers[index] for index in indices),
            times=tuple(self.times[index] for index in indices),
        )


@dataclass(frozen=True)
class ArrayFrames(FrameSourceBase):
    """``FrameSource`` of pictures in memory.

    Attributes:
        pictures: (H, W, 3) RGB or (H, W, 4) with straight alpha, by the frame's number.
    """

    pictures: Mapping[int, Pixels]

    @classmethod
    def of(cls, pictures: Sequence[Pixels] | Pixels, fps: Fraction, numbers: Sequence[int] = ()) -> ArrayFrames:
        """Pictures at a constant rate.

        Args:
            pictures: (T, H, W, 3 or 4) uint8 or uint16, display-referred.
            fps: frames per second.
            numbers: of the frames, () = from 0 on.
        """
        numbers = tuple(numbers) or tuple(range(len(pictures)))
        height, width, channels = pictures[0].shape
        times = tuple(index / fps for index in range(len(numbers)))
        by_number = dict(zip(numbers, pictures, strict=True))
        return cls(width, height, fps, numbers, times, display_encoding(pictures[0].dtype), channels == 4, by_number)

    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``."""
        return without_alpha(self.pictures[number])


def frame_window(frames: FrameSource) -> PixelWindow:
    """Where the frame lies in the plate's pixels; all of them where there is no overscan."""
    return frames.frame or PixelWindow(0, 0, *frames.size)


def without_alpha(pixels: Pixels) -> tuple[Pixels, Pixels | None]:
    """RGB (H, W, 3) and alpha (H, W), or None where there is none, of a picture that may carry it."""
    if pixels.shape[2] == 4:
        return np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
    return pixels, None
