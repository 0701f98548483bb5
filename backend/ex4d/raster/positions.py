# SPDX-License-Identifier: Apache-2.0
"""Where on the plate each pixel of a take was taken from: what an artist needs to put a patch of the plate into it.

A stage of its own, made only when it is asked for: neither a render nor a fill depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.mesh.store import MeshStore
from ex4d.plate.store import frame_file, frame_name, frame_names
from ex4d.raster.base import RasterFrame, Rasterizer, View
from ex4d.raster.stage import trajectory_hash
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.stages.stage_files import StageFiles
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched

_FOLDER = "plate"


@dataclass(frozen=True)
class PositionStore:
    """Plate positions of a finished stage.

    Attributes:
        files: its output.
    """

    files: StageFiles

    @classmethod
    def open(cls, folder: Path) -> PositionStore:
        """The store in a finished stage's folder; raises DamagedCacheError, as reading a frame does."""
        return cls(StageFiles.open(folder))

    def read(self, number: int) -> NDArray[np.float32]:
        """(H, W, 2) float32 plate pixel positions (x, y), pixel centres at i + 0.5; NaN where no source surface is
        seen."""
        return np.asarray(self.files.npy(f"{_FOLDER}/{frame_name(number, '.npy')}"), dtype=np.float32)


@dataclass
class PositionStage(PartedStage):
    """Renders plate positions.

    Attributes:
        plate_key, mesh_key: keys of the former stages.
        mesh: the output of the mesh stage, of the frames that are wanted.
        trajectory: the take camera, one per frame, at the size to render.
        rasterizer_name: of the rasterizer that ``create`` makes.
        create: gives it; called only when there is something to do, and closed then.
    """

    name = "positions"
    version = 1

    plate_key: str
    mesh_key: str
    mesh: MeshStore
    trajectory: Trajectory
    rasterizer_name: str
    create: Callable[[], Rasterizer]

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
        return len(self._numbers)

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``."""
        return parts_of(len(self._numbers))

    def means(self) -> dict[str, Any]:
        """See ``PartedWork``: positions of two devices differ a little."""
        return {"device": self._made.device}

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        make_folder(out / _FOLDER)
        with BoundedPool() as pool:
            for part in parts:
                views = prefetched(self._load, range(part.start, part.stop))
                rendered = self._made.render_sequence(views, positions=True)
                for index, frame in zip(range(part.start, part.stop), rendered, strict=True):
                    path = frame_file(out / _FOLDER, self._numbers[index], ".npy")
                    pool.submit(np.save, path, self._positions(index, frame))
                    progress.advance()
                pool.wait()
                yield PartOutput(part, tuple(frame_names(_FOLDER, self._numbers[part.start : part.stop], ".npy")))

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        return []

    def close(self) -> None:
        """See ``PartedWork``."""
        if made := self.__dict__.pop("_made", None):
            made.close()

    @property
    def _numbers(self) -> tuple[int, ...]:
        return self.mesh.source.frame_numbers

    @cached_property
    def _made(self) -> Rasterizer:
        return self.create()

    def _load(self, index: int) -> View:
        mesh = self.mesh.read(index)
        width, height = mesh.topology.plate
        # 16 bits: positions in them snap to pixels, as those of film plates do.
        return mesh, np.zeros((height, width, 3), np.uint16), self.trajectory[index]

    def _positions(self, index: int, frame: RasterFrame) -> NDArray[np.float32]:
        height, width = frame.mask.shape
        if index == 0 and self.mesh.settings.compat == "ex4d":
            source = self.mesh.source
            if (source.width, source.height) == (width, height):
                # The released code puts the source frame itself in place of the first one.
                return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32) + 0.5
        assert frame.plate is not None
        return frame.plate
