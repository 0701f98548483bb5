# SPDX-License-Identifier: Apache-2.0
"""TIFF pictures by what their tags say: TIFF 6.0, its technical note 2, and BigTIFF.

OpenCV multiplies the alpha of 8-bit files into the colour, takes planes for pixels at 16 bits, ignores MinIsWhite there
and gives no tag away. So libtiff, inside OpenCV, only unpacks the strips or tiles, as grey pictures made of the same
bytes; what the samples mean is decided here. Kinds that OpenCV reads rightly go through it whole, as they always did.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.decoding import check_size, decode
from ex4d.media.encoding import display_encoding
from ex4d.protocol.errors import BadInputError

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

Samples = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float16] | NDArray[np.float32]

# Numbers of tags.
_SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, ORIENTATION, _SAMPLES, _ROWS, _STRIP_COUNTS, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _COLOUR_MAP, _TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 317, 320, 322, 323, 324, 325
_EXTRA, _FORMAT, _ICC = 338, 339, 34675
_ACROSS, _DOWN, _TRANSFER, _WHITE_POINT, _PRIMARIES = 282, 283, 301, 318, 319
_RATIONAL = 5
# What libtiff needs to know of fax, JPEG and YCbCr data, with their types.
_OF_CODECS = {292: 4, 293: 4, 347: 7, 529: _RATIONAL, 530: 3, 531: 3, 532: _RATIONAL}

_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_REFUSED_PHOTOMETRICS = {
    4: "a transparency mask",
    5: "CMYK",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "a camera's raw data",
    34892: "a camera's raw data",
    32844: "LogLuv",
    32845: "LogLuv",
}
# x and y of white, and of red, green and blue.
_SRGB_POINTS = {_WHITE_POINT: (0.3127, 0.329), _PRIMARIES: (0.64, 0.33, 0.3, 0.6, 0.15, 0.06)}
# Of bytes, so that they unpack what the samples may be: none, LZW, Deflate, the same by its old number, PackBits.
_BYTE_CODECS = (1, 5, 8, 32946, 32773)
_FAX, _JPEG = (2, 3, 4), 7
_ASSOCIATED, _UNASSOCIATED = 1, 2
_FLOAT_PREDICTOR = 3
_NO_COLOUR_HINT = "Export it as RGB, 8 or 16 bits a channel."

# Types of whole numbers; text as bytes, and rationals as pairs of them.
_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", _RATIONAL: "I", 7: "B", 13: "I", 16: "Q", 18: "Q"}
# Directories that are looked at, their entries all together, and values of a tag: the places of the strips or tiles of
# the largest pictures.
_MOST_PAGES, _MOST_ENTRIES, _MOST_VALUES = 1000, 1 << 17, 1 << 22
# Pixels of all tiles: what they reach beyond the picture is unpacked too.
_TILES_BY_PICTURE, _ALWAYS_ALLOWED = 4, 1 << 24
# Rows of one picture that OpenCV is given; it takes up to 2 to the 20.
_MOST_ROWS = 1 << 19


@dataclass(frozen=True)
class TiffPicture:
    """A decoded TIFF.

    Attributes:
        samples: (H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, upright; uint8 or uint16 with straight alpha, or float16
            or float32 with associated alpha.
        notes: sentences on what was assumed, converted or left out.
        differs: the samples are others than those OpenCV alone would give.
        colour: what the file says of its colours.
        pixel_aspect: width of a pixel of the upright picture by its height; 1 where that is not said.
    """

    samples: Samples
    notes: tuple[str, ...]
    differs: bool
    colour: ColourTags
    pixel_aspect: Fraction = Fraction(1)


class Directory:
    """The tags of one page, as whole numbers; signed and real ones are left out.

    Raises:
        ValueError: it is not whole.
    """

    def __init__(self, data: bytes, order: str, big: bool, offset: int) -> None:
        self._data, self._order, self._big = data, order, big
        word, count_format = ("Q", "Q") if big else ("I", "H")
        entry = struct.Struct(f"{order}HH{word}{8 if big else 4}s")
        if offset > len(data):
            raise ValueError("a directory is outside the file")
        try:
            (count,) = struct.unpack_from(order + count_format, data, offset)
            start = offset + struct.calcsize(count_format)
            if start + count * entry.size > len(data):
                raise ValueError("a directory runs beyond the file")
            if count > _MOST_ENTRIES:
                raise ValueError("a directory has too many entries")
            self.count = count
            self._entries: dict[int, tuple[int, int, bytes]] = {}
            for index in range(count):
                number, kind, length, field = entry.unpack_from(data, start + index * entry.size)
                if kind in _TYPES:
                    self._entries[number] = (kind, length, field)
            (self.next,) = struct.unpack_from(order + word, data, start + count * entry.size)
        except struct.error as error:
            raise ValueError("a directory is cut short") from error
        self._word = order + word

    def values(self, tag: int, default: Sequence[int] = ()) -> tuple[int, ...]:
        """The numbers of a tag, or ``default`` where it is missing."""
        if tag not in self._entries:
            return tuple(default)
        kind, count, field = self._entries[tag]
        letter = _TYPES[kind]
        count *= 2 if kind == _RATIONAL else 1
        size = count * struct.calcsize(letter)
        at = 0 if size <= len(field) else struct.unpack_from(self._word, field)[0]
        source = field if size <= len(field) else self._data
        if at + size > len(source) or count > _MOST_VALUES:
            raise ValueError(f"tag {tag} runs beyond the file, or has too many values")
        return struct.unpack_from(f"{self._order}{count}{letter}", source, at)

    def value(self, tag: int, default: int) -> int:
        """The first number of a tag."""
        found = self.values(tag, (default,))
        return found[0] if found else default

    def follow(self, tag: int) -> Directory | None:
        """The directory that a tag points to, or None where it is missing."""
        offset = self.value(tag, 0)
        return Directory(self._data, self._order, self._big, offset) if offset else None

    def __contains__(self, tag: int) -> bool:
        return tag in self._entries


def directories(data: bytes) -> Iterator[Directory]:
    """The chain of directories of a TIFF, or of the EXIF block that has the same form.

    Raises:
        ValueError: it is none, damaged, or runs in a circle.
    """
    if data[:4] not in MAGICS:
        raise ValueError("no TIFF")
    order, big = ("<" if data[:1] == b"I" else ">"), 43 in (data[2], data[3])
    word, at = ("Q", 8) if big else ("I", 4)
    try:
        (offset,) = struct.unpack_from(order + word, data, at)
    except struct.error as error:
        raise ValueError("cut short") from error
    seen, entries = set(), 0
    while offset:
        if offset in seen:
            raise ValueError("the directories run in a circle")
        seen.add(offset)
        directory = Directory(data, order, big, offset)
        # They may lie on top of each other, each of all the file.
        entries += directory.count
        if entries > _MOST_ENTRIES:
            raise ValueError("the directories have too many entries")
        yield directory
        offset = directory.next


def orientation_in(exif: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block names; 1 where it names none."""
    try:
        first = next(directories(exif), None)
        return first.value(ORIENTATION, 1) if first is not None else 1
    except ValueError:
        return 1


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(H, W) or (H, W, C) as stored -> as it is to be seen, by the orientation of TIFF and EXIF."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def upright_aspect(aspect: Fraction, orientation: int) -> Fraction:
    """Width of a pixel to its height as stored -> as it is to be seen; 1 up to a hundredth, as files round."""
    turned = 1 / aspect if orientation in (5, 6, 7, 8) else aspect
    return Fraction(1) if abs(turned - 1) < Fraction(1, 100) else turned.limit_denominator(1000)


def _pixel_aspect(tags: Directory) -> Fraction:
    """Width to height, from pixels per length; 1 where they say nothing."""
    across, down = tags.values(_ACROSS), tags.values(_DOWN)
    if len(across) != 2 or len(down) != 2 or not all((*across, *down)):
        return Fraction(1)
    return Fraction(down[0] * across[1], down[1] * across[0])


def _colour_notes(icc: bytes, tags: Directory) -> Iterator[str]:
    """On colour tags that are not applied; a profile says more than the tags."""
    if icc:
        return
    if _TRANSFER in tags:
        yield "The transfer curve of the files is tagged (TransferFunction): values are used as they are."
    if any(_differ(tags.values(tag), srgb) for tag, srgb in _SRGB_POINTS.items()):
        yield "The primaries of the files are tagged as others than sRGB's: values are used as they are."


def _differ(rationals: Sequence[int], wanted: Sequence[float]) -> bool:
    """Whether x and y of points are given, and are others."""
    pairs = list(zip(rationals[::2], rationals[1::2], strict=False))
    if len(pairs) != len(wanted) or not all(below for _, below in pairs):
        return False
    return any(abs(above / below - value) > 0.005 for (above, below), value in zip(pairs, wanted, strict=True))


def read_tiff(data: bytes, path: Path, *, as_plate: bool = False) -> TiffPicture:
    """Decode a TIFF of 1 to 16 bits a sample: grey, palette, RGB or YCbCr, with or without alpha.

    Args:
        data: the file.
        path: what messages name.
        as_plate: halves and floats too, and of several pages the first.

    Raises:
        BadInputError: it has several pages, or pixels that are no display-referred colour or not whole numbers.
        ValueError: it is damaged.
        ResourceError: there is too little memory.
    """
    found = list(islice(directories(data), _MOST_PAGES))
    pages = [page for page in found if not page.value(_SUBFILE, 0) & 1] or found[:1]  # the others are thumbnails
    if not pages:
        raise ValueError("no page")
    if len(pages) > 1 and not as_plate:
        raise BadInputError(f"{path} holds {len(pages)} pages.", "Export one picture a file.")
    page = _Page(data, pages[0], path, floats=as_plate)
    notes = [*_colour_notes(page.icc, pages[0])]
    if len(pages) > 1:
        notes.append("The files have several pages: the first is taken.")
    alpha = page.alpha()
    kind = page.extra[alpha - page.colours] if alpha is not None else None
    if alpha is not None and kind not in (_ASSOCIATED, _UNASSOCIATED):
        assumed = "associated" if page.is_float else "straight"
        notes.append(f"The files do not say what their last channel is: it is taken for {assumed} alpha.")
    left_out = len(page.extra) - (alpha is not None)
    if left_out:
        notes.append(f"{left_out} extra {'channel' if left_out == 1 else 'channels'} of the files, no alpha, left out.")
    aspect = upright_aspect(_pixel_aspect(pages[0]), page.orientation)
    colour = ColourTags("TIFF", icc=page.icc or None)
    if page.is_plain and pages[0] is found[0]:
        pixels = decode(data, cv2.IMREAD_UNCHANGED)
        return TiffPicture(cast(Samples, _rgb(pixels)), tuple(notes), differs=False, colour=colour, pixel_aspect=aspect)
    pixels = page.by_libtiff() if page.compression in (*_FAX, _JPEG) or page.is_ycbcr else page.by_tags()
    if kind == _ASSOCIATED and not page.is_float:
        notes.append("The colour of the files is premultiplied (associated alpha): it is divided by their alpha.")
        pixels = _unpremultiplied(pixels)
    if kind == _UNASSOCIATED and page.is_float:
        notes.append(
            "The colour of the files is not premultiplied (unassociated alpha): it is multiplied by their alpha."
        )
        pixels[..., :3] *= pixels[..., 3:]
    if page.orientation != 1:
        notes.append("The files are turned upright, as their orientation says.")
    differs = page.differs or (page.photometric == _PALETTE and pixels.dtype == np.uint16)
    return TiffPicture(cast(Samples, upright(pixels, page.orientation)), tuple(notes), differs, colour, aspect)


class _Page:
    """The layout of one picture, checked."""

    def __init__(self, data: bytes, tags: Directory, path: Path, *, floats: bool) -> None:
        self._data, self._tags, self._path = data, tags, path
        self._order = "<" if data[:1] == b"I" else ">"
        self.width, self.height = tags.value(_WIDTH, 0), tags.value(_LENGTH, 0)
        check_size(path, self.width, self.height)
        self.samples = tags.value(_SAMPLES, 1)
        self.photometric = tags.value(_PHOTOMETRIC, -1)
        self.compression = tags.value(_COMPRESSION, 1)
        self.orientation = tags.value(ORIENTATION, 1)
        self.is_planar = tags.value(_PLANAR, 1) == 2 and self.samples > 1
        self.is_tiled = _TILE_WIDTH in tags
        self.icc = bytes(tags.values(_ICC))
        self.is_ycbcr = self.photometric == _YCBCR
        self.is_float = floats and set(tags.values(_FORMAT, (1,))) == {3}
        self._check_samples()
        self.colours = 3 if self.photometric in (_RGB, _YCBCR) else 1
        extra = self.samples - self.colours
        if extra < 0 or self.samples * self.width * (self.bits // 8 if self.is_float else 1) > 1 << 20:
            raise ValueError(f"{self.samples} samples a pixel")
        self.extra = (*tags.values(_EXTRA), *(0,) * extra)[:extra]
        if self.photometric == _PALETTE and (extra or self.bits > 8):
            raise self._refused("is a picture of palette colours with more channels or bits than a palette has.")

    def _check_samples(self) -> None:
        """Sets ``bits``; refuses what is no display-referred colour of whole numbers."""
        if not 1 <= self.samples <= 64:
            raise ValueError(f"{self.samples} samples a pixel")
        bits = set(self._tags.values(_BITS, (1,)))
        formats = set(self._tags.values(_FORMAT, (1,)))
        self.bits = max(bits)
        if self.is_float:
            self._check_floats(bits)
            return
        if formats - {1, 4} or self.bits > 16:
            kind = "float" if 3 in formats else "int" if 2 in formats else "complex" if formats & {5, 6} else "uint"
            raise BadInputError(
                f"{self._path} holds {kind}{self.bits} pixels, not 8 or 16 bits a channel.",
                "Convert it to 16 bits a channel.",
            )
        if len(bits) > 1 or self.bits not in (1, 2, 4, 8, 10, 12, 14, 16):
            raise self._refused(f"holds {'/'.join(map(str, self._tags.values(_BITS)))} bits a channel.")
        if self.photometric in _REFUSED_PHOTOMETRICS:
            raise self._refused(f"holds {_REFUSED_PHOTOMETRICS[self.photometric]}, not RGB.")
        if self.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _YCBCR):
            raise ValueError(f"photometric {self.photometric}")
        if self.compression not in (*_BYTE_CODECS, *_FAX, _JPEG):
            raise BadInputError(
                f"{self._path} is compressed in a way (TIFF's number {self.compression}) that is not read.",
                "Export it with Deflate, LZW or no compression.",
            )
        of_libtiff = self.compression in (*_FAX, _JPEG) or self.is_ycbcr
        if of_libtiff and (self.bits not in (1, 8) or self.samples not in (1, 3)):
            raise self._refused(f"holds {self.samples} channels of {self.bits} bits, JPEG, fax or YCbCr.")
        if of_libtiff and self.is_planar:
            raise self._refused("holds JPEG or YCbCr data in planes.")
        if self._tags.value(_PREDICTOR, 1) not in (1, 2) or (self._predicted and self.bits not in (8, 16)):
            raise self._refused("is compressed with a predictor that is not read.")

    def _check_floats(self, bits: set[int]) -> None:
        """Refuses floats that are no picture, or packed in a way that is not read."""
        if bits not in ({16}, {32}):
            raise BadInputError(
                f"{self._path} holds float{self.bits} pixels, not 16 or 32 bits a channel.",
                "Export it with 32 bits a channel, or as EXR.",
            )
        if self.photometric not in (_MIN_IS_BLACK, _RGB):
            raise BadInputError(f"{self._path} holds floats that are neither grey nor RGB.", "Export it as RGB or EXR.")
        if self.compression not in _BYTE_CODECS or self._tags.value(_PREDICTOR, 1) not in (1, 2, _FLOAT_PREDICTOR):
            raise BadInputError(
                f"{self._path} is compressed in a way (TIFF's number {self.compression}) that is not read.",
                "Export it with Deflate, LZW or no compression, or as EXR.",
            )

    @property
    def _predicted(self) -> bool:
        return self._tags.value(_PREDICTOR, 1) == 2 and self.compression in (5, 8, 32946)

    @property
    def _predicted_floats(self) -> bool:
        return self._tags.value(_PREDICTOR, 1) == _FLOAT_PREDICTOR and self.compression in (5, 8, 32946)

    @property
    def is_plain(self) -> bool:
        """OpenCV reads it rightly by itself."""
        return (
            self.bits in (8, 16)
            and not self.is_float
            and not self.is_tiled
            and not self.is_planar
            and self.orientation == 1
            and self.compression in _BYTE_CODECS
            and (self._is_grey or self._is_old_rgb)
        )

    @property
    def _is_grey(self) -> bool:
        return self.photometric == _MIN_IS_BLACK and self.samples == 1

    @property
    def _is_old_rgb(self) -> bool:
        return self.photometric == _RGB and self.extra in ((), (0,))

    @property
    def differs(self) -> bool:
        """Whether OpenCV alone gave other samples, apart from palettes of more than 8 bits."""
        if self.samples == 1 and self.bits <= 8:
            return self.photometric == _PALETTE and self.bits == 1
        if self.bits == 16:
            known = self._is_grey or (self.photometric == _RGB and self.extra in ((), (0,), (_UNASSOCIATED,)))
            return self.is_planar or not known
        return self.bits != 8 or not (self.is_ycbcr or self._is_old_rgb)

    def alpha(self) -> int | None:
        """Which sample is alpha: the first that says so, or a fourth or second that says nothing."""
        for index, kind in enumerate(self.extra):
            if kind in (_ASSOCIATED, _UNASSOCIATED):
                return self.colours + index
        return self.colours if len(self.extra) == 1 else None

    def by_libtiff(self) -> NDArray[Any]:
        """(H, W) or (H, W, 3), colour and compression by libtiff, which knows YCbCr, JPEG and fax; not turned."""
        tags = {_PHOTOMETRIC: self.photometric, _SAMPLES: self.samples, _BITS: self.bits}
        blocks = self._blocks()
        rows, columns = self._block_size()
        made = _made(self._order, self._tags, blocks, columns, rows, self._rows_of(blocks), self.compression, tags)
        pixels = _rgb(decode(made, cv2.IMREAD_UNCHANGED))
        return self._laid_out(pixels) if self.is_tiled else pixels

    def by_tags(self) -> NDArray[Any]:
        """(H, W), (H, W, 3) or (H, W, 4), alpha as stored, not turned."""
        planes = self.samples if self.is_planar else 1
        blocks = self._blocks()
        each = len(blocks) // planes
        codes = [self._unpacked(blocks[plane * each : (plane + 1) * each]) for plane in range(planes)]
        samples = np.concatenate(codes, axis=2) if planes > 1 else codes[0]
        alpha = self.alpha()
        white = (1 << self.bits) - 1
        if self.photometric == _PALETTE:
            return self._coloured(samples[..., 0])
        colour = samples[..., : self.colours]
        if self.photometric == _MIN_IS_WHITE:
            colour = white - colour
        if alpha is not None:
            if self.colours == 1:
                colour = np.repeat(colour, 3, axis=2)
            colour = np.concatenate([colour, samples[..., alpha : alpha + 1]], axis=2)
        scaled = colour if self.is_float else _full_range(colour, white)
        return scaled[..., 0] if scaled.shape[2] == 1 else scaled

    def _block_size(self) -> tuple[int, int]:
        """Rows and columns of a strip or tile."""
        if self.is_tiled:
            rows, columns = self._tags.value(_TILE_LENGTH, 0), self._tags.value(_TILE_WIDTH, 0)
            if not (rows and columns):
                raise ValueError("tiles without a size")
            tiles = -(-self.height // rows) * rows * (-(-self.width // columns) * columns)
            if tiles > max(_TILES_BY_PICTURE * self.width * self.height, _ALWAYS_ALLOWED):
                raise ValueError("tiles much larger than the picture")
            return rows, columns
        return max(1, min(self._tags.value(_ROWS, self.height), self.height)), self.width

    def _blocks(self) -> list[bytes]:
        """The packed strips or tiles, plane after plane."""
        rows, columns = self._block_size()
        offsets = self._tags.values(_TILE_OFFSETS if self.is_tiled else _STRIP_OFFSETS)
        counts = self._tags.values(_TILE_COUNTS if self.is_tiled else _STRIP_COUNTS)
        planes = self.samples if self.is_planar else 1
        wanted = -(-self.height // rows) * -(-self.width // columns) * planes
        if len(offsets) < wanted or len(counts) < wanted:
            raise ValueError("strips or tiles are missing")
        pairs = list(zip(offsets[:wanted], counts[:wanted], strict=True))
        if any(offset + count > len(self._data) or not count for offset, count in pairs):
            raise ValueError("a strip or tile is outside the file")
        return [self._data[offset : offset + count] for offset, count in pairs]

    def _rows_of(self, blocks: Sequence[bytes]) -> int:
        """Rows of the blocks of one plane below each other."""
        return len(blocks) * self._block_size()[0] if self.is_tiled else self.height

    def _unpacked(self, blocks: Sequence[bytes]) -> NDArray[Any]:
        """(H, W, C) codes of the samples of one plane, or of all where they are not apart."""
        rows, columns = self._block_size()
        each = 1 if self.is_planar else self.samples
        whole = self.bits in (8, 16) and not self.is_float
        width = columns * each if whole else -(-columns * each * self.bits // 8)
        at_once = max(1, _MOST_ROWS // rows)
        pieces = []
        for start in range(0, len(blocks), at_once):
            part = blocks[start : start + at_once]
            height = min(len(part) * rows, self._rows_of(blocks) - start * rows)
            tags = {_PHOTOMETRIC: _MIN_IS_BLACK, _SAMPLES: 1, _BITS: self.bits if whole else 8}
            data = _made(self._order, self._tags, part, width, rows, height, self.compression, tags)
            pieces.append(decode(data, cv2.IMREAD_UNCHANGED))
        grey = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        if grey.ndim != 2 or grey.dtype != (np.uint16 if self.bits == 16 and whole else np.uint8):
            raise ValueError(f"{grey.dtype} {grey.shape}")
        if self.is_float:
            values = self._floats(grey, columns, each)
            return self._laid_out(values) if self.is_tiled else values
        codes = grey.reshape(len(grey), columns, each) if whole else _bits_apart(grey, self.bits, columns, each)
        if self._predicted:
            codes = np.cumsum(codes, axis=1, dtype=codes.dtype)
        return self._laid_out(codes) if self.is_tiled else codes

    def _floats(self, rows: NDArray[Any], columns: int, each: int) -> NDArray[Any]:
        """(H, bytes) as unpacked -> (H, columns, each) float16 or float32, all bits kept."""
        size = self.bits // 8
        word = np.dtype(f"u{size}")
        if (
            self._predicted_floats
        ):  # technical note 3: differences of bytes, the most significant ones of all words first
            summed = np.cumsum(rows.reshape(len(rows), -1, each), axis=1, dtype=np.uint8)
            planes = summed.reshape(len(rows), size, columns * each)
            words = np.ascontiguousarray(np.swapaxes(planes, 1, 2)).view(f">u{size}")[..., 0]
        else:
            words = np.ascontiguousarray(rows).view(f"{self._order}u{size}")
        words = words.astype(word).reshape(len(rows), columns, each)
        if self._predicted:
            words = np.cumsum(words, axis=1, dtype=word)
        return words.view(f"f{size}")

    def _laid_out(self, stacked: NDArray[Any]) -> NDArray[Any]:
        """Tiles below each other -> the picture."""
        rows, columns = self._block_size()
        down, across = -(-self.height // rows), -(-self.width // columns)
        tiles = stacked.reshape(down, across, rows, columns, *stacked.shape[2:])
        joined = np.swapaxes(tiles, 1, 2).reshape(down * rows, across * columns, *stacked.shape[2:])
        return joined[: self.height, : self.width]

    def _coloured(self, indices: NDArray[Any]) -> NDArray[Any]:
        """Palette indices -> (H, W, 3), of 8 bits where the palette is."""
        palette = np.array(self._tags.values(_COLOUR_MAP), dtype=np.uint16)
        if len(palette) != 3 << self.bits:
            raise ValueError("the palette is not whole")
        palette = palette.reshape(3, -1).T
        if (palette <= 255).all():
            return palette.astype(np.uint8)[indices]  # written by programs that took them for bytes
        if (palette % 257 == 0).all() or (palette % 256 == 0).all():
            return (palette >> 8).astype(np.uint8)[indices]
        return palette[indices]

    def _refused(self, what: str) -> BadInputError:
        return BadInputError(f"{self._path} {what}", _NO_COLOUR_HINT)


def _made(
    order: str,
    tags: Directory,
    blocks: Sequence[bytes],
    width: int,
    rows: int,
    height: int,
    compression: int,
    meaning: dict[int, int],
) -> bytes:
    """A TIFF of one strip after the other, made of the packed blocks of another."""
    entries: dict[int, tuple[int, Sequence[int]]] = {
        _WIDTH: (4, [width]),
        _LENGTH: (4, [height]),
        _COMPRESSION: (3, [compression]),
        _FILL_ORDER: (3, [tags.value(_FILL_ORDER, 1)]),
        _ROWS: (4, [rows]),
        _STRIP_COUNTS: (4, [len(block) for block in blocks]),
        _PLANAR: (3, [1]),
        _PHOTOMETRIC: (3, [meaning[_PHOTOMETRIC]]),
        _SAMPLES: (3, [meaning[_SAMPLES]]),
        _BITS: (3, [meaning[_BITS]] * meaning[_SAMPLES]),
    }
    if compression not in _BYTE_CODECS or meaning[_PHOTOMETRIC] == _YCBCR:
        entries |= {tag: (kind, numbers) for tag, kind in _OF_CODECS.items() if (numbers := tags.values(tag))}
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0))
    offsets = []
    for block in blocks:
        out += bytes(len(out) % 2)
        offsets.append(len(out))
        out += block
    entries[_STRIP_OFFSETS] = (4, offsets)
    out += bytes(len(out) % 2)
    fields = []
    for number, (kind, values) in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}{_TYPES[kind]}", *values)
        count = len(values) // (2 if kind == _RATIONAL else 1)
        if len(packed) > 4:
            at = len(out)
            out += packed + bytes(len(packed) % 2)
            packed = struct.pack(order + "I", at)
        fields.append(struct.pack(order + "HHI", number, kind, count) + packed.ljust(4, b"\0"))
    struct.pack_into(order + "I", out, 4, len(out))
    out += struct.pack(order + "H", len(fields)) + b"".join(fields) + bytes(4)
    return bytes(out)


def _bits_apart(rows: NDArray[Any], bits: int, columns: int, each: int) -> NDArray[Any]:
    """(H, bytes) -> (H, columns, each) codes of ``bits`` bits, most significant first."""
    single = np.unpackbits(rows, axis=1)[:, : columns * each * bits].reshape(len(rows), columns * each, bits)
    codes = np.zeros(single.shape[:2], dtype=np.uint8 if bits <= 8 else np.uint16)
    for place in range(bits):
        codes = (codes << 1) | single[..., place]
    return codes.reshape(len(rows), columns, each)


def _full_range(codes: NDArray[Any], white: int) -> NDArray[Any]:
    """Codes up to ``white`` -> uint8 up to 255 or uint16 up to 65535, rounded."""
    if white in (255, 65535):
        return codes
    if white < 255:
        return (codes * np.uint8(255 // white)).astype(np.uint8)  # 1, 2 and 4 bits divide 255
    table = (np.arange(white + 1, dtype=np.uint64) * 65535 + white // 2) // white
    return table.astype(np.uint16)[codes]


def _unpremultiplied(pixels: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 4) of associated alpha -> straight, rounded; where alpha is 0 the colour stays as it is."""
    white = display_encoding(pixels.dtype).white
    out = pixels.copy()
    for top in range(0, len(pixels), 256):  # in stripes, as the sums need four times the room
        rows = pixels[top : top + 256]
        alpha = np.maximum(rows[..., 3:].astype(np.uint64), 1)
        straight = (rows[..., :3].astype(np.uint64) * white + alpha // 2) // alpha
        out[top : top + 256, :, :3] = np.where(rows[..., 3:] == 0, rows[..., :3], np.minimum(straight, white))
    return out


def _rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    """From OpenCV's order of channels."""
    if pixels.ndim == 2:
        return pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
