# SPDX-License-Identifier: Apache-2.0
"""Depth Anything V2 through transformers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import DepthAnythingForDepthEstimation

from ex4d.depth.learned.depth_model import Estimate
from ex4d.depth.learned.estimator_spec import EstimatorSpec
from ex4d.depth.learned.loading import load_transformers
from ex4d.depth.learned.pictures import half_on_gpu, inputs, size_above
from ex4d.media.frames import FrameSource
from ex4d.models.torch_device import pick_device
from ex4d.protocol.errors import BadInputError

#: Shorter side of the pictures that it was trained with, and its patch, pixels.
SIDE, PATCH = 518, 14
#: Channels of the vision transformer of the Small model; Base and Large have more, and another licence.
SMALL_CHANNELS = 384


@dataclass(frozen=True)
class DepthAnything:
    """See ``DepthModel``. Each frame for itself.

    Attributes:
        model: on its device.
        device: where.
    """

    model: Any
    device: torch.device

    @torch.inference_mode()
    def run(self, frames: FrameSource) -> Iterator[Estimate]:
        """See ``DepthModel``."""
        for picture in inputs(frames, size_above(*frames.size, SIDE, PATCH)):
            with half_on_gpu(self.device):
                disparity = self.model(torch.from_numpy(picture)[None].to(self.device)).predicted_depth
            yield Estimate(disparity[0].float().cpu().numpy())


def check_size(spec: EstimatorSpec, folder: Path, channels: int) -> None:
    """Raise BadInputError where a larger model lies in the place of Small: its licence is another."""
    if spec.commercial and channels > SMALL_CHANNELS:
        raise BadInputError(
            f"{folder} holds a larger model than {spec.title}, whose licence forbids commercial use.",
            f"Choose {spec.name}_large for it, or get Small with `ex4d models download --depth {spec.name}`.",
        )


def load(spec: EstimatorSpec, folders: tuple[Path, ...], _: float | None) -> DepthAnything:
    """See ``DepthModelLoader``; relative depth needs no lens."""
    (folder,) = folders
    model = load_transformers(DepthAnythingForDepthEstimation, folder, spec.title)
    if model.config.depth_estimation_type != "relative":
        raise BadInputError(
            f"{folder} holds a metric variant of Depth Anything V2.", "Use the relative one; its name has no «Metric»."
        )
    check_size(spec, folder, model.config.reassemble_hidden_size)
    device = pick_device()
    return DepthAnything(model.to(device), device)
