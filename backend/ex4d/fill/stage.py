# SPDX-License-Identifier: Apache-2.0
"""Stage 5: the filled frames of a take."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.fill.background.store import BackgroundStore
from ex4d.fill.base import FrameGenerator, Generator, TakeFrame, TakeScene
from ex4d.media.images import write_png
from ex4d.plate.store import frame_file, frame_name, frame_names
from ex4d.raster import Texture
from ex4d.raster.store import RasterStore
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.stages.stage_files import StageFiles
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress, steps
from ex4d.system.threads import BoundedPool, prefetched

FILL_FILE = "fill.json"
#: ``Stage.weight`` of a fill by a model.
MODEL_WEIGHT = 40.0


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

    def origin(self, number: int) -> NDArray[np.uint8]:
        """(h, w) uint8 ``PixelOrigin`` codes."""
        return np.asarray(self.files.png(f"confidence/{frame_name(number, '.png')}"), dtype=np.uint8)


@dataclass(frozen=True)
class RenderedTake:
    """``TakeView`` of a raster stage's output.

    Attributes:
        raster: that output.
        scene: behind the take, where it is known.
        background: what other frames show of it; None where nobody has looked.
    """

    raster: RasterStore
    scene: TakeScene | None
    background: BackgroundStore | None = None

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

    def frames(self, part: Part | None = None) -> Iterator[TakeFrame]:
        """See ``TakeView``; of a part, where one is given."""
        numbers = self.raster.numbers if part is None else self.raster.numbers[part.start : part.stop]
        return prefetched(self._frame, numbers)

    def _frame(self, number: int) -> TakeFrame:
        other = self.background.working(number) if self.background else None
        return TakeFrame(number, self.raster.color(number), self.raster.mask(number), self.raster.z(number), other)


class _FolderSink:
    """``FillSink`` that writes PNG files."""

    def __init__(self, folder: Path, pool: BoundedPool) -> None:
        self._color, self._origin = make_folder(folder / "color"), make_folder(folder / "confidence")
        self._pool = pool

    def write(self, number: int, color: NDArray[Any], origin: NDArray[np.uint8]) -> None:
        self._pool.submit(write_png, frame_file(self._color, number, ".png"), color)
        self._pool.submit(write_png, frame_file(self._origin, number, ".png"), origin)


@dataclass
class FillStage(PartedStage):
    """Runs a generator over a take.

    Attributes:
        raster_key: key of the raster stage.
        take: makes the view of its output; called only when there is something to do.
        generator: what fills.
        background_key: key of the stage that looks at other frames; "" where there is none.
    """

    name = "fill"
    version = 1
    weight = 2.0

    raster_key: str
    take: Callable[[], RenderedTake]
    generator: Generator
    background_key: str = ""

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        inputs = {"raster": self.raster_key, "generator": self.generator.name, "options": self.generator.inputs()}
        return {**inputs, "background": self.background_key} if self.background_key else inputs

    @classmethod
    def weight_of(cls, generator: Generator) -> float:
        """Its weight in a job's plan: a model takes longer than all other stages together."""
        return MODEL_WEIGHT if generator.generative else cls.weight

    def steps(self) -> int | None:
        """See ``Stage``."""
        return None if self.generator.progress_parts else self._taken.count

    @property
    def progress_parts(self) -> Mapping[str, float]:
        """See ``Stage``."""
        return self.generator.progress_parts

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``: one, unless each frame is filled by itself."""
        count = len(self._taken.raster.numbers)
        return parts_of(count) if isinstance(self.generator, FrameGenerator) else (Part(0, count),)

    def means(self) -> dict[str, Any]:
        """See ``PartedWork``: what draws other frames' background."""
        scene = self._taken.scene
        if scene is None or not isinstance(self.generator, FrameGenerator):
            return {}
        rasterizer = scene.create_rasterizer()
        rasterizer.close()
        return {"device": rasterizer.device}

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        take = self._taken
        with BoundedPool() as pool:
            sink = _FolderSink(out, pool)
            if not isinstance(self.generator, FrameGenerator):
                for part in parts:
                    notes = self.generator.generate(take, sink, progress)
                    yield PartOutput(part, self._names(part), {"notes": list(notes)})
                return
            (first,) = take.frames(Part(0, 1))
            with self.generator.open(take, first) as fill:
                for part in parts:
                    for index, frame in enumerate(steps(progress, take.frames(part)), start=part.start):
                        sink.write(frame.number, *fill.fill(index, frame))
                    pool.wait()
                    yield PartOutput(part, self._names(part), {"notes": list(fill.notes)})

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        record = {
            "name": self.generator.name,
            "label": self.generator.label,
            "licence": self.generator.licence,
            "generative": self.generator.generative,
            "seed": self.generator.seed,
            "prompt": self.generator.prompt,
            "notes": list(dict.fromkeys(note for output in done for note in output.record["notes"])),
        }
        (out / FILL_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [FILL_FILE]

    @cached_property
    def _taken(self) -> RenderedTake:
        return self.take()

    def _names(self, part: Part) -> tuple[str, ...]:
        numbers = self._taken.raster.numbers[part.start : part.stop]
        return tuple(name for folder in ("color", "confidence") for name in frame_names(folder, numbers, ".png"))
