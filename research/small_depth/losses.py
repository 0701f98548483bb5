# SPDX-License-Identifier: Apache-2.0
"""Losses and the score. Predictions and truths are ln disparity (B, 1, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor

#: Weights: steps between neighbours, disparity with scale and shift free, order of pairs.
GRADIENT, DISPARITY, ORDER = 1.0, 0.4, 0.1
SCALES, PAIRS, LEAST_STEP = 4, 1500, 0.08


def _centred(x: Tensor) -> Tensor:
    return x - x.detach().flatten(1).median(dim=1).values.view(-1, 1, 1, 1)


def _normalised(disparity: Tensor) -> Tensor:
    """Median 0, mean absolute deviation 1 (Ranftl et al., 2020)."""
    centred = _centred(disparity)
    return centred / centred.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-3)


def loss(predicted: Tensor, true: Tensor) -> Tensor:
    """Of a batch."""
    difference = predicted - true
    total = _centred(difference).abs().mean()
    gradient = torch.zeros((), device=true.device)
    for k in range(SCALES):
        d = difference[..., :: 2**k, :: 2**k]
        gradient = gradient + (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
    own, other = _normalised(torch.exp(predicted.clamp(max=6))), _normalised(torch.exp(true))
    # Few very near pixels must not count for all others.
    free = (own - other).abs().clamp(max=3).mean()
    at = torch.randint(true[0].numel(), (2, PAIRS), device=true.device)
    p, t = predicted.flatten(1), true.flatten(1)
    step = t[:, at[0]] - t[:, at[1]]
    order = torch.nn.functional.softplus(-torch.sign(step) * (p[:, at[0]] - p[:, at[1]]) * 4)
    order = torch.where(step.abs() > LEAST_STEP, order, torch.zeros_like(order)).mean()
    return total + GRADIENT * gradient / SCALES + DISPARITY * free + ORDER * order


def abs_rel(predicted: Tensor, true: Tensor, rounds: int = 10) -> Tensor:
    """Mean |predicted − true| / true of the depths of each picture (B,), after a fit of scale and shift of disparity by
    least absolute errors, as ``ex4d.evaluation.depth`` does; where the truth is at its bound (sky) nothing counts."""
    x, y = torch.exp(predicted.double().flatten(1)), torch.exp(true.double().flatten(1))
    known = (true.flatten(1) > true.flatten(1).amin(1, keepdim=True) + 1e-3).double()
    weight, least = known, 0.02 * torch.ones(len(x), 1, device=x.device, dtype=torch.float64)
    for _ in range(rounds):
        total = weight.sum(1, keepdim=True)
        mx, my = (weight * x).sum(1, keepdim=True) / total, (weight * y).sum(1, keepdim=True) / total
        spread = (weight * (x - mx) ** 2).sum(1, keepdim=True)
        scale = ((weight * (x - mx) * (y - my)).sum(1, keepdim=True) / spread.clamp(min=1e-12)).clamp(min=0)
        shift = my - scale * mx
        weight = known / (y - scale * x - shift).abs().clamp(min=1e-3 * 0.02)
    fitted = torch.maximum(scale * x + shift, least)
    return (known * (y / fitted - 1).abs()).sum(1) / known.sum(1)
