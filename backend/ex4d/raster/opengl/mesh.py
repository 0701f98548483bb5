# SPDX-License-Identifier: Apache-2.0
"""A mesh and its picture as they go to the device: z-depths, a byte for each face, and the few faces outside the grid.

Positions are computed from z on the device; sending them would take three times as long as drawing them.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import moderngl
import numpy as np
from numpy.typing import NDArray

from ex4d.mesh import DWMesh, Topology
from ex4d.mesh.dwmesh import viewing_rays
from ex4d.raster.base import Texture
from ex4d.raster.opengl.context import TEXTURE_ROW
from ex4d.raster.opengl.strips import grid_strips, last_vertices

#: What the shader is told about a face of the grid.
DRAWN, HIDDEN, LEFT_OUT = 0, 1, 2


class Scratch:
    """Arrays that are filled again. The pages of fresh ones take longer to come than what is written to them."""

    def __init__(self) -> None:
        # deque's ends may be used by two threads at once.
        self._free: defaultdict[str, deque[NDArray[Any]]] = defaultdict(deque)

    def take(self, name: str, count: int, dtype: Any) -> NDArray[Any]:
        """(count,) of that type, with anything in it; one given back under that name, where it is large enough."""
        free = self._free[name]
        while free:
            array = free.popleft()
            if array.size >= count and array.dtype == dtype:
                return array[:count]
        return np.empty(count + count // 4, dtype)[:count]

    def rows(self, name: str, count: int, components: int) -> NDArray[np.float32]:
        """Whole rows of a texture, (R, ``TEXTURE_ROW``, components) with R at least 1, for ``count`` values."""
        rows = max(1, -(-count // TEXTURE_ROW))
        return self.take(name, rows * TEXTURE_ROW * components, np.float32).reshape(rows, TEXTURE_ROW, components)

    def give_back(self, name: str, array: NDArray[Any]) -> None:
        """An array of ``take``, or of ``rows``, that nobody looks at any more."""
        whole = array.base if array.base is not None else array
        self._free[name].append(np.asarray(whole).reshape(-1))


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """A mesh and its picture in the device's layout.

    Attributes:
        mesh: the mesh.
        z: (Vg,) float32 of the grid's vertices.
        states: (2, Vg) uint8 for both strips, at the vertex that a face's triangle ends with: ``DRAWN``; ``HIDDEN`` =
            stands there but is no surface; ``LEFT_OUT`` = drawn in pieces.
        outer: (R, ``TEXTURE_ROW``, 4) float32 corners of the skirt's, the cap's and the pieces' faces, three a face:
            source camera coordinates, and with the first corner the face's ``DWMesh.face_gap``.
        outer_corners: how many there are.
        outer_plate: (S, ``TEXTURE_ROW``, 2) float32 plate pixel positions whose colours these corners have.
        first_plate: index of the outer corner that the first of these belongs to.
        plate: (H, W, 4) code values.
        alpha: (h, w) uint8 of the released construction: 1 = visible vertex; (1, 1) for others.
    """

    mesh: DWMesh
    z: NDArray[np.float32]
    states: NDArray[np.uint8]
    outer: NDArray[np.float32]
    outer_corners: int
    outer_plate: NDArray[np.float32]
    first_plate: int
    plate: Texture
    alpha: NDArray[np.uint8]

    def give_back(self, scratch: Scratch) -> None:
        """Let the arrays be used again; they are on the device now."""
        for name in ("states", "outer", "outer_plate", "plate"):
            scratch.give_back(name, getattr(self, name))

    @property
    def kind(self) -> tuple[object, ...]:
        """What meshes have in common that can take each other's place on the device."""
        K = self.mesh.source.K
        lens = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
        return self.mesh.topology, lens, self.plate.shape, self.plate.dtype, self.alpha.shape


