# SPDX-License-Identifier: Apache-2.0
"""Self-attention by FlashAttention-3 (Shah et al., arXiv 2407.08608) on Hopper, where its wheel is installed: in 16
bits, and in 8 with keys smoothed and heads rotated, so that few large channels do not make the others coarse."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import torch

from ex4d.models.packages import FLASH3
from ex4d.models.wan.kernels import ops
from ex4d.models.wan.kernels.ops import FP8_MAX

#: So many tokens say what all keys have in common, and how large values are. Any vector may be taken off all keys: it
#: changes no weight of attention.
_SAMPLE = 128
#: Values may be so much larger than the sample's largest. Numbers in floating point lose nothing by the room.
_ROOM = 4.0


@cache
def has_flash3(device: torch.device | str) -> bool:
    """Whether it is installed and runs on the device: Hopper alone."""
    device = torch.device(device)
    return (
        device.type == "cuda"
        and torch.version.cuda is not None
        and find_spec(FLASH3) is not None
        and torch.cuda.get_device_capability(device) == (9, 0)
    )


def _flash3(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, **scales: torch.Tensor) -> torch.Tensor:
    from fa3_fwd_interface import flash_attn_func

    found: Any = flash_attn_func(query, key, value, **scales)
    return found[0] if isinstance(found, tuple) else found


def attend_flash3(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """As ``attention.attend``, in bfloat16."""
    return _flash3(query, key, value).flatten(2)


def self_attention_8_bits(
    attn: Any,
    qkv: tuple[torch.Tensor, ...],
    rotary: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Self-attention with all of its products in 8 bits.

    Args:
        attn: the layer, for its norms.
        qkv: projections (B, S, N) before norms.
        rotary: tables (1, S, 1, D) of cosines and sines.

    Returns:
        (B, S, N) in bfloat16.
    """
    query, key, value, scales = quantized_heads(attn, qkv, rotary)
    batch = query.shape[0]
    descales = {f"{name}_descale": scale.expand(batch, -1) for name, scale in zip("qkv", scales, strict=True)}
    return _flash3(query, key, value, **descales).flatten(2)


def quantized_heads(
    attn: Any,
    qkv: tuple[torch.Tensor, ...],
    rotary: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, list[torch.Tensor]]:
    """Queries, keys and values (B, S, heads, D) in 8 bits, and their scales (heads,): ``query · scale`` and ``key ·
    scale`` have the products of the heads less what all keys have in common; arguments as above."""
    query, key, value = qkv
    heads, every = attn.heads, max(1, key.shape[1] // _SAMPLE)
    (q_scale, q_inverse), (k_scale, k_inverse) = _norm_scales(attn)
    mean, v_scale, v_inverse = ops.heads_sample(
        key, value, attn.norm_k.weight, *rotary, heads, attn.norm_k.eps, every, _ROOM
    )
    return (
        ops.heads_fp8(query, attn.norm_q.weight, *rotary, None, q_inverse, heads, attn.norm_q.eps),
        ops.heads_fp8(key, attn.norm_k.weight, *rotary, mean, k_inverse, heads, attn.norm_k.eps),
        ops.scaled_fp8(value, v_inverse, heads),
        [q_scale, k_scale, v_scale],
    )


#: A scale (heads,), and 1 / scale.
_Scale = tuple[torch.Tensor, torch.Tensor]


def _norm_scales(attn: Any) -> tuple[_Scale, _Scale]:
    """Of queries and keys, kept with the layer: they follow from its weights."""
    kept: tuple[_Scale, _Scale] | None = getattr(attn, "flash3_scales", None)
    if kept is None:
        scales = [_norm_scale(norm.weight, attn.heads) for norm in (attn.norm_q, attn.norm_k)]
        kept = (scales[0], 1 / scales[0]), (scales[1], 1 / scales[1])
        attn.flash3_scales = kept
    return kept


def _norm_scale(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Of what an RMS norm over all heads gives, (heads,) float32, whatever came in: a head is at most as long as the
    square root of the number of all channels times its largest weight, and a rotation makes no channel longer than
    that. Numbers of usual size, 1/70 of it, lie far above the smallest that 8 bits hold to full precision."""
    longest = weight.float().unflatten(0, (heads, -1)).abs().amax(dim=1)
    return 2 * longest.clamp_min(1e-6) * weight.numel() ** 0.5 / FP8_MAX
