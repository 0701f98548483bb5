# SPDX-License-Identifier: Apache-2.0
"""The background of a take whose source camera moves: what other frames show where its own show nothing.

A stage of its own, between render and fill: all fills of a take share it.

background.json      facts
known/001001.png     255 = another frame shows it, 128 = the frame itself does too
color/001001.png     the working picture, 0 elsewhere
z/001001.npy         z-depth in the take camera, NaN elsewhere
truth/001001.exr     the truth, 0 elsewhere; .png where it is codes; not of display pictures
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.colour.plate_colour import PlateColour
from ex4d.colour.transforms import PlateTransform, transform_of
from ex4d.fill.background.other_frames import Measured, OtherFrames
from ex4d.fill.background.store import BACKGROUND_FILE, KNOWN, OVERLAP
from ex4d.fill.base import OtherFrame, TakeScene
from ex4d.media.exr_values import write_exr_values
from ex4d.media.images import write_png
from ex4d.plate.store import frame_file, frame_names
from ex4d.raster.store import RasterStore, truth_suffix
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress, steps
from ex4d.system.threads import BoundedPool, prefetched


@dataclass
class BackgroundStage(PartedStage):
    """Looks at other frames.

    Attributes:
        raster_key: key of the raster stage, which counts in the depth and what it says of movers and of what was
            measured.
        raster: gives its output; called only when there is something to do.
        scene: behind the take.
        colour: the colour space of a truth that is not the working picture.
    """

    name = "background"
    version = 3
    weight = 2.0

    raster_key: str
    raster: Callable[[], RasterStore]
    scene: TakeScene
    colour: PlateColour | None = None

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        return {"raster": self.raster_key, "tolerance": self.scene.tolerance}

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.scene.frames)

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``."""
        return parts_of(self.steps())

    def means(self) -> dict[str, Any]:
        """See ``PartedWork``: what draws the other frames."""
        rasterizer = self.scene.create_rasterizer()
        rasterizer.close()
        return {"device": rasterizer.device}

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        for name, _ in self._folders:
            make_folder(out / name)
        with BoundedPool() as pool, OtherFrames(self.scene) as others:
            for part in parts:
                indices = range(part.start, part.stop)
                numbers = self._rendered.numbers[part.start : part.stop]
                ready = prefetched(self._measured, numbers)
                for index, number, measured in zip(indices, numbers, steps(progress, ready), strict=True):
                    pool.submit(self._write, out, number, others.uncover(index, measured))
                pool.wait()
                yield PartOutput(part, tuple(self._names(numbers)))

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        truth = self.scene.frames.truth
        record = {"encoding": None if truth.is_display else asdict(truth)}
        (out / BACKGROUND_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [BACKGROUND_FILE]

    @cached_property
    def _rendered(self) -> RasterStore:
        return self.raster()

    @cached_property
    def _transform(self) -> PlateTransform | None:
        """From the truth to the working picture; None where these are the same."""
        return None if self.colour is None or self.scene.frames.truth.is_display else transform_of(self.colour)

    @property
    def _folders(self) -> tuple[tuple[str, str], ...]:
        """Folders, and the suffixes of their files."""
        folders = (("known", ".png"), ("color", ".png"), ("z", ".npy"))
        if self._transform is None:
            return folders
        return (*folders, ("truth", truth_suffix(self.scene.frames.truth)))

    def _names(self, numbers: Sequence[int]) -> Iterator[str]:
        for folder, suffix in self._folders:
            yield from frame_names(folder, numbers, suffix)

    def _measured(self, number: int) -> Measured:
        raster = self._rendered
        return Measured(raster.truth(number)[0], raster.mask(number), raster.z(number))

    def _write(self, out: Path, number: int, found: OtherFrame) -> None:
        truth, color = self.scene.frames.truth, found.values
        codes = found.known * np.uint8(KNOWN) + found.overlap * np.uint8(OVERLAP)
        write_png(frame_file(out / "known", number, ".png"), codes)
        np.save(frame_file(out / "z", number, ".npy"), found.z)
        if self._transform is not None:
            color = self._working(found)
            path = frame_file(out / "truth", number, truth_suffix(truth))
            if truth.is_float:
                write_exr_values(path, found.values)
            else:
                write_png(path, found.values)
        write_png(frame_file(out / "color", number, ".png"), color)

    def _working(self, found: OtherFrame) -> NDArray[Any]:
        assert self._transform is not None
        color = np.zeros(found.values.shape, np.uint16)
        shown = found.known | found.overlap
        if shown.any():
            color[shown] = self._transform.working(self.scene.frames.truth.unit(found.values[shown]))
        return color
