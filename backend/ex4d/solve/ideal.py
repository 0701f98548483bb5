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
        return replace(tracks, xy=self.ideal(tracks.xy, tracks.size))

    def ideal(self, xy: Array, size: tuple[int, int]) -> Array:
        """Where a pinhole with the principal point in the middle of a picture of that size would see what the plate
        shows in these work pixels (N, 2)."""
        xy = xy - self.centre
        if self.lens is not None and not self.lens.is_identity:
            xy = self.lens.undistort(xy / self.focal) * self.focal
        return xy + np.array(size) / 2

    @property
    def is_pinhole(self) -> bool:
        """Whether the plate shows what a pinhole sees."""
        return self.lens is None or self.lens.is_identity

    def seen(self, offsets: Array) -> Array:
        """Work pixels (N, 2) in which the plate shows what a pinhole sees so many pixels (N, 2) from its principal
        point."""
        if self.lens is not None and not self.lens.is_identity:
            offsets = self.lens.distort(offsets / self.focal) * self.focal
        return offsets + self.centre

    def intrinsics(self, focal: Array) -> Array:
        """(T, 3, 3) K, work pixels, of focal lengths (T,)."""
        K = np.tile(np.eye(3), (len(focal), 1, 1))
        K[:, 0, 0] = K[:, 1, 1] = focal
        K[:, :2, 2] = self.centre
        return K


def extrinsics(model: Model) -> Array:
    """(T, 4, 4) world->camera of a model."""
    return np.stack([rigid(R, t) for R, t in zip(model.rotation, model.position, strict=True)])
