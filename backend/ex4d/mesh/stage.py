# SPDX-License-Identifier: Apache-2.0
"""Stage 3: the watertight mesh of every frame."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Camera, Trajectory, intrinsics, static_trajectory, write_json
from ex4d.camera.released import released_radius
from ex4d.depth.store import DepthStore
from ex4d.media.frames import FrameSource
from ex4d.mesh.dwmesh import MeshSettings, build_mesh, far_plane
from ex4d.mesh.released import RELEASED_FAR, RELEASED_FOCAL_PX
from ex4d.mesh.store import FRAME_CAMERA_FILE, MESH_CAMERA_FILE, MESH_FILE, frame_camera
from ex4d.mesh.validity import GUESSED_MAX_DEPTH_RATIO, GUESSED_MIN_ANGLE_DEG
from ex4d.plate.store import frame_file, frame_names
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool

#: The released code's far depth for pixels without any (it clips depth to 1e-4 … 1e4).
RELEASED_MAX_DEPTH = 1e4


def settings_record(settings: MeshSettings) -> dict[str, Any]:
    """Mesh settings, JSON-able; keys and records take no infinite numbers."""
    return {**asdict(settings), "thickness": str(settings.thickness)}


#: Among the inputs of the meshes of plates with alpha: it takes no part in them.
ALPHA_CARRIED: Mapping[str, Any] = {"alpha": "carried"}


@dataclass
class MeshStage(PartedStage):
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
    frames: FrameSource
    depth: DepthStore
    settings: MeshSettings

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        inputs: dict[str, Any] = {
            "plate": self.plate_key,
            "depth": self.depth_key,
            "settings": settings_record(self.settings),
        }
        if self.depth.measured is not None and not self._is_released:
            inputs["guessed"] = [GUESSED_MIN_ANGLE_DEG, GUESSED_MAX_DEPTH_RATIO]
        # Transparent pixels once were holes.
        return {**inputs, **ALPHA_CARRIED} if self.frames.has_alpha else inputs

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.frames)

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``."""
        return parts_of(len(self.frames))

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        folder = make_folder(out / "frames")
        source, (far, _) = self._source(), self._far_planes()
        with BoundedPool() as pool:
            for part in parts:
                numbers = self.frames.numbers[part.start : part.stop]
                for index, number in enumerate(numbers, start=part.start):
                    pool.submit(self._save, frame_file(folder, number, ".npz"), index, source[index], far)
                    progress.advance()
                pool.wait()
                yield PartOutput(part, tuple(frame_names("frames", numbers, ".npz")))

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        far, shown_far = self._far_planes()
        pivot = released_radius(self.depth.read(self.frames.numbers[0])) if self._is_released else self.depth.subject
        write_json(out / MESH_CAMERA_FILE, self._source())
        record = {"settings": asdict(self.settings), "far": far, "shown_far": shown_far, "pivot": pivot}
        names = [MESH_CAMERA_FILE, MESH_FILE]
        if self.frames.frame is not None:
            record["frame"] = asdict(self.frames.frame)
            write_json(out / FRAME_CAMERA_FILE, frame_camera(self._source(), self.frames.frame))
            names.append(FRAME_CAMERA_FILE)
        (out / MESH_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return names

    @property
    def _is_released(self) -> bool:
        return self.settings.compat == "ex4d"

    def _far_planes(self) -> tuple[float, float]:
        """z-depth of the far plane, and the same for viewports, world units; see ``MeshStore``."""
        shown = RELEASED_FAR if self._is_released else far_plane(self.depth.deepest, self.depth.median)
        return far_plane(math.inf, self.depth.median) if self.depth.sky and not self._is_released else shown, shown

    def _save(self, path: Path, index: int, camera: Camera, far: float) -> None:
        np.savez(path, allow_pickle=False, **self._arrays(index, camera, far))

    def _arrays(self, index: int, camera: Camera, far: float) -> dict[str, np.ndarray[Any, Any]]:
        """What is stored of the mesh of one frame."""
        number = self.frames.numbers[index]
        depth = self.depth.read(number)
        if self._is_released:
            return {"z": np.nan_to_num(depth, nan=RELEASED_MAX_DEPTH, posinf=RELEASED_MAX_DEPTH)}
        mesh = build_mesh(depth, camera, far, settings=self.settings, measured=self.depth.read_measured(number))
        return {
            "z": mesh.grid_z,
            "face_valid": np.packbits(mesh.surface),
            "pixel_valid": np.packbits(mesh.pixel_valid),
        }

    def _source(self) -> Trajectory:
        """The source camera per frame."""
        if not self._is_released:
            return self.depth.source
        K = intrinsics(RELEASED_FOCAL_PX, *self.frames.size)
        return static_trajectory(K, *self.frames.size, len(self.frames)).numbered(self.frames.numbers, self.frames.fps)
