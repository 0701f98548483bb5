# SPDX-License-Identifier: Apache-2.0
"""Stage 3: the watertight mesh of every frame."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Trajectory, intrinsics, static_trajectory, write_json
from ex4d.camera.released import released_radius
from ex4d.depth.store import DepthStore
from ex4d.mesh.dwmesh import DWMesh, MeshSettings, build_mesh, far_plane
from ex4d.mesh.released import RELEASED_FAR, RELEASED_FOCAL_PX
from ex4d.mesh.store import MESH_CAMERA_FILE, MESH_FILE
from ex4d.plate.store import FrameStore, frame_file, frame_names
from ex4d.stages.cache import Stage
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool

#: The released code's far depth for pixels without any (it clips depth to 1e-4 … 1e4).
RELEASED_MAX_DEPTH = 1e4


def settings_record(settings: MeshSettings) -> dict[str, Any]:
    """Mesh settings, JSON-able; keys and records take no infinite numbers."""
    return {**asdict(settings), "thickness": str(settings.thickness)}


@dataclass
class MeshStage(Stage):
    """Builds the meshes.

    Attributes:
        plate_key, depth_key: keys of the former stages.
        frames, depth: their outputs.
        settings: thresholds and construction.
    """

    name = "mesh"
    version = 2

    plate_key: str
    depth_key: str
    frames: FrameStore
    depth: DepthStore
    settings: MeshSettings

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        return {"plate": self.plate_key, "depth": self.depth_key, "settings": settings_record(self.settings)}

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``."""
        numbers = self.frames.numbers
        progress.begin(self.name, len(numbers))
        folder = make_folder(out / "frames")
        released = self.settings.compat == "ex4d"
        source = self._released_source() if released else self.depth.source
        shown_far = RELEASED_FAR if released else far_plane(self.depth.deepest, self.depth.median)
        far = far_plane(math.inf, self.depth.median) if self.depth.sky and not released else shown_far
        pivot = released_radius(self.depth.read(numbers[0])) if released else self.depth.subject
        with BoundedPool() as pool:
            for index, number in enumerate(numbers):
                path = frame_file(folder, number, ".npz")
                depth = self.depth.read(number)
                if released:
                    z = np.nan_to_num(depth, nan=RELEASED_MAX_DEPTH, posinf=RELEASED_MAX_DEPTH)
                    pool.submit(_save, path, {"z": z})
                else:
                    opaque = self.frames.opaque(number)
                    pool.submit(_save, path, _arrays(build_mesh(depth, source[index], far, opaque, self.settings)))
                progress.advance()
        write_json(out / MESH_CAMERA_FILE, source)
        record = {"settings": asdict(self.settings), "far": far, "shown_far": shown_far, "pivot": pivot}
        (out / MESH_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [*frame_names("frames", numbers, ".npz"), MESH_CAMERA_FILE, MESH_FILE]

    def _released_source(self) -> Trajectory:
        K = intrinsics(RELEASED_FOCAL_PX, *self.frames.size)
        return static_trajectory(K, *self.frames.size, len(self.frames)).numbered(self.frames.numbers, self.frames.fps)


def _arrays(mesh: DWMesh) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "z": mesh.grid_z,
        "face_valid": np.packbits(mesh.surface),
        "pixel_valid": np.packbits(mesh.pixel_valid),
    }


def _save(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
    np.savez(path, allow_pickle=False, **arrays)
