# SPDX-License-Identifier: Apache-2.0
"""Exposure that changes along a shot: another frame's values are brought to those of the frame they are put into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.media.encoding import TruthEncoding

#: Fewer pairs of pixels say nothing.
LEAST_PAIRS = 64
#: A factor this near to 1, or a shift of codes this small, is none: values stay those of the plate, to the bit.
NO_GAIN, NO_SHIFT = 0.015, 0.004
#: What is darker than this share of the median says nothing of a factor.
DARK = 0.1


@dataclass(frozen=True)
class Exposure:
    """Values of one frame as another one would have them.

    Attributes:
        gain: (3,) factors.
        shift: (3,) added, of unit values.
    """

    gain: NDArray[np.float32]
    shift: NDArray[np.float32]

    def apply(self, unit: NDArray[Any]) -> NDArray[Any]:
        """Unit values (..., 3) of the truth."""
        if (self.gain == 1).all() and (self.shift == 0).all():
            return unit
        return np.asarray(unit * self.gain + self.shift, np.float32)


SAME = Exposure(np.ones(3, np.float32), np.zeros(3, np.float32))


def match_exposure(values: NDArray[Any], wanted: NDArray[Any], encoding: TruthEncoding) -> Exposure:
    """From pixels that two frames show of the same surface.

    Codes of a camera's curve go up by about as much for each stop, so they are shifted; others are multiplied.

    Args:
        values, wanted: (N, 3) of the truth.
        encoding: of it.
    """
    ours, theirs = encoding.unit(values), encoding.unit(wanted)
    finite = np.isfinite(ours).all(axis=1) & np.isfinite(theirs).all(axis=1)
    ours, theirs = ours[finite], theirs[finite]
    if len(ours) < LEAST_PAIRS:
        return SAME
    if encoding.kind == "codes":
        shift = np.median(theirs - ours, axis=0)
        return SAME if np.abs(shift).max() < NO_SHIFT else Exposure(SAME.gain, shift.astype(np.float32))
    bright = ((ours > DARK * np.median(ours, axis=0)) & (theirs > 0) & (ours > 0)).all(axis=1)
    if bright.sum() < LEAST_PAIRS:
        return SAME
    gain = np.exp(np.median(np.log(theirs[bright].astype(np.float64) / ours[bright]), axis=0))
    return SAME if np.abs(gain - 1).max() < NO_GAIN else Exposure(gain.astype(np.float32), SAME.shift)
