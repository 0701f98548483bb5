# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh datablock of a viewport folder, from arrays that a thread may have read and made ready ahead.

Blender itself calculates nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import Ex4dError

from .mesh import (
    PC2_HEADER,
    PLATE_UV,
    VALIDITY_UV,
    VIEWPORT_FILE,
    ViewportFolder,
    attach_cache,
    check_point_cache,
    damaged,
    described_viewport,
    read_viewport,
)

#: The files that ``read_arrays`` reads, beside the point cache.
_PARTS = ("quads", "triangles", "loop_edges", "uv", "edges")
_Stamps = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class MeshArrays:
    """A mesh as Blender takes it: vertices V, edges E, corners (loops) L, faces F, first the quads.

    Attributes:
        positions: (3 V,) float32, of the first frame, shot world.
        edges: (2 E,) int32, vertices.
        corners, corner_edges: (L,) int32, the vertex of each corner and the edge after it.
        starts: (F,) int32, each face's first corner.
        plate_uv, validity_uv: (2 L,) float32.
    """

    positions: NDArray[np.float32]
    edges: NDArray[np.int32]
    corners: NDArray[np.int32]
    corner_edges: NDArray[np.int32]
    starts: NDArray[np.int32]
    plate_uv: NDArray[np.float32]
    validity_uv: NDArray[np.float32]


#: What was read ahead and not taken yet: of one folder, with its files as they were then.
_ahead: tuple[Path, _Stamps, MeshArrays] | None = None


def read_ahead(folder: Path) -> None:
    """Read a viewport folder's arrays for the ``build_mesh`` that follows, which says what is wrong with them.

    Touches no data of Blender's, so it may be done on a thread.
    """
    global _ahead  # noqa: PLW0603  one result is taken in at a time
    try:
        viewport = described_viewport(folder)
        stamps = _stamps(viewport)
        _ahead = (viewport.folder, stamps, read_arrays(viewport))
    except (Ex4dError, OSError):
        _ahead = None


def _taken(viewport: ViewportFolder) -> MeshArrays:
    """The arrays as they were read ahead, where the files are still the same; else they are read."""
    global _ahead
    found, _ahead = _ahead, None
    try:
        if found is not None and found[:2] == (viewport.folder, _stamps(viewport)):
            return found[2]
    except OSError:
        # Reading tells which one.
        pass
    return read_arrays(viewport)


def _stamps(viewport: ViewportFolder) -> _Stamps:
    names = (VIEWPORT_FILE, viewport.pc2.name, *(f"{part}.npy" for part in _PARTS))
    found = [(viewport.folder / name).stat() for name in names]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, found, strict=True))


