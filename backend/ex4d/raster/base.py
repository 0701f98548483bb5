# SPDX-License-Identifier: Apache-2.0
"""What every rasterizer takes and gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.camera.transforms import Array, invert_rigid
from ex4d.mesh import DWMesh, Topology

#: A picture (H, W, 3 or 4): code values in uint8 or uint16, or float16 or float32 of any size and sign, inf and NaN
#: included. RGB, then alpha: straight beside code values, associated (premultiplied) beside floats.
Texture: TypeAlias = NDArray[Any]

#: A face across a depth jump becomes a hole when the camera's move away from the source opens it by more than this many
#: pixels. From the source camera's position nothing is hidden, so such faces are not holes there.
MAX_OPENING_PX = 0.5
#: A sample this far outside the grid, in grid steps, still lies on its rim: from the source camera the outermost
#: samples do, give or take round-off.
RIM_TOLERANCE = 0.05
#: Interpolated vertex alpha above which a pixel counts as seen (released recon.py: 125 of 255); compat mode only.
ALPHA_THRESHOLD = 125 / 255
#: A plate position this close to a pixel's centre, across and down, takes that pixel as it is.
SNAP_PX = 1 / 128


def snaps(texture: Texture) -> bool:
    """Whether positions near pixel centres take the pixel as it is: 8-bit colours come out exact without."""
    return texture.dtype != np.uint8 or texture.shape[2] == 4


@dataclass(frozen=True)
class RasterFrame:
    """One rendered frame.

    Attributes:
        color: (H, W, 3) in the texture's dtype, RGB; 0 where ``mask`` is 0.
        mask: (H, W) uint8, 255 = real source surface seen from its front, 0 = to be filled.
        z: (H, W) float32 z-depth along the take camera's axis of whatever surface stands there, valid or not;
            NaN where there is none.
        alpha: (H, W) in the texture's dtype, the plate's own; 0 where ``mask`` is 0. None for textures without.
        plate: (H, W, 2) float32 plate pixel positions that were looked at; NaN where ``mask`` is 0. None unless asked
            for.
    """

    color: Texture
    mask: NDArray[np.uint8]
    z: NDArray[np.float32]
    alpha: Texture | None = None
    plate: NDArray[np.float32] | None = None


class RasterScene(Protocol):
    """A mesh and its texture on the device, ready to be rendered from any camera. A context manager."""

    def render(self, camera: Camera, *, positions: bool = False, where: NDArray[np.bool_] | None = None) -> RasterFrame:
        """Render one frame at the camera's size.

        Args:
            camera: the take's.
            positions: whether ``RasterFrame.plate`` is wanted.
            where: (H, W), the pixels that are looked at; None = all. The others may hold anything, which may be faster.
        """
        ...

    def release(self) -> None:
        """Free what the scene holds on the device; calling it again does nothing."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...


#: A frame to render: the mesh, the plate's frame as ``Rasterizer.upload`` takes it, the take camera.
View: TypeAlias = tuple[DWMesh, Texture, Camera]


class Rasterizer(Protocol):
    """One implementation.

    Attributes:
        name: as on the command line.
        device: what it runs on, for reports.
        licence: SPDX name or a sentence, for reports.
    """

    name: str
    device: str
    licence: str

    def upload(self, mesh: DWMesh, texture: Texture) -> RasterScene:
        """Bring a mesh and the plate's frame to the device."""
        ...

    def render_sequence(self, views: Iterable[View], *, positions: bool = False) -> Iterator[RasterFrame]:
        """Render many frames in order, each from its own mesh; the device works on several of them at a time.

        Args:
            positions: whether ``RasterFrame.plate`` is wanted.
        """
        ...

    def trim(self) -> None:
        """Free what is held for the last size of frames only; it can be used on."""
        ...

    def close(self) -> None:
        """Free the device."""
        ...


class SequentialRasterizer(ABC):
    """``Rasterizer.render_sequence`` for rasterizers that gain nothing from knowing several frames, and keep none."""

    @abstractmethod
    def upload(self, mesh: DWMesh, texture: Texture) -> RasterScene:
        """See ``Rasterizer.upload``."""

    def render_sequence(self, views: Iterable[View], *, positions: bool = False) -> Iterator[RasterFrame]:
        """See ``Rasterizer.render_sequence``."""
        for mesh, texture, camera in views:
            with self.upload(mesh, texture) as scene:
                yield scene.render(camera, positions=positions)

    def trim(self) -> None:  # noqa: B027  whoever holds something overrides it
        """See ``Rasterizer.trim``: nothing is held."""


class SceneBase:
    """Context-manager half of a scene: releases on exit."""

    def release(self) -> None:
        """Free what the scene holds; scenes that hold nothing on a device need not override it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def view_from_source(mesh: DWMesh, camera: Camera) -> Array:
    """4x4 from the mesh's own (source camera) coordinates to the take camera's, in float64."""
    return np.asarray(camera.E @ invert_rigid(mesh.source.E), dtype=np.float64)


def clip_from_camera(camera: Camera) -> Array:
    """4x4 from OpenCV camera coordinates to OpenGL clip space, with the image's top row at y = −1.

    Framebuffers start at y = −1, so row 0 of what is read back is the picture's top row. The far plane is at
    infinity: clip z is w − 2·near. This is the one place where the OpenCV world meets OpenGL's.
    """
    fx, fy, cx, cy = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
    w, h = camera.width, camera.height
    return np.array(
        [
            [2 * fx / w, 0, 2 * cx / w - 1, 0],
            [0, 2 * fy / h, 2 * cy / h - 1, 0],
            [0, 0, 1, -2 * camera.near],
            [0, 0, 1, 0],
        ]
    )


def grid_bounds(topology: Topology) -> tuple[Array, Array]:
    """Plate pixel positions (2,), (2,) between which the surface may lie: the rim, give or take round-off."""
    slack = RIM_TOLERANCE * np.array(topology.step)
    return topology.pixels[0] - slack, topology.pixels[topology.grid_vertices - 1] + slack


def largest_closed_gap(view: Array, camera: Camera) -> float:
    """Largest disparity jump (1/z, inverse world units) of a face that this camera still sees as closed.

    A camera that has moved by b sees a surface at z shift by at most f·b/z pixels, so a jump of disparity d opens
    by at most f·b·d pixels.

    Args:
        view: ``view_from_source``.
    """
    baseline = float(np.linalg.norm(view[:3, 3]))
    focal = max(camera.K[0, 0], camera.K[1, 1])
    # At no baseline every jump is closed, but inf stands for faces that never are surface.
    return min(MAX_OPENING_PX / max(focal * baseline, 1e-30), float(np.finfo(np.float32).max))
