# SPDX-License-Identifier: Apache-2.0
"""What a picture's or movie's file says of its colours, as it stands there: nothing is interpreted here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

#: CIE 1931 x, y of red, green, blue and white, as the OpenEXR attribute ``chromaticities`` orders them.
Chromaticities = tuple[float, float, float, float, float, float, float, float]


@dataclass(frozen=True)
class HdrMetadata:
    """Static metadata of HDR10: SMPTE ST 2086 and CTA-861.3.

    Attributes:
        mastering: primaries and white of the mastering display; None = not said.
        luminance: (least, most) of it, candela per square metre; None = not said.
        max_cll, max_fall: content and frame-average light levels, candela per square metre; None = not said.
    """

    mastering: Chromaticities | None = None
    luminance: tuple[float, float] | None = None
    max_cll: int | None = None
    max_fall: int | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Of what ``dataclasses.asdict`` made of it, through JSON; raises KeyError, TypeError."""
        mastering, luminance = record["mastering"], record["luminance"]
        return cls(
            tuple(mastering) if mastering else None,
            tuple(luminance) if luminance else None,
            record["max_cll"],
            record["max_fall"],
        )


@dataclass(frozen=True)
class ColourTags:
    """What a file says of its colours; None or "" where it says nothing.

    Attributes:
        container: kind of file in words for sentences, such as "EXR", "PNG", "ProRes movie".
        interop_id: OpenEXR's ``colorInteropID``.
        aces_container: OpenEXR's ``acesImageContainerFlag`` is set.
        chromaticities: OpenEXR's attribute, or the ``cHRM`` chunk of PNG.
        primaries, transfer, matrix: code points of ITU-T H.273, of movies (frame's, else the container's) and of PNG's
            ``cICP``; 2 ("unspecified") is None here.
        gamma: exponent of PNG's ``gAMA`` as display gamma (1.0 = linear, 2.2 …).
        is_srgb: PNG's ``sRGB`` chunk or Exif's colour space say sRGB.
        icc: an ICC profile.
        dpx_transfer: transfer characteristic of a DPX header (SMPTE 268M, table 5A).
        name: of a camera's log space where the file names it (XAVC, ProRes RAW and the like).
        hdr: static HDR metadata.
    """

    container: str
    interop_id: str = ""
    aces_container: bool = False
    chromaticities: Chromaticities | None = None
    primaries: int | None = None
    transfer: int | None = None
    matrix: int | None = None
    gamma: float | None = None
    is_srgb: bool = False
    icc: bytes | None = None
    dpx_transfer: int | None = None
    name: str = ""
    hdr: HdrMetadata | None = None
