# SPDX-License-Identifier: Apache-2.0
"""Self-attention in 8 bits: what quantization does to it, on the CPU. FlashAttention-3 itself runs in tests/gpu."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ex4d.fill.ex4d_wan import host
from ex4d.fill.ex4d_wan.profiles import Plan
from ex4d.models.wan.attention import attend, self_attention
from ex4d.models.wan.flash3 import has_flash3, quantized_heads
from ex4d.models.wan.kernels.ops import FP8_MAX

TOKENS, HEADS, SIZE = 300, 4, 64
CHANNELS = HEADS * SIZE


@pytest.fixture
def layer() -> SimpleNamespace:
    """Norms that make a few channels of each head eight times as large."""
    weight = torch.rand(CHANNELS, generator=torch.Generator().manual_seed(1)) + 0.5
    weight.view(HEADS, SIZE)[:, ::16] *= 8
    norm = SimpleNamespace(weight=weight, eps=1e-6)
    return SimpleNamespace(heads=HEADS, norm_q=norm, norm_k=norm)


@pytest.fixture
def given() -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, torch.Tensor]]:
    """Projections of keys that have much in common, and tables that turn little."""
    generator = torch.Generator().manual_seed(2)
    qkv = torch.randn(1, TOKENS, 3 * CHANNELS, generator=generator)
    qkv[..., CHANNELS : 2 * CHANNELS] += 2 * torch.randn(CHANNELS, generator=generator)
    angle = 0.1 * torch.randn(1, TOKENS, 1, SIZE // 2, generator=generator)
    return qkv.chunk(3, dim=-1), (angle.cos().repeat_interleave(2, -1), angle.sin().repeat_interleave(2, -1))


def error(value: torch.Tensor, reference: torch.Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


def coarse(values: torch.Tensor) -> torch.Tensor:
    """A tensor with one scale, in 8 bits and back."""
    scale = values.abs().amax() / FP8_MAX
    return (values / scale).to(torch.float8_e4m3fn).float() * scale


def test_smoothed_and_rotated_heads_lose_little(layer: SimpleNamespace, given: Any) -> None:
    qkv, rotary = given
    reference = self_attention()(layer, qkv, rotary)
    query, key, value, scales = quantized_heads(layer, qkv, rotary)
    heads = [x.float() * scale[:, None] for x, scale in zip((query, key, value), scales, strict=True)]
    assert error(attend(*heads), reference) < 0.07
    # The same without either, as a tensor in 8 bits usually is.
    plain = self_attention(lambda *heads: attend(*(coarse(x) for x in heads)))(layer, qkv, rotary)
    assert error(plain, reference) > 0.2


def test_no_input_is_too_large_for_8_bits(layer: SimpleNamespace, given: Any) -> None:
    qkv, rotary = given
    spike = [torch.zeros_like(x) for x in qkv]
    for x in spike:
        x[..., 0] = 1e4
    query, key, _, scales = quantized_heads(layer, tuple(spike), rotary)
    # One channel alone is as long as a head can be; all its keys are alike, so nothing of them is left.
    longest = float((query.float() * scales[0][:, None]).norm(dim=-1).max())
    assert longest == pytest.approx(float(layer.norm_q.weight[0]) * CHANNELS**0.5, rel=0.05)
    assert float((key.float() * scales[1][:, None]).abs().max()) < 0.3 * longest


def test_what_attends_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_flash3("cpu")
    cuda = torch.device("cuda")
    monkeypatch.setattr(host, "has_flash3", lambda device: device.type == "cuda")
    assert host.attention_kind(torch.device("cpu"), False, 1) == ""
    assert host.attention_kind(cuda, False, 1) == "flash3"
    assert host.attention_kind(cuda, True, 1) == "flash3-8bit"
    assert host.attention_kind(cuda, True, 2) == "flash3"
    assert Plan("cuda", False, True, "", "w").inputs() == {}
    joined = {"attention": "flash3", "context": "joined"}
    assert Plan("cuda", False, True, "", "w", "flash3", 2).inputs() == {**joined, "sequence": 2}
