# SPDX-License-Identifier: Apache-2.0
"""Scale and lens from a metric network on key frames, shape and motion from an estimator that is steady in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.affine import measured_depth
from ex4d.depth.base import DepthResult, DepthSink, cut_notes
from ex4d.depth.learned.depth_model import Estimate, check_estimate
from ex4d.depth.learned.source import LearnedDepth, loaded, result
from ex4d.depth.learned.track import Track, write_depth
from ex4d.depth.solved import fit_line
from ex4d.media.frames import FrameSource
from ex4d.protocol.errors import BadInputError, Ex4dError
from ex4d.system.files import make_folder
from ex4d.system.progress import Progress

Array = NDArray[np.float64]

#: Frames of a clip that the metric network sees, and pixels of each that the fit uses.
KEY_FRAMES, KEY_PIXELS = 9, 5_000
#: Percentile of the key frames' depths that counts as the farthest measured one; beyond it there are outliers.
FAR_PERCENTILE = 99


@dataclass(frozen=True)
class KeyedDepth:
    """``DepthSource``: one line from a steady estimator's disparity to a metric network's, fitted over a clip's key
    frames.

    Attributes:
        metric: says metres and the lens; alone where no other is installed.
        shape_estimators: estimators for shape and motion, the best first; the first one that can run is used.
    """

    metric: LearnedDepth
    shape_estimators: tuple[LearnedDepth, ...]

    @property
    def shape_estimator(self) -> LearnedDepth | None:
        """The estimator for shape and motion; None where none of them can run."""
        for source in self.shape_estimators:
            try:
                source.folders()
            except Ex4dError:
                continue
            return source
        return None

    @property
    def name(self) -> str:
        """See ``DepthSource``."""
        return self.metric.name

    @property
    def label(self) -> str:
        """See ``DepthSource``."""
        return self.metric.label

    @property
    def licence(self) -> str:
        """See ``DepthSource``."""
        shape = self.shape_estimator
        return f"{self.metric.licence}; {shape.licence}" if shape else self.metric.licence

    @property
    def tolerance(self) -> float:
        """See ``DepthSource``."""
        return (self.shape_estimator or self.metric).tolerance

    def prepare(self) -> str:
        """See ``DepthSource``."""
        how = self.metric.prepare()
        shape = self.shape_estimator
        return f"{how}, shape and motion from {shape.spec.title if shape else 'itself, steadied along the flow'}"

    def inputs(self) -> dict[str, Any]:
        """See ``DepthSource``."""
        shape = self.shape_estimator
        own = {**self.metric.inputs(), "keys": [KEY_FRAMES, KEY_PIXELS]}
        return {**own, "shape": {"name": shape.name, **shape.inputs()}} if shape else own

    def steps(self, frames: FrameSource) -> int:
        """See ``DepthSource``."""
        if self.shape_estimator is None:
            return self.metric.steps(frames)
        return 2 * len(frames) + len(_keys(len(frames)))

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource``."""
        shape = self.shape_estimator
        if shape is None:
            return self.metric.estimate(frames, sink, scratch, progress)
        keys = _keys(len(frames))
        track = shape.track(frames, make_folder(scratch / "shape") / "disparity", progress)
        estimates = self._look(frames, keys, progress)
        x, y = _pairs(track, keys, estimates)
        if len(x) == 0:
            raise BadInputError(
                f"{self.metric.spec.title} sees nothing but sky in the key frames of this plate.",
                "Use another estimator; `ex4d doctor` lists them.",
            )
        slope, offset = fit_line(x, y)
        mapping = measured_depth(slope, offset, float(np.percentile(1 / y, FAR_PERCENTILE)))
        error = float(np.median(np.abs(y * mapping(x) - 1)))
        write_depth(track, mapping, frames, sink, progress)
        notes = (
            f"Scale{'' if self.metric.fov_deg else ' and lens'} come from {self.metric.spec.title} on {len(keys)} key "
            f"frames, in metres as it estimates them; half of their pixels lie within {error:.0%} of the depth.",
            f"Shape and motion come from {shape.spec.title}.",
            *cut_notes(frames, track.cuts),
        )
        fov = self.metric.fov_deg or float(np.median([estimate.fov_deg for estimate in estimates if estimate.fov_deg]))
        return result(self.metric.spec, fov, frames, notes)

    def _look(self, frames: FrameSource, keys: Sequence[int], progress: Progress) -> list[Estimate]:
        """The metric network's estimates of the key frames."""
        chosen = frames.picked(keys)
        metric, estimates = self.metric, []
        with loaded(metric.spec, metric.network, metric.folders(), metric.fov_deg) as model:
            for number, estimate in zip(chosen.numbers, model.run(chosen), strict=True):
                check_estimate(estimate, metric.spec.title, number)
                estimates.append(estimate)
                progress.advance()
        return estimates


def _keys(count: int) -> list[int]:
    """Indices of the key frames among so many."""
    return [int(index) for index in np.unique(np.linspace(0, count - 1, min(KEY_FRAMES, count)).round().astype(int))]


def _pairs(track: Track, keys: Sequence[int], estimates: Sequence[Estimate]) -> tuple[Array, Array]:
    """Disparities (N,) of the same pixels, by the track and in 1/metres; pixels of the sky are left out."""
    own, metric = [], []
    for index, estimate in zip(keys, estimates, strict=True):
        height, width = estimate.disparity.shape
        stride = max(1, round(float(np.sqrt(height * width / KEY_PIXELS))))
        resized = cv2.resize(track[index], (width, height), interpolation=cv2.INTER_LINEAR)
        x, y = (values[::stride, ::stride].ravel().astype(np.float64) for values in (resized, estimate.disparity))
        own.append(x[y > 0])
        metric.append(y[y > 0])
    return np.concatenate(own), np.concatenate(metric)
