# SPDX-License-Identifier: Apache-2.0
"""Image sequences of the kinds that film people have, written frame by frame."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
from numpy.typing import NDArray

#: CIE x, y of red, green, blue and white, as OpenEXR orders them.
AP0 = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
AP1 = (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)
REC709 = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)
REC2020 = (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, 0.3127, 0.329)


def box(left: int, top: int, width: int, height: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """A window as OpenEXR has it: first and last pixel, both included."""
    return np.array([left, top], np.int32), np.array([left + width - 1, top + height - 1], np.int32)


def write_exr(
    path: Path,
    layers: dict[str, NDArray[Any]],
    *,
    compression: int = OpenEXR.ZIP_COMPRESSION,
    kind: str = "scanline",
    window: tuple[int, int] = (0, 0),
    display: tuple[int, int] | None = None,
    multipart: bool = False,
    **attributes: Any,
) -> None:
    """Write pictures (H, W, 3 or 4) or channels (H, W), by the name of their layer, "" for none.

    Args:
        path: the file.
        layers: halves or floats.
        compression: one of OpenEXR's.
        kind: "scanline" or "tiled".
        window: (left, top) of the data window.
        display: (width, height) of the display window; None = the data window's.
        multipart: one part for each layer.
        attributes: of the header.
    """
    height, width = next(iter(layers.values())).shape[:2]
    header: dict[str, Any] = {
        "compression": compression,
        "type": OpenEXR.tiledimage if kind == "tiled" else OpenEXR.scanlineimage,
        "dataWindow": box(*window, width, height),
        "displayWindow": box(0, 0, *(display or (width, height))),
        **attributes,
    }
    if kind == "tiled":
        header["tiles"] = OpenEXR.TileDescription()
    parts = []
    for name, picture in layers.items():
        prefix = f"{name}." if name and not multipart else ""
        channels = {}
        if picture.ndim == 2:
            channels[name if not multipart else "Y"] = np.ascontiguousarray(picture)
        else:
            for index, letter in enumerate("RGBA"[: picture.shape[2]]):
                channels[prefix + letter] = np.ascontiguousarray(picture[..., index])
        parts.append((name or "rgba", channels))
    if multipart:
        OpenEXR.File([OpenEXR.Part({**header, "name": name}, dict(found)) for name, found in parts]).write(str(path))
    else:
        merged = {key: value for _, found in parts for key, value in found.items()}
        OpenEXR.File(header, merged).write(str(path))


def timecode(hours: int, minutes: int, seconds: int, frames: int, drop: bool = False) -> Any:
    """OpenEXR's attribute ``timeCode``."""
    return OpenEXR.TimeCode(hours, minutes, seconds, frames, int(drop), *[0] * 13)


def write_png(path: Path, pixels: NDArray[Any], chunks: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Write a PNG of uint8 or uint16 RGB(A), with these chunks behind its header."""
    code = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    data = cv2.imencode(".png", cv2.cvtColor(pixels, code))[1].tobytes()
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    path.write_bytes(data[:33] + extra + data[33:])


def write_tiff(path: Path, pixels: NDArray[Any], tags: dict[int, tuple[int, tuple[int, ...]]] | None = None) -> None:
    """Write an uncompressed little-endian TIFF of one strip.

    Args:
        path: the file.
        pixels: (H, W, 3 or 4), any dtype that TIFF has.
        tags: further ones: number -> (type, values), of 16 or 32 bits each.
    """
    height, width, samples = pixels.shape
    form = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    bits = pixels.dtype.itemsize * 8
    body = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    entries: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits,) * samples),
        259: (3, (1,)),
        262: (3, (2,)),
        273: (4, (8,)),
        277: (3, (samples,)),
        278: (4, (height,)),
        279: (4, (len(body),)),
        284: (3, (1,)),
        339: (3, (form,) * samples),
        **({338: (3, (1,))} if samples == 4 else {}),  # associated alpha, unless another is told
        **(tags or {}),
    }
    start = 8 + len(body) + len(body) % 2
    table, rest = b"", b""
    after = start + 2 + 12 * len(entries) + 4
    for number, (kind, values) in sorted(entries.items()):
        data = struct.pack(f"<{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(data) > 4:
            place, rest = struct.pack("<I", after + len(rest)), rest + data + b"\0" * (len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        table += struct.pack("<HHI", number, kind, len(values)) + place
    directory = struct.pack("<H", len(entries)) + table + struct.pack("<I", 0)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, start) + body + b"\0" * (len(body) % 2) + directory + rest)


def write_dpx(
    path: Path,
    codes: NDArray[np.uint16],
    *,
    bits: int = 10,
    order: str = ">",
    transfer: int = 1,
    frame: int = 0,
    timecode_bcd: int = 0xFFFFFFFF,
    rate: Fraction = Fraction(24),
    aspect: tuple[int, int] = (0xFFFFFFFF, 0xFFFFFFFF),
) -> None:
    """Write a DPX (SMPTE 268M) of RGB codes (H, W, 3).

    Args:
        path: the file.
        codes: of so many bits.
        bits: 8, 10 (method A) or 16.
        order: byte order, as ``struct`` has it.
        transfer: table 5A: 1 printing density, 2 linear, 3 logarithmic, 6 BT.709.
        frame: its number in the sequence.
        timecode_bcd: SMPTE time code, four bytes of two digits; all ones = none.
        rate: frames per second.
        aspect: pixel aspect, horizontal and vertical.
    """
    height, width = codes.shape[:2]
    if bits == 10:
        red, green, blue = (codes[..., k].astype(np.uint32) for k in range(3))
        body = (red << 22 | green << 12 | blue << 2).astype(f"{order}u4").tobytes()
    else:
        body = codes.astype("u1" if bits == 8 else f"{order}u2").tobytes()
    head = bytearray(2048)
    none = b"\xff"

    def put(offset: int, form: str, *values: Any) -> None:
        struct.pack_into(order + form, head, offset, *values)

    head[0:4] = b"SDPX" if order == ">" else b"XPDS"
    put(4, "I", 2048)
    head[8:16] = b"V1.0".ljust(8, b"\0")
    put(16, "4I", 2048 + len(body), 1, 1664, 384)
    head[660:664] = none * 4
    put(768, "2H2I", 0, 1, width, height)
    # One element: data sign, low and high code and what they stand for, descriptor RGB, transfer, colorimetry, packing.
    put(780, "I", 0)
    head[784:800] = none * 16
    put(784, "I", 0)
    put(792, "I", (1 << bits) - 1)
    put(800, "4B2H3I", 50, transfer, transfer, bits, 1 if bits == 10 else 0, 0, 2048, 0, 0)
    put(1628, "2I", *aspect)
    put(1664 + 48, "I", frame)
    put(1724, "f", float(rate))
    put(1920, "2I", timecode_bcd, 0xFFFFFFFF)
    put(1940, "f", float(rate))
    path.write_bytes(bytes(head) + body)
