# SPDX-License-Identifier: Apache-2.0
"""The mesh of a shot for a viewport: coarser, as flat arrays that a 3D program takes in without computing anything.

    viewport.json        sizes, frame numbers, where the pictures are
    quads.npy            (Q, 4) int32: the grid's quads, row-major; top left, bottom left, bottom right, top right
    triangles.npy        (T, 3) int32: skirt and cap, which are never surface
    edges.npy            (E, 2) int32
    loop_edges.npy       (4Q + 3T,) int32: the edge that follows each corner, quads first
    uv.npy               (V, 2) float32: u to the right, v downwards, 0..1 over the plate's edges
    mesh.pc2             vertices of all frames, float32, shot world (OpenCV axes)
    valid/001001.png     (h, w − 1) 8-bit: 255 where both triangles of a quad are surface; the last row is 0 and stands
                         for skirt and cap
    measured/001001.png  (h, w − 1) 8-bit, where depth tells measured from guessed: 255 where all corners of a quad were
                         measured
    color/001001.png     8-bit RGB, only where the plate's own frames do not serve

Pictures of a plate with frame numbers below 0 are counted from 1 (``protocol.values.picture_numbers``).

Validity is a picture of its own and not the plate's alpha: a texel's centre is a vertex, a face lies between texels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth.store import DepthStore
from ex4d.media.frames import FrameSource
from ex4d.media.images import write_png
from ex4d.mesh.dwmesh import DWMesh, MeshSettings, build_mesh, grid_size
from ex4d.mesh.export import pc2_header
from ex4d.mesh.store import MeshStore
from ex4d.mesh.topology import Topology
from ex4d.plate.store import frame_file, frame_names
from ex4d.protocol.values import picture_numbers
from ex4d.stages.stage import Stage
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched

VIEWPORT_FILE = "viewport.json"
VIEWPORT_FORMAT = "ex4d-viewport"
#: Longer side of a texture at most; graphics cards of laptops hold a sequence of these.
MAX_TEXTURE_SIDE = 2048


def grid_quads(topology: Topology) -> NDArray[np.int32]:
    """The grid's quads (Q, 4) int32, row-major; top left, bottom left, bottom right, top right."""
    pairs = topology.faces[: topology.grid_faces].reshape(-1, 6)
    # Two triangles a quad: (tl, bl, tr) and (tr, bl, br).
    return np.ascontiguousarray(pairs[:, [0, 1, 5, 2]])


