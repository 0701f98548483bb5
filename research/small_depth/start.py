# SPDX-License-Identifier: Apache-2.0
"""Going on from weights that were exported. Their normalisations are folded into the convolutions, and stay there: made
anew, they forget in some hundred steps what was learned, and do not find it again (docs/decisions.md)."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from research.small_depth.batches import Store
from research.small_depth.network import SmallDepth, folded, keep, load_kept, unfolded
from research.small_depth.pack import unpack
from research.small_depth.report import check


@torch.no_grad()
def load_exported(path: Path) -> SmallDepth:
    """The network of ``small_depth export``, ``folded``.

    Raises:
        ValueError: the file is of another network.
    """
    found = {
        tensor.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(tensor).copy()).float()
        for tensor in onnx.load(str(path)).graph.initializer
    }
    model = folded(SmallDepth())
    for name, parameter in model.named_parameters():
        if name not in found or found[name].shape != parameter.shape:
            raise ValueError(f"no {name} of the shape {tuple(parameter.shape)} in the file")
        parameter.copy_(found[name])
    return model


@torch.no_grad()
def mix(start: Path, weights: Path, share: float, held: Path, out: Path) -> str:
    """Write the weights between those that a training went on from (ONNX) and those that it came to (``weights.pt``):
    of networks so near to each other the mean can be better than both (Wortsman et al., 2022).

    Args:
        share: of the latter, 0 to 1.
        held: frames of ``small_depth pack``, to tell which share is best.

    Returns:
        the scores on those frames.
    """
    made, new = load_exported(start), folded(load_kept(weights))
    for own, other in zip(made.parameters(), new.parameters(), strict=True):
        own.lerp_(other, share)
    keep(unfolded(made).state_dict(), out)
    frames = unpack(held)
    return check(made, Store(frames, "cpu"), frames.labels)
