# SPDX-License-Identifier: Apache-2.0
"""The colour space of a plate: what its truth's values are, and the way to the working picture and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from ex4d.media.colour_tags import Chromaticities

#: ``PlateRequest.colour_space``: what the file says.
AUTO = "auto"


@dataclass(frozen=True)
class PlateColour:
    """The resolved colour space of a plate, JSON-able; ``ex4d.colour.transforms.transform_of`` makes its transforms.

    Attributes:
        kind: as ``TruthEncoding.kind``.
        space: name of the space in the configuration; "" for a display-referred picture that says nothing.
        linear_space: name of the scene-linear space of the same primaries, in which filled pixels and EXR results are.
        config: name of the built-in OpenColorIO configuration, or the file's own name.
        config_file: absolute path of a configuration that is a file; None = a built-in one.
        config_hash: of that file's content and what it refers to; "" for a built-in one.
        working: name and version of the working curve; "" where the truth is the working picture.
        chromaticities: of the primaries and white; None = not known to the configuration.
        interop_id: OpenEXR's ``colorInteropID`` of ``linear_space``; "" = none.
        primaries, transfer, matrix: of ITU-T H.273, for movies and PNG files of the plate's codes; None = none fits.
        said_by: what decided, in words: "colorInteropID", "the movie's tags", "--colour-space", "assumed" …
        notes: sentences for the report, on all that was assumed or left out.
    """

    kind: Literal["display", "linear", "codes"]
    space: str
    linear_space: str
    config: str
    config_file: str | None = None
    config_hash: str = ""
    working: str = ""
    chromaticities: Chromaticities | None = None
    interop_id: str = ""
    primaries: int | None = None
    transfer: int | None = None
    matrix: int | None = None
    said_by: str = ""
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """As plate.json and take.json have it."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What ``record`` gave; raises KeyError, TypeError where it is none."""
        xy = record["chromaticities"]
        return cls(**{**record, "notes": tuple(record["notes"]), "chromaticities": tuple(xy) if xy else None})
