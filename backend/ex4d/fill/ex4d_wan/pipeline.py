# SPDX-License-Identifier: Apache-2.0
"""The EX-4D model as a diffusers pipeline: rendered colour and mask in, a video out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKLWan, DiffusionPipeline, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel
from diffusers.utils import BaseOutput
from torch.nn import functional
from transformers import CLIPVisionModel, PreTrainedTokenizerBase, UMT5EncoderModel

from ex4d.fill.ex4d_wan.conditioning import TAKES
from ex4d.fill.ex4d_wan.geometry import GeometryEncoder, geometry_added
from ex4d.fill.ex4d_wan.quirks import GUIDANCE, NEGATIVE_PROMPT, PROMPT, STEPS, first_frame, mask_for_vae
from ex4d.fill.ex4d_wan.weights import load_peft_lora
from ex4d.models.parallel.group import RankGroup
from ex4d.models.parallel.sequence import tokens_shared
from ex4d.models.wan.block import branch_of, contexts_kept
from ex4d.models.wan.guidance import Guidance, HeldGuidance
from ex4d.models.wan.image import encode_image
from ex4d.models.wan.lora import fuse_lora
from ex4d.models.wan.sampler import set_steps
from ex4d.models.wan.sizes import FRAMES_PER_LATENT, TEXT_LENGTH
from ex4d.models.wan.text import encode_prompt
from ex4d.protocol.errors import BadInputError, ResourceError, UsageError

#: Called after each step: pipeline, index of the step, its timestep, the tensors by name.
StepCallback = Callable[["EX4DPipeline", int, float, dict[str, torch.Tensor]], None]


#: The parts of a run, in order.
Phase = Literal["encode", "denoise", "decode"]


class Surroundings:
    """What goes on around a run: nothing. Whoever keeps the model derives from it, to report progress, to move weights
    to where they compute, and to let people stop: what a phase's context or a call raises ends the run."""

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Entered before a phase, left after it."""
        return nullcontext()

    def advance(self) -> None:
        """Half of the encoding is done."""

    def check(self) -> None:
        """Called before each step where several ranks make the clip, which can stop nowhere else."""


@dataclass
class EX4DOutput(BaseOutput):
    """What the pipeline returns.

    Attributes:
        frames: (B, 3, T, H, W) float in [−1, 1], or latents (B, 16, t, h, w).
    """

    frames: torch.Tensor


class EX4DPipeline(DiffusionPipeline):
    """Wan 2.1 image-to-video with the EX-4D adapter.

    The adapter's LoRA is part of ``transformer``: fused into its weights, or injected by peft. Text and image encoder
    may be absent; then their embeddings are given. Can be loaded with ``from_pretrained`` from the folder that
    ``ex4d models convert`` writes.

    Source: arXiv 2506.05554 and the released code; see ``quirks``.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->geometry_encoder->transformer->vae"
    _optional_components = ("tokenizer", "text_encoder", "image_encoder")

    def __init__(
        self,
        transformer: WanTransformer3DModel,
        vae: AutoencoderKLWan,
        geometry_encoder: GeometryEncoder,
        scheduler: FlowMatchEulerDiscreteScheduler,
        tokenizer: PreTrainedTokenizerBase | None = None,
        text_encoder: UMT5EncoderModel | None = None,
        image_encoder: CLIPVisionModel | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            transformer=transformer,
            vae=vae,
            geometry_encoder=geometry_encoder,
            scheduler=scheduler,
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            image_encoder=image_encoder,
        )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> EX4DPipeline:
        """The model from a folder that ``ex4d models convert`` wrote; options as in diffusers, such as
        ``torch_dtype``. The LoRA in the folder's ``lora`` is fused into the transformer.

        Raises:
            BadInputError: there is no such LoRA, or it does not fit; or the transformer is in 8 bits, which
                ``load_pipeline`` loads.
        """
        folder = Path(pretrained_model_name_or_path)
        lora = load_peft_lora(folder)
        pipeline: EX4DPipeline = super().from_pretrained(str(folder), **options)
        fuse_lora(pipeline.transformer, lora)
        return pipeline

    # Conditions --------------------------------------------------------------------------------------------------

    def encode_prompt(self, prompt: str) -> torch.Tensor:
        """Embeddings (1, n, D) of a prompt, n at most 512.

        Raises:
            UsageError: the pipeline has no text encoder.
        """
        if self.text_encoder is None or self.tokenizer is None:
            raise UsageError("This pipeline has no text encoder.", "Give prompt_embeds and negative_prompt_embeds.")
        return encode_prompt(self.tokenizer, self.text_encoder, prompt)

    def encode_image(self, color: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, 257, 1280) of a take's first frame; ``color`` as in ``__call__``.

        Raises:
            UsageError: the pipeline has no image encoder.
        """
        if self.image_encoder is None:
            raise UsageError("This pipeline has no image encoder.", "Give image_embeds.")
        return encode_image(self.image_encoder, first_frame(color))

    def encode_video(self, video: torch.Tensor) -> torch.Tensor:
        """Normalised latents (B, 16, t, h, w), float32, of a video (B, 3, T, H, W)."""
        vae = self.vae
        latents = vae.encode(video.to(vae.device, vae.dtype)).latent_dist.mode().float()
        mean, std = self._latent_statistics(latents)
        return (latents - mean) / std

    def encode_geometry(self, color: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The addition to the patch embeddings (B, C, t, h/2, w/2); arguments as in ``__call__``."""
        encoder = self.geometry_encoder
        return encoder(*(latents.to(encoder.device) for latents in self.encode_color_and_mask(color, mask)))

    def encode_shared(
        self, color: torch.Tensor, mask: torch.Tensor, ranks: RankGroup
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Geometry and condition as ``encode_geometry`` and ``encode_condition`` make them, by several ranks."""
        videos = (color, mask_for_vae(_three(mask)), _first_then_zeros(color))
        seen, hidden, first = ranks.spread([partial(self.encode_video, video) for video in videos])
        return self.geometry_encoder(seen, hidden), _known_first(first)

    def encode_color_and_mask(self, color: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the geometry encoder gets: latents (B, 16, t, h, w), float32, of the colour and of the coded mask."""
        # One after the other: together they take three times the memory and no less time.
        return self.encode_video(color), self.encode_video(mask_for_vae(_three(mask)))

    def encode_condition(self, color: torch.Tensor) -> torch.Tensor:
        """Wan's image-to-video condition (B, 20, t, h, w): four mask channels, 1 in the first latent frame, and the
        latents of the first frame followed by black; ``color`` as in ``__call__``."""
        return _known_first(self.encode_video(_first_then_zeros(color)))

    # Denoising ---------------------------------------------------------------------------------------------------

    def predict_velocity(
        self,
        latents: torch.Tensor,
        timestep: torch.Tensor,
        condition: torch.Tensor,
        prompt_embeds: torch.Tensor,
        image_embeds: torch.Tensor,
    ) -> torch.Tensor:
        """One forward of the transformer, within ``geometry_added``: float32 velocity like ``latents``.

        Args:
            latents: (B, 16, t, h, w) float32.
            timestep: (B,) in 0 … 1000.
            condition: of ``encode_condition``.
            prompt_embeds: (B, n, D), padded here.
            image_embeds: (B, 257, 1280).
        """
        transformer = self.transformer
        dtype = transformer.patch_embedding.weight.dtype
        return transformer(
            hidden_states=torch.cat([latents, condition], dim=1).to(dtype),
            timestep=timestep,
            encoder_hidden_states=_padded(prompt_embeds).to(dtype),
            encoder_hidden_states_image=image_embeds.to(dtype),
            return_dict=False,
        )[0].float()

    @torch.no_grad()
    def denoise(
        self,
        latents: torch.Tensor,
        geometry: torch.Tensor,
        condition: torch.Tensor,
        contexts: Sequence[torch.Tensor],
        image_embeds: torch.Tensor,
        steps: int,
        guidance_scale: float,
        callback: StepCallback,
        held_guidance: HeldGuidance | None = None,
        ranks: RankGroup | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> torch.Tensor:
        """Noise → latents of a video, (B, 16, t, h, w) float32.

        Args:
            latents: noise of that shape.
            geometry, condition: of ``encode_geometry`` and ``encode_condition``.
            contexts: embeddings of the prompt and, where guidance is not 1, of the negative prompt.
            image_embeds: of the first frame.
            steps, guidance_scale: of the sampler.
            callback: called after each step; may raise to stop.
            held_guidance: leave forwards without the prompt out; lossy.
            ranks: share the work with these, None = do it alone.
            check: asked by rank 0 before each step whether to go on.
        """
        device, scheduler = self.transformer_device, self.scheduler
        latents, geometry, condition = latents.to(device, torch.float32), geometry.to(device), condition.to(device)
        contexts, image_embeds = [context.to(device) for context in contexts], image_embeds.to(device)
        set_steps(scheduler, steps, device)
        guidance = Guidance(guidance_scale, held_guidance)
        with (
            geometry_added(self.transformer, geometry),
            contexts_kept(self.transformer),
            tokens_shared(self.transformer),
        ):
            for index, timestep in enumerate(scheduler.timesteps):
                moment = timestep.expand(latents.shape[0])

                def forward(
                    branch: int, of: int = len(contexts), latents: torch.Tensor = latents, moment: torch.Tensor = moment
                ) -> torch.Tensor:
                    with branch_of(self.transformer, branch, of, contexts[branch].shape[1]):
                        return self.predict_velocity(latents, moment, condition, contexts[branch], image_embeds)

                if ranks is not None:
                    ranks.agree(check)
                if ranks is not None and ranks.layout.branches > 1 and guidance.needs_plain:
                    both = ranks.gather_branches(forward(ranks.branch, 1))
                    velocity = guidance.velocity(both[0], partial(both.pop, 1))
                else:
                    velocity = guidance.velocity(forward(0), partial(forward, 1))
                x0 = latents - scheduler.sigmas[index] * velocity
                latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
                callback(self, index, float(timestep), {"latents": latents, "x0": x0})
        return latents

    @property
    def transformer_device(self) -> torch.device:
        """Where the transformer computes; its blocks may come there one by one."""
        return self.transformer.patch_embedding.weight.device

    @torch.no_grad()
    def __call__(
        self,
        color: torch.Tensor,
        mask: torch.Tensor,
        *,
        prompt: str | None = None,
        negative_prompt: str | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        image_embeds: torch.Tensor | None = None,
        latents: torch.Tensor | None = None,
        num_inference_steps: int = STEPS,
        guidance_scale: float = GUIDANCE,
        generator: torch.Generator | None = None,
        output_type: str = "pt",
        held_guidance: HeldGuidance | None = None,
        surroundings: Surroundings | None = None,
        ranks: RankGroup | None = None,
        callback_on_step_end: StepCallback | None = None,
        return_dict: bool = True,
    ) -> EX4DOutput | tuple[torch.Tensor]:
        """Make a video.

        Args:
            color: (1, 3, T, H, W) the rendered take in [−1, 1], −1 in the holes; its first frame is the source view.
                T is 4k+1, H and W are divisible by 16.
            mask: (1, 1 or 3, T, H, W) −1 = hole, +1 = real surface.
            prompt, negative_prompt: text, default the released script's.
            prompt_embeds, negative_prompt_embeds: (1, n, D) instead of text, n at most 512.
            image_embeds: (1, 257, 1280) of the first frame, instead of the image encoder.
            latents: (1, 16, t, h, w) float32 noise, instead of the generator's.
            num_inference_steps: of the sampler.
            guidance_scale: of classifier-free guidance; 1 = none, half the work.
            generator: of the noise. The released script draws it on the CPU.
            output_type: "pt", or "latent", for ``decode_frames`` to decode one by one.
            held_guidance: see ``denoise``.
            surroundings: what goes on around the phases, None = nothing.
            ranks: the processes that make this video together, each with the same arguments; None = this one alone.
            callback_on_step_end: called after each step with the tensors ``latents`` and ``x0``, the step's estimate
                of the end; may raise to stop.
            return_dict: as in diffusers.

        Raises:
            BadInputError: shapes that the model cannot take.
            UsageError: an encoder is needed that is not there.
            ResourceError: the numbers overflowed.
        """
        check_shapes(color, mask)
        around = surroundings or Surroundings()
        device = self._execution_device
        color, mask = color.to(device), mask.to(device)
        guided = guidance_scale != 1.0
        if prompt_embeds is None:
            prompt_embeds = self.encode_prompt(PROMPT if prompt is None else prompt)
        if guided and negative_prompt_embeds is None:
            negative_prompt_embeds = self.encode_prompt(NEGATIVE_PROMPT if negative_prompt is None else negative_prompt)
        if image_embeds is None:
            image_embeds = self.encode_image(color)
        with around.phase("encode"):
            if ranks is not None:
                ranks.agree(around.check)
                geometry, condition = self.encode_shared(color, mask, ranks)
            else:
                geometry = self.encode_geometry(color, mask)
                around.advance()
                condition = self.encode_condition(color)
            if latents is None:
                latents = initial_noise(condition.shape, generator)

        contexts = [prompt_embeds]
        if guided:
            assert negative_prompt_embeds is not None
            contexts.append(negative_prompt_embeds)
        with around.phase("denoise"), self.progress_bar(total=num_inference_steps) as bar:

            def ended(*step: Any) -> None:
                if callback_on_step_end is not None:
                    callback_on_step_end(*step)
                bar.update()

            latents = self.denoise(
                latents,
                geometry,
                condition,
                contexts,
                image_embeds,
                num_inference_steps,
                guidance_scale,
                ended,
                held_guidance,
                ranks,
                around.check,
            )
            if not bool(torch.isfinite(latents).all()):
                raise ResourceError(
                    "The model's numbers overflowed.", "Use the profile exact; if that overflows too, report it."
                )
        frames = latents
        if output_type != "latent":
            with around.phase("decode"):
                frames = torch.cat(list(self.decode_frames(latents)), dim=2)
        self.maybe_free_model_hooks()
        return EX4DOutput(frames=frames) if return_dict else (frames,)

    # Result ------------------------------------------------------------------------------------------------------

    def decode_frames(self, latents: torch.Tensor) -> Iterator[torch.Tensor]:
        """Decode latents (B, 16, t, h, w): one frame, then four for each further latent frame, each (B, 3, n, H, W)
        float32 in [−1, 1]. The decoder is causal, so they come while later ones are still to be computed."""
        vae = self.vae
        mean, std = self._latent_statistics(latents)
        latents = (latents * std + mean).to(vae.device, vae.dtype)
        if vae.use_tiling:
            yield vae.decode(latents, return_dict=False)[0].float()
            return
        vae.clear_cache()
        try:
            features = vae.post_quant_conv(latents)
            for index in range(latents.shape[2]):
                vae._conv_idx = [0]
                frames = vae.decoder(
                    features[:, :, index : index + 1],
                    feat_cache=vae._feat_map,
                    feat_idx=vae._conv_idx,
                    first_chunk=index == 0,
                )
                yield frames.float().clamp(-1, 1)
        finally:
            vae.clear_cache()

    def decode_picture(self, latents: torch.Tensor, index: int) -> torch.Tensor:
        """A quick look (B, 3, H, W) in [−1, 1] at one latent frame, decoded as if it were a clip's first."""
        frame = latents[:, :, index : index + 1]
        mean, std = self._latent_statistics(frame)
        picture = self.vae.decode((frame * std + mean).to(self.vae.device, self.vae.dtype), return_dict=False)[0]
        return picture[:, :, 0].float()

    def _latent_statistics(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        config = self.vae.config
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=latents.device).view(1, -1, 1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return mean, std


def check_shapes(color: torch.Tensor, mask: torch.Tensor) -> None:
    """Raise BadInputError for shapes that the model cannot take; see ``EX4DPipeline.__call__``."""
    if color.ndim != 5 or color.shape[1] != 3 or mask.shape[1] not in (1, 3) or color.shape[2:] != mask.shape[2:]:
        raise BadInputError(
            f"Colour {tuple(color.shape)} and mask {tuple(mask.shape)} do not fit each other.",
            "Give colour (1, 3, T, H, W) and a mask (1, 1, T, H, W) of the same take.",
        )
    frames, height, width = color.shape[2:]
    if TAKES.frames.padded(frames) != frames:
        raise BadInputError(f"The model makes 4k+1 frames, not {frames}.", "Hold the last frame until it fits.")
    if not TAKES.size.allows((width, height)):
        raise BadInputError(
            f"The model makes sizes divisible by {TAKES.size.multiple}, not {width}x{height}.", "Resize the take first."
        )


def initial_noise(condition_shape: torch.Size, generator: torch.Generator | None) -> torch.Tensor:
    """Float32 noise for latents that go with a condition of that shape, drawn on the generator's device or the CPU."""
    batch, channels, *rest = condition_shape
    shape = (batch, channels - FRAMES_PER_LATENT, *rest)
    return torch.randn(shape, generator=generator, device=generator.device if generator else "cpu")


def _three(mask: torch.Tensor) -> torch.Tensor:
    return mask.expand(-1, 3, -1, -1, -1)


def _first_then_zeros(color: torch.Tensor) -> torch.Tensor:
    video = torch.zeros_like(color)
    video[:, :, 0] = first_frame(color)
    return video


def _known_first(latents: torch.Tensor) -> torch.Tensor:
    """Latents behind the four channels that say which frame is known: the first."""
    known = torch.zeros_like(latents[:, :FRAMES_PER_LATENT])
    known[:, :, 0] = 1
    return torch.cat([known, latents], dim=1)


def _padded(embeds: torch.Tensor) -> torch.Tensor:
    if embeds.shape[1] > TEXT_LENGTH:
        raise BadInputError(f"The prompt has {embeds.shape[1]} tokens.", f"Use at most {TEXT_LENGTH}.")
    return functional.pad(embeds, (0, 0, 0, TEXT_LENGTH - embeds.shape[1]))
