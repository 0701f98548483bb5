# SPDX-License-Identifier: Apache-2.0
"""One picture of several sights: which of them show the nearest surface, and with how much say each."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.fill.background.sights import Sight

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: A sight gains its whole say within this share of the longer side from its edges, so that none begins with a seam.
FEATHER = 0.02
#: Those with less than this share of the most have none: the mean of many is soft, and shows misfits twice.
LEAST_SAY = 0.1


def gather(
    sights: Sequence[Sight], weights: Sequence[float], wanted: Bool, tolerance: float, *, by_depth: bool
) -> list[Float]:
    """First what is surely one surface; what only edges show fills what then is left. Slanted surfaces have gaps all
    over in a view from elsewhere, and near gaps nothing is sure.

    Args:
        sights: the most alike view first.
        weights: say of each, above 0.
        wanted: (h, w) bool, where anything is wanted.
        tolerance: relative error within which two depths may be the same surface.
        by_depth: whether the nearest surface hides the others; False = depths of two frames cannot be compared, and
            the first sight that shows anything goes before the others.

    Returns:
        Say (h, w) float32 of each sight: 0 where it does not show the surface that is seen, all together 1, or 0 where
        nothing is known.
    """
    sure = _gather(sights, [sight.sure & wanted for sight in sights], weights, tolerance, by_depth)
    left = wanted.copy()
    for say in sure:
        left &= say == 0
    rest = _gather(sights, [sight.known & left for sight in sights], weights, tolerance, by_depth)
    return [own + more for own, more in zip(sure, rest, strict=True)]


def _gather(
    sights: Sequence[Sight], where: Sequence[Bool], weights: Sequence[float], tolerance: float, by_depth: bool
) -> list[Float]:
    if not sights:
        return []
    z = np.full(where[0].shape, np.inf, np.float32)
    for sight, shown in zip(sights, where, strict=True):
        if by_depth:
            nearer = shown & (sight.z < z)
        else:
            nearer = shown & ~np.isfinite(z)
        z[nearer] = sight.z[nearer]
    say: list[Float] = []
    for sight, shown, weight in zip(sights, where, weights, strict=True):
        same = shown if not by_depth else shown & (sight.z <= z * np.float32(1 + tolerance))
        say.append(np.where(same, np.float32(weight) * _feather(sight), np.float32(0)))
    most = np.max(say, axis=0)
    say = [np.where(own >= LEAST_SAY * most, own, np.float32(0)) for own in say]
    total = np.sum(say, axis=0, dtype=np.float32)
    total = np.where(total > 0, total, np.float32(1))
    return [own / total for own in say]


def _feather(sight: Sight) -> Float:
    """(h, w) 0..1, growing from the sight's edges."""
    known = sight.known.astype(np.uint8)
    padded = cv2.copyMakeBorder(known, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1]
    reach = np.float32(max(2.0, FEATHER * max(known.shape)))
    return np.clip(np.minimum(distance, reach) / reach, np.float32(1e-3), 1).astype(np.float32)
