# SPDX-License-Identifier: Apache-2.0
"""The transformer's and the VAE's Triton kernels against plain torch, at the released sizes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")
pytest.importorskip("diffusers")
if not torch.cuda.is_available():
    pytest.skip("needs a CUDA device", allow_module_level=True)

from ex4d.models.wan import vae  # noqa: E402
from ex4d.models.wan.kernels import ops  # noqa: E402

TOKENS, CHANNELS, HEADS = 1031, 5120, 40


def values(*shape: int, dtype: object = torch.bfloat16) -> torch.Tensor:
    return torch.randn(shape, device="cuda", dtype=dtype)


def error(value: torch.Tensor, reference: torch.Tensor) -> float:
    value, reference = value.double(), reference.double()
    return float((value - reference).norm() / reference.norm())


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def given() -> tuple[torch.Tensor, ...]:
    """x, update, gate, scale, shift of two clips."""
    two = (2, TOKENS, CHANNELS)
    return values(*two), values(*two), *(values(2, CHANNELS, dtype=torch.float32) for _ in range(3))


def test_norms_and_residuals(given: tuple[torch.Tensor, ...]) -> None:
    x, update, gate, scale, shift = given
    assert error(ops.norm(x, scale, shift, 1e-6, True), ops._normed(x.double(), scale, shift, 1e-6, True)) < 3e-3
    total, normed = ops.add_norm(x, update, gate, scale[:1], shift[:1], 1e-6, False)
    # One rounding of product and sum together, or one of each.
    assert error(total, ops._added(x, update, gate)) < 1e-4
    assert error(normed, ops._normed(total, scale[:1], shift[:1], 1e-6, False)) < 3e-3
    assert torch.equal(ops.add_gated(x, update, None), ops._added(x, update, None))


def test_rows_in_8_bits(given: tuple[torch.Tensor, ...]) -> None:
    x, update, gate, scale, shift = given
    total, rows, scales = ops.add_norm_fp8(x, update, gate, scale, shift, 1e-6, True)
    wanted = ops._normed(total.float(), scale, shift, 1e-6, True).flatten(0, 1)
    assert error(rows.float() * scales, wanted) < 0.03
    wide = values(2, TOKENS, 13824)
    for other, gelu in ((None, True), (wide.flip(0), False)):
        rows, scales = ops.quantize(wide, other, gelu)
        total = wide.float() if other is None else wide.float() + other.float()
        wanted = torch.nn.functional.gelu(total, approximate="tanh") if gelu else total
        assert error(rows.float() * scales, wanted.flatten(0, 1)) < 0.03


@pytest.mark.parametrize("rotate", [False, True])
def test_norm_over_heads(rotate: bool) -> None:
    size = CHANNELS // HEADS
    angle = torch.randn(1, TOKENS, 1, size // 2, device="cuda")
    tables = [f(angle).repeat_interleave(2, -1) if rotate else None for f in (torch.cos, torch.sin)]
    weight = torch.rand(CHANNELS, device="cuda") + 0.5
    # Parts of a joined projection are not contiguous.
    for part in values(2, TOKENS, 3 * CHANNELS).chunk(3, dim=-1):
        found = ops.heads_norm(part, weight, *tables, HEADS, 1e-6)
        wanted = ops._heads_normed(part.double(), weight.double(), *tables, HEADS, 1e-6)
        assert error(found, wanted) < 3e-3


@pytest.mark.parametrize(("words", "bias"), [(1, 6.2), (41, 6.1), (512, 0.0)])
def test_attention_to_text_and_image(words: int, bias: float) -> None:
    size = CHANNELS // HEADS
    query, *context = (2 * values(2, count, HEADS, size) for count in (TOKENS, words, words, 257, 257))
    arguments = query, *context[:2], bias, *context[2:]
    wanted = ops._context_attention(*(each if isinstance(each, float) else each.float() for each in arguments))
    assert error(ops.context_attention(*arguments), wanted) < 5e-3


@pytest.mark.parametrize("channels", [96, 192, 384])
def test_the_vae_between_convolutions(monkeypatch: pytest.MonkeyPatch, channels: int) -> None:
    video = values(1, channels, 4, 20, 37).contiguous(memory_format=torch.channels_last_3d)
    bias, gamma, past = values(channels), values(channels), values(1, channels, 2, 20, 37)
    found = [
        vae.norm_silu(video, bias, gamma, past, 2),
        vae.norm_silu(video, None, gamma, None, 2),
        vae.add_bias(video, bias, video),
    ]
    monkeypatch.setattr(vae, "has_triton", lambda: False)
    wanted = [
        vae.norm_silu(video.float(), bias, gamma, past.float(), 2),
        vae.norm_silu(video.float(), None, gamma, None, 2),
        vae.add_bias(video.float(), bias, video.float()),
    ]
    for one, other in zip(found, wanted, strict=True):
        assert error(one, other) < 3e-3
