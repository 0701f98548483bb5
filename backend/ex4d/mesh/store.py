# SPDX-License-Identifier: Apache-2.0
"""The mesh as the other stages see it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from ex4d.camera import Trajectory
from ex4d.media.picture_facts import PixelWindow
from ex4d.mesh.dwmesh import DWMesh, MeshSettings, assemble_mesh
from ex4d.mesh.released import build_released_mesh
from ex4d.mesh.topology import closed_topology
from ex4d.plate.store import frame_name
from ex4d.stages.stage_files import StageFiles

MESH_FILE = "mesh.json"
MESH_CAMERA_FILE = "source_camera.json"
#: The same of the frame alone, where the plate has overscan.
FRAME_CAMERA_FILE = "frame_camera.json"


def frame_camera(source: Trajectory, frame: PixelWindow) -> Trajectory:
    """The camera of the frame, which lies there in the pixels of ``source``."""
    return source.cropped(frame.left, frame.top, frame.width, frame.height)


@dataclass(frozen=True)
class MeshStore:
    """Meshes of a finished mesh stage.

    Attributes:
        files: its output.
        source: the source camera per frame, of all the plate's pixels.
        settings: what it was built with.
        far: z-depth of the far plane, world units.
        shown_far: the same where the sky is not told from the deepest surface: for viewports, in which a sky at its
            true distance could not be handled.
        pivot: z-depth that presets turn about unless told otherwise, world units.
        frame: where the frame lies in the plate's pixels, which are more where there is overscan; None = they are it.
    """

    files: StageFiles
    source: Trajectory
    settings: MeshSettings
    far: float
    shown_far: float
    pivot: float
    frame: PixelWindow | None = None

    @classmethod
    def open(cls, folder: Path) -> MeshStore:
        """The store in a finished mesh stage's folder; raises DamagedCacheError, as ``read`` does."""
        files = StageFiles.open(folder)
        record, source = files.json(MESH_FILE), files.trajectory(MESH_CAMERA_FILE)
        with files.decoding(MESH_FILE):
            settings = MeshSettings(**{f.name: record["settings"][f.name] for f in fields(MeshSettings)})
            frame = PixelWindow(**record["frame"]) if "frame" in record else None
            return cls(files, source, settings, record["far"], record["shown_far"], record["pivot"], frame)

    @property
    def folder(self) -> Path:
        """Its output folder."""
        return self.files.folder

    @property
    def view(self) -> Trajectory:
        """The source camera per frame, of the frame alone: what people see, and takes start from."""
        return self.source if self.frame is None else frame_camera(self.source, self.frame)

    @property
    def view_file(self) -> Path:
        """The file of ``view``, of all frames of the shot."""
        return self.folder / (MESH_CAMERA_FILE if self.frame is None else FRAME_CAMERA_FILE)

    def read(self, index: int) -> DWMesh:
        """The mesh of the frame with this index."""
        source = self.source[index]
        name = f"frames/{frame_name(self.source.frame_numbers[index], '.npz')}"
        arrays = self.files.npz(name)
        with self.files.decoding(name):
            z = arrays["z"]
            if self.settings.compat == "ex4d":
                return build_released_mesh(z, source)
            plate = (source.width, source.height)
            topology = closed_topology((z.shape[1], z.shape[0]), plate)
            face_valid = np.unpackbits(arrays["face_valid"], count=topology.grid_faces).astype(np.bool_)
            pixel_valid = np.unpackbits(arrays["pixel_valid"], count=z.size).astype(np.bool_).reshape(z.shape)
        return assemble_mesh(topology, z, face_valid, pixel_valid, source, self.far, self.settings)
