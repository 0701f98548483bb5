# SPDX-License-Identifier: Apache-2.0
"""Where the truth of a plate lies, and what it is.

Of display pictures it is the working picture. Of other image sequences it is referenced, not copied: frames are read
from the plate's own files, whose contents are compared with what the shot was made from. Frames of other movies cannot
be read in any order and are kept in the plate stage, lossless.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any, Self

from ex4d.colour.plate_colour import PlateColour
from ex4d.media.colour_tags import HdrMetadata
from ex4d.media.encoding import Encoding, TruthEncoding, truth_of
from ex4d.media.frames import Pixels, without_alpha
from ex4d.media.picture_facts import AlphaKind, PixelWindow
from ex4d.media.sequences import PLATE_SUFFIXES
from ex4d.media.stills import read_still
from ex4d.plate.base import PlateInfo
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from
from ex4d.system.inputs import FileStamps, open_input
from ex4d.system.sequence_names import is_pattern

#: The colour space of display pictures whose files say nothing of it.
UNTAGGED = PlateColour("display", "", "", "", said_by="assumed")


@dataclass(frozen=True)
class SourceFile:
    """A frame's own file.

    Attributes:
        name: without its folder.
        sha256: of its content, in hexadecimal.
    """

    name: str
    sha256: str


@dataclass(frozen=True)
class PlateTruth:
    """What plate.json says of a plate's truth; of plain plates nothing, and then these are the defaults.

    Attributes:
        encoding: of the values.
        alpha: whether there is any, and whether the colours are multiplied by it.
        colour: the colour space.
        source_bits: of a code value of the source.
        pixel_aspect: width of a pixel by its height.
        frame: where the frame lies in the pixels; None = they are the frame.
        handles: how many frames at the beginning and at the end are handles.
        layer: of EXR files; None = the picture without a layer's name.
        files: the plate's own files by frame number, where the truth is in them.
        kept: whether the truth lies in the plate stage.
    """

    encoding: TruthEncoding
    alpha: AlphaKind = "none"
    colour: PlateColour = UNTAGGED
    source_bits: int = 8
    pixel_aspect: Fraction = Fraction(1)
    frame: PixelWindow | None = None
    handles: tuple[int, int] = (0, 0)
    layer: str | None = None
    files: Mapping[int, SourceFile] = field(default_factory=dict)
    kept: bool = False

    @classmethod
    def of_display(cls, encoding: Encoding, *, has_alpha: bool) -> Self:
        """That of a plain plate."""
        return cls(truth_of(encoding), "straight" if has_alpha else "none", source_bits=encoding.bits)

    @classmethod
    def from_record(cls, record: Mapping[str, Any], encoding: Encoding) -> Self:
        """Of plate.json; ``encoding`` is the working picture's. Raises KeyError, TypeError, ValueError."""
        plain = cls.of_display(encoding, has_alpha=record["has_alpha"])
        truth = record.get("truth")
        files: Sequence[Sequence[str]] = truth["files"] if truth else ()
        frame = record.get("frame")
        before, after = record.get("handles", (0, 0))
        return cls(
            TruthEncoding(**truth["encoding"]) if truth else plain.encoding,
            truth["alpha"] if truth else plain.alpha,
            PlateColour.from_record(record["colour"]) if truth else UNTAGGED,
            truth["source_bits"] if truth else plain.source_bits,
            fraction_from(record.get("pixel_aspect", "1")),
            PixelWindow(**frame) if frame else None,
            (before, after),
            truth["layer"] if truth else None,
            {number: SourceFile(*file) for number, file in zip(record["numbers"], files, strict=False)},
            truth is not None and not files,
        )


def truth_record(info: PlateInfo, layer: str | None, files: list[list[str]]) -> dict[str, Any]:
    """The keys of plate.json that a plain plate does not have.

    Args:
        info: of the plate.
        layer: that was asked for.
        files: name and SHA-256 of each frame's file, where the truth is in them.
    """
    record: dict[str, Any] = {}
    if not info.truth.is_display:
        record["truth"] = {
            "encoding": asdict(info.truth),
            "alpha": info.facts.alpha,
            "source_bits": info.source_bits,
            "layer": layer,
            "files": files,
        }
        record["colour"] = info.colour.record()
    if info.facts.pixel_aspect != 1:
        record["pixel_aspect"] = str(info.facts.pixel_aspect)
    if info.facts.frame is not None:
        record["frame"] = asdict(info.facts.frame)
    if info.handles != (0, 0):
        record["handles"] = list(info.handles)
    return record


