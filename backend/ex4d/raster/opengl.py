# SPDX-License-Identifier: Apache-2.0
"""OpenGL 3.3 rasterizer, off screen, through moderngl: any GPU's driver or Mesa's software one.

Two passes: which face is visible at each pixel; then colour, validity and z once per pixel.
"""

from __future__ import annotations

import ctypes.util
import sys
from pathlib import Path
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.mesh import DWMesh, Topology
from ex4d.protocol.errors import ResourceError
from ex4d.raster.base import (
    ALPHA_THRESHOLD,
    RasterFrame,
    Releasing,
    Texture,
    clip_from_camera,
    grid_bounds,
    largest_closed_gap,
    view_from_source,
)
from ex4d.raster.drawn import DrawnMesh

SHADERS = Path(__file__).parent / "shaders"
#: Per-vertex and per-face values are stored in rows of this many texels: plain textures exist on every driver. The
#: shader knows the number.
TEXTURE_ROW = 4096
#: Largest z-depth that a float32 uniform holds.
FLOAT_MAX = float(np.finfo(np.float32).max)


def _create_context() -> moderngl.Context:
    backend: dict[str, Any] = {}
    if sys.platform.startswith("linux"):
        # EGL needs no display. glcontext looks the library up by name; its own error would not say what to install.
        if ctypes.util.find_library("EGL") is None:
            raise ResourceError(
                "The system library libEGL is missing, so OpenGL cannot start.",
                "Install it (Debian and Ubuntu: apt install libegl1 libgl1-mesa-dri), or use --raster embree.",
            )
        backend = {"backend": "egl"}
    try:
        return moderngl.create_context(standalone=True, require=330, **backend)
    except Exception as error:
        # glcontext raises plain Exception.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ResourceError(
            f"OpenGL 3.3 cannot start: {reason}.",
            "Install a graphics driver (Debian, Ubuntu: apt install libegl1 libgl1-mesa-dri), or use --raster embree.",
        ) from error


class _Target:
    """Framebuffers of one size and colour depth, for the two passes."""

    def __init__(self, context: moderngl.Context, size: tuple[int, int], color_bytes: int) -> None:
        self.key = (size, color_bytes)
        self.visible = context.texture(size, 1, dtype="u4")
        self.depth = context.depth_renderbuffer(size)
        self.visible_pass = context.framebuffer([self.visible], self.depth)
        self.color = context.texture(size, 4, dtype=f"u{color_bytes}")
        self.z = context.texture(size, 1, dtype="f4")
        self.shade_pass = context.framebuffer([self.color, self.z])

    def release(self) -> None:
        for item in (self.visible_pass, self.shade_pass, self.visible, self.depth, self.color, self.z):
            item.release()


def grid_strips(width: int, height: int, parity: int) -> NDArray[np.int32]:
    """Indices of the even or odd rows of quads of a row-major grid as one triangle strip.

    Each row zigzags between its upper and lower vertices; two repeated indices lead to the next row. A strip needs a
    third of the vertex work of separate triangles.
    """
    index = np.arange(width * height, dtype=np.int32).reshape(height, width)
    upper, lower = index[:-1][parity::2], index[1:][parity::2]
    rows = np.empty((len(upper), 2 * width + 2), dtype=np.int32)
    rows[:, 0:-2:2], rows[:, 1:-2:2] = upper, lower
    rows[:, -2] = lower[:, -1]
    rows[:-1, -1], rows[-1:, -1] = upper[1:, 0], lower[-1:, -1]
    return rows.reshape(-1)


def by_last_vertex(values: NDArray[np.uint32], width: int, height: int, parity: int) -> NDArray[np.uint32]:
    """Values (F,) of the grid's faces at the vertices (V,) that the triangles of ``grid_strips`` end with."""
    per_quad = values.reshape(height - 1, width - 1, 2)
    out = np.zeros((height, width), dtype=np.uint32)
    # In rows of the draw's parity a vertex ends the first triangle of a quad below it, else the second of one above.
    out[parity:-1:2, 1:] = per_quad[parity::2, :, 0]
    out[1 + parity :: 2, 1:] = per_quad[parity::2, :, 1]
    return out.reshape(-1)


