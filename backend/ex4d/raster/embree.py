# SPDX-License-Identifier: Apache-2.0
"""Ray-casting rasterizer on the CPU through Embree: needs no graphics driver."""

from __future__ import annotations

import importlib.util
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import invert_rigid
from ex4d.mesh import DWMesh
from ex4d.protocol.errors import ResourceError
from ex4d.raster.base import RasterFrame, SceneBase, SequentialRasterizer, Texture, view_from_source
from ex4d.raster.lens_table import pixel_centre_rays
from ex4d.raster.render_mesh import SplitMesh
from ex4d.raster.shading import shade

Float = NDArray[np.float32]


class EmbreeRasterizer(SequentialRasterizer):
    """See ``Rasterizer``."""

    name = "embree"
    licence = "Apache-2.0 (Embree), BSD-2-Clause (embreex)"
    device = "CPU (Embree)"

    def __init__(self) -> None:
        if importlib.util.find_spec("embreex") is None:
            raise ResourceError(
                "The package embreex is not installed.",
                "pip install embreex; it has wheels for x86-64 and for Macs.",
            )

    def upload(self, mesh: DWMesh, texture: Texture) -> EmbreeScene:
        """See ``Rasterizer.upload``."""
        return EmbreeScene(mesh, texture)

    def close(self) -> None:
        """See ``Rasterizer.close``."""


#: Rays leave this far from the pixel centres, in pixels across and down. Embree loses rays that run exactly through a
#: vertex, as all do from the source camera (2 % of them, also in its robust mode). Only the choice of the face sees
#: this; colour and z are computed at the centres.
RAY_OFFSET_PX = (1 / 1024, 1 / 2048)


@lru_cache(maxsize=2)
def _ray_directions(width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> Float:
    """(H·W, 3) rays through the pixel centres with z = 1, so that the distance along a ray is the z-depth."""
    x = (np.arange(width) + 0.5 + RAY_OFFSET_PX[0] - cx) / fx
    y = (np.arange(height) + 0.5 + RAY_OFFSET_PX[1] - cy) / fy
    out = np.ones((height, width, 3), dtype=np.float32)
    out[..., 0], out[..., 1] = x, y[:, None]
    return out.reshape(-1, 3)


def _camera_rays(camera: Camera) -> Float:
    """The same of a camera, with its lens."""
    K = camera.K
    if camera.lens is None:
        return _ray_directions(camera.width, camera.height, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    xy = pixel_centre_rays(camera)
    # Inwards, because between two vertices the rim of a bent mesh is straight.
    across = np.where(np.arange(camera.width) < camera.width / 2, 1, -1) * (RAY_OFFSET_PX[0] / K[0, 0])
    down = np.where(np.arange(camera.height) < camera.height / 2, 1, -1) * (RAY_OFFSET_PX[1] / K[1, 1])
    out = np.ones((xy.shape[0] * xy.shape[1], 3), dtype=np.float32)
    out[:, 0], out[:, 1] = (xy[..., 0] + across).reshape(-1), (xy[..., 1] + down[:, None]).reshape(-1)
    return out


class EmbreeScene(SceneBase):
    """See ``RasterScene``."""

    def __init__(self, mesh: DWMesh, texture: Texture) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene as Scene

        self._drawn = SplitMesh.of(mesh)
        self._texture = texture
        self._scene = Scene(robust=True)
        TriangleMesh(self._scene, self._drawn.points, self._drawn.faces[self._drawn.kept])

    def render(self, camera: Camera, *, positions: bool = False, where: NDArray[np.bool_] | None = None) -> RasterFrame:
        """See ``RasterScene.render``."""
        rays = _camera_rays(camera)
        pose = invert_rigid(view_from_source(self._drawn.mesh, camera))
        directions = (rays @ pose[:3, :3].T.astype(np.float32)).astype(np.float32)
        # Rays start on the near plane, which is where OpenGL clips.
        origins = (pose[:3, 3].astype(np.float32) + np.float32(camera.near) * directions).astype(np.float32)
        if where is None:
            found = self._scene.run(origins, directions)
        else:
            found, asked = np.full(len(origins), -1), where.reshape(-1)
            found[asked] = self._scene.run(origins[asked], directions[asked])
        faces = np.where(found >= 0, self._drawn.kept[found], -1).reshape(camera.height, camera.width)
        return shade(self._drawn, self._texture, faces, camera, positions=positions)
