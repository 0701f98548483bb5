# SPDX-License-Identifier: Apache-2.0
"""What the headers of PNG and JPEG files say that a decoder does not tell: size, kind, orientation, colour tags."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

from ex4d.media.colour_tags import Chromaticities, ColourTags
from ex4d.media.decoding import check_size
from ex4d.media.tiff import directories, orientation_in, upright_aspect
from ex4d.protocol.errors import BadInputError

PNG_MAGIC, JPEG_MAGIC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"

# A colour profile has some kilobytes; one unpacks to any size.
_MOST_PROFILE = 4 << 20
# Units of PNG's gAMA and cHRM.
_PNG_UNIT = 100_000
# ITU-T H.273: code points that say nothing.
_UNSPECIFIED = (0, 2)
# JPEG: every start of a frame but the tables and extensions between them (ITU-T T.81, table B.1).
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _APP0, _APP1, _APP2 = 0xDA, 0xE0, 0xE1, 0xE2
_JFIF_MARK, _ICC_MARK, _EXIF_MARK = b"JFIF\0", b"ICC_PROFILE\0", b"Exif\0\0"
# EXIF 3.0: where the EXIF and the interoperability directories are, the tag ColorSpace and its sRGB, and how Adobe RGB
# is told («R03»): cameras that are set to it embed no profile.
_EXIF_IFD, _INTEROPERABILITY_IFD, _INTEROPERABILITY_INDEX, _COLOR_SPACE, _EXIF_SRGB = 34665, 40965, 1, 40961, 1
_ADOBE_RULE, _ADOBE_RGB = b"R03", "Adobe RGB (1998)"


@dataclass(frozen=True)
class StillHeader:
    """What a still picture's header says.

    Attributes:
        orientation: 1 to 8, as in EXIF; for a JPEG always 1, as OpenCV turns those.
        transparent_grey: the grey code that a PNG without alpha takes for transparent, or None.
        bits: of a sample.
        colour: what the file says of its colours.
        pixel_aspect: width of a pixel of the upright picture by its height; 1 where that is not said.
        notes: sentences on what is said and left out.
    """

    orientation: int
    transparent_grey: int | None
    bits: int
    colour: ColourTags
    pixel_aspect: Fraction
    notes: tuple[str, ...] = ()


def png_header(data: bytes, path: Path) -> StillHeader:
    """Check a PNG's header before its pixels.

    Raises:
        BadInputError: it is too large or an animation.
        ValueError: damaged.
    """
    chunks: dict[bytes, bytes] = {}
    for name, content in _png_chunks(data):
        chunks.setdefault(name, content)
    try:
        width, height, bits, kind = struct.unpack_from(">IIBB", chunks[b"IHDR"])
        check_size(path, width, height)
        frames = struct.unpack_from(">I", chunks[b"acTL"])[0] if b"acTL" in chunks else 1
        grey = struct.unpack_from(">H", chunks[b"tRNS"])[0] if b"tRNS" in chunks and kind == 0 else None
    except (KeyError, struct.error) as error:
        raise ValueError("a chunk is cut short") from error
    if frames > 1:
        raise BadInputError(
            f"{path} is an animation of {frames} frames.", f"Name it {path.stem}.apng to read it as a movie."
        )
    orientation = orientation_in(chunks.get(b"eXIf", b""))
    across, down = struct.unpack_from(">II", chunks[b"pHYs"]) if len(chunks.get(b"pHYs", b"")) >= 8 else (1, 1)
    aspect = upright_aspect(Fraction(down, across) if across and down else Fraction(1), orientation)
    masked = None if grey is None else grey & ((1 << bits) - 1)
    cicp = chunks.get(b"cICP", b"")
    notes = (
        ("The files are tagged as limited range, which PNG has not: their values are used as full range.",)
        if len(cicp) == 4 and cicp[3] != 1
        else ()
    )
    return StillHeader(orientation, masked, bits, _png_colour(chunks), aspect, notes)


def jpeg_header(data: bytes, path: Path) -> StillHeader:
    """Check a JPEG's header before its pixels.

    Raises:
        BadInputError: it is too large, of other than 8 bits, or CMYK.
        ValueError: damaged.
    """
    profile: dict[int, bytes] = {}
    exif = b""
    frame: bytes | None = None
    aspect = Fraction(1)
    for marker, content in _jpeg_segments(data):
        if marker in _FRAME_MARKERS and frame is None:
            frame = content
        elif marker == _APP0 and content.startswith(_JFIF_MARK) and len(content) >= 12:
            across, down = struct.unpack_from(">HH", content, 8)
            aspect = Fraction(down, across) if across and down else aspect
        elif marker == _APP2 and content.startswith(_ICC_MARK):
            # Pieces of a profile say which they are.
            profile.setdefault(
                content[len(_ICC_MARK)] if len(content) > len(_ICC_MARK) else 0, content[len(_ICC_MARK) + 2 :]
            )
        elif marker == _APP1 and content.startswith(_EXIF_MARK) and not exif:
            exif = content[len(_EXIF_MARK) :]
    if frame is None or len(frame) < 6:
        raise ValueError("no frame")
    bits, height, width, components = struct.unpack_from(">BHHB", frame)
    check_size(path, width, height)
    if bits != 8:
        raise BadInputError(f"{path} is a JPEG of {bits} bits.", "Convert it to PNG or TIFF with 16 bits a channel.")
    if components not in (1, 3):
        kind = "CMYK" if components == 4 else f"of {components} channels"
        raise BadInputError(f"{path} is a JPEG that is {kind}, not RGB.", "Export it as RGB.")
    icc = b"".join(content for _, content in sorted(profile.items()))
    colour = ColourTags("JPEG", icc=icc) if icc else exif_colour(exif, "JPEG")
    return StillHeader(1, None, bits, colour, upright_aspect(aspect, orientation_in(exif)))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents in their order; those of pixels empty."""
    at = len(PNG_MAGIC)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, b"" if name in (b"IDAT", b"fdAT") else data[at + 8 : at + 8 + length]
        if name == b"IEND":
            return
        at += 12 + length


