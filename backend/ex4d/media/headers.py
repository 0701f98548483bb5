# SPDX-License-Identifier: Apache-2.0
"""What the headers of PNG and JPEG files say that a decoder does not tell: size, kind, orientation, colour tags."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ex4d.media.decoding import check_size
from ex4d.media.icc import profile_note
from ex4d.media.tiff import aspect_note, directories, orientation_in
from ex4d.protocol.errors import BadInputError

PNG_MAGIC, JPEG_MAGIC = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"

# A colour profile has some kilobytes; one unpacks to any size.
_MOST_PROFILE = 4 << 20
# PNG's gAMA for sRGB, and how far off it may be: files round differently.
_SRGB_GAMMA, _GAMMA_TOLERANCE = 45455, 500
# PNG's cHRM for sRGB: x and y of white, red, green and blue.
_SRGB_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_PRIMARIES_TOLERANCE = 500
# ITU-T H.273: BT.709 primaries; transfers that displays have (BT.709, BT.601, sRGB, BT.2020).
_BT709, _DISPLAY_TRANSFERS = 1, (1, 6, 13, 14, 15)
_TRANSFERS = {8: "linear", 16: "PQ", 18: "HLG"}
# JPEG: every start of a frame but the tables and extensions between them (ITU-T T.81, table B.1).
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _APP0, _APP1, _APP2 = 0xDA, 0xE0, 0xE1, 0xE2
_JFIF_MARK, _ICC_MARK, _EXIF_MARK = b"JFIF\0", b"ICC_PROFILE\0", b"Exif\0\0"
# EXIF 3.0: where the EXIF and the interoperability directories are, and how Adobe RGB is told («R03»).
_EXIF_IFD, _INTEROPERABILITY_IFD, _INTEROPERABILITY_INDEX = 34665, 40965, 1
_USED_AS_IT_IS = "values are used as they are."


@dataclass(frozen=True)
class StillHeader:
    """What a still picture's header says.

    Attributes:
        orientation: 1 to 8, as in EXIF; for a JPEG always 1, as OpenCV turns those.
        transparent_grey: the grey code that a PNG without alpha takes for transparent, or None.
        bits: of a sample.
        notes: sentences on colour tags that are not applied.
    """

    orientation: int
    transparent_grey: int | None
    bits: int
    notes: tuple[str, ...]


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
    exif = chunks.get(b"eXIf", b"")
    notes = [*_png_colour_notes(chunks)]
    if not any(name in chunks for name in (b"cICP", b"iCCP", b"sRGB")) and (note := _adobe_rgb_note(exif)):
        notes.append(note)
    across, down = struct.unpack_from(">II", chunks[b"pHYs"]) if len(chunks.get(b"pHYs", b"")) >= 8 else (1, 1)
    if note := aspect_note(Fraction(down, across) if across and down else Fraction(1)):
        notes.append(note)
    masked = None if grey is None else grey & ((1 << bits) - 1)
    return StillHeader(orientation_in(exif), masked, bits, tuple(notes))


def jpeg_header(data: bytes, path: Path) -> StillHeader:
    """Check a JPEG's header before its pixels.

    Raises:
        BadInputError: it is too large, of other than 8 bits, or CMYK.
        ValueError: damaged.
    """
    profile: list[bytes] = []
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
            profile.append(content[len(_ICC_MARK) + 2 :])
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
    colour = profile_note(b"".join(profile)) if profile else _adobe_rgb_note(exif)
    return StillHeader(1, None, bits, tuple(note for note in (colour, aspect_note(aspect)) if note))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents in their order; those of pixels empty."""
    at = len(PNG_MAGIC)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, b"" if name in (b"IDAT", b"fdAT") else data[at + 8 : at + 8 + length]
        if name == b"IEND":
            return
        at += 12 + length


def _png_colour_notes(chunks: dict[bytes, bytes]) -> Iterator[str]:
    """By the order in which PNG's third edition lets one tag win over the others."""
    if len(chunks.get(b"cICP", b"")) == 4:
        primaries, transfer, _, full_range = chunks[b"cICP"]
        if transfer not in _DISPLAY_TRANSFERS:
            name = _TRANSFERS.get(transfer, f"number {transfer} of H.273")
            yield f"The transfer curve of the files is tagged {name}: {_USED_AS_IT_IS}"
        if primaries != _BT709:
            yield f"The primaries of the files are tagged number {primaries} of H.273, not BT.709: {_USED_AS_IT_IS}"
        if full_range != 1:
            yield f"The files are tagged as limited range: {_USED_AS_IT_IS}"
    elif b"iCCP" in chunks:
        if note := profile_note(_unpacked_profile(chunks[b"iCCP"])):
            yield note
    elif b"sRGB" not in chunks:
        gamma = chunks.get(b"gAMA", b"")
        if len(gamma) == 4 and abs((value := int.from_bytes(gamma, "big")) - _SRGB_GAMMA) > _GAMMA_TOLERANCE:
            yield f"The files are tagged with a gamma of {value / 100000:.4g}, not sRGB's: {_USED_AS_IT_IS}"
        points = chunks.get(b"cHRM", b"")
        if len(points) == 32:
            pairs = zip(struct.unpack(">8I", points), _SRGB_PRIMARIES, strict=True)
            if any(abs(value - srgb) > _PRIMARIES_TOLERANCE for value, srgb in pairs):
                yield f"The primaries of the files are tagged as others than sRGB's: {_USED_AS_IT_IS}"


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


def _adobe_rgb_note(exif: bytes) -> str | None:
    """Cameras that are set to Adobe RGB embed no profile: they name the interoperability rule R03."""
    try:
        first = next(directories(exif), None)
        for tag in (_EXIF_IFD, _INTEROPERABILITY_IFD):
            first = first and first.follow(tag)
        rule = bytes(first.values(_INTEROPERABILITY_INDEX)) if first else b""
    except ValueError:
        return None
    return f"The files are tagged as Adobe RGB: {_USED_AS_IT_IS}" if rule[:3] == b"R03" else None
