# SPDX-License-Identifier: Apache-2.0
"""What files of a plate's results say of their colours: PNG chunks, OpenEXR attributes, tags of movies."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, NamedTuple

from ex4d.colour.config import open_configuration
from ex4d.colour.gamuts import GAMUTS, REC709
from ex4d.colour.known_spaces import KNOWN_SPACES, KnownSpace, known_space
from ex4d.colour.plate_colour import PlateColour
from ex4d.colour.transfer import GAMMA_ADOBE, SRGB
from ex4d.colour.transforms import FILE_PRIMARIES

_UNSPECIFIED = 2
# Exponents of curves that PNG's gAMA can say, by H.273 transfer or by name of the curve.
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}


class MovieTags(NamedTuple):
    """Code points of ITU-T H.273 for a movie.

    Attributes:
        primaries, transfer, matrix: 2 = unspecified.
        full_range: False, limited, for all movies that are written.
    """

    primaries: int
    transfer: int
    matrix: int
    full_range: bool = False


#: Of movies that a display view has made: sRGB codes, tagged as players take them.
DISPLAY_VIEW_TAGS = MovieTags(1, 1, 1)


def movie_tags(colour: PlateColour) -> MovieTags:
    """Of movies of the plate's own codes; scene-linear plates have none, and their movies are a display view's."""
    if colour.kind == "linear":
        return DISPLAY_VIEW_TAGS
    if colour.kind == "codes" and colour.transfer is None:
        return MovieTags(colour.primaries or _UNSPECIFIED, _UNSPECIFIED, colour.matrix or 1)
    transfer = 1 if colour.primaries in (None, 1) and colour.transfer in (None, 1, 13) else colour.transfer
    return MovieTags(colour.primaries or _UNSPECIFIED, transfer or _UNSPECIFIED, colour.matrix or 1)


def exr_attributes(colour: PlateColour) -> dict[str, Any]:
    """OpenEXR attributes of pictures in ``colour.linear_space``: chromaticities and colorInteropID, as far as known."""
    attributes: dict[str, Any] = {}
    if colour.chromaticities is not None:
        attributes["chromaticities"] = tuple(float(value) for value in colour.chromaticities)
    if colour.interop_id:
        attributes["colorInteropID"] = colour.interop_id
    return attributes


def png_chunks(colour: PlateColour) -> list[tuple[bytes, bytes]]:
    """Type and data of the chunks that a PNG of the plate's codes needs; none where the plate itself said nothing.

    ``cICP`` where H.273 has code points, and the older chunks beside it where those can say it: ``sRGB``, or ``gAMA``
    and ``cHRM``.
    """
    if colour.kind == "linear" or (colour.said_by == "assumed" and not colour.space):
        return []
    if colour.space == "":
        return [] if "movie" in colour.said_by else [(b"sRGB", b"\x00")]
    chunks: list[tuple[bytes, bytes]] = []
    if colour.primaries is not None and colour.transfer is not None:
        chunks.append((b"cICP", bytes((colour.primaries, colour.transfer, 0, 1))))
    exponent = _exponent(colour)
    if exponent is not None and colour.chromaticities is not None:
        x, y = colour.chromaticities[6:]
        scaled = [round(value * 100000) for value in (x, y, *colour.chromaticities[:6])]
        chunks.append((b"gAMA", struct.pack(">I", round(100000 / exponent))))
        if min(scaled) >= 0:
            chunks.append((b"cHRM", struct.pack(">8I", *scaled)))
    return chunks


def _exponent(colour: PlateColour) -> float | None:
    """The display gamma of codes, where one number says it."""
    if colour.space == colour.linear_space:
        return 1.0
    if colour.space.startswith(FILE_PRIMARIES):
        name = colour.space.rpartition(", ")[2]
        return float(name.partition("-")[2]) if name.startswith("gamma-") else 2.2 if name == "srgb" else 1.0
    known = known_space((colour.space,))
    if known is None:
        return _GAMMAS.get(colour.transfer or 0)
    if known.transfer.name.startswith("gamma-"):
        return float(known.transfer.name.partition("-")[2])
    return 2.2 if known.transfer.name in ("srgb", "bt709") else None


def _like(colour: PlateColour) -> KnownSpace | None:
    """The display space of the same primaries whose curve is nearly that of a file's own, gamma 2.2."""
    exponent = _exponent(colour) or 0.0
    like = (known for known in KNOWN_SPACES if known.kind == "display" and known.transfer in (SRGB, GAMMA_ADOBE))
    if abs(exponent - 2.2) > 0.1:
        return None
    return next((known for known in like if known.gamut.chromaticities == colour.chromaticities), None)


def name_in(colour: PlateColour, ocio: Path | str, *, linear: bool) -> str | None:
    """What another configuration, such as Blender's, calls a plate's space; None = it has none.

    Args:
        colour: of the plate.
        ocio: the configuration's file.
        linear: of its scene-linear results, else of its own codes.

    Raises:
        BadInputError: that configuration is missing or broken.
    """
    other = open_configuration(ocio, {})
    own = open_configuration(colour.config_file or f"ocio://{colour.config}", {})
    space = colour.linear_space if linear else colour.space
    if not space and not linear:
        space = "sRGB"
    names: list[str] = [space]
    if (found := own.find(space)) is not None:
        names += own.names_of(found)
    if linear or space == colour.linear_space:
        names += [colour.interop_id] if colour.interop_id else []
        for gamut in (*GAMUTS, REC709):
            if gamut.interop_id and gamut.interop_id == colour.interop_id:
                names += gamut.names
    elif (known := known_space(names) or _like(colour)) is not None:
        names += known.names
    return other.find_first(*dict.fromkeys(names))
