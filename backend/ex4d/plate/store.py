# SPDX-License-Identifier: Apache-2.0
"""The plate as the other stages see it: numbered frames in a folder, read in any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ex4d.media.images import read_image
from ex4d.protocol.parsing import fraction_from
from ex4d.stages.stage_files import StageFiles

PLATE_FILE = "plate.json"

#: Code values, uint8 or uint16.
Pixels: TypeAlias = NDArray[Any]


def frame_name(number: int, suffix: str) -> str:
    """Name of one frame's file: six digits, so that plain sorting keeps the order."""
    return f"{number:06d}{suffix}"


def frame_file(folder: Path, number: int, suffix: str) -> Path:
    """Path of one frame's file, see ``frame_name``."""
    return folder / frame_name(number, suffix)


def frame_names(folder: str, numbers: Iterable[int], suffix: str) -> list[str]:
    """Names of the files of all frames in a folder of a stage's output."""
    return [f"{folder}/{frame_name(number, suffix)}" for number in numbers]


@dataclass(frozen=True)
class FrameStore:
    """Frames of an ingested plate.

    Attributes:
        folder: output folder of the plate stage.
        width, height: in pixels.
        fps: frames per second.
        numbers: the plate's own frame numbers, ascending.
        times: seconds since the first frame, one per frame.
        variable_rate: whether the times are uneven.
        bit_depth: 8 or 16.
        has_alpha: whether the frames carry alpha.
        notes: sentences about how the plate was read.
        files: how they are read and checked; None for pictures that no stage has written.
    """

    folder: Path
    width: int
    height: int
    fps: Fraction
    numbers: tuple[int, ...]
    times: tuple[Fraction, ...]
    variable_rate: bool
    bit_depth: int
    has_alpha: bool
    notes: tuple[str, ...]
    files: StageFiles | None = None

    @classmethod
    def open(cls, folder: Path) -> FrameStore:
        """The store in a finished plate stage's folder; raises DamagedCacheError, as reading a frame does."""
        files = StageFiles.open(folder)
        record = files.json(PLATE_FILE)
        with files.decoding(PLATE_FILE):
            return cls(
                folder,
                record["width"],
                record["height"],
                fraction_from(record["fps"]),
                tuple(record["numbers"]),
                tuple(fraction_from(time) for time in record["times"]),
                record["variable_rate"],
                record["bit_depth"],
                record["has_alpha"],
                tuple(record["notes"]),
                files,
            )

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.width, self.height

    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """Frame ``number``: RGB (H, W, 3) uint8 or uint16, and alpha (H, W) or None."""
        name = f"frames/{frame_name(number, '.png')}"
        pixels = read_image(self.folder / name) if self.files is None else self.files.png(name)
        if self.has_alpha:
            return np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
        return pixels, None

    def read_8bit(self, number: int) -> NDArray[np.uint8]:
        """Frame ``number`` as RGB (H, W, 3) uint8, for analysis and previews."""
        pixels, _ = self.read(number)
        return pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)

    def opaque(self, number: int) -> NDArray[np.bool_] | None:
        """(H, W) bool, where the frame is more than half opaque; None when it has no alpha."""
        if not self.has_alpha:
            return None
        _, alpha = self.read(number)
        assert alpha is not None
        return np.asarray(alpha > np.iinfo(alpha.dtype).max // 2)
