# SPDX-License-Identifier: Apache-2.0
"""Transfer curves of standards: code values 0..1 to light and back, mirrored below 0 and continued above 1.

Analytical and per channel, so that codes come back exactly, those beyond black and white too. Curves of cameras come
from the OpenColorIO configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

#: Diffuse white of PQ pictures, candela per square metre (ITU-R BT.2408): linear 1.0.
PQ_WHITE = 203.0
#: Signal of diffuse white in HLG (ITU-R BT.2408): its scene light is linear 1.0, by which 38 % is 18 % grey.
HLG_WHITE = 0.75

# ITU-R BT.2020's digits of BT.709's curve, by which its two parts meet
_ALPHA, _BETA = 1.09929682680944, 0.018053968510807
# SMPTE ST 2084
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
# Where its denominator is still well above 0; codes of movies end at 1.09.
_PQ_HIGHEST = 1.5
# ITU-R BT.2100, HLG
_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * np.log(4 * _A)


@dataclass(frozen=True)
class Transfer:
    """A curve, of light and codes that are not negative.

    Attributes:
        name: in records.
        positive_to_linear, positive_from_linear: float64 arrays to such.
        title: in words, for sentences.
    """

    name: str
    positive_to_linear: Callable[[Values], Values]
    positive_from_linear: Callable[[Values], Values]
    title: str

    def to_linear(self, codes: NDArray[np.floating]) -> Values:
        """Codes -> light, float64."""
        values = np.asarray(codes, np.float64)
        return np.copysign(self.positive_to_linear(np.abs(values)), values)

    def from_linear(self, linear: NDArray[np.floating]) -> Values:
        """Light -> codes, float64; the inverse of ``to_linear``."""
        values = np.asarray(linear, np.float64)
        return np.copysign(self.positive_from_linear(np.abs(values)), values)

    def is_near(self, other: Transfer, tolerance: float = 0.004) -> bool:
        """Whether the other is the same curve but for rounding."""
        codes = np.linspace(0, 1, 65)
        return bool(np.abs(self.to_linear(codes) - other.to_linear(codes)).max() <= tolerance)


def _srgb_to_linear(codes: Values) -> Values:
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def _srgb_from_linear(linear: Values) -> Values:
    return np.where(linear <= 0.04045 / 12.92, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def _bt709_to_linear(codes: Values) -> Values:
    return np.where(codes < 4.5 * _BETA, codes / 4.5, ((codes + _ALPHA - 1) / _ALPHA) ** (1 / 0.45))


def _bt709_from_linear(linear: Values) -> Values:
    return np.where(linear < _BETA, linear * 4.5, _ALPHA * linear**0.45 - (_ALPHA - 1))


def _pq_to_linear(codes: Values) -> Values:
    power = np.minimum(codes, _PQ_HIGHEST) ** (1 / _M2)
    return (np.maximum(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1) * (10000 / PQ_WHITE)


def _pq_from_linear(linear: Values) -> Values:
    power = (linear * (PQ_WHITE / 10000)) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _hlg_scene(codes: Values) -> Values:
    return np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - _C) / _A) + _B) / 12)


_HLG_WHITE_LIGHT = float(_hlg_scene(np.array(HLG_WHITE)))


def _hlg_to_linear(codes: Values) -> Values:
    return _hlg_scene(codes) / _HLG_WHITE_LIGHT


def _hlg_from_linear(linear: Values) -> Values:
    light = linear * _HLG_WHITE_LIGHT
    return np.where(light <= 1 / 12, np.sqrt(3 * light), _A * np.log(np.maximum(12 * light - _B, 1e-9)) + _C)


def gamma(exponent: float) -> Transfer:
    """A pure power."""
    return Transfer(
        f"gamma-{exponent:g}",
        lambda codes: codes**exponent,
        lambda linear: linear ** (1 / exponent),
        f"gamma {exponent:g}",
    )


def _same(values: Values) -> Values:
    return values


LINEAR = Transfer("linear", _same, _same, "linear")
SRGB = Transfer("srgb", _srgb_to_linear, _srgb_from_linear, "sRGB's curve")
BT709 = Transfer("bt709", _bt709_to_linear, _bt709_from_linear, "the camera curve of BT.709")
PQ = Transfer("pq", _pq_to_linear, _pq_from_linear, "PQ")
HLG = Transfer("hlg", _hlg_to_linear, _hlg_from_linear, "HLG")
#: Of Adobe RGB (1998): 563/256.
GAMMA_ADOBE = gamma(2.19921875)
GAMMA_18, GAMMA_22, GAMMA_24, GAMMA_26, GAMMA_28 = (gamma(exponent) for exponent in (1.8, 2.2, 2.4, 2.6, 2.8))
