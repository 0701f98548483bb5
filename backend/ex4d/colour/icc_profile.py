# SPDX-License-Identifier: Apache-2.0
"""Which known space an RGB matrix profile (ICC.1:2022) is, by its colorants and curves."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ex4d.colour.gamuts import (
    ADOBE_RGB,
    D50_XYZ,
    P3_D65,
    PROPHOTO,
    REC709,
    REC2020,
    Gamut,
    adaptation,
    rgb_to_xyz,
    white_xyz,
)
from ex4d.colour.transfer import (
    BT709,
    GAMMA_18,
    GAMMA_22,
    GAMMA_24,
    GAMMA_26,
    LINEAR,
    SRGB,
    Transfer,
)

_TABLE, _MOST_TAGS = 128, 200
_GAMUTS = (REC709, P3_D65, ADOBE_RGB, REC2020, PROPHOTO)
_TRANSFERS = (SRGB, GAMMA_22, GAMMA_24, GAMMA_18, GAMMA_26, BT709, LINEAR)
# Profiles round to 1/65536 and some adapt by another method.
_SAME_COLORANT, _SAME_CURVE = 0.004, 0.006


class CodePoints(NamedTuple):
    """Of H.273, which a profile may hold itself."""

    primaries: int
    transfer: int


def profile_space(profile: bytes) -> tuple[Gamut, Transfer] | CodePoints | None:
    """Primaries and curve of a profile, or its H.273 code points for both; None = it is of another kind."""
    try:
        tags = _tags(profile)
        if (coding := tags.get(b"cicp")) is not None:
            return CodePoints(coding[8], coding[9])
        colorants = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    except (KeyError, IndexError, ValueError, struct.error):
        return None
    gamut = next((known for known in _GAMUTS if np.abs(_colorants(known) - colorants).max() <= _SAME_COLORANT), None)
    codes = np.linspace(0, 1, 65)
    distances = [max(float(np.abs(t.to_linear(codes) - curve).max()) for curve in curves) for t in _TRANSFERS]
    nearest = int(np.argmin(distances))
    if gamut is None or distances[nearest] > _SAME_CURVE:
        return None
    return gamut, _TRANSFERS[nearest]


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, _TABLE)
    tags = {}
    for index in range(min(count, _MOST_TAGS)):
        tag, offset, size = struct.unpack_from(">4sII", profile, _TABLE + 4 + 12 * index)
        tags[tag] = profile[offset : offset + size]
    return tags


def _colorants(gamut: Gamut) -> NDArray[np.float64]:
    return adaptation(white_xyz(gamut.chromaticities), np.array(D50_XYZ)) @ rgb_to_xyz(gamut.chromaticities)


def _fixed(data: bytes, offset: int, count: int) -> NDArray[np.float64]:
    return np.array(struct.unpack_from(f">{count}i", data, offset), np.float64) / 65536


def _xyz(tag: bytes) -> NDArray[np.float64]:
    return _fixed(tag, 8, 3)


def _curve(tag: bytes) -> NDArray[np.float64]:
    """The light (65,) of evenly spaced codes; raises ValueError for kinds that are not known."""
    codes = np.linspace(0, 1, 65)
    if tag[:4] == b"curv":
        return _table_curve(tag, codes)
    if tag[:4] != b"para":
        raise ValueError("No curve")
    return _parametric_curve(tag, codes)


def _table_curve(tag: bytes, codes: NDArray[np.float64]) -> NDArray[np.float64]:
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return codes
    if count == 1:
        (exponent,) = struct.unpack_from(">H", tag, 12)
        return codes ** (exponent / 256)
    table = np.frombuffer(tag, ">u2", count, 12) / 65535
    return np.interp(codes, np.linspace(0, 1, count), table)


def _parametric_curve(tag: bytes, codes: NDArray[np.float64]) -> NDArray[np.float64]:
    (kind,) = struct.unpack_from(">H", tag, 8)
    g, *rest = _fixed(tag, 12, (1, 3, 4, 5, 7)[kind]).tolist()
    a, b, c, d, e, f = (rest + [0.0] * 6)[:6]
    match kind:
        case 0:
            return codes**g
        case 1:
            return np.maximum(a * codes + b, 0) ** g
        case 2:
            return np.maximum(a * codes + b, 0) ** g + c
        case 3:
            return np.where(codes >= d, np.maximum(a * codes + b, 0) ** g, c * codes)
        case _:
            return np.where(codes >= d, np.maximum(a * codes + b, 0) ** g + e, c * codes + f)
