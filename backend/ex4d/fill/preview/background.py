# SPDX-License-Identifier: Apache-2.0
"""The static part of a shot whose source camera stands still: what a moving subject uncovered at some time is real
background for all times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.fill.background.other_frames import source_stands_still
from ex4d.fill.base import TakeScene
from ex4d.fill.preview.clean_plate import CleanPlate, clean_plate
from ex4d.raster import RasterFrame

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Surface this near to an edge, as a share of the longer side, is left out: colours and depth are mixed there.
EDGE = 0.006


@dataclass(frozen=True)
class Uncovered:
    """Static surface seen in other frames.

    Attributes:
        color: (h, w, 3) float32 code values.
        z: (h, w) float32 z-depth in the take camera.
        known: (h, w) bool.
    """

    color: Float
    z: Float
    known: Bool


def open_background(scene: TakeScene) -> Background | None:
    """The clean plate where the source camera stands still; None if it can show nothing new, or the camera moves: then
    a stage before the fill has looked at other frames."""
    if not source_stands_still(scene.mesh.source):
        return None
    plate = clean_plate(scene)
    return PlateBackground(scene, plate) if plate else None


class Background(Protocol):
    """The static scene as seen by the take camera."""

    def uncover(self, index: int, camera: Camera, holes: Bool) -> Uncovered:
        """Static surface at the holes of frame ``index``; ``holes`` (h, w) has the camera's size."""
        ...

    def close(self) -> None:
        """Free the rasterizer."""
        ...


def _edge_kernel(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The neighbourhood of a pixel that an edge must not run through."""
    side = 2 * max(1, round(EDGE * max(shape))) + 1
    return np.ones((side, side), np.uint8)


def _sure(frame: RasterFrame, holes: Bool) -> Bool:
    """Where a rendered frame may fill holes: not near its edges, where colours and depth are mixed."""
    inner = cv2.erode(frame.mask, _edge_kernel(holes.shape), borderValue=255) > 0
    return np.asarray(inner & holes & np.isfinite(frame.z))


class PlateBackground:
    """``Background`` of a still source camera."""

    def __init__(self, scene: TakeScene, plate: CleanPlate) -> None:
        self._rasterizer = scene.create_rasterizer()
        self._scene = self._rasterizer.upload(plate.mesh, plate.texture)

    def uncover(self, index: int, camera: Camera, holes: Bool) -> Uncovered:
        """See ``Background``."""
        looked_at = cv2.dilate(holes.astype(np.uint8), _edge_kernel(holes.shape)) > 0
        frame = self._scene.render(camera, where=looked_at)
        return Uncovered(frame.color.astype(np.float32), frame.z, _sure(frame, holes))

    def close(self) -> None:
        """See ``Background``."""
        self._scene.release()
        self._rasterizer.close()
