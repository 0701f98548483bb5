# SPDX-License-Identifier: Apache-2.0
"""Stage 1: the working pictures of the plate's frames as lossless PNG files, at their own size, rate and numbers.

plate.json           facts
frames/001001.png    the working picture; of display pictures with their alpha, which also is the truth
truth/001001.png     16-bit codes, of movies whose truth is another than the working picture
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.colour.transforms import transform_of
from ex4d.media.images import write_png
from ex4d.plate.base import PlateFrame, PlateReader
from ex4d.plate.store import PLATE_FILE, frame_file, frame_names
from ex4d.plate.truth import file_sha256, truth_record
from ex4d.protocol.parsing import fraction_from
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.system.files import make_folder
from ex4d.system.inputs import HashedFiles
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool

#: Of ``PlateColour``, what changes the working picture.
_IN_KEY = ("kind", "space", "linear_space", "config", "config_hash", "working")
#: Frame times that differ from even ones by less than this share of a frame are even: containers round them.
TIME_TOLERANCE = Fraction(1, 10)


@dataclass
class PlateStage(PartedStage):
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
        if self.reader is not None and not self.reader.info.truth.is_display:
            colour = self.reader.info.colour
            inputs["colour"] = {name: getattr(colour, name) for name in _IN_KEY}
        if self.reader is not None and self.reader.info.facts.pixel_aspect != 1:
            # Shots of earlier versions took such pixels for square ones.
            inputs["pixel_aspect"] = str(self.reader.info.facts.pixel_aspect)
        return inputs

    def steps(self) -> int | None:
        """See ``Stage``."""
        return self.reader.info.frame_count

    def parts(self) -> Iterable[Part]:
        """See ``PartedWork``; without end where only decoding tells how many frames there are."""
        return parts_of(self.steps())

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``. A movie is decoded from its beginning, as only that counts and times its frames, but
        frames of other parts are neither converted nor written; pictures of a sequence are not opened.

        Raises:
            TransientError: the plate was written to while it was read.
        """
        folder = make_folder(out / "frames")
        # Of a movie what is noted follows from all of it, and is known at its end; of pictures from each by itself.
        info = self.reader.info
        from_pictures = info.kind == "sequence"
        keeps_truth = not info.truth.is_display and not from_pictures
        hashes: dict[int, str] = {}
        transform = None if info.truth.is_display else transform_of(info.colour)
        paths = {} if transform is None else dict(enumerate(self.reader.paths, start=info.first_frame))
        if keeps_truth:
            make_folder(out / "truth")
        waiting = iter(parts)
        part = next(waiting, None)
        numbers: list[int] = []
        times: list[Fraction] = []

        def is_last() -> bool:
            return part is not None and part.stop == info.frame_count

        def wanted(index: int) -> bool:
            # What a header says of the number of frames is not binding.
            return part is not None and index >= part.start and (index < part.stop or is_last())

        def finished(found: Part) -> PartOutput:
            if self.source is not None:
                # What was read must be what was hashed: under that name it stays.
                self.source = self.source.check_unchanged()
            record: dict[str, Any] = {
                "numbers": numbers,
                "times": [str(time) for time in times],
                "notes": list(self.reader.info.notes) if from_pictures else [],
            }
            if hashes:
                record["files"] = [[paths[number].name, hashes[number]] for number in numbers]
            folders = ("frames", "truth") if keeps_truth else ("frames",)
            names = (name for folder in folders for name in frame_names(folder, numbers, ".png"))
            return PartOutput(found, tuple(names), record)

        def write(frame: PlateFrame) -> None:
            if transform is None:
                write_png(frame_file(folder, frame.number, ".png"), _rgba(frame))
                return
            write_png(frame_file(folder, frame.number, ".png"), transform.working(info.truth.unit(frame.pixels)))
            if keeps_truth:
                write_png(frame_file(out / "truth", frame.number, ".png"), _rgba(frame))
            else:
                hashes[frame.number] = file_sha256(paths[frame.number])

        with BoundedPool() as pool:
            for frame in self.reader.frames(wanted):
                pool.submit(write, frame)
                numbers.append(frame.number)
                times.append(frame.time)
                progress.advance()
                assert part is not None
                if len(numbers) == len(part) and not is_last():
                    pool.wait()
                    yield finished(part)
                    part, numbers, times = next(waiting, None), [], []
            if part is not None and numbers:
                pool.wait()
                yield finished(Part(part.start, part.start + len(numbers)))

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        info = self.reader.info
        times = [fraction_from(time) for output in done for time in output.record["times"]]
        notes = [note for output in done for note in output.record["notes"]]
        files = [file for output in done for file in output.record.get("files", ())]
        even = all(abs(time * info.fps - index) < TIME_TOLERANCE for index, time in enumerate(times))
        record = {
            "width": info.width,
            "height": info.height,
            "fps": str(info.fps),
            "numbers": [number for output in done for number in output.record["numbers"]],
            "times": [str(time) for time in times],
            "variable_rate": not even,
            "bit_depth": info.bit_depth,
            "has_alpha": info.has_alpha,
            "notes": list(dict.fromkeys((*notes, *info.notes))),  # some are known only now
            **truth_record(info, self.selection.get("layer"), files),
        }
        (out / PLATE_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [PLATE_FILE]


def _rgba(frame: PlateFrame) -> np.ndarray[Any, Any]:
    return frame.pixels if frame.alpha is None else np.dstack([frame.pixels, frame.alpha])
