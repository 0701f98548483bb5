# SPDX-License-Identifier: Apache-2.0
"""Between the plate's tracks and those that a solve works on: without the lens's distortion, the principal point in the
middle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Lens
from ex4d.camera.transforms import rigid
from ex4d.solve.model import Model
from ex4d.solve.tracks import Tracks

Array = NDArray[np.float64]


@dataclass(frozen=True)
class IdealView:
    """How the plate's work pixels are turned into those of a pinhole.

    Attributes:
        centre: principal point (2,), work pixels.
        lens: that the plate was shot with; None = a pinhole.
        focal: length, work pixels, that the lens's coefficients count on.
    """

    centre: Array
    lens: Lens | None
    focal: float

    def of(self, tracks: Tracks) -> Tracks:
        """The tracks as a pinhole with the principal point in the middle of the picture would see them."""
        xy = tracks.xy - self.centre
        if self.lens is not None and not self.lens.is_identity:
            xy = self.lens.undistort(xy / self.focal) * self.focal
        return replace(tracks, xy=xy + np.array(tracks.size) / 2)

    def intrinsics(self, focal: Array) -> Array:
        """(T, 3, 3) K, work pixels, of focal lengths (T,)."""
        K = np.tile(np.eye(3), (len(focal), 1, 1))
        K[:, 0, 0] = K[:, 1, 1] = focal
        K[:, :2, 2] = self.centre
        return K


def extrinsics(model: Model) -> Array:
    """(T, 4, 4) world->camera of a model."""
    return np.stack([rigid(R, t) for R, t in zip(model.rotation, model.position, strict=True)])
