# SPDX-License-Identifier: Apache-2.0
"""How much memory and time a run will need, by arithmetic; measured figures are in docs/benchmarks.md."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import torch

from ex4d.fill.ex4d_wan.conditioning import token_count
from ex4d.models.wan.sizes import TEXT_LENGTH
from ex4d.training.settings import TrainingSettings

_GIB = 2**30
#: Tokens of text and of the first frame.
_CONTEXT = TEXT_LENGTH + 257
#: Numbers that a block keeps for its backward pass, counted as 16-bit ones: multiples of tokens × width, of tokens ×
#: the width of its feed-forward layer, and of text and image tokens × width. As torch's ``saved_tensors_hooks`` counted
#: them for blocks of several sizes, in bfloat16 under autocast.
_KEPT_WIDTHS, _KEPT_FFN, _KEPT_CONTEXT = 24, 2, 4
#: The same of the geometry encoder, as multiples of latent positions × its channels: what its five inner layers give.
_KEPT_GEOMETRY = 5
#: Side of the matrices by whose product a device's speed is measured.
_PROBE = {"cuda": 8192, "cpu": 1024}


@dataclass(frozen=True)
class Estimate:
    """Of one device.

    Attributes:
        weights, trained, activations: GiB: the frozen weights; parameters, gradients and optimizer of what is trained;
            what is kept between forward and backward pass.
        flops: of one step.
        seconds: a lower bound for a step: at the speed of a large matrix product on this device.
    """

    weights: float
    trained: float
    activations: float
    flops: float
    seconds: float

    @property
    def memory(self) -> float:
        """GiB in all."""
        return self.weights + self.trained + self.activations


def forward_flops(config: Any, tokens: int) -> float:
    """Of one clip through the transformer's blocks; all else is less than a thousandth."""
    width, ffn = config.num_attention_heads * config.attention_head_dim, config.ffn_dim
    linear = 2 * tokens * width * (6 * width + 2 * ffn) + 2 * _CONTEXT * 2 * width * width
    attention = 4 * tokens * width * (tokens + _CONTEXT)
    return float(config.num_layers * (linear + attention))


def step_flops(config: Any, tokens: int, settings: TrainingSettings) -> float:
    """Of one optimizer step on one device. The backward pass of frozen layers has the gradients of their inputs alone,
    which take as much as the forward pass; attention takes two and a half times; checkpointing adds a forward pass."""
    forward = forward_flops(config, tokens)
    width = config.num_attention_heads * config.attention_head_dim
    attention = config.num_layers * 4 * tokens * width * (tokens + _CONTEXT)
    backward = forward + 1.5 * attention
    again = forward if settings.checkpointing else 0.0
    return (forward + backward + again) * settings.batch * settings.accumulate


def measured_speed(device: torch.device) -> float:
    """FLOP/s of a large matrix product on a device, in the dtype that training uses there."""
    side = _PROBE.get(device.type, _PROBE["cpu"])
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))

    def run(count: int) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        started = time.perf_counter()
        for _ in range(count):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    run(2)
    count = 8
    return 2 * side**3 * count / run(count)


def estimate(
    config: Any,
    counts: dict[str, int],
    size: tuple[int, int],
    frames: int,
    settings: TrainingSettings,
    device: torch.device,
) -> Estimate:
    """Of a run on one device.

    Args:
        config: of the transformer.
        counts: of ``parameter_counts``.
        size, frames: of the clips.
        settings: of the run.
        device: whose speed is measured.
    """
    tokens = token_count(size, frames)
    width = config.num_attention_heads * config.attention_head_dim
    weight_bytes = 2 if device.type == "cuda" else 4
    trained = counts["lora"] + counts["geometry"]
    # Parameter and gradient, AdamW's two means, the running mean.
    per_parameter = 8 + (2 if settings.eight_bit else 8) + (4 if settings.ema else 0)
    block = tokens * (_KEPT_WIDTHS * width + _KEPT_FFN * config.ffn_dim) + _CONTEXT * _KEPT_CONTEXT * width
    blocks = config.num_layers * tokens * width + block if settings.checkpointing else config.num_layers * block
    positions = tokens * math.prod(config.patch_size)
    kept = 2 * (blocks + positions * _KEPT_GEOMETRY * settings.channels)
    flops = step_flops(config, tokens, settings)
    return Estimate(
        counts["frozen"] * weight_bytes / _GIB,
        trained * per_parameter / _GIB,
        kept * settings.batch / _GIB,
        flops,
        flops / measured_speed(device),
    )
