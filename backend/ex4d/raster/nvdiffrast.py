# SPDX-License-Identifier: Apache-2.0
"""CUDA rasterizer through nvdiffrast, which users install themselves: its licence allows research and evaluation only.

API: nvdiffrast documentation, ``RasterizeCudaContext`` and ``rasterize``.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np

from ex4d.camera import Camera
from ex4d.mesh import DWMesh
from ex4d.protocol.errors import ResourceError
from ex4d.raster.base import RasterFrame, Releasing, Texture, clip_from_camera, view_from_source
from ex4d.raster.drawn import DrawnMesh
from ex4d.raster.shading import shade

#: The near plane may stand this close before the nearest vertex: nvdiffrast's depth is z/w in float32, which is fine
#: near the near plane and coarse far behind it.
NEAR_MARGIN = 0.9


class NvdiffrastRasterizer:
    """See ``Rasterizer``."""

    name = "nvdiffrast"
    licence = "NVIDIA Source Code License (research and evaluation only)"

    def __init__(self) -> None:
        for package in ("torch", "nvdiffrast"):
            if importlib.util.find_spec(package) is None:
                raise ResourceError(
                    f"The package {package} is not installed.",
                    "Install a CUDA build of torch, then nvdiffrast from its own source, or use --raster opengl.",
                )
        import nvdiffrast.torch
        import torch

        if not torch.cuda.is_available():
            raise ResourceError("torch finds no CUDA device.", "Use --raster opengl, or check the NVIDIA driver.")
        self.torch = torch
        self.dr = nvdiffrast.torch
        self.context = nvdiffrast.torch.RasterizeCudaContext(device="cuda")
        self.device = str(torch.cuda.get_device_name())

    def upload(self, mesh: DWMesh, texture: Texture) -> NvdiffrastScene:
        """See ``Rasterizer.upload``."""
        return NvdiffrastScene(self, mesh, texture)

    def close(self) -> None:
        """See ``Rasterizer.close``."""
        self.context = None


class NvdiffrastScene(Releasing):
    """See ``RasterScene``."""

    def __init__(self, rasterizer: NvdiffrastRasterizer, mesh: DWMesh, texture: Texture) -> None:
        self._rasterizer = rasterizer
        self._drawn = DrawnMesh.of(mesh)
        self._texture = texture
        self._faces = rasterizer.torch.from_numpy(self._drawn.faces[self._drawn.kept]).cuda()
        self._points = rasterizer.torch.from_numpy(self._drawn.points).cuda()

    def render(self, camera: Camera) -> RasterFrame:
        """See ``RasterScene.render``."""
        torch = self._rasterizer.torch
        view = view_from_source(self._drawn.mesh, camera)
        axis = torch.from_numpy(view[2].astype(np.float32)).cuda()
        nearest = float((self._points @ axis[:3] + axis[3]).min())
        near = max(camera.near, NEAR_MARGIN * nearest)
        clip = torch.from_numpy((clip_from_camera(replace(camera, near=near)) @ view).astype(np.float32)).cuda()
        positions = self._points @ clip[:, :3].T + clip[:, 3]
        rast, _ = self._rasterizer.dr.rasterize(
            self._rasterizer.context, positions[None], self._faces, resolution=[camera.height, camera.width]
        )
        # The fourth channel is the triangle's index + 1, and row 0 is y = −1, the picture's top here.
        found = rast[0, ..., 3].to(torch.int64).cpu().numpy() - 1
        return shade(self._drawn, self._texture, np.where(found >= 0, self._drawn.kept[found], -1), camera)

    def release(self) -> None:
        """See ``RasterScene.release``."""
        self._points, self._faces = None, None
