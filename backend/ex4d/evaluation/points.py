# SPDX-License-Identifier: Apache-2.0
"""Points of exact geometry: where other cameras see them, and whether they do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.evaluation.truth import Surface

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Index = NDArray[np.intp]

#: A point lies on the surface that a pixel shows when it is this near to the plane through that surface, as a share of
#: its depth. Neighbouring pixels of a ball of 0.2 m three metres away deviate by 3e-5.
PLANE_TOLERANCE = 2e-3


@dataclass(frozen=True)
class Points:
    """What a set of pixels shows.

    Attributes:
        xyz: (N, 3) world coordinates; for the sky, directions.
        ids: (N,) object ids, 0 = sky.
    """

    xyz: Float
    ids: NDArray[np.int32]

    def __getitem__(self, chosen: Index | Bool) -> Points:
        return Points(self.xyz[chosen], self.ids[chosen])


def _rays(camera: Camera) -> Float:
    """(H, W, 3) camera coordinates at z = 1 of the pixel centres."""
    x = (np.arange(camera.width) + 0.5 - camera.K[0, 2]) / camera.K[0, 0]
    y = (np.arange(camera.height) + 0.5 - camera.K[1, 2]) / camera.K[1, 1]
    return np.stack([*np.meshgrid(x, y), np.ones((camera.height, camera.width))], axis=-1)


def unproject(surface: Surface, camera: Camera) -> Points:
    """What each pixel of a camera shows, (H·W,) in world coordinates."""
    pose = invert_rigid(camera.E)
    rays = _rays(camera).reshape(-1, 3)
    z = surface.z.reshape(-1, 1).astype(np.float64)
    solid = np.isfinite(z[:, 0])
    xyz = np.where(solid[:, None], np.where(solid[:, None], z, 1) * rays, rays) @ pose[:3, :3].T
    xyz[solid] += pose[:3, 3]
    return Points(xyz, np.where(solid, surface.ids.reshape(-1), 0))


def project(points: Points, camera: Camera) -> tuple[Float, Float]:
    """Pixel positions (N, 2) and z-depths (N,); positions outside the picture are NaN."""
    local = points.xyz @ camera.E[:3, :3].T + np.where(points.ids[:, None] > 0, camera.E[:3, 3], 0)
    z = local[:, 2]
    ahead = z > 1e-6
    position = local[:, :2] / np.where(ahead, z, 1)[:, None] * np.diag(camera.K)[:2] + camera.K[:2, 2]
    inside = ahead & ((position >= 0) & (position <= (camera.width, camera.height))).all(axis=1)
    return np.where(inside[:, None], position, np.nan), z


def seen(points: Points, surface: Surface, shown: Points, camera: Camera) -> Bool:
    """Whether the camera that saw ``surface`` saw each of these points.

    A point was seen when one of the four pixels round its image shows the same object, at a surface whose plane the
    point lies in. Comparing depths alone would call what lies behind a slanted surface seen, and slanted surfaces
    themselves hidden.

    Args:
        shown: world coordinates (H·W) of what the camera's pixels show.
    """
    height, width = surface.z.shape
    position, z = project(points, camera)
    inside = np.flatnonzero(~np.isnan(position[:, 0]))
    points, z = points[inside], z[inside]
    column, row = np.floor(position[inside] - 0.5).astype(np.intp).T
    normals = surface.normals.reshape(-1, 3)
    found = np.zeros(len(inside), dtype=np.bool_)
    for dy in (0, 1):
        for dx in (0, 1):
            # Beyond the outermost centres the nearest pixel answers.
            pixel = np.clip(row + dy, 0, height - 1) * width + np.clip(column + dx, 0, width - 1)
            offset = np.einsum("ni,ni->n", points.xyz - shown.xyz[pixel], normals[pixel])
            on_plane = (points.ids == 0) | (np.abs(offset) <= PLANE_TOLERANCE * z)
            found |= on_plane & (shown.ids[pixel] == points.ids)
    out = np.zeros(len(position), dtype=np.bool_)
    out[inside] = found
    return out
