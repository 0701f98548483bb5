# SPDX-License-Identifier: Apache-2.0
"""CUDA rasterizer through nvdiffrast, which users install themselves: its licence allows research and evaluation only.

Meshes are built, drawn and shaded on the GPU, many frames at a time (``ex4d.raster.cuda``); of nvdiffrast only the
visible face of each pixel is used. API: nvdiffrast documentation, ``RasterizeCudaContext`` and ``rasterize``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.mesh import DWMesh, MeshSettings
from ex4d.protocol.errors import ResourceError
from ex4d.raster.base import RasterFrame, SceneBase, Texture, View, clip_from_camera
from ex4d.system.devices import DEVICE_VARIABLE

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.raster.cuda.render_mesh import SplitMeshBatch
    from ex4d.raster.cuda.shading import RasterBatch

#: The near plane may stand this close before the nearest vertex: nvdiffrast's depth is z/w in float32, which is fine
#: near the near plane and coarse far behind it.
NEAR_MARGIN = 0.9
#: Where the near plane stands closer than this share of the farthest point, what lies farther off than the share is
#: drawn a second time: with one pass the sky and the far plane behind it would come out at the same depth.
NEAREST_SHARE = 1e-5
#: Faces that nvdiffrast takes for one picture, and indices that its float32 holds, are fewer.
FACE_LIMIT = 2**24
#: Pixels of grid or picture that one batch holds, about 500 bytes of GPU memory each.
BATCH_PIXELS = 2**23


class NvdiffrastRasterizer:
    """See ``Rasterizer``; ``render_batch`` takes tensors and leaves the pictures on the GPU.

    Attributes:
        memory: the torch device of all tensors.
    """

    name = "nvdiffrast"
    licence = "NVIDIA Source Code License (research and evaluation only)"

    @staticmethod
    def missing_package() -> str | None:
        """The first package that it needs and that is not installed; imports none of them."""
        return next((name for name in ("torch", "nvdiffrast") if importlib.util.find_spec(name) is None), None)

    def __init__(self) -> None:
        if package := self.missing_package():
            raise ResourceError(
                f"The package {package} is not installed.",
                "Install a CUDA build of torch, then nvdiffrast from its own source, or use --raster opengl.",
            )
        import nvdiffrast.torch
        import torch

        from ex4d.models.torch_device import pick_device

        if not torch.cuda.is_available():
            raise ResourceError("torch finds no CUDA device.", "Use --raster opengl, or check the NVIDIA driver.")
        self.memory = pick_device()
        if self.memory.type != "cuda":
            raise ResourceError(
                f"nvdiffrast draws with CUDA, and {DEVICE_VARIABLE} is «{self.memory}».",
                f"Unset {DEVICE_VARIABLE}, or use --raster opengl.",
            )
        self.torch = torch
        self.dr = nvdiffrast.torch
        self.context = nvdiffrast.torch.RasterizeCudaContext(device=self.memory)
        self.device = str(torch.cuda.get_device_name(self.memory))

    def render_batch(
        self,
        depth: Tensor,
        color: Tensor,
        sources: Sequence[Camera],
        takes: Sequence[Camera],
        far: float,
        opaque: Tensor | None = None,
        settings: MeshSettings | None = None,
        *,
        positions: bool = False,
    ) -> RasterBatch:
        """Build the meshes of N frames and render each from its take camera, all on the GPU.

        The host waits for how many faces span a depth jump, whether a camera stands among the things it sees, and
        nvdiffrast's own check of its buffers; nothing else goes back and forth.

        Args:
            depth: (N, H, W) float32 CUDA tensor, z-depth as ``ex4d.mesh.build_mesh`` takes it.
            color: (N, h, w, C) CUDA tensor, the plate's frames, see ``raster.base.Texture``.
            sources, takes: N cameras each, those of a kind of one size; takes at the size to render.
            far: z-depth of the far plane (``ex4d.mesh.far_plane``).
            opaque: (N, H, W) bool, False where the plate is transparent; None = opaque everywhere.
            settings: thresholds of the mesh; None = the defaults.
            positions: whether plate positions are wanted.

        Returns:
            A ``RasterBatch`` of tensors on the GPU.

        Raises:
            ResourceError: the mesh has more faces than nvdiffrast takes.
        """
        from ex4d.raster.cuda.shading import RasterBatch

        step = _batch_size(depth.shape[1] * depth.shape[2], takes[0])
        # Batches of about one size leave none small at the end.
        step = -(-len(takes) // -(-len(takes) // step))
        parts = []
        for first in range(0, len(takes), step):
            part = slice(first, first + step)
            hidden = None if opaque is None else opaque[part]
            drawn = self._draw(depth[part], sources[part], far, hidden, settings)
            parts.append(self.render_drawn(drawn, color[part], takes[part], positions=positions))
        return parts[0] if len(parts) == 1 else RasterBatch.joined(parts)

    def _draw(
        self,
        depth: Tensor,
        sources: Sequence[Camera],
        far: float,
        opaque: Tensor | None,
        settings: MeshSettings | None,
    ) -> SplitMeshBatch:
        from ex4d.mesh.torch.surface import build_surfaces
        from ex4d.raster.cuda.render_mesh import draw_surfaces

        return draw_surfaces(build_surfaces(depth, sources, far, opaque, settings))

    def render_drawn(
        self, drawn: SplitMeshBatch, color: Tensor, takes: Sequence[Camera], *, positions: bool = False
    ) -> RasterBatch:
        """Render what is drawn of N frames; arguments as ``render_batch``."""
        from ex4d.raster.cuda.shading import in_take_cameras, shade

        seen = in_take_cameras(drawn, takes)
        faces = self._visible_faces(drawn, seen, takes)
        return shade(drawn, color, seen, faces, takes, positions=positions)

    def _visible_faces(self, drawn: SplitMeshBatch, seen: Tensor, takes: Sequence[Camera]) -> Tensor:
        """(N, H, W) int32, the visible face of each pixel as an index into all faces, −1 = none."""
        from ex4d.raster.cuda.lens import bend

        torch, per_frame = self.torch, drawn.faces_per_frame
        if per_frame >= FACE_LIMIT:
            raise ResourceError(
                f"A mesh of {per_frame} faces is larger than nvdiffrast draws ({FACE_LIMIT}).",
                "Use --raster opengl, or a coarser mesh with --mesh-grid 2048.",
            )
        clip = torch.from_numpy(np.stack([clip_from_camera(take) for take in takes]).astype(np.float32)).to(seen.device)
        near = torch.maximum(-clip[:, 2, 3] / 2, NEAR_MARGIN * seen[2].amin(dim=1))
        x, y, z = seen
        positions = torch.empty((*z.shape, 4), dtype=torch.float32, device=seen.device)
        torch.add(clip[:, 0, 0, None] * x, clip[:, 0, 2, None] * z, out=positions[..., 0])
        torch.add(clip[:, 1, 1, None] * y, clip[:, 1, 2, None] * z, out=positions[..., 1])
        torch.sub(z, 2 * near[:, None], out=positions[..., 2])
        positions[..., 3] = z
        bend(positions, takes)
        found, depth = self._rasterize(drawn, positions, takes[0])
        second = NEAREST_SHARE * seen[2].amax(dim=1)
        if bool((second > near).any()):
            # Of the first pass only what lies before the second one's near plane counts: clip z is z − 2·near.
            second = torch.maximum(second, near)
            positions[..., 2] = z - 2 * second[:, None]
            beyond = 2 * near[:, None, None] / (1 - depth) >= second[:, None, None]
            far, _ = self._rasterize(drawn, positions, takes[0])
            found = torch.where((found < 0) | beyond, far, found)
        return found

    def _rasterize(self, drawn: SplitMeshBatch, positions: Tensor, take: Camera) -> tuple[Tensor, Tensor]:
        """(N, H, W) int32 index of the visible face, −1 = none, and float32 clip z / w, from positions (N, D, 4)."""
        torch, count, per_frame = self.torch, len(positions), drawn.faces_per_frame
        found, depth = [], []
        step = FACE_LIMIT // per_frame
        for first in range(0, count, step):
            frames = min(step, count - first)
            faces = drawn.faces[first * per_frame : (first + frames) * per_frame]
            ranges = torch.tensor([[i * per_frame, per_frame] for i in range(frames)], dtype=torch.int32)
            size = (take.height, take.width)
            rast, _ = self.dr.rasterize(self.context, positions.view(-1, 4), faces, resolution=size, ranges=ranges)
            # The fourth channel is the triangle's index + 1, and row 0 is y = −1, the picture's top here.
            index = rast[..., 3].to(torch.int32) - 1
            found.append(torch.where(index >= 0, index + first * per_frame, -1))
            depth.append(rast[..., 2])
        return torch.cat(found), torch.cat(depth)

    def upload(self, mesh: DWMesh, texture: Texture) -> NvdiffrastScene:
        """See ``Rasterizer.upload``."""
        return NvdiffrastScene(self, mesh, texture)

    def render_sequence(self, views: Iterable[View], *, positions: bool = False) -> Iterator[RasterFrame]:
        """See ``Rasterizer.render_sequence``."""
        for _, group in groupby(views, _kind):
            batch: list[View] = []
            for view in group:
                batch.append(view)
                if len(batch) == _batch_size(view[0].topology.grid_vertices, view[2]):
                    yield from self._render_views(batch, positions)
                    batch = []
            if batch:
                yield from self._render_views(batch, positions)

    def _render_views(self, views: Sequence[View], positions: bool) -> Iterator[RasterFrame]:
        mesh, _, _ = views[0]
        if mesh.vertex_alpha is not None:
            for mesh, texture, camera in views:
                with self.upload(mesh, texture) as scene:
                    yield scene.render(camera, positions=positions)
            return
        batch = self.render_batch(
            self.to_device(np.stack([mesh.grid_z for mesh, _, _ in views])),
            self.to_device(np.stack([texture for _, texture, _ in views])),
            [mesh.source for mesh, _, _ in views],
            [camera for _, _, camera in views],
            float(mesh.z[-1]),
            self.to_device(np.stack([mesh.pixel_valid for mesh, _, _ in views])),
            mesh.settings,
            positions=positions,
        )
        yield from self.read_back(batch)

    def draw(self, mesh: DWMesh) -> SplitMeshBatch:
        """What is drawn of one mesh, on the GPU."""
        from ex4d.raster.cuda.render_mesh import draw_mesh

        if mesh.vertex_alpha is not None:
            return draw_mesh(mesh, self.memory)
        depth, opaque = self.to_device(mesh.grid_z[None]), self.to_device(mesh.pixel_valid[None])
        return self._draw(depth, [mesh.source], float(mesh.z[-1]), opaque, mesh.settings)

    def to_device(self, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        """A copy on the GPU."""
        return self.torch.from_numpy(np.ascontiguousarray(values)).to(self.memory)

    def read_back(self, batch: RasterBatch) -> list[RasterFrame]:
        """The pictures in main memory; pinned memory, which torch uses again once the frames are gone."""

        def started(values: Tensor | None) -> Tensor | None:
            if values is None:
                return None
            pinned = self.torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            return pinned.copy_(values, non_blocking=True)

        host = [started(values) for values in (batch.color, batch.mask, batch.z, batch.alpha, batch.plate)]
        self.torch.cuda.current_stream().synchronize()
        return frames_of(host)

    def trim(self) -> None:
        """See ``Rasterizer.trim``: torch keeps what was freed, and uses it again."""

    def close(self) -> None:
        """See ``Rasterizer.close``."""
        self.context = None


class NvdiffrastScene(SceneBase):
    """See ``RasterScene``."""

    def __init__(self, rasterizer: NvdiffrastRasterizer, mesh: DWMesh, texture: Texture) -> None:
        self._rasterizer = rasterizer
        self._drawn: SplitMeshBatch | None = rasterizer.draw(mesh)
        self._color: Tensor | None = rasterizer.to_device(texture[None])

    def render(self, camera: Camera, *, positions: bool = False, where: NDArray[np.bool_] | None = None) -> RasterFrame:
        """See ``RasterScene.render``: a GPU draws all pixels as soon as some."""
        if self._drawn is None or self._color is None:
            raise ValueError("the scene was released")
        batch = self._rasterizer.render_drawn(self._drawn, self._color, [camera], positions=positions)
        return self._rasterizer.read_back(batch)[0]

    def release(self) -> None:
        """See ``RasterScene.release``."""
        self._drawn, self._color = None, None


def frames_of(tensors: Sequence[Tensor | None]) -> list[RasterFrame]:
    """The frames of tensors in main memory: a ``RasterBatch``'s colour, mask, z, alpha and plate positions."""
    arrays: list[Any] = [None if tensor is None else tensor.numpy() for tensor in tensors]
    count = next(len(array) for array in arrays if array is not None)
    frames: list[list[Any]] = [[None if array is None else array[i] for array in arrays] for i in range(count)]
    return [RasterFrame(*frame) for frame in frames]


def _batch_size(vertices: int, take: Camera) -> int:
    return max(1, BATCH_PIXELS // max(vertices, take.width * take.height))


def _kind(view: View) -> tuple[object, ...]:
    """What frames of one batch have in common."""
    mesh, texture, take = view
    plain = mesh.vertex_alpha is None
    size = (take.width, take.height)
    return mesh.topology, mesh.settings, float(mesh.z[-1]), plain, texture.shape, texture.dtype, size
