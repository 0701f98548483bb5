# SPDX-License-Identifier: Apache-2.0
"""The plate as the other stages see it: numbered frames in a folder, read in any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ex4d.media.encoding import DISPLAY_8, DISPLAY_16
from ex4d.media.frames import FrameSourceBase, Pixels, without_alpha
from ex4d.protocol.parsing import fraction_from
from ex4d.stages.stage_files import StageFiles

PLATE_FILE = "plate.json"


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
class FrameStore(FrameSourceBase):
    """``FrameSource`` of an ingested plate.

    Attributes:
        variable_rate: whether the times are uneven.
        notes: sentences about how the plate was read.
        files: the output of the plate stage.
    """

    variable_rate: bool
    notes: tuple[str, ...]
    files: StageFiles

    @classmethod
    def open(cls, folder: Path) -> FrameStore:
        """The store in a finished plate stage's folder; raises DamagedCacheError, as reading a frame does."""
        files = StageFiles.open(folder)
        record = files.json(PLATE_FILE)
        with files.decoding(PLATE_FILE):
            return cls(
                record["width"],
                record["height"],
                fraction_from(record["fps"]),
                tuple(record["numbers"]),
                tuple(fraction_from(time) for time in record["times"]),
                DISPLAY_8 if record["bit_depth"] == DISPLAY_8.bits else DISPLAY_16,
                record["has_alpha"],
                record["variable_rate"],
                tuple(record["notes"]),
                files,
            )

    @property
    def folder(self) -> Path:
        """Output folder of the plate stage."""
        return self.files.folder

    @property
    def bit_depth(self) -> int:
        """8 or 16."""
        return self.encoding.bits

    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``."""
        pixels = self.files.png(f"frames/{frame_name(number, '.png')}")
        return without_alpha(pixels) if self.has_alpha else (pixels, None)
