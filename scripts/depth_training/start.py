# SPDX-License-Identifier: Apache-2.0
"""Going on from weights that were exported: their normalisations are folded away, and are made anew here."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from depth_training.network import Conv, SmallDepth


def load_exported(path: Path) -> SmallDepth:
    """The network of ``train_depth.py export``, in evaluation mode; its normalisations do nothing yet.

    Raises:
        ValueError: the file is of another network.
    """
    found = {
        tensor.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(tensor).copy()).float()
        for tensor in onnx.load(str(path)).graph.initializer
    }
    model = SmallDepth().eval()
    convolutions = dict(model.named_modules())
    with torch.no_grad():
        for name, module in convolutions.items():
            if isinstance(module, Conv):
                conv, norm = module[0], module[1]
                _fill(conv.weight, found, f"{name}.0.weight")
                _fill(norm.bias, found, f"{name}.0.bias")
                norm.running_mean.zero_()
                norm.running_var.fill_(1 - norm.eps)
            elif isinstance(module, nn.Conv2d) and module.bias is not None:
                _fill(module.weight, found, f"{name}.weight")
                _fill(module.bias, found, f"{name}.bias")
    return model


def _fill(parameter: Tensor, found: dict[str, Tensor], name: str) -> None:
    if name not in found or found[name].shape != parameter.shape:
        raise ValueError(f"no {name} of the shape {tuple(parameter.shape)} in the file")
    parameter.copy_(found[name])


@torch.no_grad()
def normalise_anew(model: SmallDepth, x: Tensor) -> None:
    """Let the normalisations of a loaded network hold what inputs (B, 5, H, W) give there: the function stays, and
    batches are normalised to nearly the same while it is trained."""
    handles = []

    def calibrate(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].float()
        mean, variance = values.mean((0, 2, 3)), values.var((0, 2, 3), unbiased=False)
        norm.bias.add_(mean * norm.weight)
        norm.weight.mul_((variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)

    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            handles.append(module.register_forward_pre_hook(calibrate))
    model.eval()(x)
    for handle in handles:
        handle.remove()