def polygon_edges(quads: NDArray[np.int32], triangles: NDArray[np.int32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Edges (E, 2) int32 of a mesh of quads and triangles, and for each corner, quads first, the index (L,) int32 of
    the edge to the next corner."""
    pairs = [np.stack([p, np.roll(p, -1, axis=1)], axis=-1).reshape(-1, 2) for p in (quads, triangles)]
    ends = np.sort(np.concatenate(pairs), axis=1).astype(np.int64)
    keys, inverse = np.unique(ends[:, 0] << 32 | ends[:, 1], return_inverse=True)
    edges = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=-1)
    return edges.astype(np.int32), inverse.reshape(-1).astype(np.int32)


def quad_validity(mesh: DWMesh) -> NDArray[np.uint8]:
    """(h, w − 1) uint8: 255 where both triangles of a quad are surface; the last row is 0."""
    width, height = mesh.topology.grid
    valid = mesh.face_valid[: mesh.topology.grid_faces].reshape(height - 1, width - 1, 2).all(axis=-1)
    return np.concatenate([valid, np.zeros((1, width - 1), np.bool_)]).astype(np.uint8) * np.uint8(255)


def quad_measured(measured: NDArray[np.bool_], topology: Topology) -> NDArray[np.uint8]:
    """(h, w − 1) uint8: 255 where all corners of a quad lie on measured pixels; the last row is 0.

    Args:
        measured: (H, W) bool, of the plate's pixels.
    """
    width, height = topology.grid
    columns, rows = topology.pixels[: topology.grid_vertices].astype(np.int64).T
    at = measured[rows, columns].reshape(height, width)
    quads = at[:-1, :-1] & at[1:, :-1] & at[:-1, 1:] & at[1:, 1:]
    return np.concatenate([quads, np.zeros((1, width - 1), np.bool_)]).astype(np.uint8) * np.uint8(255)


@dataclass(frozen=True)
class CoarseMeshes:
    """The shot's meshes on a coarser grid, built from the fine ones' depth.

    Attributes:
        mesh: the fine meshes.
        side: vertices along the longer side at most.
        plate: pixel size (width, height) the coarse mesh is made for, None = the plate's.
        far: z-depth of the far plane, None = the fine meshes'.
    """

    mesh: MeshStore
    side: int
    plate: tuple[int, int] | None = None
    far: float | None = None

    @property
    def settings(self) -> MeshSettings:
        """Those of the fine mesh; between vertices further apart more depth may lie."""
        settings, source = self.mesh.settings, self.mesh.source
        fine = grid_size((source.width, source.height), settings.max_grid_side)
        coarse = grid_size((source.width, source.height), self.side)
        ratio = float(settings.max_depth_ratio ** max(1.0, fine[0] / coarse[0]))
        return replace(settings, max_grid_side=self.side, max_depth_ratio=ratio, compat="none")

    @property
    def source(self) -> Trajectory:
        """The source cameras at the pixel size of ``plate``."""
        source = self.mesh.source
        return source if self.plate is None else source.resized(*self.plate)

    def read(self, index: int) -> DWMesh:
        """The coarse mesh of the frame with this index."""
        fine = self.mesh.read(index)
        return build_mesh(fine.grid_z, self.source[index], self.far or self.mesh.far, fine.pixel_valid, self.settings)


@dataclass
class ViewportStage(Stage):
    """Writes a viewport folder.

    Attributes:
        plate_key, mesh_key: keys of the former stages.
        frames, mesh: their outputs.
        frames_folder: where the plate's own PNG files are.
        side: vertices along the longer side at most.
        depth: the depth, where it tells measured pixels from guessed ones; else None.
    """

    name = "viewport"
    version = 2

    plate_key: str
    mesh_key: str
    frames: FrameSource
    mesh: MeshStore
    frames_folder: Path
    side: int
    depth: DepthStore | None = None

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        inputs: dict[str, Any] = {"plate": self.plate_key, "mesh": self.mesh_key, "side": self.side}
        if self.depth is not None:
            inputs["measured"] = True
        # Their names were the frames' own once.
        return inputs if self._pictures == self.frames.numbers else {**inputs, "pictures": "from 1"}

    @property
    def _pictures(self) -> tuple[int, ...]:
        return picture_numbers(self.frames.numbers)

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.frames)

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``."""
        numbers, pictures = self.frames.numbers, self._pictures
        valid_folder = make_folder(out / "valid")
        own_colors = self.needs_own_colors()
        if self.depth is not None:
            make_folder(out / "measured")
        if own_colors:
            make_folder(out / "color")
        coarse = CoarseMeshes(self.mesh, self.side, far=self.mesh.shown_far)
        topology: Topology | None = None
        with (out / "mesh.pc2").open("wb") as points, BoundedPool() as pool:
            meshes = prefetched(coarse.read, range(len(numbers)))
            for mesh, number, picture in zip(meshes, numbers, pictures, strict=True):
                if topology is None:
                    topology = mesh.topology
                    points.write(pc2_header(len(mesh.points), numbers[0], len(numbers)))
                points.write(mesh.world_points().astype("<f4").tobytes())
                pool.submit(write_png, frame_file(valid_folder, picture, ".png"), quad_validity(mesh))
                if self.depth is not None:
                    measured = self.depth.read_measured(number)
                    assert measured is not None
                    told = quad_measured(measured, mesh.topology)
                    pool.submit(write_png, frame_file(out / "measured", picture, ".png"), told)
                if own_colors:
                    pool.submit(self._write_color, frame_file(out / "color", picture, ".png"), number)
                progress.advance()
        assert topology is not None
        return [
            "mesh.pc2",
            *frame_names("valid", pictures, ".png"),
            *(frame_names("measured", pictures, ".png") if self.depth is not None else ()),
            *(frame_names("color", pictures, ".png") if own_colors else ()),
            *self._write_topology(out, topology, own_colors=own_colors),
        ]

    def needs_own_colors(self) -> bool:
        """Whether the plate's own frames do not serve as textures."""
        frames = self.frames
        other = frames.encoding.bits != 8 or frames.has_alpha or max(frames.size) > MAX_TEXTURE_SIDE
        return other or self._pictures != frames.numbers

    def _write_color(self, path: Path, number: int) -> None:
        picture = self.frames.read_8bit(number)
        scale = MAX_TEXTURE_SIDE / max(self.frames.size)
        if scale < 1:
            size = tuple(max(1, round(side * scale)) for side in self.frames.size)
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        write_png(path, picture)

    def _write_topology(self, out: Path, topology: Topology, *, own_colors: bool) -> list[str]:
        """Returns the names of the files."""
        quads, triangles = grid_quads(topology), topology.faces[topology.grid_faces :]
        edges, loop_edges = polygon_edges(quads, triangles)
        arrays = {
            "quads": quads,
            "triangles": triangles,
            "edges": edges,
            "loop_edges": loop_edges,
            "uv": topology.uv,
        }
        for name, values in arrays.items():
            np.save(out / f"{name}.npy", values, allow_pickle=False)
        # Relative to where the folder will stand, so that a shot can be moved as a whole.
        color = "color" if own_colors else f"../{self.frames_folder.parent.name}/{self.frames_folder.name}"
        record = {
            "format": VIEWPORT_FORMAT,
            "version": 1,
            "grid": list(topology.grid),
            "plate": list(topology.plate),
            "vertices": len(topology.pixels),
            "quads": len(quads),
            "triangles": len(triangles),
            "numbers": list(self.frames.numbers),
            "fps": str(self.frames.fps),
            "color": color,
            "valid": "valid",
        }
        if self.depth is not None:
            record["measured"] = "measured"
        (out / VIEWPORT_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [*(f"{name}.npy" for name in arrays), VIEWPORT_FILE]


@dataclass
class ProxyShot:
    """A small copy of a shot in memory, for previews: pictures and meshes of ``side`` pixels and vertices.

    Attributes:
        frames, mesh: of the shot.
        side: longer side, pixels and vertices.
    """

    frames: FrameSource
    mesh: MeshStore
    side: int

    def __post_init__(self) -> None:
        self.size = grid_size(self.frames.size, self.side)
        self._meshes = CoarseMeshes(self.mesh, self.side, self.size)
        self._loaded: dict[int, tuple[DWMesh, NDArray[np.uint8]]] = {}

    def read(self, index: int) -> tuple[DWMesh, NDArray[np.uint8]]:
        """Mesh and picture (h, w, 3) uint8 of the frame with this index; kept for the next time."""
        if index not in self._loaded:
            picture = self.frames.read_8bit(self.frames.numbers[index])
            small = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
            self._loaded[index] = self._meshes.read(index), np.asarray(small, np.uint8)
        return self._loaded[index]

    @property
    def bytes_per_frame(self) -> int:
        """Roughly what one frame takes in memory."""
        vertices = self.size[0] * self.size[1]
        # points, picture, pixel validity, gaps of two faces a vertex
        return vertices * (12 + 3 + 1 + 8)
