# SPDX-License-Identifier: Apache-2.0
"""How far a solved camera hangs on the lens that it was solved with, where the plate does not tell the lens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import usable
from ex4d.solve.lens_test import rescale_focal
from ex4d.solve.model import Model, rotation_vectors
from ex4d.solve.repeat import alignment

#: Fields of view over the longer side, degrees, that the camera is solved with besides: a long and a wide lens.
OTHER_FOVS = (25.0, 85.0)
#: Steps in which the focal length goes there, and iterations of the bundle after each.
_STEPS, _ITERATIONS = 3, 6


@dataclass(frozen=True)
class LensEffect:
    """The largest difference that another lens makes.

    Attributes:
        turn_deg: mean angle between the cameras.
        path: mean distance of their centres, as a share of the path's length.
    """

    turn_deg: float
    path: float


def lens_effect(model: Model, sightings: Sightings, options: BundleOptions, limit: float, side: float) -> LensEffect:
    """Solve with the other lenses; the model stays as it is.

    Args:
        model: solved with some focal length.
        sightings: of the frames that are to be bundled.
        options: of the bundles.
        limit: error, px, above which sightings are not looked at.
        side: longer side of the work picture, px.
    """
    s = usable(model, sightings, limit)
    held = replace(options, focal="fixed", iterations=_ITERATIONS)
    frames = np.unique(s.frame)
    if len(frames) < 2:
        return LensEffect(0.0, 0.0)
    focal = float(np.median(model.focal[frames]))
    centres, rotation = model.centres()[frames], model.rotation[frames]
    length = float(np.linalg.norm(np.diff(centres, axis=0), axis=1).sum())
    turns, paths = [], []
    for fov in OTHER_FOVS:
        other = model.copy()
        factor = side / 2 / np.tan(np.radians(fov / 2)) / focal
        for _ in range(_STEPS):
            rescale_focal(other, float(factor ** (1 / _STEPS)), turns_only=False)
            bundle(other, s, held)
        own, own_rotation = other.centres()[frames], other.rotation[frames]
        turn, shift, scale = alignment(own, centres, own_rotation, rotation)
        moved = scale * (own @ turn.T + shift)
        angle = np.linalg.norm(rotation_vectors(rotation @ turn @ np.swapaxes(own_rotation, 1, 2)), axis=1)
        turns.append(float(np.degrees(angle.mean())))
        paths.append(float(np.linalg.norm(moved - centres, axis=1).mean()) / length if length > 0 else 0.0)
    return LensEffect(max(turns), max(paths))
