# SPDX-License-Identifier: Apache-2.0
"""Faster attention and 8-bit layers against the plain ones."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ex4d.diffusion import EX4DPipeline, vae
from ex4d.diffusion.attention import fastest_kernel, use_fast_attention
from ex4d.diffusion.fp8 import Fp8Linear, quantized, sensitive_blocks, use_fp8
from ex4d.diffusion.quirks import TEXT_LENGTH


def velocity(transformer: nn.Module) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad(), fastest_kernel():
        return transformer(
            hidden_states=torch.randn((1, 36, 3, 6, 8), generator=generator),
            timestep=torch.tensor([300.0]),
            encoder_hidden_states=torch.randn((1, TEXT_LENGTH, 16), generator=generator),
            encoder_hidden_states_image=torch.randn((1, 257, 32), generator=generator),
            return_dict=False,
        )[0]


def error(value: torch.Tensor, reference: torch.Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


@pytest.mark.parametrize("fuse", [False, True])
def test_attention_is_diffusers_own(pipeline: EX4DPipeline, fuse: bool) -> None:
    transformer = copy.deepcopy(pipeline.transformer)
    reference = velocity(transformer)
    before = sum(parameter.numel() for parameter in transformer.parameters())
    use_fast_attention(transformer, fuse=fuse)
    assert error(velocity(transformer), reference) < 1e-5
    assert sum(parameter.numel() for parameter in transformer.parameters()) == before


def test_rows_keep_their_own_range() -> None:
    rows = torch.randn(5, 64) * torch.tensor([1e-4, 1e-2, 1.0, 1e2, 0.0])[:, None]
    values, scale = quantized(rows)
    back = values.float() * scale
    for row in range(4):
        assert error(back[row], rows[row]) < 0.04
    assert (back[4] == 0).all()


def test_fp8_layers_are_close_and_half_as_large(pipeline: EX4DPipeline) -> None:
    transformer = copy.deepcopy(pipeline.transformer)
    reference = velocity(transformer)
    use_fast_attention(transformer)
    use_fp8(transformer, multiply=False)
    layers = [module for module in transformer.modules() if isinstance(module, Fp8Linear)]
    # Joined projections and outputs of both attentions, two of the feed-forward network, in both blocks.
    assert len(layers) == 2 * (2 + 4 + 2)
    assert layers[0].weight.element_size() == 1
    assert 1e-4 < error(velocity(transformer), reference) < 0.1


def test_sensitive_blocks_stay(pipeline: EX4DPipeline) -> None:
    assert sensitive_blocks(40) == {0, 1, 37, 38, 39}
    assert sensitive_blocks(5) == set()
    transformer = copy.deepcopy(pipeline.transformer)
    use_fp8(transformer, keep={0}, multiply=False)
    assert not any(isinstance(module, Fp8Linear) for module in transformer.blocks[0].modules())
    assert any(isinstance(module, Fp8Linear) for module in transformer.blocks[1].modules())


def test_the_fast_vae_is_the_vae(pipeline: EX4DPipeline) -> None:
    plain, fast = pipeline.vae, copy.deepcopy(pipeline.vae)
    vae.use_fast_vae(fast)
    video = torch.rand((2, 3, 13, 48, 64), generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        latents = plain.encode(video).latent_dist.mode()
        assert error(fast.encode(video).latent_dist.mode(), latents) < 1e-5
        assert error(fast.decode(latents).sample, plain.decode(latents).sample) < 1e-5
