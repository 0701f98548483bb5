# SPDX-License-Identifier: Apache-2.0
"""Stage 2: depth and source camera of every frame."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import LensCalibration, subject_distance, write_json
from ex4d.depth.base import DepthFrame, DepthResult, DepthSource
from ex4d.depth.files import FileDepth
from ex4d.depth.parallax.source import ParallaxDepth
from ex4d.depth.plate_camera import PlateCamera
from ex4d.depth.plate_pixels import estimate_in_square_pixels
from ex4d.depth.solved import SolvedDepth
from ex4d.depth.store import DEPTH_FILE, MEASURED_FOLDER, MOVING_FOLDER, SOURCE_CAMERA_FILE
from ex4d.media.frames import FrameSource
from ex4d.plate.store import frame_file, frame_names
from ex4d.protocol.errors import BadInputError
from ex4d.stages.stage import Stage
from ex4d.system.files import make_folder, remove_tree
from ex4d.system.progress import Progress
from ex4d.system.threads import BoundedPool

#: Frames that are looked at for the subject's distance.
SUBJECT_FRAMES = 9


@dataclass
class _Sink:
    """Stores depth maps and keeps their statistics."""

    folder: Path
    pool: BoundedPool
    deepest: float = 0.0
    sky: bool = False
    medians: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)
    moving: list[float] = field(default_factory=list)

    def write(self, frame: DepthFrame) -> None:
        depth = frame.depth
        self.sky |= bool(np.isposinf(depth).any())
        finite = depth[np.isfinite(depth) & (depth > 0)]
        if finite.size:
            self.deepest = max(self.deepest, float(finite.max()))
            self.medians.append(float(np.median(finite)))
        elif not np.isposinf(depth).any():
            raise BadInputError(
                f"The depth of frame {frame.number} has no valid pixel.",
                "Depth must be above zero and not NaN somewhere in every frame; check the files and --depth-kind.",
            )
        self.pool.submit(np.save, frame_file(self.folder, frame.number, ".npy"), depth)
        for name, mask, shares in (
            (MEASURED_FOLDER, frame.measured, self.measured),
            (MOVING_FOLDER, frame.moving, self.moving),
        ):
            if mask is not None:
                shares.append(float(mask.mean()))
                folder = make_folder(self.folder.with_name(name))
                self.pool.submit(np.save, frame_file(folder, frame.number, ".npy"), np.packbits(mask, axis=-1))


@dataclass
class DepthStage(Stage):
    """Runs a depth source over the plate.

    Attributes:
        plate_key: key of the plate stage.
        frames: its output.
        source: what makes the depth.
        lens: of the plate; None = a pinhole, or that of a camera that was given.
    """

    name = "depth"
    version = 2
    weight = 4.0

    plate_key: str
    frames: FrameSource
    source: DepthSource
    lens: LensCalibration | None = None

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        inputs = {"plate": self.plate_key, "source": self.source.name, "options": self.source.inputs()}
        return inputs if self.lens is None else {**inputs, "lens": self.lens.text()}

    def steps(self) -> int:
        """See ``Stage``."""
        return self.source.steps(self.frames)

    def run(self, out: Path, progress: Progress) -> list[str]:
        """See ``Stage``."""
        folder, scratch = make_folder(out / "z"), make_folder(out / "scratch")
        with BoundedPool() as pool:
            sink = _Sink(folder, pool)
            result = PlateCamera(self.frames, self.source, self.lens).of(self._estimate(sink, scratch, progress))
        remove_tree(scratch)
        if not sink.medians:
            raise BadInputError(
                "The depth is infinite everywhere, so there is nothing to move about.", "Check the depth files."
            )
        numbers = self.frames.numbers[:: math.ceil(len(self.frames) / SUBJECT_FRAMES)]
        record = {
            "name": self.source.name,
            "label": self.source.label,
            "licence": self.source.licence,
            "tolerance": self.source.tolerance,
            "poses_known": result.poses_known,
            "intrinsics_known": result.intrinsics_known,
            "deepest": sink.deepest,
            "sky": sink.sky,
            "median": float(np.median(sink.medians)),
            "subject": subject_distance(np.load(frame_file(folder, number, ".npy")) for number in numbers),
            "notes": list(result.notes),
        }
        names = frame_names("z", self.frames.numbers, ".npy")
        for name, shares in ((MEASURED_FOLDER, sink.measured), (MOVING_FOLDER, sink.moving)):
            if shares:
                record[name] = float(np.mean(shares))
                names += frame_names(name, self.frames.numbers, ".npy")
        write_json(out / SOURCE_CAMERA_FILE, result.source)
        (out / DEPTH_FILE).write_text(json.dumps(record, indent=1), encoding="utf-8")
        return [*names, SOURCE_CAMERA_FILE, DEPTH_FILE]

    def _estimate(self, sink: _Sink, scratch: Path, progress: Progress) -> DepthResult:
        """What the source says. Estimators look at square pixels; files and solved cameras are of the plate's own."""
        if isinstance(self.source, FileDepth | SolvedDepth | ParallaxDepth):
            return self.source.estimate(self.frames, sink, scratch, progress)
        return estimate_in_square_pixels(self.source, self.frames, sink, scratch, progress)
