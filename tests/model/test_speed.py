# SPDX-License-Identifier: Apache-2.0
"""Faster blocks and 8-bit layers against the plain ones."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ex4d.diffusion import EX4DPipeline
from ex4d.models.wan import vae
from ex4d.models.wan.attention import fastest_kernel
from ex4d.models.wan.block import branch_of, contexts_kept, use_fast_blocks
from ex4d.models.wan.fp8 import Fp8Linear, quantized, sensitive_blocks, use_fp8
from ex4d.models.wan.sizes import TEXT_LENGTH


def velocity(transformer: nn.Module, seed: int = 2, text: int | None = None, length: int = TEXT_LENGTH) -> torch.Tensor:
    """``text``: seed of the text, if not the same; ``length``: its tokens, behind which come zeros."""
    generator = torch.Generator().manual_seed(seed)
    texts = generator if text is None else torch.Generator().manual_seed(text)
    words = torch.randn((1, TEXT_LENGTH, 16), generator=texts)
    words[:, length:] = 0
    with torch.no_grad(), fastest_kernel():
        return transformer(
            hidden_states=torch.randn((1, 36, 3, 6, 8), generator=generator),
            timestep=torch.tensor([300.0]),
            encoder_hidden_states=words,
            encoder_hidden_states_image=torch.randn((1, 257, 32), generator=texts),
            return_dict=False,
        )[0]


def error(value: torch.Tensor, reference: torch.Tensor) -> float:
    return float((value - reference).norm() / reference.norm())


def test_blocks_are_diffusers_own(pipeline: EX4DPipeline) -> None:
    transformer = copy.deepcopy(pipeline.transformer)
    reference = velocity(transformer)
    before = sum(parameter.numel() for parameter in transformer.parameters())
    use_fast_blocks(transformer)
    assert error(velocity(transformer), reference) < 1e-5
    assert sum(parameter.numel() for parameter in transformer.parameters()) == before


@pytest.mark.parametrize("length", [0, 1, 40, 511, 512])
def test_a_texts_padding_is_one_token_as_heavy_as_all_of_it(pipeline: EX4DPipeline, length: int) -> None:
    reference = velocity(pipeline.transformer, length=length)
    transformer = copy.deepcopy(pipeline.transformer)
    use_fast_blocks(transformer, join_contexts=True)
    with contexts_kept(transformer), branch_of(transformer, 0, text=length):
        for _ in range(2):
            assert error(velocity(transformer, length=length), reference) < 1e-5
        assert transformer.context_keys.kept[0, 0].text[0].shape[1] == min(length + 1, TEXT_LENGTH)
    # Also where nothing is kept; and where the padding is not known it is taken as it is.
    use_fast_blocks(transformer, keep_context=False, join_contexts=True)
    with contexts_kept(transformer), branch_of(transformer, 0, text=length):
        assert error(velocity(transformer, length=length), reference) < 1e-5
    assert error(velocity(transformer, length=length), reference) < 1e-5


def test_keys_of_the_context_are_kept_for_each_branch_and_no_longer(pipeline: EX4DPipeline) -> None:
    transformer = copy.deepcopy(pipeline.transformer)
    use_fast_blocks(transformer)
    with contexts_kept(transformer):
        for number, seed in ((0, 2), (1, 3), (0, 2), (1, 3)):
            with branch_of(transformer, number):
                found = velocity(transformer, seed)
            assert error(found, velocity(transformer, seed)) < 1e-6
        assert len(transformer.context_keys.kept) == 2 * len(transformer.blocks)
    assert not transformer.context_keys.kept
    use_fast_blocks(transformer, keep_context=False)
    with contexts_kept(transformer), branch_of(transformer, 0):
        velocity(transformer)
        assert not transformer.context_keys.kept


def test_the_first_block_starts_once_for_both_branches(pipeline: EX4DPipeline) -> None:
    transformer = copy.deepcopy(pipeline.transformer)
    use_fast_blocks(transformer)
    started: list[torch.Tensor] = []
    transformer.blocks[0].attn1.to_qkv.register_forward_hook(lambda *_: started.append(torch.empty(0)))

    def branch(number: int, latents: int, text: int) -> torch.Tensor:
        with branch_of(transformer, number, 2):
            return velocity(transformer, latents, text)

    expected = [velocity(transformer, latents, text) for latents, text in ((2, 2), (2, 3), (4, 2), (4, 3))]
    started.clear()
    with contexts_kept(transformer):
        found = [branch(0, 2, 2), branch(1, 2, 3), branch(0, 4, 2), branch(1, 4, 3)]
        assert len(started) == 2
        assert transformer.context_keys.start is None
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)
        # A step without the second branch leaves nothing to the next one.
        branch(0, 2, 2)
        assert torch.equal(branch(0, 4, 2), expected[2])
        assert torch.equal(branch(1, 4, 3), expected[3])
        branch(0, 2, 2)
    assert transformer.context_keys.start is None


def test_guided_steps_of_fast_blocks_are_those_of_plain_ones(pipeline: EX4DPipeline) -> None:
    generator = torch.Generator().manual_seed(5)

    def made(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    color, mask = made(1, 3, 9, 48, 64).clamp(-1, 1), torch.ones(1, 1, 9, 48, 64)
    latents, texts, image = made(1, 16, 3, 6, 8), [made(1, 8, 16), made(1, 5, 16)], made(1, 257, 32)
    ended: list[torch.Tensor] = []

    def denoised() -> torch.Tensor:
        geometry, condition = pipeline.encode_geometry(color, mask), pipeline.encode_condition(color)
        return pipeline.denoise(latents, geometry, condition, texts, image, 3, 5.0, lambda *_: ended.append(latents))

    with torch.no_grad():
        reference = denoised()
        plain, pipeline.transformer = pipeline.transformer, copy.deepcopy(pipeline.transformer)
        try:
            use_fast_blocks(pipeline.transformer)
            assert error(denoised(), reference) < 1e-5
        finally:
            pipeline.transformer = plain
    assert len(ended) == 6


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
    use_fast_blocks(transformer)
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
