# SPDX-License-Identifier: Apache-2.0
"""Self-attention by FlashAttention-3 against plain attention in 32 bits, on Hopper."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
pytest.importorskip("fa3_fwd_interface")
if not torch.cuda.is_available() or torch.cuda.get_device_capability() != (9, 0):
    pytest.skip("needs a Hopper GPU", allow_module_level=True)

from ex4d.models.wan.attention import attend, self_attention  # noqa: E402
from ex4d.models.wan.flash3 import attend_flash3, has_flash3, self_attention_8_bits  # noqa: E402
from ex4d.models.wan.kernels import ops  # noqa: E402

TOKENS, HEADS, SIZE = 2080, 40, 128
CHANNELS = HEADS * SIZE


def error(value: torch.Tensor, reference: torch.Tensor) -> float:
    value, reference = value.double(), reference.double()
    return float((value - reference).norm() / reference.norm())


def layer(outliers: bool) -> SimpleNamespace:
    """Norms whose weights, with ``outliers``, make a few channels of each head eight times as large."""
    generator = torch.Generator("cuda").manual_seed(1)
    weight = torch.rand(CHANNELS, device="cuda", generator=generator) + 0.5
    if outliers:
        weight.view(HEADS, SIZE)[:, ::32] *= 8
    norm = SimpleNamespace(weight=weight.bfloat16(), eps=1e-6)
    return SimpleNamespace(heads=HEADS, norm_q=norm, norm_k=norm)


def given(outliers: bool) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, torch.Tensor]]:
    """Projections, with ``outliers`` of keys that have much in common, and tables that turn little."""
    generator = torch.Generator("cuda").manual_seed(2)
    qkv = torch.randn(1, TOKENS, 3 * CHANNELS, device="cuda", generator=generator)
    if outliers:
        qkv[..., CHANNELS : 2 * CHANNELS] += 2 * torch.randn(CHANNELS, device="cuda", generator=generator)
    angle = 0.1 * torch.randn(1, TOKENS, 1, SIZE // 2, device="cuda", generator=generator)
    cos, sin = (f(angle).repeat_interleave(2, -1) for f in (torch.cos, torch.sin))
    return qkv.bfloat16().chunk(3, dim=-1), (cos, sin)


@pytest.mark.parametrize("outliers", [False, True])
def test_attention(outliers: bool) -> None:
    assert has_flash3(torch.device("cuda"))
    attn, (qkv, rotary) = layer(outliers), given(outliers)
    reference = self_attention(lambda *heads: attend(*(x.float() for x in heads)))(attn, qkv, rotary)
    assert error(self_attention(attend_flash3)(attn, qkv, rotary), reference) < 0.01
    found = error(self_attention_8_bits(attn, qkv, rotary), reference)
    print(f"error of 8 bits {found:.4f}")
    assert found < 0.07


def test_quantized_heads_are_the_expressions() -> None:
    attn, ((query, _, value), rotary) = layer(outliers=True), given(outliers=True)
    weight, inverse = attn.norm_q.weight, torch.rand(HEADS, device="cuda") + 1
    mean = torch.randn(HEADS, SIZE, device="cuda")
    for common in (None, mean):
        found = ops.heads_fp8(query, weight, *rotary, common, inverse, HEADS, 1e-6)
        wanted = ops._heads_fp8(query, weight, *rotary, common, inverse, HEADS, 1e-6)
        # A value between two neighbours may go to either.
        assert error(found.float(), wanted.float()) < 0.02
    assert torch.equal(ops.scaled_fp8(value, inverse, HEADS).float(), ops._scaled_fp8(value, inverse, HEADS).float())


def test_samples_are_the_expressions() -> None:
    attn, ((_, key, value), rotary) = layer(outliers=True), given(outliers=True)
    arguments = key, value, attn.norm_k.weight, *rotary, HEADS, 1e-6, 16, 4.0
    for found, wanted in zip(ops.heads_sample(*arguments), ops._heads_sample(*arguments), strict=True):
        assert error(found, wanted) < 1e-5
