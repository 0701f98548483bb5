# SPDX-License-Identifier: Apache-2.0
"""MoGe-2 (arXiv 2507.02546) through its own package: depth in metres and the lens, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ex4d.depth.learned.depth_model import Estimate
from ex4d.depth.learned.estimator_spec import EstimatorSpec
from ex4d.depth.learned.loading import check_tensors, reading
from ex4d.media.frames import FrameSource
from ex4d.models.tensors import TensorFile
from ex4d.models.torch_device import pick_device

#: Longer side of the pictures at most, pixels: the network shrinks them anyway, and its output has their size.
LONGEST = 1024


@dataclass(frozen=True)
class Moge:
    """See ``DepthModel``. Disparity 0 where the network sees the sky.

    Attributes:
        model: on its device.
        device: where.
        fov_deg: over the longer side, if it is known.
    """

    model: Any
    device: torch.device
    fov_deg: float | None

    def run(self, frames: FrameSource) -> Iterator[Estimate]:
        """See ``DepthModel``."""
        width, height = frames.size
        shrink = min(1.0, LONGEST / max(width, height))
        size = round(width * shrink), round(height * shrink)
        # The network asks for the horizontal angle.
        focal = max(size) / 2 / math.tan(math.radians(self.fov_deg) / 2) if self.fov_deg else None
        fov_x = math.degrees(2 * math.atan(size[0] / 2 / focal)) if focal else None
        for number in frames.numbers:
            picture = cv2.resize(frames.read_8bit(number), size, interpolation=cv2.INTER_AREA)
            image = torch.from_numpy(picture).permute(2, 0, 1).to(self.device, torch.float32) / 255
            found = self.model.infer(image, fov_x=fov_x, use_fp16=self.device.type == "cuda")
            depth = found["depth"].float().cpu().numpy()
            with np.errstate(divide="ignore"):
                disparity = (1 / depth).astype(np.float32)  # sky is infinitely far
            yield Estimate(disparity, fov_deg=_fov(found["intrinsics"].float().cpu().numpy(), *size))


def _fov(normalised: Any, width: int, height: int) -> float:
    """Over the longer side in degrees, from K (3, 3) in shares of the picture's size."""
    share = float(normalised[0, 0] if width >= height else normalised[1, 1])
    return math.degrees(2 * math.atan(0.5 / share))


def load(spec: EstimatorSpec, folders: tuple[Path, ...], fov_deg: float | None) -> Moge:
    """See ``DepthModelLoader``."""
    from moge.model.v2 import MoGeModel

    path = folders[0] / spec.weights[0].files[0]
    shapes = TensorFile.open(path).shapes  # says no to what could run code
    with reading(spec.title):
        model = MoGeModel.from_pretrained(path)
    # The package loads whatever fits and keeps silent about the rest.
    check_tensors(spec.title, missing=model.state_dict().keys() - shapes.keys(), wrong=[])
    device = pick_device()
    return Moge(model.eval().to(device), device, fov_deg)
