# SPDX-License-Identifier: Apache-2.0
"""Flicker: how much the colour of what stands still changes from frame to frame.

Measured along the true paths of surface points in the picture, as the warping error of Lai et al. (Learning Blind Video
Temporal Consistency, ECCV 2018), with paths from exact geometry where they estimate optical flow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.evaluation.pictures import Picture, check_shapes, unit
from ex4d.evaluation.points import project, seen, unproject
from ex4d.evaluation.truth import TruthScene, TruthView

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]


def static_paths(scene: TruthScene, view: TruthView) -> Iterator[Float]:
    """Where each frame's pixels are in the next frame, for all frames of a view but the last.

    Yields:
        (H, W, 2) float32 pixel positions, centres at i+0.5; NaN for what moves, or is not seen in the next frame.
    """
    moving, former = list(scene.moving), None
    for camera, number in zip(view.camera, scene.numbers, strict=True):
        surface = view.surface(number)
        points = unproject(surface, camera)
        if former is not None:
            position, _ = project(former, camera)
            position[~seen(former, surface, points, camera) | np.isin(former.ids, moving)] = np.nan
            yield position.reshape(*surface.z.shape, 2).astype(np.float32)
        former = points


class Flicker:
    """Mean absolute change of a colour along its path, in 8-bit code values.

    The truth has some too (noise, texture finer than pixels, reflections), so it is measured beside the result.
    """

    def __init__(self) -> None:
        self._former: tuple[Float, Bool] | None = None
        self._sum, self._count = 0.0, 0

    def add(self, picture: Picture, where: Bool, paths: Float | None) -> None:
        """Add the next frame.

        Args:
            picture: (H, W, 3).
            where: (H, W) pixels that count; both frames must have them.
            paths: (H, W, 2) positions of the former frame's pixels in this one (``static_paths``); None for the first.

        Raises:
            BadInputError: sizes differ.
        """
        check_shapes(picture, picture, where)
        color = 255 * unit(picture)
        if self._former is not None and paths is not None:
            former, former_where = self._former
            x, y = paths[..., 0] - np.float32(0.5), paths[..., 1] - np.float32(0.5)
            here = cv2.remap(color, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            # All four pixels that the colour is mixed from must count.
            counts = cv2.remap(where.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            both = former_where & (counts > 1 - 1e-3)
            self._sum += float(np.abs(here[both] - former[both]).sum(dtype=np.float64))
            self._count += 3 * int(both.sum())
        self._former = color, where

    @property
    def value(self) -> float:
        """Code values; NaN where nothing was compared."""
        return self._sum / self._count if self._count else math.nan