class _SharedBuffers:
    """What all meshes of one topology share on the device."""

    def __init__(self, context: moderngl.Context, topology: Topology) -> None:
        self.topology = topology
        # A grid of two rows has no odd row of quads.
        self.strips = [
            context.buffer(strip) for parity in (0, 1) if (strip := grid_strips(*topology.grid, parity)).size
        ]


class OpenGLRasterizer:
    """See ``Rasterizer``. The context belongs to the thread that made it; it is made current for each call, because
    another rasterizer of the same thread may have been used in between."""

    name = "opengl"
    licence = "MIT (moderngl)"

    def __init__(self) -> None:
        self.context = _create_context()
        self.device = str(self.context.info["GL_RENDERER"])
        self.visible_program = self._program("visible.vert", "visible.frag")
        self.shade_program = self._program("frame.vert", "shade.frag")
        self.frame = self.context.vertex_array(self.shade_program, [])
        self._shared: _SharedBuffers | None = None
        self._target: _Target | None = None

    def _program(self, vertex: str, fragment: str) -> Any:  # its items are uniforms of many types
        return self.context.program(
            vertex_shader=(SHADERS / vertex).read_text(encoding="utf-8"),
            fragment_shader=(SHADERS / fragment).read_text(encoding="utf-8"),
        )

    def upload(self, mesh: DWMesh, texture: Texture) -> OpenGLScene:
        """See ``Rasterizer.upload``."""
        with self.context:
            return OpenGLScene(self, mesh, texture)

    def shared_buffers(self, topology: Topology) -> _SharedBuffers:
        """The topology's buffers; the last topology's are kept, scenes of a former one keep theirs alive."""
        if self._shared is None or self._shared.topology is not topology:
            self._shared = _SharedBuffers(self.context, topology)
        return self._shared

    def target(self, size: tuple[int, int], color_bytes: int) -> _Target:
        """The framebuffers of that kind; the last ones are kept."""
        if self._target is None or self._target.key != (size, color_bytes):
            limit = int(self.context.info["GL_MAX_TEXTURE_SIZE"])
            if max(size) > limit:
                raise ResourceError(
                    f"A frame of {size[0]}x{size[1]} is larger than this OpenGL driver draws ({limit}).",
                    "Use --raster embree, or render a smaller size.",
                )
            if self._target is not None:
                self._target.release()
            self._target = _Target(self.context, size, color_bytes)
        return self._target

    def close(self) -> None:
        """See ``Rasterizer.close``."""
        self.context.release()


