# SPDX-License-Identifier: Apache-2.0
"""The shot: a folder that holds one plate and all that is made from it.

shot.json            which plate, which finished stages are current
cache/<stage>-<key>/ outputs of the stages (see ``cache``)
takes/v001/ …        delivered takes
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ex4d.cache import StageCache, is_complete, remove_leftovers
from ex4d.depth.base import DepthSource
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.files import atomic_write, make_folder, writing
from ex4d.mesh import MeshSettings
from ex4d.mesh.stage import MeshStage
from ex4d.mesh.store import MeshStore
from ex4d.plate import FrameRange, open_plate, plate_hash
from ex4d.plate.base import PlateReader
from ex4d.plate.stage import PlateStage
from ex4d.plate.store import FrameStore
from ex4d.progress import Progress
from ex4d.protocol.errors import BadInputError

SHOT_FILE = "shot.json"


@dataclass(frozen=True)
class PlateRequest:
    """Which frames of which plate.

    Attributes:
        path: movie, folder, pattern or image.
        frames: by the plate's own numbers; None = all.
        fps: replaces the plate's rate; None = its own.
        first_frame: number of a movie's first frame.
    """

    path: Path
    frames: FrameRange | None = None
    fps: Fraction | None = None
    first_frame: int = 1001


@dataclass(frozen=True)
class Reconstruction:
    """Plate, depth and mesh of a shot, with the keys of their stages.

    Attributes:
        plate: what shot.json says of the plate, JSON-able.
    """

    frames: FrameStore
    depth: DepthStore
    mesh: MeshStore
    plate_key: str
    mesh_key: str
    plate: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """What a take's sidecar says of all this, JSON-able."""
        numbers = self.frames.numbers
        return {
            "plate": {
                **self.plate,
                "width": self.frames.width,
                "height": self.frames.height,
                "frames": f"{numbers[0]}-{numbers[-1]}",
                "count": len(numbers),
                "bit_depth": self.frames.bit_depth,
                "alpha": self.frames.has_alpha,
                "variable_rate": self.frames.variable_rate,
            },
            "depth": {
                "name": self.depth.name,
                "label": self.depth.label,
                "licence": self.depth.licence,
                "source_poses_known": self.depth.poses_known,
                "intrinsics_known": self.depth.intrinsics_known,
            },
            "mesh": {
                "min_angle_deg": self.mesh.settings.min_angle_deg,
                "max_depth_ratio": self.mesh.settings.max_depth_ratio,
                "thickness": str(self.mesh.settings.thickness),
                "max_grid_side": self.mesh.settings.max_grid_side,
                "compat": self.mesh.settings.compat,
                "far": self.mesh.far,
            },
            "notes": list(self.notes()),
        }

    def selected(self, frames: FrameRange | None) -> Reconstruction:
        """The same shot with only those frames; stages made from it are kept apart from those of all frames.

        Raises:
            BadInputError: the plate has none of them, or not all.
        """
        numbers = self.frames.numbers
        chosen = [index for index, number in enumerate(numbers) if frames is None or number in frames]
        if len(chosen) == len(numbers) and (frames is None or frames.start == numbers[0]):
            return self
        last = frames.stop - 1 if frames is not None and frames.stop is not None else numbers[-1]
        if not chosen or frames is None or frames.start < numbers[0] or last > numbers[-1]:
            raise BadInputError(
                f"Frames {frames} are not all in this shot, which has frames {numbers[0]}-{numbers[-1]}.",
                "Choose frames within these, or reconstruct the plate with them.",
            )
        kept = tuple(numbers[index] for index in chosen)
        source = self.mesh.source.for_frames(kept, self.frames.fps, "the source camera")
        times = tuple(self.frames.times[index] - self.frames.times[chosen[0]] for index in chosen)
        suffix = f":{kept[0]}-{kept[-1]}"
        return replace(
            self,
            frames=replace(self.frames, numbers=kept, times=times),
            mesh=replace(self.mesh, source=source),
            plate_key=self.plate_key + suffix,
        )

    def notes(self) -> tuple[str, ...]:
        """Sentences that belong into every report on this shot."""
        return (*self.frames.notes, *self.depth.notes)


def _is_shot(record: Any) -> bool:
    match record:
        case {
            "format": "ex4d-shot",
            "version": 1,
            "plate": {"path": str(), "sha256": str(), "files": list()},
            "stages": {"plate": str(), "depth": str(), "mesh": str()},
        }:
            return True
    return False


