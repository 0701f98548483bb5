# SPDX-License-Identifier: Apache-2.0
"""The optimizer, and a running mean of the weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable

import torch
from torch import nn

from ex4d.protocol.errors import ResourceError
from ex4d.training.settings import TrainingSettings


def create_optimizer(parameters: Iterable[nn.Parameter], settings: TrainingSettings) -> torch.optim.Optimizer:
    """AdamW.

    Raises:
        ResourceError: 8 bits are asked for and bitsandbytes is not installed.
    """
    options = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if not settings.eight_bit:
        return torch.optim.AdamW(parameters, **options)
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ResourceError("The package bitsandbytes is not installed.", "Install it, or leave --eight-bit out.")
    import bitsandbytes

    optimizer: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(parameters, **options)
    return optimizer


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Of a step (from 0): it rises over the warm-up, then stays, as in DiffSynth's trainer."""
    return settings.learning_rate * min(1.0, (step + 1) / max(1, settings.warmup))


class RunningMean:
    """An exponential mean of parameters.

    Args:
        parameters: by name; the mean starts as they are.
        decay: share of the mean that a step keeps.
    """

    def __init__(self, parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self._decay = decay
        self.values = {name: parameter.detach().clone() for name, parameter in parameters}

    @torch.no_grad()
    def update(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> None:
        """Take in the parameters after a step."""
        for name, parameter in parameters:
            self.values[name].lerp_(parameter.detach(), 1 - self._decay)
