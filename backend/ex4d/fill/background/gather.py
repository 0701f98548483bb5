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
    over in a view from elsewhere, and near gaps nothing is sure. Of both, what was measured goes before what was
    guessed, and guessed depths, which are off by more than surfaces are apart, are not compared: the most alike view is
    shifted least by its error.

    Args:
        sights: the most alike view first.
        weights: say of each, above 0.
        wanted: (h, w) bool, where anything is wanted.
        tolerance: relative error within which two depths may be the same surface.
        by_depth: whether depths of two frames can be compared, and the nearest measured surface hides the others;
            False = all that is shown there counts.

    Returns:
        Say (h, w) float32 of each sight: 0 where it does not show the surface that is seen, all together 1, or 0 where
        nothing is known.
    """
    guessed = [np.zeros(wanted.shape, np.bool_) if sight.guessed is None else sight.guessed for sight in sights]
    sure, known = [sight.sure for sight in sights], [sight.known for sight in sights]
    total = [np.zeros(wanted.shape, np.float32) for _ in sights]
    left = wanted.copy()
    for shown in (sure, known):
        for of_guesses in (False, True):
            where = [own & left & (guess == of_guesses) for own, guess in zip(shown, guessed, strict=True)]
            if any(mask.any() for mask in where):
                part = _gather(sights, where, weights, tolerance if by_depth else None, nearest=not of_guesses)
                total = [own + more for own, more in zip(total, part, strict=True)]
                left &= np.sum(part, axis=0) == 0
    return total


def _gather(
    sights: Sequence[Sight], where: Sequence[Bool], weights: Sequence[float], tolerance: float | None, *, nearest: bool
) -> list[Float]:
    """Say of each sight where it shows the same surface as the nearest one, or as the first: all that is shown, with a
    tolerance of None."""
    z = np.full(where[0].shape, np.inf, np.float32)
    for sight, shown in zip(sights, where, strict=True):
        chosen = shown & (sight.z < z if nearest else ~np.isfinite(z))
        z[chosen] = sight.z[chosen]
    say: list[Float] = []
    for sight, shown, weight in zip(sights, where, weights, strict=True):
        same = shown if tolerance is None else shown & (np.abs(sight.z - z) <= np.float32(tolerance) * z)
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
