# SPDX-License-Identifier: Apache-2.0
"""What every generator takes and gives. A generator draws the pixels that the plate never showed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.mesh.store import MeshStore
from ex4d.plate.store import FrameStore
from ex4d.protocol.values import check_seed, check_steps
from ex4d.raster import Rasterizer, Texture
from ex4d.system.progress import Progress


class PixelOrigin(IntEnum):
    """Where a pixel of the result comes from; the code values of the confidence channel."""

    INVENTED = 0
    OTHER_FRAME = 128
    MEASURED = 255


@dataclass(frozen=True)
class TakeFrame:
    """One rendered frame that a generator gets.

    Attributes:
        number: the plate's frame number.
        color: (H, W, 3) uint8 or uint16 RGB, 0 in the holes.
        mask: (H, W) uint8, 255 = real source surface, 0 = to be filled.
        z: (H, W) float32 z-depth in the take camera, NaN = none; None where only pictures are known.
    """

    number: int
    color: Texture
    mask: NDArray[np.uint8]
    z: NDArray[np.float32] | None


@dataclass(frozen=True)
class TakeScene:
    """The scene behind a take, for generators that look at it from elsewhere.

    Attributes:
        frames, mesh: the plate and its meshes.
        trajectory: the take camera, one per frame of the plate.
        tolerance: relative error within which two depths may be the same surface.
        create_rasterizer: gives a rasterizer, to be closed when it has served.
    """

    frames: FrameStore
    mesh: MeshStore
    trajectory: Trajectory
    tolerance: float
    create_rasterizer: Callable[[], Rasterizer]


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
    def geometry(self) -> TakeScene | None:
        """None where only pictures are known."""
        ...

    def frames(self) -> Iterator[TakeFrame]:
        """The frames in order; can be asked for again."""
        ...


class FillSink(Protocol):
    """Takes the generated frames, in order."""

    def write(self, number: int, color: NDArray[Any], confidence: NDArray[np.uint8]) -> None:
        """Store one frame: whole pictures (h, w, 3) in the take's dtype, at any one size for all frames of a take, and
        ``PixelOrigin`` codes (h, w) uint8."""
        ...


@dataclass(frozen=True)
class FillOptions:
    """What a user may choose; a generator refuses what it has no use for.

    Attributes:
        seed: of random numbers, None = the generator's own.
        prompt: what a text model is told, None = the generator's own.
        size: (width, height) that a model works at, None = by the take.
        models: folders or files of models, () = ``EX4D_MODELS`` or the user's folder.
        lora: file of a LoRA that distils steps.
        steps: of a model's sampler, None = the profile's.

    Raises:
        UsageError: a number is out of range.
    """

    seed: int | None = None
    prompt: str | None = None
    size: tuple[int, int] | None = None
    models: tuple[Path, ...] = ()
    lora: Path | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.seed is not None:
            check_seed(self.seed)
        if self.steps is not None:
            check_steps(self.steps)


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

    @property
    def takes_seed(self) -> bool:
        """Whether a seed can be chosen."""
        ...

    @property
    def takes_prompt(self) -> bool:
        """Whether a prompt can be chosen."""
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

    def generate(self, take: TakeView, sink: FillSink, progress: Progress) -> tuple[str, ...]:
        """Write the filled frames; returns sentences for the report."""
        ...