@lru_cache(maxsize=2)
def _outer_corners(
    topology: Topology, fx: float, fy: float, cx: float, cy: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Vertices of the skirt's and the cap's corners, and the rays (2, C) on which they lie."""
    corners = topology.faces[topology.grid_faces :].reshape(-1).astype(np.intp)
    return corners, np.ascontiguousarray(viewing_rays(topology, fx, fy, cx, cy).take(corners, axis=0).T)


def prepare(mesh: DWMesh, texture: Texture, scratch: Scratch | None = None) -> PreparedMesh:
    """Bring a mesh and the plate's frame (H, W, 3) into the device's layout, in arrays of ``scratch``."""
    scratch = scratch or Scratch()
    topology, K = mesh.topology, mesh.source.K
    corners, rays = _outer_corners(topology, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    states = scratch.take("states", 2 * topology.grid_vertices, np.uint8)
    states[:] = DRAWN
    alpha = np.ones((1, 1), dtype=np.uint8)
    pieces = mesh.edges
    own, count = len(corners), len(corners)
    if pieces is None:
        assert mesh.vertex_alpha is not None
        alpha = mesh.vertex_alpha.reshape(topology.grid[::-1]).astype(np.uint8)
        plate, first_plate = topology.pixels[corners].astype(np.float32), 0
    else:
        places = last_vertices(*topology.grid)
        states[places.take(np.flatnonzero(~mesh.surface))] = HIDDEN
        states[places.take(pieces.replaced)] = LEFT_OUT
        plate, first_plate = pieces.plate.reshape(-1, 2), own
        count += 3 * len(pieces.points)
    outer = scratch.rows("outer", count, 4)
    flat = outer.reshape(-1, 4)
    z = mesh.z.take(corners)
    # One component after the other, here and below: numpy goes through rows of two or three a quarter as fast.
    for component, ray in enumerate(rays):
        np.multiply(ray, z, out=flat[:own, component])
    flat[:own, 2] = z
    flat[:own:3, 3] = mesh.outer_gap
    if pieces is not None:
        points = pieces.points.reshape(-1, 3)
        for component in range(3):
            flat[own:count, component] = points[:, component]
        flat[own:count:3, 3] = pieces.gap
    outer_plate = scratch.rows("outer_plate", len(plate), 2)
    outer_plate.reshape(-1, 2)[: len(plate)] = plate
    height, width = texture.shape[:2]
    rgba = scratch.take("plate", height * width * 4, texture.dtype).reshape(height, width, 4)
    cv2.cvtColor(np.ascontiguousarray(texture), cv2.COLOR_RGB2RGBA, dst=rgba)
    return PreparedMesh(
        mesh,
        mesh.z[: topology.grid_vertices],
        states.reshape(2, -1),
        outer,
        count,
        outer_plate,
        first_plate,
        rgba,
        alpha,
    )


class SharedBuffers:
    """What all meshes of one topology and lens share on the device."""

    def __init__(self, context: moderngl.Context, topology: Topology, K: NDArray[np.float64]) -> None:
        rays = viewing_rays(topology, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
        self.rays = context.buffer(np.ascontiguousarray(rays[: topology.grid_vertices]))
        # A grid of two rows has no odd row of quads.
        self.strips = [
            context.buffer(strip) for parity in (0, 1) if (strip := grid_strips(*topology.grid, parity)).size
        ]


class MeshBuffers:
    """Buffers and textures of one mesh; they can be filled again with another of its kind."""

    def __init__(
        self, context: moderngl.Context, shared: SharedBuffers, programs: tuple[Any, Any], prepared: PreparedMesh
    ) -> None:
        self.kind = prepared.kind
        self._context, self._outer_program = context, programs[1]
        height, width = prepared.mesh.topology.grid[::-1]
        self._z = context.buffer(reserve=prepared.z.nbytes)
        self._states = [context.buffer(reserve=prepared.states.shape[1]) for _ in shared.strips]
        self._strips = [
            context.vertex_array(
                programs[0], [(shared.rays, "2f", "ray"), (self._z, "1f", "z"), (states, "1u1", "state")], strip
            )
            for states, strip in zip(self._states, shared.strips, strict=True)
        ]
        self._outer: moderngl.Buffer | None = None
        self._outer_array: moderngl.VertexArray | None = None
        self._rows: dict[str, moderngl.Texture] = {}
        plate, alpha = prepared.plate, prepared.alpha
        self._pictures = {
            "z": context.texture((width, height), 1, dtype="f4", alignment=1),
            "plate": context.texture(plate.shape[1::-1], 4, dtype=f"u{plate.itemsize}", alignment=1),
            "alpha": context.texture(alpha.shape[::-1], 1, np.ascontiguousarray(alpha), dtype="u1", alignment=1),
        }

    def fill(self, prepared: PreparedMesh) -> None:
        """Store a mesh in place of the former one."""
        self.prepared = prepared
        self._z.write(np.ascontiguousarray(prepared.z))
        self._pictures["z"].write(self._z)
        for buffer, states in zip(self._states, prepared.states, strict=False):
            buffer.write(states)
        self._pictures["plate"].write(prepared.plate)
        if prepared.alpha.size > 1:
            self._pictures["alpha"].write(prepared.alpha)
        if self._outer is None or self._outer.size < prepared.outer.nbytes:
            self._release_outer()
            self._outer = self._context.buffer(reserve=prepared.outer.nbytes + prepared.outer.nbytes // 2)
            self._outer_array = self._context.vertex_array(self._outer_program, [(self._outer, "3f 4x", "position")])
        self._outer.write(prepared.outer)
        self._write_rows("outer", prepared.outer, self._outer)
        self._write_rows("outer_plate", prepared.outer_plate, prepared.outer_plate)

    def _write_rows(self, name: str, like: NDArray[np.float32], data: Any) -> None:
        """Store values in a texture that grows with them; ``data`` is the array or a buffer that holds it."""
        height, width, components = like.shape
        texture = self._rows.get(name)
        if texture is None or texture.height < height:
            if texture is not None:
                texture.release()
            size = (width, height + height // 2)
            texture = self._rows[name] = self._context.texture(size, components, dtype="f4", alignment=1)
        texture.write(data, viewport=(0, 0, width, height))

    @property
    def textures(self) -> dict[str, moderngl.Texture]:
        """By their names in the shader."""
        return {**self._pictures, **self._rows}

    def draw_grid(self, parity: int) -> None:
        """Draw the even or odd rows of quads."""
        if parity < len(self._strips):
            self._strips[parity].render(moderngl.TRIANGLE_STRIP)

    def draw_outer(self) -> None:
        """Draw the other faces."""
        assert self._outer_array is not None
        self._outer_array.render(moderngl.TRIANGLES, vertices=self.prepared.outer_corners)

    def _release_outer(self) -> None:
        for item in (self._outer_array, self._outer):
            if item is not None:
                item.release()

    def release(self) -> None:
        """Free everything."""
        self._release_outer()
        rows = self._rows.values()
        held: list[Any] = [*self._strips, self._z, *self._states, *self._pictures.values(), *rows]
        for item in held:
            item.release()
