# SPDX-License-Identifier: Apache-2.0
"""The rasterizer: passes, uniforms, and frames under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import moderngl
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.mesh import DWMesh
from ex4d.protocol.errors import ResourceError
from ex4d.raster.base import (
    ALPHA_THRESHOLD,
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
from ex4d.raster.opengl.take_lens import TakeLens, lens_key
from ex4d.raster.opengl.target import Reading, Target, TargetKind
from ex4d.raster.opengl.tiles import windows_of
from ex4d.system.threads import prefetched

#: Largest z-depth that a float32 uniform holds.
FLOAT_MAX = float(np.finfo(np.float32).max)
#: Frames whose pictures the device still works on while the next ones are sent: with fewer, one waits for the other.
UNDER_WAY = 2


@dataclass(frozen=True)
class _VisiblePass:
    """The first pass.

    Attributes:
        programs: for the grid's and the other faces.
        grid_uniforms, outer_uniforms: theirs.
    """

    programs: tuple[Any, Any]
    grid_uniforms: Uniforms
    outer_uniforms: Uniforms


class OpenGLRasterizer:
    """See ``Rasterizer``. The context belongs to the thread that made it; it is made current for each call, because
    another rasterizer of the same thread may have been used in between."""

    name = "opengl"
    licence = "MIT (moderngl)"

    def __init__(self) -> None:
        self.context = create_context()
        self.device = str(self.context.info["GL_RENDERER"])
        self._visible: dict[bool, _VisiblePass] = {}
        self._shading: dict[tuple[tuple[str, float], ...], tuple[moderngl.VertexArray, Uniforms]] = {}
        self._pack = self.context.vertex_array(create_program(self.context, "frame.vert", "pack.frag"), [])
        self.context.depth_func = ">"
        self._shared: SharedBuffers | None = None
        self._shared_kind: tuple[object, ...] = ()
        self._target: Target | None = None
        self._take_lens: TakeLens | None = None
        self._free: deque[MeshBuffers] = deque()
        self.scratch = Scratch()

    def upload(self, mesh: DWMesh, texture: Texture) -> OpenGLScene:
        """See ``Rasterizer.upload``."""
        return OpenGLScene(self, prepare(mesh, texture, self.scratch))

    def render_sequence(self, views: Iterable[View], *, positions: bool = False) -> Iterator[RasterFrame]:
        """See ``Rasterizer.render_sequence``."""
        readings: deque[Reading] = deque()
        for prepared, camera in prefetched(self._prepare_view, views, ahead=UNDER_WAY):
            frame = None
            with self.context:
                buffers = self.take_buffers(prepared)
                readings.append(self.draw(buffers, camera, positions))
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
            buffers = MeshBuffers(self.context, shared, prepared)
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
        """The last topology's and lens' are kept; meshes keep former ones."""
        kind = prepared.kind[:2]
        if self._shared is None or self._shared_kind != kind:
            if self._shared is not None:
                self._shared.release()
            self._shared = SharedBuffers(self.context, prepared.mesh.topology, prepared.mesh.source)
            self._shared_kind = kind
        return self._shared

    def _target_for(self, kind: TargetKind) -> Target:
        """The framebuffers of that kind; the last ones are kept."""
        if self._target is None or self._target.kind != kind:
            limit = int(self.context.info["GL_MAX_TEXTURE_SIZE"])
            if max(kind.size) > limit:
                raise ResourceError(
                    f"A frame of {kind.size[0]}x{kind.size[1]} is larger than this OpenGL driver draws ({limit}).",
                    "Use --raster embree, or render a smaller size.",
                )
            if self._target is not None:
                self._target.release()
            self._target = Target(self.context, kind)
        return self._target

    def _lens_of(self, camera: Camera) -> TakeLens | None:
        """The take's lens on the device; the last one is kept."""
        if camera.lens is None:
            return None
        if self._take_lens is None or self._take_lens.key != lens_key(camera):
            if self._take_lens is not None:
                self._take_lens.release()
            self._take_lens = TakeLens(self.context, camera)
        return self._take_lens

    def _visible_pass(self, take_lens: bool) -> _VisiblePass:
        """The first pass for takes with or without a lens; made when first asked for."""
        if take_lens not in self._visible:
            before, defines = ("lens.glsl", "take_lens.glsl") if take_lens else (), {"TAKE_LENS": int(take_lens)}
            grid, outer = (
                create_program(self.context, f"{kind}.vert", "visible.frag", before_vertex=before, defines=defines)
                for kind in ("grid", "outer")
            )
            self._visible[take_lens] = _VisiblePass((grid, outer), Uniforms(grid), Uniforms(outer))
        return self._visible[take_lens]

    def _shading_of(self, kind: TargetKind, mesh: DWMesh, take_lens: bool) -> tuple[moderngl.VertexArray, Uniforms]:
        """The second pass for frames of that kind, and its uniforms; made when first asked for."""
        defines = {
            **kind.texture.defines,
            "POSITIONS": int(kind.positions),
            "SOURCE_LENS": int(mesh.source.lens is not None),
            "TAKE_LENS": int(take_lens),
            "VERTEX_ALPHA": int(mesh.vertex_alpha is not None),
        }
        key = tuple(defines.items())
        if key not in self._shading:
            before = ("plate.glsl", "lens.glsl") if mesh.source.lens is not None else ("plate.glsl",)
            program = create_program(self.context, "frame.vert", "shade.frag", before_fragment=before, defines=defines)
            self._shading[key] = self.context.vertex_array(program, []), Uniforms(program)
        return self._shading[key]

    def draw(
        self, buffers: MeshBuffers, camera: Camera, positions: bool = False, where: NDArray[np.bool_] | None = None
    ) -> Reading:
        """Start to draw a frame, or what of it is seen ``where`` somebody looks (H, W), and to read it back."""
        context, mesh = self.context, buffers.prepared.mesh
        target = self._target_for(TargetKind((camera.width, camera.height), buffers.prepared.texture, positions))
        view = view_from_source(mesh, camera)
        matrix, vertices = column_major(clip_from_camera(camera) @ view).tobytes(), mesh.topology.grid_vertices
        lens = self._lens_of(camera)
        visible = self._visible_pass(lens is not None)
        common = {"clip_from_mesh": matrix, "near": camera.near, **(lens.uniforms if lens else {})}
        visible.grid_uniforms.set({**common, "vertices": vertices})
        visible.outer_uniforms.set({**common, "first_id": 1 + 2 * vertices})
        if lens is not None:
            lens.table.use(0)
        target.visible_pass.use()
        context.enable_only(moderngl.DEPTH_TEST)
        target.visible_pass.clear(depth=0.0)
        # Where a lens moves a tile to, its corners do not tell.
        tiles = None if where is None or lens is not None else buffers.grid_tiles().seen(camera, where)
        buffers.draw(visible.programs, tiles)
        context.enable_only(moderngl.NOTHING)
        shading, uniforms = self._shading_of(target.kind, mesh, lens is not None)
        tables = {"take_rays": lens.rays} if lens is not None else {}
        uniforms.set(self._shading_values(buffers, {"visible": target.visible, **tables}, camera, view))
        shade_pass: Any = target.shade_pass  # its types know no None, which is the whole picture
        for window in windows_of(where):
            shade_pass.scissor = window
            shade_pass.use()
            shading.render(moderngl.TRIANGLES, vertices=3)
        if target.pack_pass is not None:
            target.pack_pass.use()
            target.color.use(0)
            self._pack.render(moderngl.TRIANGLES, vertices=3)
        return target.start_reading()

    def _shading_values(
        self, buffers: MeshBuffers, textures: dict[str, moderngl.Texture], camera: Camera, view: NDArray[np.float64]
    ) -> dict[str, Any]:
        """The second pass's uniforms; its textures are bound, those of the mesh and some by their names."""
        prepared, K = buffers.prepared, camera.K
        values: dict[str, Any] = {
            "ray": (1 / K[0, 0], 1 / K[1, 1], -K[0, 2] / K[0, 0], -K[1, 2] / K[1, 1]),
            "first_gap": prepared.first_gap,
            "first_place": prepared.first_place,
            "first_plate": prepared.first_plate,
            "far": min(camera.far, FLOAT_MAX),
            "largest_closed_gap": largest_closed_gap(view, camera),
            "alpha_threshold": ALPHA_THRESHOLD,
            "camera_from_mesh": column_major(view).tobytes(),
        }
        for unit, (name, texture) in enumerate({**textures, **buffers.textures}.items()):
            texture.use(unit)
            values[name] = unit
        return values | buffers.uniforms

    def trim(self) -> None:
        """See ``Rasterizer.trim``."""
        with self.context:
            while self._free:
                self._free.popleft().release()
            for held in (self._target, self._take_lens, self._shared):
                if held is not None:
                    held.release()
        self._target, self._take_lens, self._shared = None, None, None
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

    def render(self, camera: Camera, *, positions: bool = False, where: NDArray[np.bool_] | None = None) -> RasterFrame:
        """See ``RasterScene.render``."""
        if self._buffers is None:
            raise ValueError("the scene was released")
        with self._rasterizer.context:
            return self._rasterizer.draw(self._buffers, camera, positions, where).finish()

    def release(self) -> None:
        """See ``RasterScene.release``."""
        if self._buffers is not None:
            with self._rasterizer.context:
                self._rasterizer.give_back(self._buffers)
        self._buffers = None
