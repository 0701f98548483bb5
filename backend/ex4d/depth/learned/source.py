# SPDX-License-Identifier: Apache-2.0
"""A learned estimator as a source of depth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from ex4d.camera import intrinsics_from_fov, static_trajectory
from ex4d.depth.affine import FAR_PERCENTILE, AffineDepth, measured_depth, relative_depth
from ex4d.depth.base import FOV_NOTE, STATIC_NOTE, DepthResult, DepthSink, cut_notes
from ex4d.depth.learned.depth_model import DepthModel, DepthModelLoader
from ex4d.depth.learned.estimator_spec import EstimatorSpec
from ex4d.depth.learned.files import find_weights, weights_fingerprint
from ex4d.depth.learned.track import Track, collect, write_depth
from ex4d.media.frames import FrameSource
from ex4d.protocol.errors import ResourceError
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.system.progress import Progress


@contextmanager
def loaded(spec: EstimatorSpec, network: str, folders: tuple[Path, ...], fov_deg: float | None) -> Iterator[DepthModel]:
    """The network of a module in this package, for a while; afterwards the GPU's memory is free again.

    Raises:
        ResourceError: there is too little memory.
    """
    import torch

    module = cast("DepthModelLoader", import_module(f"{__package__}.{network}"))
    try:
        yield module.load(spec, folders, fov_deg)
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            f"The GPU has too little free memory for {spec.title}.",
            "Close other programs that use it, take a smaller plate, or set EX4D_DEVICE=cpu.",
        ) from error
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@dataclass(frozen=True)
class LearnedDepth:
    """See ``DepthSource``.

    Attributes:
        spec: what it is.
        network: name of the module that loads it.
        metric: whether it says 1/z in metres; else disparity up to scale and shift.
        steady: whether its frames have to be brought onto one scale.
        fov_deg: field of view over the longer side in degrees, or None if it is not known.
    """

    spec: EstimatorSpec
    network: str
    metric: bool
    steady: bool
    fov_deg: float | None

    @property
    def name(self) -> str:
        """See ``DepthSource``."""
        return self.spec.name

    @property
    def label(self) -> str:
        """See ``DepthSource``."""
        return f"{self.spec.title}: {self.spec.label}"

    @property
    def licence(self) -> str:
        """See ``DepthSource``."""
        return self.spec.licence

    @property
    def tolerance(self) -> float:
        """See ``DepthSource``."""
        return self.spec.tolerance

    def folders(self) -> tuple[Path, ...]:
        """Where its weights are.

        Raises:
            ResourceError: packages are missing.
            BadInputError: the weights are.
        """
        self.spec.require_packages()
        return find_weights(self.spec)

    def prepare(self) -> str:
        """See ``DepthSource``."""
        self.folders()
        from ex4d.models.torch_device import pick_device

        return f"on {pick_device()}"

    def inputs(self) -> dict[str, Any]:
        """See ``DepthSource``."""
        weights = weights_fingerprint(self.spec, self.folders())
        return {"version": 1, "fov_deg": self.fov_deg, "weights": weights, **device_inputs()}

    def track(self, frames: FrameSource, path: Path, progress: Progress) -> Track:
        """Its disparities of all frames, in the scratch file ``path``; one step of progress per frame."""
        with loaded(self.spec, self.network, self.folders(), self.fov_deg) as model:
            return collect(model, frames, path, self.spec.title, progress, steady=self.steady)

    def steps(self, frames: FrameSource) -> int:
        """See ``DepthSource``."""
        return 2 * len(frames)

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource``."""
        count = len(frames)
        track = self.track(frames, scratch / "disparity", progress)
        mapping, note = self.mapping(track, count)
        write_depth(track, mapping, frames, sink, progress)
        fov = self.fov_deg or (float(np.median(track.fovs)) if track.fovs else None)
        return result(self.spec, fov, frames, (note, *cut_notes(frames, track.cuts)))

    def mapping(self, track: Track, count: int) -> tuple[AffineDepth, str]:
        """From the disparities of ``count`` frames to depth, and a sentence about its unit."""
        sample = track.sample(count)
        if self.metric:
            far = max(float(np.percentile(sample, FAR_PERCENTILE)), 1e-4)
            return measured_depth(1.0, 0.0, 1 / far), f"Depth is in metres as {self.spec.title} estimates them."
        return relative_depth(sample), f"Depth is relative: {self.spec.title} says its shape, not its unit."


def device_inputs() -> dict[str, str]:
    """What the device adds to a key: on a GPU, for which these networks are, nothing; elsewhere they count in float32
    (``half_on_gpu``), which gives other maps."""
    from ex4d.models.torch_device import pick_device

    kind = pick_device().type
    return {} if kind == "cuda" else {"device": kind}


def result(spec: EstimatorSpec, fov_deg: float | None, frames: FrameSource, notes: tuple[str, ...]) -> DepthResult:
    """What is said about a shot with a still camera.

    Args:
        fov_deg: over the longer side, known or estimated; None = neither.
    """
    said = list(notes)
    if fov_deg is None:
        said.append(FOV_NOTE)
    said.append(STATIC_NOTE)
    if not spec.commercial:
        said.append(f"The depth's licence forbids commercial use. {spec.licence}.")
    K = intrinsics_from_fov(fov_deg or DEFAULT_FOV_DEG, *frames.size)
    return DepthResult(
        static_trajectory(K, *frames.size, len(frames)).numbered(frames.numbers, frames.fps),
        poses_known=False,
        intrinsics_known=fov_deg is not None,
        notes=tuple(said),
    )
