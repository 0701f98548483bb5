# SPDX-License-Identifier: Apache-2.0
"""What every generator takes and gives. A generator draws the pixels that the plate never showed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.system.progress import Progress

if TYPE_CHECKING:
    # Pictures' files and stages below, of which the menu, and a generator that looks at pictures alone, need nothing.
    from ex4d.media.encoding import Encoding
    from ex4d.media.frames import FrameSource
    from ex4d.mesh.store import MeshStore
    from ex4d.raster import Rasterizer, Texture


class PixelOrigin(IntEnum):
    """Where a pixel of the result comes from; the code values of what is called confidence on disk."""

    INVENTED = 0
    OTHER_FRAME = 128
    MEASURED = 255


@dataclass(frozen=True)
class OtherFrame:
    """What other frames show of the world that stands still, in one frame of a take.

    Attributes:
        values: (H, W, 3) of the plate's truth, or of the working picture, in its dtype; 0 where nothing is known.
        known: (H, W) bool; False wherever the frame itself shows something.
        overlap: (H, W) bool, where, beside that, the frame shows the same surface itself: there both can be compared.
        z: (H, W) float32 z-depth in the take camera, NaN where nothing is known.
    """

    values: NDArray[Any]
    known: NDArray[np.bool_]
    overlap: NDArray[np.bool_]
    z: NDArray[np.float32]


@dataclass(frozen=True)
class TakeFrame:
    """One rendered frame that a generator gets.

    Attributes:
        number: the plate's frame number.
        color: (H, W, 3) uint8 or uint16 RGB, 0 in the holes.
        mask: (H, W) uint8, 255 = real source surface, 0 = to be filled.
        z: (H, W) float32 z-depth in the take camera, NaN = none; None where only pictures are known.
        other: what other frames show in the holes, values of the working picture; None where nobody has looked.
    """

    number: int
    color: Texture
    mask: NDArray[np.uint8]
    z: NDArray[np.float32] | None
    other: OtherFrame | None = None

    def with_other_frames(self) -> TakeFrame:
        """The frame in which what other frames show is as real as its own: for who asks only what is known."""
        if self.other is None or not self.other.known.any():
            return self
        known = self.other.known
        return replace(
            self,
            color=np.where(known[..., None], self.other.values, self.color),
            mask=np.where(known, np.uint8(255), self.mask),
            z=None if self.z is None else np.where(known, self.other.z, self.z),
            other=None,
        )

    @property
    def encoding(self) -> Encoding:
        """What the colours stand for."""
        from ex4d.media.encoding import display_encoding

        return display_encoding(self.color.dtype)


@dataclass(frozen=True)
class TakeScene:
    """The scene behind a take, for generators that look at it from elsewhere.

    Attributes:
        frames, mesh: the plate and its meshes.
        trajectory: the take camera, one per frame of the plate.
        tolerance: relative error within which two depths may be the same surface.
        create_rasterizer: gives a rasterizer, to be closed when it has served.
        movers: gives what moves by itself in the plate's frame with an index, (h, w) bool at any size, or None where
            that is not known. What other frames find to move moves as well.
        measured: gives where depth was measured in the plate's frame with an index, (h, w) bool at any size, and not
            guessed, or None where that is not known.
    """

    frames: FrameSource
    mesh: MeshStore
    trajectory: Trajectory
    tolerance: float
    create_rasterizer: Callable[[], Rasterizer]
    movers: Callable[[int], NDArray[np.bool_] | None] | None = None
    measured: Callable[[int], NDArray[np.bool_] | None] | None = None


class TakeView(Protocol):
    """A rendered take."""

    @property
    def width(self) -> int:
        """Of its frames, in pixels."""
        ...

    @property
    def height(self) -> int:
        """Of its frames, in pixels."""
        ...

    @property
    def count(self) -> int | None:
        """Number of frames, or None where only reading tells."""
        ...

    @property
    def scene(self) -> TakeScene | None:
        """None where only pictures are known."""
        ...

    def frames(self) -> Iterator[TakeFrame]:
        """The frames in order; can be asked for again."""
        ...


class FillSink(Protocol):
    """Takes the generated frames, in order."""

    def write(self, number: int, color: NDArray[Any], origin: NDArray[np.uint8]) -> None:
        """Store one frame: whole pictures (h, w, 3) in the take's dtype, at any one size for all frames of a take, and
        ``PixelOrigin`` codes (h, w) uint8."""
        ...


class Generator(Protocol):
    """One way to fill."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    @property
    def label(self) -> str:
        """What it is, in a few words that stand wherever its result is shown."""
        ...

    @property
    def licence(self) -> str:
        """SPDX name or a sentence, of code and weights."""
        ...

    @property
    def generative(self) -> bool:
        """Whether a generative model draws; governance wants to know."""
        ...

    @property
    def seed(self) -> int | None:
        """Of its random numbers, None where it uses none."""
        ...

    @property
    def prompt(self) -> str | None:
        """What a text model is told, None where it takes none."""
        ...

    def prepare(self, count: int | None) -> str:
        """Find what would make ``generate`` fail for a take of so many frames (None = not known yet), before any long
        work; raises what ``generate`` would. Returns how it will run, in a few words, or ""."""
        ...

    def read_ahead(self) -> AbstractContextManager[None]:
        """While the context lasts, what ``generate`` will read comes into memory. For whoever is about to generate:
        ``prepare`` reads nothing."""
        ...

    def inputs(self) -> dict[str, Any]:
        """Everything besides the take that changes the result, JSON-able."""
        ...

    @property
    def progress_parts(self) -> Mapping[str, float]:
        """Where ``generate`` begins and ends named parts of the progress: usual shares of its time, together 1. Empty
        where it advances by one for each frame."""
        ...

    def generate(self, take: TakeView, sink: FillSink, progress: Progress) -> tuple[str, ...]:
        """Write the filled frames; returns sentences for the report."""
        ...


class FrameFill(Protocol):
    """A take that is being filled, frame by frame in any order."""

    def fill(self, index: int, frame: TakeFrame) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """The frame with that index, as ``FillSink.write`` takes it."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report."""
        ...


@runtime_checkable
class FrameGenerator(Generator, Protocol):
    """A generator that fills each frame by itself, so that its work can be done in parts."""

    def open(self, take: TakeView, first: TakeFrame) -> AbstractContextManager[FrameFill]:
        """Begin to fill a take, whose first frame is given."""
        ...
