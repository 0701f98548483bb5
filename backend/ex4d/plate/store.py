# SPDX-License-Identifier: Apache-2.0
"""The plate as the other stages see it: numbered frames in a folder, read in any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ex4d.colour.plate_colour import PlateColour
from ex4d.media.colour_tags import HdrMetadata
from ex4d.media.encoding import DISPLAY_8, DISPLAY_16, TruthEncoding
from ex4d.media.frames import FrameSourceBase, Pixels, without_alpha
from ex4d.media.picture_facts import AlphaKind, PixelWindow
from ex4d.plate.truth import PlateSource, PlateTruth
from ex4d.protocol.parsing import fraction_from
from ex4d.protocol.values import padded_number
from ex4d.stages.stage_files import StageFiles

PLATE_FILE = "plate.json"


def frame_name(number: int, suffix: str) -> str:
    """Name of one frame's file: six digits, so that plain sorting keeps the order of numbers from 0 on."""
    return f"{padded_number(number, 6)}{suffix}"


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
        about: what the truth is, and where.
        source: where the plate's own files are, and what else is known of them.
    """

    variable_rate: bool
    notes: tuple[str, ...]
    files: StageFiles
    about: PlateTruth
    source: PlateSource

    @classmethod
    def open(cls, folder: Path, source: PlateSource | None = None) -> FrameStore:
        """The store in a finished plate stage's folder; raises DamagedCacheError, as reading a frame does.

        Args:
            folder: the stage's.
            source: see the class; without it the truth of image sequences other than display pictures cannot be read.
        """
        files = StageFiles.open(folder)
        record = files.json(PLATE_FILE)
        with files.decoding(PLATE_FILE):
            encoding = DISPLAY_8 if record["bit_depth"] == DISPLAY_8.bits else DISPLAY_16
            return cls(
                record["width"],
                record["height"],
                fraction_from(record["fps"]),
                tuple(record["numbers"]),
                tuple(fraction_from(time) for time in record["times"]),
                encoding,
                record["has_alpha"],
                record["variable_rate"],
                tuple(record["notes"]),
                files,
                PlateTruth.from_record(record, encoding),
                source or PlateSource(),
            )

    @property
    def folder(self) -> Path:
        """Output folder of the plate stage."""
        return self.files.folder

    @property
    def bit_depth(self) -> int:
        """8 or 16."""
        return self.encoding.bits

    @property
    def truth(self) -> TruthEncoding:
        """See ``FrameSource``."""
        return self.about.encoding

    @property
    def alpha(self) -> AlphaKind:
        """Whether there is alpha, and whether the truth's colours are multiplied by it."""
        return self.about.alpha

    @property
    def colour(self) -> PlateColour:
        """The truth's colour space."""
        return self.source.colour if self.truth.is_display else self.about.colour

    @property
    def source_bits(self) -> int:
        """Bits of a code value of the source."""
        return self.about.source_bits

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel by its height."""
        return self.about.pixel_aspect

    @property
    def frame(self) -> PixelWindow | None:
        """Where the frame lies in the pixels, which are more where there is overscan; None = they are the frame."""
        return self.about.frame

    @property
    def timecode(self) -> str | None:
        """Of the frame ``timecode_number``, such as "01:00:59;28"; None = the plate has none."""
        return self.source.timecode

    @property
    def hdr(self) -> HdrMetadata | None:
        """Static metadata of HDR10 that the plate's movie has; None = none."""
        return self.source.hdr

    @property
    def timecode_number(self) -> int:
        """Number of the frame whose timecode ``timecode`` is: a movie's first one, which need not be selected."""
        return self.source.clip_start

    @property
    def handles(self) -> tuple[int, int]:
        """How many of the frames, at the beginning and at the end, are handles."""
        return self.about.handles

    def read(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``; alpha of display pictures only."""
        pixels = self.files.png(f"frames/{frame_name(number, '.png')}")
        return without_alpha(pixels) if self.has_alpha else (pixels, None)

    def read_truth(self, number: int) -> tuple[Pixels, Pixels | None]:
        """See ``FrameSource``.

        Raises:
            BadInputError: the plate's own file is not there any more, or has changed.
            TransientError: it is written to meanwhile.
        """
        if self.truth.is_display:
            return self.read(number)
        if self.about.kept:
            return without_alpha(self.files.png(f"truth/{frame_name(number, '.png')}"))
        return self.source.read(self.about.files[number], self.about.layer)
