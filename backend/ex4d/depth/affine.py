# SPDX-License-Identifier: Apache-2.0
"""From disparity known up to scale and shift to z-depth: one map for a whole shot.

Relative estimators say disparity d up to an unknown scale and an unknown shift: z = 1/(scale·d + shift). The scale is
a choice of units. The shift is not: a wrong one bends every plane. What is done, and why:

- Shift 0 wherever it is plausible. These models put out 0 for the sky, so their zero is near infinity; subtracting the
  least value of the shot, as the released EX-4D does, would send the far wall of a room to the horizon.
- The ratio of depths between the far and the near end of the shot (percentiles 98 and 2 of its disparities) is kept
  within ``LEAST_RATIO`` and ``MOST_RATIO``, and the shift chosen for it where 0 would leave them. So depth is finite,
  parallax at infinity is lost by at most 1/MOST_RATIO of that at the near end, and a shot with an offset in its
  disparities does not become a card.
- What lies outside of the percentiles is clipped: at ``MOST_RATIO`` times the near end, and ``NEARER`` before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: z-depth of the near end of a shot in no particular unit, as the prior's.
NEAR_Z = 1.0
#: Bounds on far z / near z.
LEAST_RATIO, MOST_RATIO = 1.25, 50.0
#: Percentiles of a shot's disparities that count as its far and near end.
FAR_PERCENTILE, NEAR_PERCENTILE = 2, 98
#: Nothing comes nearer than the near end divided by this.
NEARER = 4.0
#: Disparities that differ by less than this share show no depth.
_FLAT = 1e-6
#: Nothing is put farther away than this many times the farthest measured depth.
FARTHEST = 10.0


@dataclass(frozen=True)
class AffineDepth:
    """z = 1 / clip(scale·d + shift, least, most).

    Attributes:
        scale, shift: of disparity d.
        least, most: bounds of 1/z, both above zero.
    """

    scale: float
    shift: float
    least: float
    most: float

    def __call__(self, disparity: NDArray[Any]) -> NDArray[np.float32]:
        """z-depth float32 of the same shape; finite and above zero wherever ``disparity`` is a number."""
        values = np.clip(disparity.astype(np.float64) * self.scale + self.shift, self.least, self.most)
        return (1 / values).astype(np.float32)


def relative_depth(sample: NDArray[Any]) -> AffineDepth:
    """The map for a shot of a relative estimator; see the module.

    Args:
        sample: disparities of all frames of the shot, known up to scale and shift, any shape; numbers only.
    """
    far, near = (float(value) for value in np.percentile(sample, [FAR_PERCENTILE, NEAR_PERCENTILE]))
    span = near - far
    bounds = {"least": 1 / (NEAR_Z * MOST_RATIO), "most": NEARER / NEAR_Z}
    if span <= _FLAT * max(abs(near), abs(far)) or span == 0:
        return AffineDepth(0.0, 1 / NEAR_Z, **bounds)
    ratio = near / far if far > 0 else np.inf
    wanted = min(max(ratio, LEAST_RATIO), MOST_RATIO)
    shift = 0.0 if wanted == ratio else span / (wanted - 1) - far
    unit = (near + shift) * NEAR_Z
    return AffineDepth(1 / unit, shift / unit, **bounds)


def measured_depth(scale: float, shift: float, farthest: float) -> AffineDepth:
    """The map where scale and shift were fitted to measured depth.

    Args:
        scale, shift: 1/z = scale·d + shift.
        farthest: the farthest z that was measured; ``FARTHEST`` times it is the limit.
    """
    return AffineDepth(scale, shift, 1 / (FARTHEST * farthest), np.inf)


#: The released EX-4D's recon.py: z = 10000 / (3900·d) with d from 0 to 1 over the shot, and bounds of d and z.
RELEASED_SCALE, RELEASED_LEAST, RELEASED_FAR = 3900 / 10000, 1e-5, 1e4


def released_depth(least: float, most: float) -> AffineDepth:
    """The map of the released EX-4D: the shot's least disparity is (almost) at infinity, the greatest at z = 2.564.

    Args:
        least, most: of all the shot's disparities.
    """
    span = most - least
    if span <= 0:
        return AffineDepth(0.0, 1 / NEAR_Z, 1 / NEAR_Z, 1 / NEAR_Z)
    scale = RELEASED_SCALE / span
    floor = max(RELEASED_SCALE * RELEASED_LEAST, 1 / RELEASED_FAR)
    return AffineDepth(scale, -scale * least, floor, RELEASED_SCALE)
