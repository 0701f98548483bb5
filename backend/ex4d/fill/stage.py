# SPDX-License-Identifier: Apache-2.0
"""Stage 5: the filled frames of a take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.fill.base import Generator, TakeFrame, TakeScene
from ex4d.media.images import write_png
from ex4d.plate.store import frame_file, frame_name, frame_names
from ex4d.raster import Texture
from ex4d.raster.store import RasterStore
from ex4d.stages.cache import Stage
from ex4d.stages.stage_files import StageFiles
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool, prefetched

FILL_FILE = "fill.json"


@dataclass(frozen=True)
class FillStore:
    """Filled frames of a finished fill stage.

    Attributes:
        files: its output.
        name, label, licence, generative, seed, prompt: of the generator.
        notes: sentences for the report.
    """

    files: StageFiles
    name: str
    label: str
    licence: str
    generative: bool
    seed: int | None
    prompt: str | None
    notes: tuple[str, ...]

    @classmethod
    def open(cls, folder: Path) -> FillStore:
        """The store in a finished fill stage's folder; raises DamagedCacheError, as reading a frame does."""
        files = StageFiles.open(folder)
        record = files.json(FILL_FILE)
        # Fills from before there were models have none.
        record.setdefault("prompt", None)
        with files.decoding(FILL_FILE):
            record["notes"] = tuple(record["notes"])
            return cls(files=files, **record)

    def color(self, number: int) -> Texture:
        """(h, w, 3) RGB of the whole filled picture at the generator's size."""
        return self.files.png(f"color/{frame_name(number, '.png')}")

    def confidence(self, number: int) -> NDArray[np.uint8]:
        """(h, w) uint8 ``PixelOrigin`` codes."""
        return np.asarray(self.files.png(f"confidence/{frame_name(number, '.png')}"), dtype=np.uint8)


@dataclass(frozen=True)
class RenderedTake:
    """``TakeView`` of a raster stage's output."""

    raster: RasterStore
    geometry: TakeScene | None

    @property
    def width(self) -> int:
        """Pixels."""
        return self.raster.trajectory.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.raster.trajectory.height

    @property
    def count(self) -> int | None:
        """Number of frames."""
        return len(self.raster.trajectory)

    def frames(self) -> Iterator[TakeFrame]:
        """See ``TakeView``."""
        raster = self.raster
        return prefetched(
            lambda number: TakeFrame(number, raster.color(number), raster.mask(number), raster.z(number)),
            raster.numbers,
        )


class _FolderSink:
    """``FillSink`` that writes PNG files."""

    def __init__(self, folder: Path, pool: BoundedPool) -> None:
        self._color, self._confidence = make_folder(folder / "color"), make_folder(folder / "confidence")
        self._pool = pool

    def write(self, number: int, color: NDArray[Any], confidence: NDArray[np.uint8]) -> None:
        self._pool.submit(write_png, frame_file(self._color, number, ".png"), color)
        self._pool.submit(write_png, frame_file(self._confidence, number, ".png"), confidence)


@dataclass
class FillStage(Stage):
    """Runs a generator over a take.

    Attributes:
        raster_key: key of the raster stage.
        take: makes the view of its output; called only when there is something to do.
        generator: what fills.
    """

    name = "fill"
    version = 1

    raster_key: str
    take: Callable[[], RenderedTake]
    generator: Generator

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        return {"raster": self.raster_key, "generator": self.generator.name, "options": self.generator.inputs()}

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``."""
        take = self.take()
        with BoundedPool() as pool:
            notes = self.generator.generate(take, _FolderSink(out, pool), progress)
        record = {
            "name": self.generator.name,
            "label": self.generator.label,
            "licence": self.generator.licence,
            "generative": self.generator.generative,
            "seed": self.generator.seed,
            "prompt": self.generator.prompt,
            "notes": list(notes),
        }
        (out / FILL_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        pictures = (
            name for folder in ("color", "confidence") for name in frame_names(folder, take.raster.numbers, ".png")
        )
        return [*pictures, FILL_FILE]
