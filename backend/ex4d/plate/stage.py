# SPDX-License-Identifier: Apache-2.0
"""Stage 1: the plate's frames as lossless PNG files, at their own size, rate and numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.media.images import write_png
from ex4d.plate.base import PlateFrame, PlateReader
from ex4d.plate.store import PLATE_FILE, frame_file, frame_names
from ex4d.stages.cache import Stage
from ex4d.system.files import make_folder
from ex4d.system.inputs import HashedFiles
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool

#: Frame times that differ from even ones by less than this share of a frame are even: containers round them.
TIME_TOLERANCE = Fraction(1, 10)


@dataclass
class PlateStage(Stage):
    """Reads the plate.

    Attributes:
        source_hash: hash of the plate's content.
        selection: everything that decides which frames are read and how they are numbered, JSON-able.
        reader: reads it.
        source: the hashed files; None where they cannot change meanwhile.
    """

    name = "plate"
    version = 1

    source_hash: str
    selection: dict[str, Any]
    reader: PlateReader
    source: HashedFiles | None = None

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        inputs: dict[str, Any] = {"source": self.source_hash, "selection": self.selection}
        # Kinds of files that were always read rightly keep the keys that they had.
        if self.reader is not None and self.reader.info.reader_version:
            inputs["reader"] = self.reader.info.reader_version
        return inputs

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``.

        Raises:
            TransientError: the plate was written to while it was read.
        """
        info = self.reader.info
        progress.begin(self.name, info.frame_count)
        folder = make_folder(out / "frames")
        numbers: list[int] = []
        times: list[Fraction] = []
        with BoundedPool() as pool:
            for frame in self.reader.frames():
                pool.submit(write_png, frame_file(folder, frame.number, ".png"), _rgba(frame))
                numbers.append(frame.number)
                times.append(frame.time)
                progress.advance()
        if self.source is not None:
            # What was read must be what was hashed: under that name it stays.
            self.source.check_unchanged()
        even = all(abs(time * info.fps - index) < TIME_TOLERANCE for index, time in enumerate(times))
        record = {
            "width": info.width,
            "height": info.height,
            "fps": str(info.fps),
            "numbers": numbers,
            "times": [str(time) for time in times],
            "variable_rate": not even,
            "bit_depth": info.bit_depth,
            "has_alpha": info.has_alpha,
            "notes": list(self.reader.info.notes),  # some are known only now
        }
        (out / PLATE_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [*frame_names("frames", numbers, ".png"), PLATE_FILE]


def _rgba(frame: PlateFrame) -> np.ndarray[Any, Any]:
    return frame.pixels if frame.alpha is None else np.dstack([frame.pixels, frame.alpha])
