# SPDX-License-Identifier: Apache-2.0
"""TIFF files made byte by byte from the TIFF 6.0 specification, independent of any library."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

# Numbers of tags.
SUBFILE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
OFFSETS, ORIENTATION, SAMPLES, ROWS, COUNTS, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS = 317, 320, 322, 323, 324, 325
EXTRA, FORMAT, ICC = 338, 339, 34675

# R: rationals, given as bytes.
_SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8, "R": 8}
_TYPES = {"B": 7, "H": 3, "I": 4, "Q": 16, "R": 5}


def packed_bits(rows: np.ndarray, bits: int) -> bytes:
    """(H, N) samples as rows of ``bits`` each, most significant first, each row filled up to whole bytes."""
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint32)
    expanded = ((rows.astype(np.uint32)[..., None] >> shifts) & 1).astype(np.uint8)
    return np.packbits(expanded.reshape(len(rows), -1), axis=1).tobytes()


def lzw(data: bytes) -> bytes:
    """TIFF's LZW, most significant bit first, code width growing one early."""
    table = {bytes([value]): value for value in range(256)}
    codes: list[tuple[int, int]] = [(256, 9)]
    following, width, word = 258, 9, b""
    for value in data:
        longer = word + bytes([value])
        if longer in table:
            word = longer
            continue
        codes.append((table[word], width))
        table[longer] = following
        following += 1
        width = max(9, (following).bit_length())
        word = bytes([value])
        if following == 4094:
            codes.append((256, width))
            table = {bytes([value]): value for value in range(256)}
            following, width = 258, 9
    if word:
        codes.append((table[word], width))
        following += 1
        width = max(9, (following).bit_length())
    codes.append((257, width))
    text = "".join(format(code, f"0{size}b") for code, size in codes)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def pack_bits(data: bytes) -> bytes:
    """PackBits, literal runs only."""
    return b"".join(bytes([len(data[at : at + 128]) - 1]) + data[at : at + 128] for at in range(0, len(data), 128))


_COMPRESSORS = {1: bytes, 5: lzw, 8: zlib.compress, 32773: pack_bits}


class Page:
    """One page: the bytes of its strips or tiles and its tags, a tag being (letter of `struct`, values)."""

    def __init__(
        self, blocks: Sequence[bytes], tags: dict[int, tuple[str, Sequence[int] | bytes]], tiled: bool
    ) -> None:
        self.blocks, self.tags, self.tiled = blocks, tags, tiled


def page(
    samples: np.ndarray,
    *,
    bits: int | None = None,
    photometric: int | None = None,
    compression: int = 1,
    planar: bool = False,
    predictor: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int = 5,
    order: str = "<",
    extra: Sequence[int] = (),
    tags: dict[int, tuple[str, Sequence[int] | bytes]] | None = None,
) -> Page:
    """A page of (H, W, C) samples; dtype is that of the file for 8 bits and more, else ``bits`` are packed."""
    height, width, channels = samples.shape
    bits = bits or 8 * samples.dtype.itemsize
    photometric = (2 if channels - len(extra) == 3 else 1) if photometric is None else photometric
    planes = [samples[..., c : c + 1] for c in range(channels)] if planar else [samples]
    blocks = []
    for plane in planes:
        if tile:
            rows_, columns = tile
            padded = np.pad(plane, ((0, -height % rows_), (0, -width % columns), (0, 0)), mode="edge")
            pieces = [
                padded[y : y + rows_, x : x + columns]
                for y in range(0, len(padded), rows_)
                for x in range(0, padded.shape[1], columns)
            ]
        else:
            pieces = [plane[y : y + rows] for y in range(0, height, rows)]
        for piece in pieces:
            coded = np.diff(piece, axis=1, prepend=np.zeros_like(piece[:, :1])) if predictor else piece
            flat = coded.reshape(len(coded), -1)
            whole = bits == 8 * samples.dtype.itemsize
            data = flat.astype(flat.dtype.newbyteorder(order)).tobytes() if whole else packed_bits(flat, bits)
            blocks.append(_COMPRESSORS[compression](data))
    made: dict[int, tuple[str, Sequence[int] | bytes]] = {
        WIDTH: ("I", [width]),
        LENGTH: ("I", [height]),
        BITS: ("H", [bits] * channels),
        COMPRESSION: ("H", [compression]),
        PHOTOMETRIC: ("H", [photometric]),
        SAMPLES: ("H", [channels]),
        PLANAR: ("H", [2 if planar else 1]),
    }
    if extra:
        made[EXTRA] = ("H", extra)
    if predictor:
        made[PREDICTOR] = ("H", [2])
    if tile:
        made |= {TILE_WIDTH: ("H", [tile[1]]), TILE_LENGTH: ("H", [tile[0]])}
    else:
        made[ROWS] = ("H", [rows])
    return Page(blocks, made | (tags or {}), tile is not None)


def tiff(*pages: Page, order: str = "<", big: bool = False) -> bytes:
    """A file of these pages; ``order`` as in `struct`, ``big`` for BigTIFF."""
    word = "Q" if big else "I"
    out = bytearray(b"II" if order == "<" else b"MM")
    out += struct.pack(order + "HHHQ", 43, 8, 0, 0) if big else struct.pack(order + "HI", 42, 0)
    link = len(out) - struct.calcsize(order + word)
    for part in pages:
        offsets = []
        for block in part.blocks:
            out += bytes(-len(out) % 2)
            offsets.append(len(out))
            out += block
        where, sizes = (TILE_OFFSETS, TILE_COUNTS) if part.tiled else (OFFSETS, COUNTS)
        tags = {where: (word, offsets), sizes: (word, [len(block) for block in part.blocks]), **part.tags}
        entries = b""
        for number, (letter, values) in sorted(tags.items()):
            data = values if isinstance(values, bytes) else struct.pack(f"{order}{len(values)}{letter}", *values)
            count = len(data) // _SIZES[letter]
            room = struct.calcsize(order + word)
            if len(data) <= room:
                field: Any = data.ljust(room, b"\0")
            else:
                out += bytes(-len(out) % 2)
                field = struct.pack(order + word, len(out))
                out += data
            entries += struct.pack(f"{order}HH{word}", number, _TYPES[letter], count) + field
        out += bytes(-len(out) % 2)
        struct.pack_into(order + word, out, link, len(out))
        out += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries
        link = len(out)
        out += bytes(struct.calcsize(order + word))
    return bytes(out)