@dataclass(frozen=True)
class PlateSource:
    """What shot.json says of a plate beside its stage: what may be another the next time, and changes no pixels.

    Attributes:
        path: the plate as it was named, absolute; None = not known.
        colour: the colour space of a display picture.
        timecode: of the frame ``clip_start``; None = none.
        clip_start: a frame's number.
        hdr: static metadata of HDR10 that the movie has; None = none.
    """

    path: Path | None = None
    colour: PlateColour = UNTAGGED
    timecode: str | None = None
    clip_start: int = 0
    hdr: HdrMetadata | None = None

    @classmethod
    def of(cls, info: PlateInfo) -> Self:
        """That of an opened plate."""
        says_nothing = info.colour.kind == "display" and not info.colour.space and info.colour.said_by == "assumed"
        colour = UNTAGGED if says_nothing else info.colour
        timecode = info.facts.timecode
        start = 0 if timecode is None else info.clip_start
        return cls(info.path.absolute(), colour, timecode, start, info.facts.colour.hdr)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Of shot.json's record of the plate; raises KeyError, TypeError for what is none."""
        colour, hdr = record.get("colour"), record.get("hdr")
        return cls(
            Path(record["path"]),
            PlateColour.from_record(colour) if colour else UNTAGGED,
            record.get("timecode"),
            record.get("clip_start", 0),
            HdrMetadata.from_record(hdr) if hdr else None,
        )

    def record(self) -> dict[str, Any]:
        """For shot.json, besides the path; empty for a plate whose files say nothing of these."""
        record: dict[str, Any] = {}
        if self.colour.kind == "display" and self.colour != UNTAGGED:
            record["colour"] = self.colour.record()
        if self.timecode is not None:
            record |= {"timecode": self.timecode, "clip_start": self.clip_start}
        if self.hdr is not None:
            record["hdr"] = asdict(self.hdr)
        return record

    def read(self, file: SourceFile, layer: str | None) -> tuple[Pixels, Pixels | None]:
        """The truth of one frame from its own file, see ``FrameStore.read_truth``.

        Raises:
            BadInputError: the file is not there any more, or another one.
            TransientError: it is written to meanwhile.
        """
        if self.path is None:
            raise BadInputError(
                f"It is not known where the plate's file {file.name} is.", "Run `ex4d recon PLATE --out FOLDER` again."
            )
        names_files = self.path.suffix.lower() in PLATE_SUFFIXES or is_pattern(self.path.name)
        path = (self.path.parent if names_files and not self.path.is_dir() else self.path) / file.name
        if not path.exists():
            raise BadInputError(
                f"{path}, a frame of the plate, is not there any more.",
                "Put the plate back, or run `ex4d recon` with its new place: what the shot has made of it stays.",
            )
        stamps = FileStamps.of((path,))
        _check_content(path, file.sha256, stamps)
        picture = read_still(path, layer)
        stamps.check()
        return without_alpha(picture.pixels)


_looked_at: dict[Path, tuple[tuple[tuple[int, int, int, int], ...], str]] = {}
_looking = Lock()
# A film of an hour and a half at 24 frames a second.
_LOOKED_AT = 130_000


def _check_content(path: Path, sha256: str, stamps: FileStamps) -> None:
    """Raise BadInputError unless the file has that content; what is known from before is not read again."""
    if stamps.settled and _looked_at.get(path) == (stamps.stamps, sha256):
        return
    if file_sha256(path) != sha256:
        raise BadInputError(
            f"{path}, a frame of the plate, has changed since the shot was made.",
            "Put the former file back, or run `ex4d recon` again, which makes the shot anew from what is there now.",
        )
    with _looking:
        if len(_looked_at) >= _LOOKED_AT:
            _looked_at.clear()
        _looked_at[path] = (stamps.stamps, sha256)


def file_sha256(path: Path) -> str:
    """SHA-256 of an input file in hexadecimal, in constant memory; raises BadInputError."""
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
