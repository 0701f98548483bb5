# SPDX-License-Identifier: Apache-2.0
"""What every source of depth takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.media.frames import FrameSource
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.system.progress import Progress

#: Said where the source camera's poses are not known.
STATIC_NOTE = "The source camera is assumed to stand still."
#: Said where the lens is not known.
FOV_NOTE = (
    f"The lens is not known; a field of view of {DEFAULT_FOV_DEG:.0f}° is assumed."
    # Blender leaves this sentence out: it has a button in its place.
    + " Give it with --fov."
)


@dataclass(frozen=True)
class DepthResult:
    """What a source says about the depth it wrote.

    Attributes:
        source: the source camera per frame, at the plate's size. Without known poses all stand at the origin.
        poses_known: False when the source camera was assumed to stand still.
        intrinsics_known: False when the field of view was assumed.
        notes: sentences for the report.
    """

    source: Trajectory
    poses_known: bool
    intrinsics_known: bool
    notes: tuple[str, ...] = ()


class Movers(Protocol):
    """How it is found what moves by itself."""

    @property
    def key(self) -> str:
        """Tells it from others."""
        ...

    def look_for(self, frames: FrameSource, camera: Trajectory, scratch: Path) -> Callable[[int], NDArray[np.bool_]]:
        """Look at the frames.

        Args:
            frames: of the plate.
            camera: of its pixels, one per frame.
            scratch: folder for temporary files.

        Returns:
            what gives (h, w) bool of the frame with an index, at any size.
        """
        ...


@dataclass(frozen=True)
class KnownMovers:
    """``Movers`` that who solved the camera has found.

    Attributes:
        of_frame: (h, w) bool of the frame with an index, at any size.
        key: see ``Movers``.
    """

    of_frame: Callable[[int], NDArray[np.bool_]]
    key: str

    def look_for(self, frames: FrameSource, camera: Trajectory, scratch: Path) -> Callable[[int], NDArray[np.bool_]]:
        """See ``Movers``."""
        return self.of_frame


@dataclass(frozen=True)
class DepthFrame:
    """What a source says of one frame.

    Attributes:
        number: of the frame, as the plate has it.
        depth: z-depth (H, W) float32 at the size of the frames that the source was given, world units; NaN = there is
            none, inf = sky.
        measured: (H, W) bool, True = measured, False = guessed; None = the source does not tell them apart. A source
            tells them apart in all frames or in none.
        moving: (H, W) bool, True = shows something that moves by itself; None = the source does not tell. A source
            tells it of all frames or of none.
    """

    number: int
    depth: NDArray[np.float32]
    measured: NDArray[np.bool_] | None = None
    moving: NDArray[np.bool_] | None = None


class DepthSink(Protocol):
    """Takes the depth of one frame after the other, in the plate's order."""

    def write(self, frame: DepthFrame) -> None:
        """Store it."""
        ...


class DepthSource(Protocol):
    """One way to get depth."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    @property
    def label(self) -> str:
        """How good it is, in a few words that stand wherever its result is shown."""
        ...

    @property
    def licence(self) -> str:
        """SPDX name or a sentence, of code and weights."""
        ...

    @property
    def tolerance(self) -> float:
        """Relative error between frames within which two depths may be the same surface."""
        ...

    def prepare(self) -> str:
        """Look whether it can run here, without long work.

        Returns:
            how it would run, in a few words; empty where there is nothing to say.

        Raises:
            ResourceError: packages or a device are missing.
            BadInputError: files of a model are missing.
        """
        ...

    def inputs(self) -> dict[str, Any]:
        """Everything besides the plate that changes the result, JSON-able."""
        ...

    def steps(self, frames: FrameSource) -> int:
        """How often ``estimate`` advances."""
        ...

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """Write the depth of all frames to ``sink``.

        Args:
            scratch: an empty folder for intermediate files; it is removed afterwards.
        """
        ...


def cut_notes(frames: FrameSource, cuts: Iterable[int]) -> list[str]:
    """A sentence for the report where the plate seems to cut: before the frames with these indices."""
    numbers = ", ".join(str(frames.numbers[index]) for index in sorted(cuts))
    return [f"The plate seems to cut at frame {numbers}; re-shoot one shot at a time with --frames."] if numbers else []


def camera_apart(notes: Iterable[str]) -> list[str]:
    """The notes but for those on a camera that is not known, for where it has been solved."""
    return [note for note in notes if note not in (STATIC_NOTE, FOV_NOTE)]
