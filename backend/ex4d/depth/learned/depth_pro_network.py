# SPDX-License-Identifier: Apache-2.0
"""Depth Pro (arXiv 2410.02073) through transformers: depth in metres and the lens, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import DepthProForDepthEstimation

from ex4d.depth.learned.depth_model import Estimate
from ex4d.depth.learned.estimator_spec import EstimatorSpec
from ex4d.depth.learned.loading import load_transformers
from ex4d.depth.learned.pictures import half_on_gpu, to_input
from ex4d.media.frames import FrameSource
from ex4d.models.torch_device import pick_device
from ex4d.protocol.errors import BadInputError
from ex4d.system.threads import prefetched

#: Mean and standard deviation of RGB values that it was trained with.
CENTRE = (0.5, 0.5, 0.5)
#: Depths are kept within these, metres, as the released code does.
NEAREST, FARTHEST = 1e-4, 1e4


@dataclass(frozen=True)
class DepthPro:
    """See ``DepthModel``.

    Attributes:
        model: on its device.
        device: where.
        fov_deg: over the longer side, if it is known.
    """

    model: Any
    device: torch.device
    fov_deg: float | None

    @torch.inference_mode()
    def run(self, frames: FrameSource) -> Iterator[Estimate]:
        """See ``DepthModel``. The network sees a square of its own size, whatever the plate's aspect."""
        width, height = frames.size
        side = self._side()
        pictures = prefetched(
            lambda number: to_input(frames.read_8bit(number), (side, side), CENTRE, CENTRE), frames.numbers
        )
        for picture in pictures:
            with half_on_gpu(self.device):
                found = self.model(torch.from_numpy(picture)[None].to(self.device))
            canonical = found.predicted_depth[0].float().cpu().numpy()
            # The network's angle is the horizontal one. Its disparity is for a focal length of the picture's width.
            focal = width / 2 / math.tan(math.radians(float(found.field_of_view[0])) / 2)
            if self.fov_deg is not None:
                focal = max(width, height) / 2 / math.tan(math.radians(self.fov_deg) / 2)
            disparity = np.clip(canonical * (width / focal), 1 / FARTHEST, 1 / NEAREST).astype(np.float32)
            yield Estimate(disparity, fov_deg=math.degrees(2 * math.atan(max(width, height) / 2 / focal)))

    def _side(self) -> int:
        """Of the square: the patches' size over the smallest ratio that the picture is looked at in (384/0.25)."""
        config = self.model.config
        return round(config.patch_size / min(config.scaled_images_ratios))


def load(spec: EstimatorSpec, folders: tuple[Path, ...], fov_deg: float | None) -> DepthPro:
    """See ``DepthModelLoader``."""
    (folder,) = folders
    model = load_transformers(DepthProForDepthEstimation, folder, spec.title)
    if model.fov_model is None:
        raise BadInputError(
            f"{folder} holds a Depth Pro without its part for the lens.", "Use the files of apple/DepthPro-hf."
        )
    device = pick_device()
    return DepthPro(model.to(device), device, fov_deg)
