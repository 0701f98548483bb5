# SPDX-License-Identifier: Apache-2.0
"""LPIPS (Zhang, Isola, Efros, Shechtman and Wang, 2018), where the package lpips and its weights are installed.

The package brings its own small part of the weights; the AlexNet below it is a file of torchvision's, which is used
where it lies in torch's cache already and never downloaded from here.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.evaluation.pictures import Picture, unit

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"


class Lpips:
    """The measure, per pixel."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def map(self, result: Picture, truth: Picture) -> NDArray[np.float32]:
        """(H, W) float32 distance of pictures (H, W, 3); 0 = equal."""
        import torch

        a, b = (torch.from_numpy(2 * unit(p).transpose(2, 0, 1)[None] - 1) for p in (result, truth))
        with torch.inference_mode():
            return np.asarray(self._network(a, b)[0, 0].numpy(), np.float32)


def open_lpips() -> Lpips | str:
    """The measure, or a sentence that says why it is not here."""
    for package in ("torch", "torchvision", "lpips"):
        if importlib.util.find_spec(package) is None:
            return f"LPIPS is left out: the package {package} is not installed (pip install lpips)."
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE
    if not path.is_file():
        return f"LPIPS is left out: {path} is absent; torchvision.models.alexnet(weights='DEFAULT') downloads it."
    import lpips

    return Lpips(lpips.LPIPS(net="alex", spatial=True, verbose=False).eval())
