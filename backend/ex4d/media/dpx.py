# SPDX-License-Identifier: Apache-2.0
"""DPX pictures, SMPTE 268M: RGB codes as they are, and what the header says of them."""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import TruthEncoding
from ex4d.media.picture_facts import PictureFacts
from ex4d.protocol.errors import BadInputError

MAGICS = (b"SDPX", b"XPDS")
_UNDEFINED = 0xFFFFFFFF
# Offsets of the header's fields.
_ELEMENT_DESCRIPTOR, _TRANSFER, _BITS = 800, 801, 803
_ASPECT, _FILM_RATE, _TIMECODE, _TELEVISION_RATE = 1628, 1724, 1920, 1940
#: Decoded formats, by the bits of a code.
_FORMATS = {"gbrp10": 10, "gbrap10": 10, "gbrp12": 12, "gbrap12": 12, "rgb48": 16, "rgba64": 16, "rgb24": 8, "rgba": 8}


def read_dpx(data: bytes, path: Path) -> tuple[NDArray[np.uint16], PictureFacts]:
    """RGB codes (H, W, 3), or with straight alpha (H, W, 4), in the upper bits of uint16, so that a code of 10 bits
    stands 64 times as high; and the header's facts.

    Raises:
        BadInputError: damaged, or pixels of another kind.
    """
    try:
        with av.open(io.BytesIO(data), "r", format="dpx_pipe") as container:  # bytes, not a file
            frame = next(container.decode(video=0))
            codes = frame.to_ndarray()
            name = frame.format.name.removesuffix("le").removesuffix("be")
    except (av.error.FFmpegError, StopIteration, ValueError, IndexError, EOFError) as error:
        raise _refused(path) from error
    bits = _FORMATS.get(name)
    if bits is None or codes.ndim != 3 or codes.shape[2] not in (3, 4):
        raise _refused(path)
    shifted = (codes.astype(np.uint16) << (16 - bits)).astype(np.uint16)
    white = ((1 << bits) - 1) << (16 - bits)
    encoding = TruthEncoding("codes", "uint16", 0, white)
    return np.ascontiguousarray(shifted), _facts(data, encoding, has_alpha=codes.shape[2] == 4)


def _facts(data: bytes, encoding: TruthEncoding, *, has_alpha: bool) -> PictureFacts:
    order = ">" if data[:4] == MAGICS[0] else "<"

    def value(offset: int, form: str) -> Any:
        return struct.unpack_from(order + form, data, offset)[0] if len(data) >= offset + 4 else None

    transfer = data[_TRANSFER]
    across, down = value(_ASPECT, "I"), value(_ASPECT + 4, "I")
    known = all(side not in (None, 0, _UNDEFINED) for side in (across, down))
    aspect = Fraction(across, down) if known else Fraction(1)
    rates = (value(_TELEVISION_RATE, "f"), value(_FILM_RATE, "f"))
    rate = next((rate for rate in rates if rate is not None and math.isfinite(rate) and 1 <= rate <= 1000), None)
    return PictureFacts(
        encoding,
        ColourTags("DPX", dpx_transfer=transfer if transfer not in (0, 255) else None),
        "straight" if has_alpha else "none",
        aspect if Fraction(1, 8) <= aspect <= 8 else Fraction(1),
        _timecode(value(_TIMECODE, "I")),
        _rate(rate) if rate is not None else None,
    )


def _rate(rate: float) -> Fraction:
    """The exact one that a float of four bytes stands for."""
    ntsc, whole = Fraction(round(rate * 1.001) * 1000, 1001), Fraction(round(rate), 1)
    near = next((exact for exact in (whole, ntsc) if abs(rate - float(exact)) < 1e-3), None)
    return near or Fraction.from_float(rate).limit_denominator(1001)


def _timecode(packed: int | None) -> str | None:
    """Eight decimal digits of four bits each; the two flags in those of the frames are left out."""
    if packed in (None, _UNDEFINED):
        return None
    assert packed is not None
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
