# SPDX-License-Identifier: Apache-2.0
"""The mesh for other programs: PLY (one frame), PC2 point cache and npz (all frames). World units, OpenCV axes."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.media.frames import FrameSource
from ex4d.mesh.dwmesh import DWMesh
from ex4d.mesh.store import MeshStore
from ex4d.system.files import atomic_path
from ex4d.system.progress import Progress, steps

PC2_MAGIC = b"POINTCACHE2\0"


def vertex_colors(mesh: DWMesh, texture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(V, 4) RGBA of the vertices: the plate's colour, alpha 255 where the pixel is valid; 0 for the outer ring."""
    out = np.zeros((len(mesh.points), 4), dtype=np.uint8)
    count = mesh.topology.grid_vertices
    columns, rows = mesh.topology.pixels[:count].astype(int).T
    out[:count, :3] = texture[np.minimum(rows, texture.shape[0] - 1), np.minimum(columns, texture.shape[1] - 1)]
    alpha = mesh.pixel_valid if mesh.vertex_alpha is None else mesh.vertex_alpha
    out[:count, 3] = np.where(alpha.reshape(-1)[:count], 255, 0)
    return out


def write_ply(path: Path, mesh_store: MeshStore, frames: FrameSource, progress: Progress) -> None:
    """Binary PLY of the first frame: vertices with RGBA and texture coordinates, faces with a ``valid`` flag.

    Format: Turk, The PLY Polygon File Format, 1994. ``s`` and ``t`` are u and 1 − v, as Blender and MeshLab read them.
    """
    progress.begin("mesh.ply", 1)
    mesh = mesh_store.read(0)
    vertices = np.zeros(
        len(mesh.points),
        dtype=[("xyz", "<f4", 3), ("rgba", "u1", 4), ("st", "<f4", 2)],
    )
    vertices["xyz"] = mesh.world_points()
    vertices["rgba"] = vertex_colors(mesh, frames.read_8bit(frames.numbers[0]))
    vertices["st"] = mesh.topology.uv * np.array([1, -1], np.float32) + np.array([0, 1], np.float32)
    faces = np.zeros(len(mesh.topology.faces), dtype=[("count", "u1"), ("index", "<i4", 3), ("valid", "u1")])
    faces["count"], faces["index"], faces["valid"] = 3, mesh.topology.faces, mesh.face_valid
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"comment depth-watertight mesh of frame {frames.numbers[0]}; OpenCV axes: x right, y down, z forward",
            f"element vertex {len(vertices)}",
            *(f"property float {name}" for name in "xyz"),
            *(f"property uchar {name}" for name in ("red", "green", "blue", "alpha")),
            *(f"property float {name}" for name in "st"),
            f"element face {len(faces)}",
            "property list uchar int vertex_indices",
            "property uchar valid",
            "end_header\n",
        ]
    )
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(header.encode("ascii"))
        file.write(vertices.tobytes())
        file.write(faces.tobytes())
    progress.advance()
    progress.end()


def pc2_header(points: int, first_frame: int, samples: int) -> bytes:
    """The 32 bytes before a point cache's vertices: magic, version, points, first frame, sample rate, samples."""
    return PC2_MAGIC + struct.pack("<iiffi", 1, points, float(first_frame), 1.0, samples)


def write_pc2(path: Path, mesh_store: MeshStore, frames: FrameSource, progress: Progress) -> None:
    """PC2 point cache: the vertices of all frames, for a Mesh Cache modifier on the topology of ``write_ply``.

    Layout: 12 bytes magic, int32 version 1, int32 points, float32 first frame, float32 sample rate, int32 samples, then
    float32 x, y, z per point and sample, all little-endian.
    """
    progress.begin("mesh.pc2", len(frames))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for index in steps(progress, range(len(frames))):
            points = mesh_store.read(index).world_points().astype("<f4")
            if index == 0:
                file.write(pc2_header(len(points), frames.numbers[0], len(frames)))
            file.write(points.tobytes())
    progress.end()


def write_npz(path: Path, mesh_store: MeshStore, frames: FrameSource, progress: Progress) -> None:
    """npz with ``faces`` (F, 3) int32, ``uv`` (V, 2) float32, ``numbers`` (T,) and, for each frame number N,
    ``vertices_N`` (V, 3) float32 and ``face_valid_N`` (F,) bool. Written frame by frame: memory does not grow."""
    progress.begin("mesh.npz", len(frames))
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):

        def add(name: str, values: NDArray[Any]) -> None:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)

        for index in steps(progress, range(len(frames))):
            mesh, number = mesh_store.read(index), frames.numbers[index]
            if index == 0:
                add("faces", mesh.topology.faces)
                add("uv", mesh.topology.uv)
                add("numbers", np.array(frames.numbers))
            add(f"vertices_{number}", mesh.world_points().astype(np.float32))
            add(f"face_valid_{number}", mesh.face_valid)
    progress.end()
