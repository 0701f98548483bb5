# SPDX-License-Identifier: Apache-2.0
"""STMaps: pictures of positions that take a lens's distortion off a plate, and put it on again.

As Nuke's node has them: at each pixel's centre the place of the source picture where it comes from, u to the right from
the left edge and v upwards from the bottom edge of the plate's frame, which they count as 0..1. The undistorted picture
lies in the same picture plane (same K) and reaches beyond that frame, or not up to it: that is its data window, and
there u and v of the map that puts the lens on again are below 0 or above 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Camera
from ex4d.protocol.errors import BadInputError

#: Points along each side of the picture that tell how far it reaches without its distortion.
_BORDER_POINTS = 1025
#: Sides of an undistorted picture, as a multiple of the plate's, at most.
_MOST_OVERSCAN = 4


@dataclass(frozen=True)
class STMap:
    """A map.

    Attributes:
        uv: (h, w, 2) float32, u and v in the picture that is sampled.
        left, top: plate pixel where the map's first pixel lies; negative with overscan.
    """

    uv: NDArray[np.float32]
    left: int
    top: int


def undistorted_window(camera: Camera) -> tuple[int, int, int, int]:
    """Left, top, width and height, in the camera's pixels, of the picture without distortion that shows all of it.

    Raises:
        BadInputError: it would be many times as large as the picture.
    """
    if camera.lens is None:
        return 0, 0, camera.width, camera.height
    x, y = np.linspace(0, camera.width, _BORDER_POINTS), np.linspace(0, camera.height, _BORDER_POINTS)
    sides = ((x, 0.0), (x, float(camera.height)), (0.0, y), (float(camera.width), y))
    border = np.concatenate([np.stack(np.broadcast_arrays(*side), axis=-1) for side in sides])
    ideal = camera.rays(border) * camera.K[(0, 1), (0, 1)] + camera.K[:2, 2]
    # Less than a thousandth of a pixel is round-off.
    left, top = (math.floor(value + 1e-3) for value in ideal.min(axis=0))
    right, bottom = (math.ceil(value - 1e-3) for value in ideal.max(axis=0))
    if right - left > _MOST_OVERSCAN * camera.width or bottom - top > _MOST_OVERSCAN * camera.height:
        raise BadInputError(
            f"Without its distortion the picture would have {right - left}x{bottom - top} pixels.",
            "Check the lens and the focal length that it belongs to.",
        )
    return left, top, right - left, bottom - top


def undistort_map(camera: Camera) -> STMap:
    """Where the pixels of the undistorted picture lie in the plate, which is the camera's."""
    left, top, width, height = undistorted_window(camera)
    ideal = _centres(left, top, width, height)
    if camera.lens is not None:
        focal, centre = camera.K[(0, 1), (0, 1)], camera.K[:2, 2]
        ideal = camera.lens.distort((ideal - centre) / focal) * focal + centre
    return STMap(_uv(ideal, camera), left, top)


def redistort_map(camera: Camera) -> STMap:
    """Where the plate's pixels lie in the undistorted picture."""
    distorted = _centres(0, 0, camera.width, camera.height)
    ideal = camera.rays(distorted) * camera.K[(0, 1), (0, 1)] + camera.K[:2, 2]
    return STMap(_uv(ideal, camera), 0, 0)


def _centres(left: int, top: int, width: int, height: int) -> NDArray[np.float64]:
    """(height, width, 2) positions of pixel centres."""
    x, y = np.arange(width) + left + 0.5, np.arange(height) + top + 0.5
    return np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).astype(np.float64)


def _uv(pixels: NDArray[np.float64], camera: Camera) -> NDArray[np.float32]:
    """Positions as shares of the camera's picture, v upwards from its bottom."""
    out = pixels / (camera.width, camera.height)
    out[..., 1] = 1 - out[..., 1]
    return out.astype(np.float32)