def _png_colour(chunks: dict[bytes, bytes]) -> ColourTags:
    """All that is said: which tag wins over the others is decided where colours are understood."""
    cicp, gamma, points = (chunks.get(name, b"") for name in (b"cICP", b"gAMA", b"cHRM"))
    primaries, transfer, matrix = cicp[:3] if len(cicp) == 4 else (2, 2, 2)
    exponent = int.from_bytes(gamma, "big") if len(gamma) == 4 else 0
    white_first = [value / _PNG_UNIT for value in struct.unpack(">8I", points)] if len(points) == 32 else []
    exif = exif_colour(chunks.get(b"eXIf", b""), "PNG")
    tagged = any(name in chunks for name in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"))
    return ColourTags(
        "PNG",
        chromaticities=cast(Chromaticities, (*white_first[2:], *white_first[:2])) if white_first else None,
        primaries=primaries if primaries not in _UNSPECIFIED else None,
        transfer=transfer if transfer not in _UNSPECIFIED else None,
        matrix=matrix if matrix != _UNSPECIFIED[1] else None,  # 0 is RGB
        gamma=_PNG_UNIT / exponent if exponent else None,
        is_srgb=b"sRGB" in chunks or (exif.is_srgb and not tagged),
        icc=_unpacked_profile(chunks[b"iCCP"]) if b"iCCP" in chunks else None,
        name="" if tagged else exif.name,
    )


def _unpacked_profile(chunk: bytes) -> bytes:
    packed = chunk.partition(b"\0")[2][1:]
    try:
        return zlib.decompressobj().decompress(packed, _MOST_PROFILE)
    except zlib.error:
        return b""


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and contents before the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == _START_OF_SCAN:
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a content
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def exif_block(data: bytes) -> bytes:
    """The EXIF block of a JPEG or PNG, or a TIFF itself, which has the same form; empty where there is none."""
    if data.startswith(PNG_MAGIC):
        return next((content for name, content in _png_chunks(data) if name == b"eXIf"), b"")
    if data.startswith(JPEG_MAGIC):
        blocks = (content for marker, content in _jpeg_segments(data) if marker == _APP1)
        return next((block[len(_EXIF_MARK) :] for block in blocks if block.startswith(_EXIF_MARK)), b"")
    return data


def exif_colour(exif: bytes, container: str) -> ColourTags:
    """What an EXIF block says of colours; nothing where it is none or damaged."""
    try:
        first = next(directories(exif), None)
        directory = first and first.follow(_EXIF_IFD)
        space = directory.value(_COLOR_SPACE, 0) if directory else 0
        rules = directory and directory.follow(_INTEROPERABILITY_IFD)
        rule = bytes(rules.values(_INTEROPERABILITY_INDEX)) if rules else b""
    except ValueError:
        return ColourTags(container)
    is_adobe = rule[: len(_ADOBE_RULE)] == _ADOBE_RULE
    return ColourTags(container, is_srgb=space == _EXIF_SRGB and not is_adobe, name=_ADOBE_RGB if is_adobe else "")
