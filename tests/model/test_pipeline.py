# SPDX-License-Identifier: Apache-2.0
"""The pipeline and its named quirks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ex4d.diffusion import EX4DPipeline
from ex4d.fill.ex4d_wan import quirks
from ex4d.fill.ex4d_wan.conditioning import TAKES
from ex4d.fill.ex4d_wan.pipeline import check_shapes, initial_noise
from ex4d.models.wan.sizes import TEXT_LENGTH
from ex4d.models.wan.text import clean_prompt
from ex4d.protocol.errors import BadInputError, UsageError

Take = tuple[torch.Tensor, torch.Tensor]


def make(pipeline: EX4DPipeline, take: Take, **options: object) -> torch.Tensor:
    options = {"prompt": "a house by the sea", "num_inference_steps": 2, **options}
    options.setdefault("generator", torch.Generator().manual_seed(0))
    return pipeline(*take, **options).frames  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_video(pipeline: EX4DPipeline, take_tensors: Take) -> None:
    first = make(pipeline, take_tensors)
    assert first.shape == (1, 3, 9, 48, 64)
    assert torch.isfinite(first).all()
    assert first.abs().max() <= 1
    assert torch.equal(first, make(pipeline, take_tensors))
    other = make(pipeline, take_tensors, generator=torch.Generator().manual_seed(1))
    assert (first - other).abs().max() > 0.01


@pytest.mark.parametrize("change", ["mask", "color", "prompt", "first frame"])
def test_every_condition_has_an_effect(pipeline: EX4DPipeline, take_tensors: Take, change: str) -> None:
    color, mask = (tensor.clone() for tensor in take_tensors)
    options = {}
    if change == "mask":
        mask[:, :, 4, :24] = -1
    elif change == "color":
        color[:, :, 5] *= 0.5
    elif change == "first frame":
        color[:, :, 0] *= 0.5
    else:
        options = {"prompt": "dog runs"}
    base = make(pipeline, take_tensors, output_type="latent")
    other = make(pipeline, (color, mask), output_type="latent", **options)
    assert (base - other).norm() / base.norm() > 1e-3


def test_a_mask_of_one_channel_is_a_mask_of_three(pipeline: EX4DPipeline, take_tensors: Take) -> None:
    color, mask = take_tensors
    three = make(pipeline, (color, mask.expand(-1, 3, -1, -1, -1)))
    assert torch.equal(make(pipeline, take_tensors), three)


def test_frames_are_decoded_as_they_come(pipeline: EX4DPipeline) -> None:
    latents = torch.randn((1, 16, 3, 6, 8), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        parts = list(pipeline.decode_frames(latents))
        assert [part.shape[2] for part in parts] == [1, 4, 4]
        mean, std = pipeline._latent_statistics(latents)
        whole = pipeline.vae.decode(latents * std + mean).sample
        assert torch.equal(torch.cat(parts, dim=2), whole)
        picture = pipeline.decode_picture(latents, 0)
        torch.testing.assert_close(picture, whole[:, :, 0])


def test_without_guidance_the_negative_prompt_has_no_effect(pipeline: EX4DPipeline, take_tensors: Take) -> None:
    one = make(pipeline, take_tensors, guidance_scale=1.0, negative_prompt="dog")
    two = make(pipeline, take_tensors, guidance_scale=1.0, negative_prompt="sea")
    assert torch.equal(one, two)
    guided = make(pipeline, take_tensors, negative_prompt="dog")
    assert not torch.equal(guided, make(pipeline, take_tensors, negative_prompt="sea"))


def test_a_callback_sees_each_step_and_can_stop(pipeline: EX4DPipeline, take_tensors: Take) -> None:
    seen: list[tuple[int, float]] = []

    def callback(_pipeline: EX4DPipeline, index: int, moment: float, tensors: dict[str, torch.Tensor]) -> None:
        seen.append((index, moment))
        assert tensors["x0"].shape == tensors["latents"].shape
        if index == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        make(pipeline, take_tensors, num_inference_steps=4, callback_on_step_end=callback)
    # The released schedule: s -> 5 s / (1 + 4 s) of 1, 3/4, 1/2, 1/4.
    assert seen == [(0, 1000.0), (1, pytest.approx(1000 * 3.75 / 4))]
    # Nothing is left behind: the hook of the interrupted run is gone.
    assert not pipeline.transformer.patch_embedding._forward_hooks


def test_the_last_estimate_is_the_result(pipeline: EX4DPipeline, take_tensors: Take) -> None:
    last = {}
    latents = make(
        pipeline, take_tensors, output_type="latent", callback_on_step_end=lambda *call: last.update(call[3])
    )
    torch.testing.assert_close(last["x0"], latents, rtol=1e-4, atol=1e-4)


def test_missing_encoders_are_said(pipeline: EX4DPipeline, take_tensors: Take) -> None:
    bare = EX4DPipeline(pipeline.transformer, pipeline.vae, pipeline.geometry_encoder, pipeline.scheduler)
    with pytest.raises(UsageError, match="no text encoder"):
        bare(*take_tensors, prompt="a")
    embeds = pipeline.encode_prompt("a")
    with pytest.raises(UsageError, match="no image encoder"):
        bare(*take_tensors, prompt_embeds=embeds, negative_prompt_embeds=embeds)


@pytest.mark.parametrize(
    ("color", "mask", "words"),
    [
        ((1, 3, 8, 32, 32), (1, 1, 8, 32, 32), "4k\\+1 frames, not 8"),
        ((1, 3, 9, 40, 32), (1, 1, 9, 40, 32), "divisible by 16, not 32x40"),
        ((1, 3, 9, 32, 32), (1, 1, 5, 32, 32), "do not fit each other"),
        ((3, 9, 32, 32), (1, 9, 32, 32), "do not fit each other"),
        ((1, 3, 9, 32, 32), (1, 2, 9, 32, 32), "do not fit each other"),
    ],
)
def test_shapes_that_the_model_cannot_take(color: tuple[int, ...], mask: tuple[int, ...], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        check_shapes(torch.zeros(color), torch.zeros(mask))


def test_prompts(pipeline: EX4DPipeline) -> None:
    assert clean_prompt("  a &amp;amp; b\n\tc ") == "a & b c"
    assert pipeline.encode_prompt("").shape[1] == 1
    long = pipeline.encode_prompt("house " * 600)
    assert long.shape[1] == TEXT_LENGTH
    with pytest.raises(BadInputError, match="513 tokens"):
        pipeline.predict_velocity(
            torch.zeros(1, 16, 1, 4, 4), torch.zeros(1), torch.zeros(1, 20, 1, 4, 4), torch.zeros(1, 513, 16), long
        )


def test_noise_comes_from_the_cpu_whatever_the_seed() -> None:
    shape = torch.Size((1, 20, 3, 8, 8))
    noise = initial_noise(shape, torch.Generator().manual_seed(0))
    assert noise.shape == (1, 16, 3, 8, 8)
    assert torch.equal(noise, torch.randn((1, 16, 3, 8, 8), generator=torch.Generator().manual_seed(0)))
    assert initial_noise(shape, None).std() > 0.9


# Quirks


def test_mask_coding() -> None:
    assert quirks.mask_for_vae(torch.tensor([-1.0, 1.0])).tolist() == [-3.0, 1.0]


def test_erosion_is_seeded_and_constant_in_time() -> None:
    sides = [quirks.erosion_side(seed) for seed in range(200)]
    assert set(sides) == set(range(2, 9))
    assert sides == [quirks.erosion_side(seed) for seed in range(200)]
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 255
    eroded = quirks.erode_mask(mask, 5)
    assert eroded[:, 12:].all()
    assert not eroded[:, :12].any()


@pytest.mark.parametrize(("frames", "padded"), [(1, 1), (2, 5), (5, 5), (48, 49), (49, 49), (50, 53)])
def test_padding(frames: int, padded: int) -> None:
    assert TAKES.frames.padded(frames) == padded