def _array(folder: Path, name: str, dtype: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """A saved array of that type and shape; None in the shape: any length."""
    path = folder / f"{name}.npy"
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise damaged(path, "it is missing, or no NumPy array") from None
    fits = len(values.shape) == len(shape) and all(b in (None, a) for a, b in zip(values.shape, shape, strict=True))
    if values.dtype != dtype or not fits:
        raise damaged(path, f"it has shape {values.shape} of {values.dtype}, which does not fit the mesh")
    return np.ascontiguousarray(values)


def _check_indices(path: Path, values: NDArray[np.int32], limit: int) -> None:
    # Blender crashes on an index that points outside.
    if values.size and (values.min() < 0 or values.max() >= limit):
        raise damaged(path, "it points to what is not there")


def _validity_uv(grid: tuple[int, int], triangles: int) -> NDArray[np.float32]:
    """(loops, 2): each quad at its own texel's centre, skirt and cap at one of the last row, which is never valid."""
    width, height = grid
    columns = (np.arange(width - 1, dtype=np.float32) + np.float32(0.5)) / np.float32(width - 1)
    rows = np.float32(1) - (np.arange(height - 1, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
    out = np.empty((4 * (width - 1) * (height - 1) + 3 * triangles, 2), np.float32)
    quads = out[: 4 * (width - 1) * (height - 1)].reshape(height - 1, width - 1, 4, 2)
    quads[..., 0] = columns[None, :, None]
    quads[..., 1] = rows[:, None, None]
    out[quads.size // 2 :] = (columns[0], np.float32(0.5 / height))
    return out


def read_arrays(viewport: ViewportFolder) -> MeshArrays:
    """The arrays of a viewport folder.

    Raises:
        BadInputError: a file is missing, damaged or does not fit the others.
    """
    folder, count = viewport.folder, viewport.vertices
    width, height = viewport.grid
    if viewport.quads != (width - 1) * (height - 1):
        raise damaged(folder / VIEWPORT_FILE, "it has a grid that does not fit its faces")
    quads = _array(folder, "quads", np.int32, (viewport.quads, 4))
    triangles = _array(folder, "triangles", np.int32, (viewport.triangles, 3))
    loops = quads.size + triangles.size
    loop_edges = _array(folder, "loop_edges", np.int32, (loops,))
    uv = _array(folder, "uv", np.float32, (count, 2))
    edges = _array(folder, "edges", np.int32, (None, 2))
    for part, values, limit in (
        ("quads", quads, count),
        ("triangles", triangles, count),
        ("edges", edges, count),
        ("loop_edges", loop_edges, len(edges)),
    ):
        _check_indices(folder / f"{part}.npy", values, limit)
    check_point_cache(viewport.pc2, count, len(viewport.numbers))

    # Blender splits a quad between its first and third corner, the backend between bottom left and top right: with
    # bottom left as the first corner both show the same two triangles.
    quads = np.roll(quads, -1, axis=1)
    loop_edges[: quads.size] = np.roll(loop_edges[: quads.size].reshape(-1, 4), -1, axis=1).ravel()
    corners = np.concatenate([quads.ravel(), triangles.ravel()])
    starts = np.concatenate(
        [
            np.arange(len(quads), dtype=np.int32) * 4,
            np.int32(quads.size) + np.arange(len(triangles), dtype=np.int32) * 3,
        ]
    )
    plate_uv = uv * np.array([1, -1], np.float32) + np.array([0, 1], np.float32)
    return MeshArrays(
        positions=np.fromfile(viewport.pc2, "<f4", 3 * count, offset=PC2_HEADER.size),
        edges=edges.ravel(),
        corners=corners,
        corner_edges=loop_edges,
        starts=starts,
        plate_uv=plate_uv[corners].ravel(),
        validity_uv=_validity_uv(viewport.grid, len(triangles)).ravel(),
    )


def build_mesh(viewport: ViewportFolder, name: str) -> bpy.types.Mesh:
    """The mesh datablock of a viewport folder, in the pose of its first frame.

    All arrays, edges too, go in as they are: Blender calculates nothing.

    Raises:
        BadInputError: see ``read_arrays``.
    """
    arrays = _taken(viewport)
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(arrays.positions) // 3)
    mesh.edges.add(len(arrays.edges) // 2)
    mesh.loops.add(len(arrays.corners))
    mesh.polygons.add(len(arrays.starts))
    mesh.polygons.foreach_set("loop_start", arrays.starts)
    for attribute, key, values in (
        ("position", "vector", arrays.positions),
        (".edge_verts", "value", arrays.edges),
        (".corner_vert", "value", arrays.corners),
        (".corner_edge", "value", arrays.corner_edges),
    ):
        found: Any = mesh.attributes[attribute]
        found.data.foreach_set(key, values)
    for layer, coordinates in (
        (PLATE_UV, arrays.plate_uv),
        (VALIDITY_UV, arrays.validity_uv),
    ):
        # The attribute itself and not uv_layers.new(), which would fill it with a default map first.
        uv_map: Any = mesh.attributes.new(layer, "FLOAT2", "CORNER")
        uv_map.data.foreach_set("vector", coordinates)
    mesh.uv_layers[PLATE_UV].active_render = True
    mesh.uv_layers.active = mesh.uv_layers[PLATE_UV]
    # Flat: the surface emits, and Blender need not average normals over the vertices at each frame. As ``shade_flat``
    # leaves it, which takes as long as all else here together.
    flat: Any = mesh.attributes.get("sharp_face") or mesh.attributes.new("sharp_face", "BOOLEAN", "FACE")
    flat.data.foreach_set("value", np.ones(len(arrays.starts), bool))
    mesh.update()
    return mesh


def build_mesh_object(folder: Path, name: str, *, first_frame: int | None = None) -> bpy.types.Object:
    """A new mesh object with its point cache, in no collection and without a material.

    Args:
        folder: the viewport folder.
        first_frame: the scene frame of the plate's first picture; None: the plate's own number.

    Raises:
        BadInputError: see ``read_viewport``, ``build_mesh``.
    """
    viewport = read_viewport(folder)
    obj = bpy.data.objects.new(name, build_mesh(viewport, name))
    attach_cache(obj, viewport, viewport.numbers[0] if first_frame is None else first_frame)
    return obj