def _stamp(reader: PlateReader) -> list[list[Any]]:
    """Names, sizes and times of the plate's files: as long as they stay, so does the hash."""
    stats = ((path.name, path.stat()) for path in reader.paths)
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]


class Shot:
    """A shot folder.

    Raises (when made):
        BadInputError: the folder is a file, or its shot.json is not ours.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = StageCache(root / "cache")
        self.takes = root / "takes"
        with writing(root):
            if root.exists() and not root.is_dir():
                raise BadInputError(f"{root} is a file, not a folder.", "Choose a folder for the shot.")
            for folder in (self.root, self.cache.root, self.takes):
                remove_leftovers(folder)
            self._record = self._read()

    def _read(self) -> dict[str, Any]:
        path = self.root / SHOT_FILE
        if not path.exists():
            return {}
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            record = None
        if not _is_shot(record):
            raise BadInputError(
                f"{path} is damaged or belongs to something else.",
                "Choose another folder; if the shot was yours, delete the file: the next run finds its cache again.",
            )
        return record

    def reconstruct(
        self, request: PlateRequest, source: DepthSource, settings: MeshSettings, progress: Progress
    ) -> Reconstruction:
        """Read the plate, get its depth, build its meshes; what is already there is not done again."""
        reader = open_plate(request.path, frames=request.frames, fps=request.fps, first_frame=request.first_frame)
        sha256, stamp = self._hash(reader)
        path = str(request.path.absolute())
        known = self._record.get("plate", {"path": path})
        # Other frames of the same sequence, or a new version of the same file, have another hash.
        if known["path"] != path and known["sha256"] != sha256:
            raise BadInputError(
                f"{self.root} is the shot of another plate ({known['path']}).",
                "Choose another output folder for this plate.",
            )
        make_folder(self.root)
        selection = {
            "frames": str(request.frames) if request.frames else None,
            "fps": str(request.fps) if request.fps else None,
            "first_frame": request.first_frame,
        }
        plate_stage = PlateStage(sha256, selection, reader)
        frames = FrameStore.open(self.cache.ensure(plate_stage, progress))
        depth_stage = DepthStage(plate_stage.key(), frames, source)
        depth = DepthStore.open(self.cache.ensure(depth_stage, progress))
        mesh_stage = MeshStage(plate_stage.key(), depth_stage.key(), frames, depth, settings)
        mesh = MeshStore.open(self.cache.ensure(mesh_stage, progress))
        plate = {"path": path, "sha256": sha256}
        self._record = {
            "format": "ex4d-shot",
            "version": 1,
            "plate": {**plate, "files": stamp},
            "stages": {stage.name: stage.key() for stage in (plate_stage, depth_stage, mesh_stage)},
        }
        atomic_write(self.root / SHOT_FILE, json.dumps(self._record, indent=1).encode())
        reconstruction = Reconstruction(frames, depth, mesh, plate_stage.key(), mesh_stage.key(), plate)
        for note in reconstruction.notes():
            progress.note(note)
        return reconstruction

    def _hash(self, reader: PlateReader) -> tuple[str, list[list[Any]]]:
        stamp = _stamp(reader)
        plate = self._record.get("plate", {})
        if plate.get("files") == stamp and plate.get("path") == str(reader.info.path.absolute()):
            return plate["sha256"], stamp
        return plate_hash(reader), stamp

    def reconstruction(self) -> Reconstruction:
        """What ``reconstruct`` has made before.

        Raises:
            BadInputError: nothing was, or its cache is gone.
        """
        stages = self._record.get("stages", {})
        folders = {name: self.cache.root / f"{name}-{stages.get(name)}" for name in ("plate", "depth", "mesh")}
        if not all(is_complete(folder) for folder in folders.values()):
            raise BadInputError(
                f"{self.root} holds no reconstructed plate.", "Run `ex4d recon PLATE --out FOLDER` first."
            )
        plate = {name: self._record["plate"][name] for name in ("path", "sha256")}
        return Reconstruction(
            FrameStore.open(folders["plate"]),
            DepthStore.open(folders["depth"]),
            MeshStore.open(folders["mesh"]),
            stages["plate"],
            stages["mesh"],
            plate,
        )
