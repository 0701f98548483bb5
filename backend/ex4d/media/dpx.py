# SPDX-License-Identifier: Apache-2.0
"""DPX pictures, SMPTE 268M: RGB codes as they are, and what the header says of them."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.decoding import check_size
from ex4d.media.encoding import TruthEncoding
from ex4d.media.picture_facts import PictureFacts
from ex4d.media.tiff import upright
from ex4d.protocol.errors import BadInputError
from ex4d.system.memory import memory_error

MAGICS = (b"SDPX", b"XPDS")
_UNDEFINED = 0xFFFFFFFF
# Offsets of the header's fields; it has at least this length.
_ORIENTATION, _ELEMENTS, _WIDTH, _HEIGHT, _TRANSFER = 768, 770, 772, 776, 801
_ASPECT, _FILM_RATE, _TIMECODE, _TELEVISION_RATE, _LENGTH = 1628, 1724, 1920, 1940, 1664
#: Decoded formats, by the bits of a code.
_FORMATS = {
    name: bits
    for bits, names in {
        8: ("gray", "rgb24", "rgba"),
        10: ("gray10", "gbrp10", "gbrap10"),
        12: ("gray12", "gbrp12", "gbrap12"),
        16: ("gray16", "rgb48", "rgba64"),
    }.items()
    for name in names
}
# The header's orientation where it says none, and those that only mirror, in the numbers of TIFF.
_NO_ORIENTATION = 0xFFFF
_MIRRORED = {0: 1, 1: 2, 2: 4, 3: 3}


def read_dpx(data: bytes, path: Path) -> tuple[NDArray[np.uint16], PictureFacts, tuple[str, ...]]:
    """Codes, what the header says of them, and sentences for the report.

    Args:
        data: the file.
        path: what messages name.

    Returns:
        RGB (H, W, 3), or with straight alpha (H, W, 4), upright, in the upper bits of uint16: a code of 10 bits stands
        64 times as high.

    Raises:
        BadInputError: damaged, too large, or pixels of another kind.
        ResourceError: there is too little memory.
    """
    header = _Header(data)
    if len(data) < _LENGTH:
        raise _refused(path)
    try:
        check_size(path, header.number(_WIDTH, "I") or 0, header.number(_HEIGHT, "I") or 0)
        frame = next(iter(av.CodecContext.create("dpx", "r").decode(av.Packet(data))))
        codes: NDArray[Any] = frame.to_ndarray()
    except (av.error.FFmpegError, StopIteration, ValueError, IndexError, EOFError, MemoryError) as error:
        raise memory_error(error) or _refused(path) from error
    bits = _FORMATS.get(frame.format.name.removesuffix("le").removesuffix("be"))
    if codes.ndim == 2:
        codes = np.repeat(codes[..., None], 3, axis=2)
    if bits is None or codes.ndim != 3 or codes.shape[2] not in (3, 4):
        raise _refused(path)
    shifted = codes.astype(np.uint16) << np.uint16(16 - bits)
    encoding = TruthEncoding("codes", "uint16", 0, ((1 << bits) - 1) << (16 - bits))
    stored = header.number(_ORIENTATION, "H")
    orientation = _MIRRORED.get(stored or 0)
    notes = []
    if orientation is None and stored != _NO_ORIENTATION:
        raise BadInputError(f"{path} is stored on its side, which is not read.", "Export it with rows from the top.")
    if orientation not in (None, 1):
        notes.append("The files are turned upright, as their orientation says.")
    if codes.shape[2] == 4:
        notes.append("The files do not say what kind of alpha they have: it is taken for straight.")
    if (header.number(_ELEMENTS, "H") or 1) > 1:
        notes.append("The files have several image elements: the first is taken.")
    return upright(shifted, orientation or 1), header.facts(encoding, has_alpha=codes.shape[2] == 4), tuple(notes)


class _Header:
    """The fields of a file."""

    def __init__(self, data: bytes) -> None:
        self._data, self._order = data, ">" if data[:4] == MAGICS[0] else "<"

    def number(self, offset: int, form: str) -> Any:
        """A field, or None where the file is shorter."""
        field = struct.Struct(self._order + form)
        return field.unpack_from(self._data, offset)[0] if len(self._data) >= offset + field.size else None

    def facts(self, encoding: TruthEncoding, *, has_alpha: bool) -> PictureFacts:
        """What the fields say."""
        transfer = self.number(_TRANSFER, "B")
        across, down = self.number(_ASPECT, "I"), self.number(_ASPECT + 4, "I")
        known = all(side not in (None, 0, _UNDEFINED) for side in (across, down))
        aspect = Fraction(across, down) if known else Fraction(1)
        rates = (self.number(_TELEVISION_RATE, "f"), self.number(_FILM_RATE, "f"))
        rate = next((rate for rate in rates if rate is not None and math.isfinite(rate) and 1 <= rate <= 1000), None)
        return PictureFacts(
            encoding,
            ColourTags("DPX", dpx_transfer=transfer if transfer not in (0, 255) else None),
            "straight" if has_alpha else "none",
            aspect if Fraction(1, 8) <= aspect <= 8 else Fraction(1),
            _timecode(self.number(_TIMECODE, "I")),
            _rate(rate) if rate is not None else None,
        )


def _rate(rate: float) -> Fraction:
    """The exact one that a float of four bytes stands for."""
    ntsc, whole = Fraction(round(rate * 1.001) * 1000, 1001), Fraction(round(rate), 1)
    near = next((exact for exact in (whole, ntsc) if abs(rate - float(exact)) < 1e-3), None)
    return near or Fraction.from_float(rate).limit_denominator(1001)


def _timecode(packed: int | None) -> str | None:
    """Eight decimal digits of four bits each; the two flags in those of the frames are left out."""
    if packed is None or packed == _UNDEFINED:
        return None
    pairs = [(packed >> shift & 0xFF) for shift in (24, 16, 8, 0)]
    drop = bool(pairs[3] & 0x40)
    pairs[3] &= 0x3F
    if any(pair & 0xF > 9 or pair >> 4 > 9 for pair in pairs):
        return None
    hours, minutes, seconds, frames = (10 * (pair >> 4) + (pair & 0xF) for pair in pairs)
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if drop else ':'}{frames:02d}"


def _refused(path: Path) -> BadInputError:
    return BadInputError(f"{path} is damaged, or no DPX of RGB with 8 to 16 bits.", "Export it again as DPX or EXR.")
