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

from ex4d.camera import Camera, Lens
from ex4d.mesh import DWMesh, Topology
from ex4d.mesh.dwmesh import viewing_rays
from ex4d.raster.base import SNAP_PX, Texture, grid_bounds, snaps
from ex4d.raster.lens_table import distortion_table
from ex4d.raster.opengl.context import TEXTURE_ROW, float_texture
from ex4d.raster.opengl.strips import grid_strips, vertex_places
from ex4d.raster.opengl.tiles import GridTiles

#: What the shader is told about a face of the grid that is drawn in pieces; about others it is told ``DWMesh.surface``.
LEFT_OUT = 2


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


@dataclass(frozen=True)
class TextureKind:
    """Of which values the plate's pixels are.

    Attributes:
        dtype: of a value.
        channels: 3, or 4 with alpha.
        snaps: see ``raster.base.snaps``.
    """

    dtype: np.dtype[Any]
    channels: int
    snaps: bool

    @classmethod
    def of(cls, texture: Texture) -> TextureKind:
        """Of a picture's."""
        return cls(texture.dtype, texture.shape[2], snaps(texture))

    @property
    def bits(self) -> np.dtype[np.unsignedinteger]:
        """Of the whole numbers that carry a value's bits."""
        return np.dtype(f"u{self.dtype.itemsize}")

    @property
    def defines(self) -> dict[str, float]:
        """For ``plate.glsl``."""
        values = 0 if self.dtype.kind == "u" else self.dtype.itemsize // 2
        return {"VALUES": values, "CHANNELS": self.channels, "SNAP": int(self.snaps), "SNAP_PX": SNAP_PX}


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """A mesh and its picture in the device's layout.

    Attributes:
        mesh: the mesh.
        z: (Vg,) float32 of the grid's vertices.
        states: (h + 1, w, 2) uint8, at [i + 1, j + 1] of the two faces of the quad in row i and column j: 1 = surface,
            0 = stands there but is no surface, ``LEFT_OUT``. Row 0, row h and column 0 hold anything.
        outer: (R, ``TEXTURE_ROW``, 4) float32 values of the skirt's, the cap's and the pieces' faces, in turn: the
            corners, three a face, in source camera coordinates; the faces' ``DWMesh.face_gap``; the plate pixel
            positions whose colours corners have; then anything.
        outer_corners: how many corners.
        first_plate: index of the corner that the first plate pixel position belongs to.
        plate: (H, W, 4) uint8, uint16 or uint32, the bits of the plate's values; the last of four is anything where
            there is no alpha.
        texture: what values they are.
        alpha: (h, w) uint8 of the released construction: 1 = visible vertex; (1, 1) for others.
    """

    mesh: DWMesh
    z: NDArray[np.float32]
    states: NDArray[np.uint8]
    outer: NDArray[np.float32]
    outer_corners: int
    first_plate: int
    plate: NDArray[Any]
    texture: TextureKind
    alpha: NDArray[np.uint8]

    def give_back(self, scratch: Scratch) -> None:
        """Let the arrays be used again; they are on the device now."""
        for name in ("states", "outer", "plate"):
            scratch.give_back(name, getattr(self, name))

    @property
    def first_gap(self) -> int:
        """Index of the first of ``outer``'s gaps among its values."""
        return 3 * self.outer_corners

    @property
    def first_place(self) -> int:
        """Index of the first of ``outer``'s plate pixel positions among its values."""
        return self.first_gap + self.outer_corners // 3

    @property
    def outer_values(self) -> NDArray[np.float32]:
        """What of ``outer`` holds something, (N,)."""
        return self.outer.reshape(-1)[: self.first_place + 2 * (self.outer_corners - self.first_plate)]

    @property
    def kind(self) -> tuple[object, ...]:
        """What meshes have in common that can take each other's place on the device."""
        K = self.mesh.source.K
        lens = (K[0, 0], K[1, 1], K[0, 2], K[1, 2], self.mesh.source.lens)
        return self.mesh.topology, lens, self.plate.shape, self.texture, self.alpha.shape