class OpenGLScene(Releasing):
    """See ``RasterScene``."""

    def __init__(self, rasterizer: OpenGLRasterizer, mesh: DWMesh, texture: Texture) -> None:
        self._rasterizer = rasterizer
        self._mesh = mesh
        self._dtype = texture.dtype
        context = rasterizer.context
        topology, drawn = mesh.topology, DrawnMesh.of(mesh)
        alpha = np.ones((1, 1), bool) if mesh.vertex_alpha is None else mesh.vertex_alpha.reshape(texture.shape[:2])
        plate = drawn.plate if len(drawn.plate) else np.zeros((1, 2), np.float32)
        self._textures: dict[str, moderngl.Texture] = {
            "points": _rows(context, drawn.points),
            "gaps": _rows(context, drawn.gaps[:, None]),
            "outer_faces": _rows(context, drawn.faces[topology.grid_faces :].astype(np.uint32)),
            "piece_plate": _rows(context, plate),
            "plate": _texture(context, texture),
            "alpha": _texture(context, alpha.astype(np.uint8)[..., None]),
        }
        program, vertices = rasterizer.visible_program, topology.grid_vertices
        skipped = np.zeros(topology.grid_faces, dtype=np.uint32)
        skipped[drawn.replaced] = 1
        # Skirt, cap and pieces share no vertices, so that each face has one of its own to be known by.
        outer = drawn.points[drawn.faces[topology.grid_faces :]].reshape(-1, 3)
        self._buffers = [context.buffer(mesh.points), context.buffer(outer), context.buffer(reserve=4 * len(outer))]
        self._draws = []
        for parity, strip in enumerate(rasterizer.shared_buffers(topology).strips):
            skip = context.buffer(by_last_vertex(skipped, *topology.grid, parity))
            attributes = [(self._buffers[0], "3f", "position"), (skip, "1u", "skip")]
            array = context.vertex_array(program, attributes, index_buffer=strip)
            self._buffers.append(skip)
            self._draws.append((1 + parity * vertices, array, moderngl.TRIANGLE_STRIP))
        self._buffers[2].clear()
        outer_array = context.vertex_array(
            program, [(self._buffers[1], "3f", "position"), (self._buffers[2], "1u", "skip")]
        )
        self._draws.append((1 + 2 * vertices, outer_array, moderngl.TRIANGLES))

    def render(self, camera: Camera) -> RasterFrame:
        """See ``RasterScene.render``."""
        with self._rasterizer.context:
            return self._render(camera)

    def _render(self, camera: Camera) -> RasterFrame:
        rasterizer = self._rasterizer
        context = rasterizer.context
        target = rasterizer.target((camera.width, camera.height), self._dtype.itemsize)
        view = view_from_source(self._mesh, camera)
        visible = rasterizer.visible_program
        visible["clip_from_mesh"].write(_column_major(clip_from_camera(camera) @ view))
        visible["near"].value = camera.near
        context.viewport = (0, 0, camera.width, camera.height)
        target.visible_pass.use()
        context.enable_only(moderngl.DEPTH_TEST)
        context.depth_func = ">"
        target.visible_pass.clear(depth=0.0)
        for first_id, array, mode in self._draws:
            visible["first_id"].value = first_id
            array.render(mode)
        target.shade_pass.use()
        context.enable_only(moderngl.NOTHING)
        self._prepare_shading(target, camera, view)
        rasterizer.frame.render(moderngl.TRIANGLES, vertices=3)
        shape = (camera.height, camera.width)
        rgba: Texture = np.frombuffer(target.color.read(alignment=1), dtype=self._dtype).reshape(*shape, 4)
        z = np.frombuffer(target.z.read(alignment=1), dtype=np.float32).reshape(shape).copy()
        z[z == 0] = np.nan
        return RasterFrame(np.ascontiguousarray(rgba[..., :3]), (rgba[..., 3] > 0).astype(np.uint8) * np.uint8(255), z)

    def _prepare_shading(self, target: _Target, camera: Camera, view: NDArray[np.float64]) -> None:
        program, topology, K = self._rasterizer.shade_program, self._mesh.topology, camera.K
        low, high = grid_bounds(topology)
        plate_K = self._mesh.source.K
        values: dict[str, object] = {
            "plate_lens": (plate_K[0, 0], plate_K[1, 1], plate_K[0, 2], plate_K[1, 2]),
            "ray": (1 / K[0, 0], 1 / K[1, 1], -K[0, 2] / K[0, 0], -K[1, 2] / K[1, 1]),
            "own_points": len(self._mesh.points),
            "grid_width": topology.grid[0],
            "grid_height": topology.grid[1],
            "grid_low": tuple(low),
            "grid_high": tuple(high),
            "far": min(camera.far, FLOAT_MAX),
            "largest_closed_gap": largest_closed_gap(view, camera),
            "vertex_alpha": self._mesh.vertex_alpha is not None,
            "alpha_threshold": ALPHA_THRESHOLD,
        }
        for unit, (name, texture) in enumerate({"visible": target.visible, **self._textures}.items()):
            texture.use(unit)
            values[name] = unit
        for name, value in values.items():
            program[name].value = value
        program["camera_from_mesh"].write(_column_major(view))

    def release(self) -> None:
        """See ``RasterScene.release``."""
        held: list[Any] = [*(array for _, array, _ in self._draws), *self._buffers, *self._textures.values()]
        if held:
            with self._rasterizer.context:
                for item in held:
                    item.release()
        self._draws, self._buffers, self._textures = [], [], {}


def _column_major(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(matrix.T, dtype=np.float32)


def _texture(context: moderngl.Context, values: NDArray[Any]) -> moderngl.Texture:
    height, width, components = values.shape
    dtype = f"{values.dtype.kind}{values.itemsize}"
    return context.texture((width, height), components, np.ascontiguousarray(values), dtype=dtype, alignment=1)


def _rows(context: moderngl.Context, values: NDArray[Any]) -> moderngl.Texture:
    """A texture of (N, components) values, laid out in rows."""
    rows = np.zeros((-(-len(values) // TEXTURE_ROW), TEXTURE_ROW, values.shape[1]), dtype=values.dtype)
    rows.reshape(-1, values.shape[1])[: len(values)] = values
    return _texture(context, rows)
