# SPDX-License-Identifier: Apache-2.0
"""The rasterizer: passes, uniforms, and frames under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.mesh import DWMesh
from ex4d.protocol.errors import ResourceError
from ex4d.raster.base import (
    ALPHA_THRESHOLD,
    SNAP_PX,
    RasterFrame,
    SceneBase,
    Texture,
    View,
    clip_from_camera,
    largest_closed_gap,
    view_from_source,
)
from ex4d.raster.opengl.context import Uniforms, column_major, create_context, create_program
from ex4d.raster.opengl.mesh import MeshBuffers, PreparedMesh, Scratch, SharedBuffers, prepare
from ex4d.raster.opengl.target import Reading, Target
from ex4d.system.threads import prefetched

#: Largest z-depth that a float32 uniform holds.
FLOAT_MAX = float(np.finfo(np.float32).max)
#: Frames whose pictures the device still works on while the next ones are sent: with fewer, one waits for the other.
UNDER_WAY = 2


class OpenGLRasterizer:
    """See ``Rasterizer``. The context belongs to the thread that made it; it is made current for each call, because
    another rasterizer of the same thread may have been used in between."""

    name = "opengl"
    licence = "MIT (moderngl)"

    def __init__(self) -> None:
        self.context = create_context()
        self.device = str(self.context.info["GL_RENDERER"])
        self._visible = tuple(
            create_program(self.context, f"{kind}.vert", "visible.frag") for kind in ("grid", "outer")
        )
        shade, pack = (create_program(self.context, "frame.vert", f"{kind}.frag") for kind in ("shade", "pack"))
        self._shade, self._pack = (self.context.vertex_array(program, []) for program in (shade, pack))
        self._grid_uniforms, self._outer_uniforms, self._shade_uniforms = map(Uniforms, (*self._visible, shade))
        self.context.depth_func = ">"
        self._shared: SharedBuffers | None = None
        self._shared_kind: tuple[object, ...] = ()
        self._target: Target | None = None
        self._free: deque[MeshBuffers] = deque()
        self.scratch = Scratch()

    def upload(self, mesh: DWMesh, texture: Texture | None) -> OpenGLScene:
        """See ``Rasterizer.upload``."""
        return OpenGLScene(self, prepare(mesh, texture, self.scratch))

    def render_sequence(self, views: Iterable[View]) -> Iterator[RasterFrame]:
        """See ``Rasterizer.render_sequence``."""
        readings: deque[Reading] = deque()
        for prepared, camera in prefetched(self._prepare_view, views, ahead=UNDER_WAY):
            frame = None
            with self.context:
                buffers = self.take_buffers(prepared)
                readings.append(self.draw(buffers, camera))
                self.give_back(buffers)
                if len(readings) > UNDER_WAY:
                    frame = readings.popleft().finish()
            if frame is not None:
                yield frame
        while readings:
            with self.context:
                frame = readings.popleft().finish()
            yield frame

    def _prepare_view(self, view: View) -> tuple[PreparedMesh, Camera]:
        mesh, texture, camera = view
        return prepare(mesh, texture, self.scratch), camera

    def take_buffers(self, prepared: PreparedMesh) -> MeshBuffers:
        """Buffers with that mesh in them; those given back longest ago are used again, once there are enough."""
        if self._free and self._free[0].kind != prepared.kind:
            while self._free:
                self._free.popleft().release()
        if len(self._free) > UNDER_WAY:
            buffers = self._free.popleft()
        else:
            shared = self._shared_buffers(prepared)
            buffers = MeshBuffers(self.context, shared, (self._visible[0], self._visible[1]), prepared)
        buffers.fill(prepared)
        prepared.give_back(self.scratch)
        return buffers

    def give_back(self, buffers: MeshBuffers) -> None:
        """Let buffers be used again."""
        if len(self._free) > UNDER_WAY or (self._free and self._free[0].kind != buffers.kind):
            buffers.release()
        else:
            self._free.append(buffers)

    def _shared_buffers(self, prepared: PreparedMesh) -> SharedBuffers:
        """The last topology's and lens' are kept, vertex arrays of former ones keep theirs alive."""
        kind = prepared.kind[:2]
        if self._shared is None or self._shared_kind != kind:
            self._shared = SharedBuffers(self.context, prepared.mesh.topology, prepared.mesh.source.K)
            self._shared_kind = kind
        return self._shared

    def _target_for(self, size: tuple[int, int], dtype: np.dtype[np.unsignedinteger]) -> Target:
        """The framebuffers of that kind; the last ones are kept."""
        if self._target is None or self._target.key != (size, dtype):
            limit = int(self.context.info["GL_MAX_TEXTURE_SIZE"])
            if max(size) > limit:
                raise ResourceError(
                    f"A frame of {size[0]}x{size[1]} is larger than this OpenGL driver draws ({limit}).",
                    "Use --raster embree, or render a smaller size.",
                )
            if self._target is not None:
                self._target.release()
            self._target = Target(self.context, size, dtype)
        return self._target

    def draw(self, buffers: MeshBuffers, camera: Camera) -> Reading:
        """Start to draw a frame and to read it back."""
        context, mesh = self.context, buffers.prepared.mesh
        target = self._target_for((camera.width, camera.height), buffers.prepared.drawn_type)
        view = view_from_source(mesh, camera)
        matrix, vertices = column_major(clip_from_camera(camera) @ view).tobytes(), mesh.topology.grid_vertices
        self._grid_uniforms.set({"clip_from_mesh": matrix, "near": camera.near, "vertices": vertices})
        self._outer_uniforms.set({"clip_from_mesh": matrix, "near": camera.near, "first_id": 1 + 2 * vertices})
        target.visible_pass.use()
        context.enable_only(moderngl.DEPTH_TEST)
        target.visible_pass.clear(depth=0.0)
        buffers.draw()
        target.shade_pass.use()
        context.enable_only(moderngl.NOTHING)
        self._prepare_shading(buffers, target, camera, view)
        self._shade.render(moderngl.TRIANGLES, vertices=3)
        target.pack_pass.use()
        target.color.use(0)
        self._pack.render(moderngl.TRIANGLES, vertices=3)
        return target.start_reading()

    def _prepare_shading(self, buffers: MeshBuffers, target: Target, camera: Camera, view: NDArray[np.float64]) -> None:
        prepared, K = buffers.prepared, camera.K
        values: dict[str, Any] = {
            "ray": (1 / K[0, 0], 1 / K[1, 1], -K[0, 2] / K[0, 0], -K[1, 2] / K[1, 1]),
            "first_gap": prepared.first_gap,
            "first_place": prepared.first_place,
            "first_plate": prepared.first_plate,
            "far": min(camera.far, FLOAT_MAX),
            "largest_closed_gap": largest_closed_gap(view, camera),
            "vertex_alpha": prepared.mesh.vertex_alpha is not None,
            "positions": prepared.positions,
            # Codes of eight bits are right without, and stay what they were.
            "snap": -1.0 if prepared.plate.dtype == np.uint8 else SNAP_PX,
            "alpha_threshold": ALPHA_THRESHOLD,
            "camera_from_mesh": column_major(view).tobytes(),
        }
        for unit, (name, texture) in enumerate({"visible": target.visible, **buffers.textures}.items()):
            texture.use(unit)
            values[name] = unit
        self._shade_uniforms.set(values | buffers.uniforms)

    def trim(self) -> None:
        """See ``Rasterizer.trim``."""
        with self.context:
            while self._free:
                self._free.popleft().release()
            for held in (self._target, self._shared):
                if held is not None:
                    held.release()
        self._target, self._shared = None, None
        self.scratch = Scratch()

    def close(self) -> None:
        """See ``Rasterizer.close``."""
        self._free.clear()
        self.context.release()


class OpenGLScene(SceneBase):
    """See ``RasterScene``."""

    def __init__(self, rasterizer: OpenGLRasterizer, prepared: PreparedMesh) -> None:
        self._rasterizer = rasterizer
        with rasterizer.context:
            self._buffers: MeshBuffers | None = rasterizer.take_buffers(prepared)

    def render(self, camera: Camera) -> RasterFrame:
        """See ``RasterScene.render``."""
        if self._buffers is None:
            raise ValueError("the scene was released")
        with self._rasterizer.context:
            return self._rasterizer.draw(self._buffers, camera).finish()

    def release(self) -> None:
        """See ``RasterScene.release``."""
        if self._buffers is not None:
            with self._rasterizer.context:
                self._rasterizer.give_back(self._buffers)
        self._buffers = None
