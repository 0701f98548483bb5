# SPDX-License-Identifier: Apache-2.0
"""Stage 4: the mesh seen by the take camera."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Trajectory, write_json
from ex4d.media.frames import FrameSource
from ex4d.media.images import write_png
from ex4d.mesh.store import MeshStore
from ex4d.plate.store import frame_file, frame_names
from ex4d.raster.base import RasterFrame, Rasterizer, View
from ex4d.raster.store import RASTER_FILE, TRAJECTORY_FILE
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched


def trajectory_hash(trajectory: Trajectory) -> str:
    """Hash of everything in a trajectory that changes its pictures."""
    digest = hashlib.sha256(f"{trajectory.width}x{trajectory.height}".encode())
    for array in (trajectory.K, trajectory.E, trajectory.near, trajectory.far):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@dataclass
class RasterStage(PartedStage):
    """Renders a take.

    Attributes:
        plate_key, mesh_key: keys of the former stages.
        frames, mesh: their outputs.
        trajectory: the take camera, one per frame, at the size to render.
        rasterizer_name: of the rasterizer that ``create`` makes.
        create: gives it, with sentences about those that did not work; called only when there is something to do, and
            closed then.
    """

    name = "raster"
    version = 1

    plate_key: str
    mesh_key: str
    frames: FrameSource
    mesh: MeshStore
    trajectory: Trajectory
    rasterizer_name: str
    create: Callable[[], tuple[Rasterizer, tuple[str, ...]]]

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        return {
            "plate": self.plate_key,
            "mesh": self.mesh_key,
            "trajectory": trajectory_hash(self.trajectory),
            "rasterizer": self.rasterizer_name,
        }

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.frames)

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``."""
        return parts_of(len(self.frames))

    def means(self) -> dict[str, Any]:
        """See ``PartedWork``: pictures of two devices differ a little."""
        return {"device": self._made[0].device}

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        for name in ("color", "mask", "z"):
            make_folder(out / name)
        rasterizer, _ = self._made
        with BoundedPool() as pool:
            for part in parts:
                numbers = self.frames.numbers[part.start : part.stop]
                coverage: list[float] = []
                views = prefetched(self._load, range(part.start, part.stop))
                rendered = rasterizer.render_sequence(views)
                for index, number, drawn in zip(range(part.start, part.stop), numbers, rendered, strict=True):
                    frame = self._first_as_released(drawn) if index == 0 else drawn
                    coverage.append(float(frame.mask.mean() / 255))
                    pool.submit(write_png, frame_file(out / "color", number, ".png"), frame.color)
                    pool.submit(write_png, frame_file(out / "mask", number, ".png"), frame.mask)
                    pool.submit(np.save, frame_file(out / "z", number, ".npy"), frame.z)
                    progress.advance()
                pool.wait()
                yield PartOutput(part, tuple(self._names(numbers)), {"coverage": coverage})

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        rasterizer, notes = self._made
        write_json(out / TRAJECTORY_FILE, self.trajectory.numbered(self.frames.numbers, self.frames.fps))
        record = {
            "coverage": [share for output in done for share in output.record["coverage"]],
            "rasterizer": rasterizer.name,
            "device": rasterizer.device,
            "licence": rasterizer.licence,
            "notes": list(notes),
        }
        (out / RASTER_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [TRAJECTORY_FILE, RASTER_FILE]

    def close(self) -> None:
        """See ``PartedWork``."""
        if made := self.__dict__.pop("_made", None):
            made[0].close()

    @cached_property
    def _made(self) -> tuple[Rasterizer, tuple[str, ...]]:
        return self.create()

    @staticmethod
    def _names(numbers: Sequence[int]) -> Iterator[str]:
        for folder, suffix in (("color", ".png"), ("mask", ".png"), ("z", ".npy")):
            yield from frame_names(folder, numbers, suffix)

    def _load(self, index: int) -> View:
        return self.mesh.read(index), self.frames.read(self.frames.numbers[index])[0], self.trajectory[index]

    def _first_as_released(self, frame: RasterFrame) -> RasterFrame:
        """The released code puts the source frame itself in place of the first one."""
        if self.mesh.settings.compat != "ex4d":
            return frame
        texture = self.frames.read(self.frames.numbers[0])[0]
        if texture.shape[:2] != frame.mask.shape:
            return frame
        return replace(frame, color=texture, mask=np.full_like(frame.mask, 255))
