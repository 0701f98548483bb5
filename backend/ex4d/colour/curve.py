# SPDX-License-Identifier: Apache-2.0
"""The working curve K: scene-linear Rec.709 values as the 16-bit picture that estimators and generators see.

Up to code 0.7 it is sRGB's own curve, so that ordinary brightnesses look as networks know them; above it goes on, with
the same slope, as a logarithm that reaches 1.0 at a linear 64, six stops above white. 18 % grey is 0.461, white 0.799.
Why not a camera's log or a tone-mapped view: docs/decisions.md.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

#: In records and keys: change the version with the curve.
NAME = "K-1"
#: The brightest linear value; what is brighter has the same code.
BRIGHTEST = 64.0
#: The code where the logarithm begins, and its linear value.
KNEE = 0.7
KNEE_LINEAR = ((KNEE + 0.055) / 1.055) ** 2.4
_SLOPE = 1.055 / 2.4 * KNEE_LINEAR ** (1 / 2.4 - 1)
_WHITE_CODE = 65535

# The table of codes is indexed by the upper bits of float32 numbers: eight of the exponent and 14 of the mantissa. That
# is 3e-5 of a value, a third of a code where the curve is steepest against the logarithm of light.
_DROPPED_BITS = 9
_LEAST = 2.0**-22  # its code is below a half


def _logarithm_scale() -> float:
    """``c`` in 0.7 + slope·c·ln(1 + (x − knee)/c), which is 1 at x = 64."""
    low, high = 1e-6, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        reached = _SLOPE * middle * np.log1p((BRIGHTEST - KNEE_LINEAR) / middle)
        low, high = (middle, high) if reached < 1 - KNEE else (low, middle)
    return (low + high) / 2


_SCALE = _logarithm_scale()


def encode(linear: NDArray[np.floating]) -> NDArray[np.float64]:
    """Linear values -> codes 0..1, exactly; what lies outside [0, 64] is clipped, NaN is 0."""
    x = np.clip(np.nan_to_num(np.asarray(linear, np.float64), nan=0.0, posinf=BRIGHTEST, neginf=0.0), 0.0, BRIGHTEST)
    toe = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055)
    shoulder = KNEE + _SLOPE * _SCALE * np.log1p(np.maximum(x - KNEE_LINEAR, 0.0) / _SCALE)
    return np.minimum(np.where(x <= KNEE_LINEAR, toe, shoulder), 1.0)


def decode(codes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Codes 0..1 -> linear values, exactly; what lies outside is clipped, NaN is 0."""
    y = np.clip(np.nan_to_num(np.asarray(codes, np.float64), nan=0.0), 0.0, 1.0)
    toe = np.where(y <= 12.92 * 0.0031308, y / 12.92, ((np.maximum(y, 0.04) + 0.055) / 1.055) ** 2.4)
    shoulder = KNEE_LINEAR + _SCALE * np.expm1(np.maximum(y - KNEE, 0.0) / (_SLOPE * _SCALE))
    return np.minimum(np.where(y <= KNEE, toe, shoulder), BRIGHTEST)


@cache
def _code_table() -> tuple[NDArray[np.uint16], int]:
    """Codes by the upper bits of float32 numbers, and the bits of the first one."""
    first = int(np.float32(_LEAST).view(np.uint32)) >> _DROPPED_BITS
    last = int(np.float32(BRIGHTEST).view(np.uint32)) >> _DROPPED_BITS
    bits = np.arange(first, last + 1, dtype=np.uint32) << _DROPPED_BITS
    middles = (bits + (1 << (_DROPPED_BITS - 1))).view(np.float32)
    table = np.rint(encode(middles) * _WHITE_CODE).astype(np.uint16)
    table[0] = 0
    table[-1] = _WHITE_CODE
    return table, first


@cache
def _linear_table() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Linear values of whole codes, and the steps to the next ones."""
    linear = decode(np.arange(_WHITE_CODE + 2) / _WHITE_CODE)
    return linear[:-1].astype(np.float32), np.diff(linear).astype(np.float32)


def codes_of_linear(linear: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Linear float32 values of any shape -> 16-bit codes, at most one beside the nearest; ±inf clipped, NaN is 0."""
    table, first = _code_table()
    clipped = np.fmax(linear, np.float32(_LEAST))  # fmax: NaN becomes the least
    np.minimum(clipped, np.float32(BRIGHTEST), out=clipped)
    index = clipped.view(np.uint32)
    np.right_shift(index, np.uint32(_DROPPED_BITS), out=index)
    np.subtract(index, np.uint32(first), out=index)
    return table[index]


def linear_of_codes(codes: NDArray[np.floating | np.integer]) -> NDArray[np.float32]:
    """Codes on the 0..65535 scale, whole or not -> linear float32 values.

    Between whole codes the curve is taken as straight, which is off by 2e-8; outside it is clipped, NaN is 0.
    """
    linear, steps = _linear_table()
    clipped = np.fmin(np.fmax(np.asarray(codes, np.float32), np.float32(0)), np.float32(_WHITE_CODE))
    index = clipped.astype(np.uint16)
    clipped -= index
    clipped *= steps[index]
    clipped += linear[index]
    return clipped
