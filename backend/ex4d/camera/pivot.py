# SPDX-License-Identifier: Apache-2.0
"""Where a camera move turns about: the distance of the subject, found robustly."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

#: Share of the centre-weighted pixels that are nearer than the pivot. The subject of a shot fills a good part of
#: the middle and stands before its background, so the lower quartile falls on it, whatever single pixels say.
SUBJECT_QUANTILE = 0.25
#: Width of the centre weighting, as a share of each side.
CENTRE_SIGMA = 0.22
#: Depth is read on a grid of about this many samples a side; more changes nothing.
SAMPLES_PER_SIDE = 96


def _weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], quantile: float) -> float:
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, quantile * cumulative[-1])])


def subject_distance(depths: Iterable[NDArray[np.float32]]) -> float:
    """z-depth of the subject in world units, from some depth maps (H, W) of the shot (invalid = NaN or inf).

    A centre-weighted lower quartile, not the nearest pixel that the released code uses: one wrong pixel does not
    move it. Raises BadInputError when no map has a valid pixel.
    """
    values, weights = [], []
    for depth in depths:
        step = max(1, min(depth.shape) // SAMPLES_PER_SIDE)
        z = depth[step // 2 :: step, step // 2 :: step].astype(np.float64)
        y = (np.arange(z.shape[0]) + 0.5) / z.shape[0] - 0.5
        x = (np.arange(z.shape[1]) + 0.5) / z.shape[1] - 0.5
        w = np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * CENTRE_SIGMA**2))
        good = np.isfinite(z) & (z > 0)
        values.append(z[good])
        weights.append(w[good])
    z_all, w_all = np.concatenate(values or [np.empty(0)]), np.concatenate(weights or [np.empty(0)])
    if len(z_all) == 0:
        raise BadInputError(
            "The depth has no valid pixel, so there is nothing to turn the camera about.",
            "Check the depth files: z-depth must be finite and above zero.",
        )
    return _weighted_quantile(z_all, w_all, SUBJECT_QUANTILE)