@lru_cache(maxsize=2)
def _outer_corners(
    topology: Topology, fx: float, fy: float, cx: float, cy: float, lens: Lens | None
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Vertices of the skirt's and the cap's corners, and the rays (2, C) on which they lie."""
    corners = topology.faces[topology.grid_faces :].reshape(-1).astype(np.intp)
    return corners, np.ascontiguousarray(viewing_rays(topology, fx, fy, cx, cy, lens).take(corners, axis=0).T)


def prepare(mesh: DWMesh, texture: Texture, scratch: Scratch | None = None) -> PreparedMesh:
    """Bring a mesh and the plate's frame into the device's layout, in arrays of ``scratch``."""
    scratch = scratch or Scratch()
    topology, K = mesh.topology, mesh.source.K
    corners, rays = _outer_corners(topology, K[0, 0], K[1, 1], K[0, 2], K[1, 2], mesh.source.lens)
    width, height = topology.grid
    states = scratch.take("states", 2 * width * (height + 1), np.uint8).reshape(height + 1, width, 2)
    quads = states[1:height, 1:]
    alpha = np.ones((1, 1), dtype=np.uint8)
    pieces = mesh.edges
    own, count, first_plate = len(corners), len(corners), 0
    if pieces is None:
        assert mesh.vertex_alpha is not None
        # Here validity is not the faces'.
        quads[...] = 1
        alpha = mesh.vertex_alpha.reshape(height, width).astype(np.uint8)
    else:
        quads[...] = mesh.surface.reshape(quads.shape)
        # Before a face in the array stand those of the grid before it, row 0, and column 0 of all rows up to its own.
        rows = pieces.replaced // (2 * (width - 1))
        states.reshape(-1)[pieces.replaced + 2 * (width + 1) + 2 * rows] = LEFT_OUT
        first_plate = own
        count += 3 * len(pieces.points)
    gaps, places = 3 * count, 3 * count + count // 3
    outer = scratch.rows("outer", -(-(places + 2 * (count - first_plate)) // 4), 4)
    flat = outer.reshape(-1)
    points = flat[:gaps].reshape(-1, 3)
    z = mesh.z.take(corners)
    # One component after the other: numpy goes through rows of two or three a quarter as fast.
    for component, ray in enumerate(rays):
        np.multiply(ray, z, out=points[:own, component])
    points[:own, 2] = z
    flat[gaps : gaps + own // 3] = mesh.outer_gap
    plate = flat[places : places + 2 * (count - first_plate)].reshape(-1, 2)
    if pieces is None:
        plate[:] = topology.pixels.take(corners, axis=0)
    else:
        points[own:] = pieces.points.reshape(-1, 3)
        flat[gaps + own // 3 : places] = pieces.gap
        plate[:] = pieces.plate.reshape(-1, 2)
    kind = TextureKind.of(texture)
    return PreparedMesh(
        mesh,
        mesh.z[: topology.grid_vertices],
        states,
        outer,
        count,
        first_plate,
        _four_channels(texture, kind, scratch),
        kind,
        alpha,
    )


def _four_channels(texture: Texture, kind: TextureKind, scratch: Scratch) -> NDArray[Any]:
    """(H, W, 4), the bits of a picture's values."""
    height, width = texture.shape[:2]
    out = scratch.take("plate", width * height * 4, kind.bits).reshape(height, width, 4)
    bits = np.ascontiguousarray(texture).view(kind.bits)
    if kind.channels == 4:
        np.copyto(out, bits)
    elif kind.bits == np.uint32:
        # OpenCV moves no 32-bit whole numbers; floats it moves as they are.
        cv2.cvtColor(bits.view(np.float32), cv2.COLOR_RGB2RGBA, dst=out.view(np.float32))
    else:
        cv2.cvtColor(bits, cv2.COLOR_RGB2RGBA, dst=out)
    return out


class SharedBuffers:
    """What all meshes of one topology and lens share on the device.

    Attributes:
        tables: by their names in the second pass' shader, what it looks up of a source camera with a lens.
        uniforms: by their names there.
    """

    def __init__(self, context: moderngl.Context, topology: Topology, source: Camera) -> None:
        K = source.K
        rays = viewing_rays(topology, K[0, 0], K[1, 1], K[0, 2], K[1, 2], source.lens)[: topology.grid_vertices]
        self.rays = context.buffer(np.ascontiguousarray(rays))
        self.uniforms = _grid_uniforms(topology, K)
        self.tables: dict[str, moderngl.Texture] = {}
        if source.lens is not None:
            table = distortion_table(source)
            width, height = topology.grid
            self.tables["source_rays"] = float_texture(context, rays.reshape(height, width, 2))
            self.tables["source_table"] = float_texture(context, table.displacement)
            self.uniforms["source_grid"] = table.grid
        # A grid of two rows has no odd row of quads.
        self.strips = [
            (context.buffer(strip), context.buffer(vertex_places(*topology.grid, parity)))
            for parity in (0, 1)
            if (strip := grid_strips(*topology.grid, parity)).size
        ]

        # Of whoever made them.
        self._users = 1

    def keep(self) -> None:
        """One more wants them; each has to release them once."""
        self._users += 1

    def release(self) -> None:
        """Free them, once nobody wants them any more."""
        self._users -= 1
        if self._users:
            return
        strips = (buffer for strip in self.strips for buffer in strip)
        held: list[Any] = [self.rays, *strips, *self.tables.values()]
        for item in held:
            item.release()


class MeshBuffers:
    """Buffers and textures of one mesh; they can be filled again with another of its kind.

    Attributes:
        kind: see ``PreparedMesh``.
        uniforms: by their names in the shader of the second pass, what meshes of that kind have in common.
        prepared: what the buffers hold.
    """

    def __init__(self, context: moderngl.Context, shared: SharedBuffers, prepared: PreparedMesh) -> None:
        self.kind = prepared.kind
        self._context, self._shared = context, shared
        shared.keep()
        height, width = prepared.mesh.topology.grid[::-1]
        self._z = context.buffer(reserve=prepared.z.nbytes)
        self._states = context.buffer(reserve=prepared.states.nbytes)
        self.uniforms = shared.uniforms
        # By the programs that draw from them, which with a take's lens are others.
        self._strips: dict[int, list[moderngl.VertexArray]] = {}
        self._outer_arrays: dict[int, moderngl.VertexArray] = {}
        self._outer: moderngl.Buffer | None = None
        plate, alpha = prepared.plate, prepared.alpha
        self._pictures = {
            "z": context.texture((width, height), 1, dtype="f4", alignment=1),
            "plate": context.texture(plate.shape[1::-1], 4, dtype=f"u{plate.itemsize}", alignment=1),
            "alpha": context.texture(alpha.shape[::-1], 1, np.ascontiguousarray(alpha), dtype="u1", alignment=1),
        }

    def _strip(self, program: Any, strip: moderngl.Buffer, places: moderngl.Buffer, width: int) -> moderngl.VertexArray:
        """The vertex array of one strip of a grid of that width."""
        content = [(self._shared.rays, "2f", "ray"), (places, "1u1", "place"), (self._z, "1f", "z")]
        array = self._context.vertex_array(program, content, strip)
        # Each vertex sees the state of the first face of the quad below and of the second one of that above, both to
        # the left of it; quads stand one row further down in the array.
        for name, offset in (("first", 2 * width), ("second", 1)):
            array.bind(program[name].location, "i", self._states, "1u1", offset=offset, stride=2)
        return array

    def fill(self, prepared: PreparedMesh) -> None:
        """Store a mesh in place of the former one."""
        self.prepared = prepared
        self._tiles: GridTiles | None = None
        self._z.write(np.ascontiguousarray(prepared.z))
        self._pictures["z"].write(self._z)
        self._states.write(prepared.states)
        self._pictures["plate"].write(prepared.plate)
        if prepared.alpha.size > 1:
            self._pictures["alpha"].write(prepared.alpha)
        rows = len(prepared.outer)
        if self._outer is None or self._pictures["outer"].height < rows:
            self._make_outer(rows + rows // 2)
        assert self._outer is not None
        self._outer.write(prepared.outer_values)
        self._pictures["outer"].write(self._outer, viewport=(0, 0, TEXTURE_ROW, rows))

    def _make_outer(self, rows: int) -> None:
        """Make room for the other faces' values: a buffer to draw from and a texture to shade from."""
        self._release_outer()
        size = (TEXTURE_ROW, rows)
        self._outer = self._context.buffer(reserve=4 * 4 * TEXTURE_ROW * rows)
        self._pictures["outer"] = self._context.texture(size, 4, dtype="f4", alignment=1)

    @property
    def textures(self) -> dict[str, moderngl.Texture]:
        """By their names in the shader."""
        return {**self._pictures, **self._shared.tables}

    def draw(self, programs: tuple[Any, Any], tiles: NDArray[np.bool_] | None = None) -> None:
        """Draw the grid's even and odd rows of quads by the first program, then the other faces by the second.

        Args:
            programs: the two.
            tiles: of the grid, those that are drawn, see ``GridTiles``; None = the whole grid.
        """
        grid, outer = programs
        if grid.glo not in self._strips:
            width = self.prepared.mesh.topology.grid[0]
            self._strips[grid.glo] = [self._strip(grid, *strip, width) for strip in self._shared.strips]
        if outer.glo not in self._outer_arrays:
            assert self._outer is not None
            self._outer_arrays[outer.glo] = self._context.vertex_array(outer, [(self._outer, "3f", "position")])
        if tiles is None:
            for strip in self._strips[grid.glo]:
                strip.render(moderngl.TRIANGLE_STRIP)
        else:
            self._draw_tiles(grid, tiles)
        self._outer_arrays[outer.glo].render(moderngl.TRIANGLES, vertices=self.prepared.outer_corners)

    def grid_tiles(self) -> GridTiles:
        """Of the mesh that the buffers hold."""
        if self._tiles is None:
            self._tiles = GridTiles(self.prepared.mesh)
        return self._tiles

    def _draw_tiles(self, program: Any, tiles: NDArray[np.bool_]) -> None:
        width, grid = self.prepared.mesh.topology.grid[0], self.grid_tiles()
        for parity, (_, places) in enumerate(self._shared.strips):
            if (indices := grid.strip(tiles, parity)).size:
                held = self._context.buffer(indices)
                array = self._strip(program, held, places, width)
                array.render(moderngl.TRIANGLE_STRIP)
                array.release()
                held.release()

    def _release_outer(self) -> None:
        if self._outer is not None:
            held: list[Any] = [*self._outer_arrays.values(), self._outer, self._pictures.pop("outer")]
            for item in held:
                item.release()
        self._outer, self._outer_arrays = None, {}

    def release(self) -> None:
        """Free everything."""
        self._release_outer()
        strips = [strip for strips in self._strips.values() for strip in strips]
        held: list[Any] = [*strips, self._z, self._states, *self._pictures.values(), self._shared]
        for item in held:
            item.release()


def _grid_uniforms(topology: Topology, K: NDArray[np.float64]) -> dict[str, Any]:
    """The grid's and the plate's lens' numbers, by their names in the shader."""
    low, high = grid_bounds(topology)
    focal = np.array([K[0, 0], K[1, 1]])
    # Rays at z = 1: the first vertex', and the step to the next column and row.
    first, step = (topology.pixels[0] - K[:2, 2]) / focal, np.array(topology.step) / focal
    return {
        "plate_lens": (K[0, 0], K[1, 1], K[0, 2], K[1, 2]),
        "source_ray": (*step, *first),
        "grid_width": topology.grid[0],
        "grid_height": topology.grid[1],
        "grid_low": tuple(low),
        "grid_high": tuple(high),
    }
