# SPDX-License-Identifier: Apache-2.0
"""DepthCrafter (arXiv 2409.02095) as the released EX-4D ran it: a video diffusion model that denoises disparity.

U-Net, VAE, image encoder and scheduler are diffusers' and transformers' (Stable Video Diffusion's); what is written
here is the passage of windows over the clip. Numbers are those of the released recon.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing
from transformers import CLIPVisionModelWithProjection

from ex4d.depth.learned.depth_model import Estimate
from ex4d.depth.learned.estimator_spec import EstimatorSpec
from ex4d.depth.learned.loading import check_tensors, load_transformers, quiet, reading
from ex4d.depth.learned.pictures import to_input
from ex4d.media.frames import FrameSource
from ex4d.models.torch_device import pick_device
from ex4d.system.threads import prefetched

#: Frames of a window and of what two windows share, steps of denoising, seed of the noise.
WINDOW, OVERLAP, STEPS, SEED = 110, 25, 5, 42
#: Longer side at most, and what sides are multiples of, pixels.
LONGEST, MULTIPLE = 1024, 64
#: Noise on the conditioning pictures; with these rate and motion numbers it is what the U-Net is told.
NOISE, RATE, MOTION = 0.02, 7, 127
#: Frames that go through the VAE at once.
CHUNK = 8
#: Mean and standard deviation of CLIP's pictures, and their side.
CLIP_MEAN, CLIP_STD, CLIP_SIDE = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), 224
#: Keeps VAE inputs in −1..1.
HALF = (0.5, 0.5, 0.5)


class _PerFrame:
    """An image embedding for each frame where the U-Net expects one for the clip: it repeats what it gets once per
    frame, and these are as many already."""

    def __init__(self, embeddings: torch.Tensor) -> None:
        self._embeddings = embeddings
        self.shape = (1, *embeddings.shape[1:])

    def repeat_interleave(self, *_: Any, **__: Any) -> torch.Tensor:
        """(T, 1, C)."""
        return self._embeddings


@dataclass(frozen=True)
class DepthCrafter:
    """See ``DepthModel``.

    Attributes:
        unet, vae, encoder, scheduler: the parts, on the device.
        device: where.
        dtype: of U-Net and encoder; the VAE is float32.
    """

    unet: Any
    vae: Any
    encoder: Any
    scheduler: Any
    device: torch.device
    dtype: torch.dtype

    @torch.inference_mode()
    def run(self, frames: FrameSource) -> Iterator[Estimate]:
        """See ``DepthModel``. Latents of the whole clip are in main memory, 1/48 of its pixels."""
        generator = torch.Generator().manual_seed(SEED)
        pictures, embeddings = self._encoded(frames, generator)
        latents = self._denoised(pictures, embeddings, generator)
        for chunk in latents.split(CHUNK):
            decoded = self.vae.decode(
                chunk.to(self.device, torch.float32) / self.vae.config.scaling_factor, num_frames=len(chunk)
            ).sample
            values = (decoded / 2 + 0.5).clamp(0, 1).mean(1).float().cpu().numpy()
            yield from map(Estimate, values)

    def _encoded(self, frames: FrameSource, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents (T, 4, h, w) and embeddings (T, 1, C) of the pictures, on the CPU."""
        size = model_size(*frames.size)
        mean, std = (torch.tensor(values, device=self.device).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
        latents, embeddings = [], []
        for picture in prefetched(lambda n: to_input(frames.read_8bit(n), size, HALF, HALF), frames.numbers):
            clear = torch.from_numpy(picture)[None]
            noisy = clear + NOISE * torch.randn(clear.shape, generator=generator)
            latents.append(self.vae.encode(noisy.to(self.device)).latent_dist.mode().cpu())
            small = _resize_with_antialiasing(clear.to(self.device), (CLIP_SIDE, CLIP_SIDE)) / 2 + 0.5
            embedding = self.encoder(((small - mean) / std).to(self.dtype)).image_embeds
            embeddings.append(embedding[:, None].cpu())
        return torch.cat(latents), torch.cat(embeddings)

    def _denoised(self, pictures: torch.Tensor, embeddings: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Latents (T, 4, h, w) of the disparity, on the CPU."""
        count = len(pictures)
        window, overlap = (WINDOW, OVERLAP) if count > WINDOW else (count, 0)
        stride = window - overlap
        noise = torch.randn((window, *pictures.shape[1:]), generator=generator)
        done: torch.Tensor | None = None
        start = 0
        while start < count - overlap:
            end = min(start + window, count)
            self.scheduler.set_timesteps(STEPS, device=self.device)
            own = noise[: end - start] * self.scheduler.init_noise_sigma
            # The next window's first frames get the noise of this one's last.
            noise = torch.cat([noise[len(noise) - overlap :], noise[:stride]])
            if done is not None:
                # What is known of them already, as noisy as the first step expects.
                own[:overlap] = done[-overlap:] + own[:overlap] / self.scheduler.init_noise_sigma * self._first_sigma()
            own = self._window(own, pictures[start:end], embeddings[start:end])
            if done is None:
                done = own
            else:
                share = torch.linspace(0, 1, overlap).view(-1, 1, 1, 1)
                blended = own[:overlap] * share + done[-overlap:] * (1 - share)
                done = torch.cat([done[:-overlap], blended, own[overlap:]])
            start += stride
        assert done is not None, "a plate has frames"
        return done

    def _first_sigma(self) -> float:
        return float(self.scheduler.sigmas[0])

    def _window(self, noisy: torch.Tensor, pictures: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """A window's latents (T, 4, h, w) without their noise. Guidance is 1, so there is no second prediction."""
        latents = noisy[None].to(self.device)
        condition = pictures[None].to(self.device, self.dtype)
        context = _PerFrame(embeddings.to(self.device, self.dtype))
        told = torch.tensor([[RATE, MOTION, NOISE]], device=self.device, dtype=self.dtype)
        for step in self.scheduler.timesteps:
            scaled = self.scheduler.scale_model_input(latents, step).to(self.dtype)
            predicted = self.unet(
                torch.cat([scaled, condition], dim=2), step, context, added_time_ids=told, return_dict=False
            )[0]
            latents = self.scheduler.step(predicted.float(), step, latents).prev_sample
        return latents[0].float().cpu()


def model_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) that the network works at."""
    scale = min(1.0, LONGEST / max(width, height))
    return tuple(max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE) for side in (width, height))  # type: ignore[return-value]


def _load_part(kind: Any, folder: Path, title: str, dtype: torch.dtype, **options: Any) -> Any:
    """A diffusers model with all its tensors, on the CPU."""
    with reading(title):
        model, info = kind.from_pretrained(
            folder,
            torch_dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    check_tensors(title, missing=info["missing_keys"], wrong=[entry[0] for entry in info["mismatched_keys"]])
    return model.eval()


def load(spec: EstimatorSpec, folders: tuple[Path, ...], _: float | None) -> DepthCrafter:
    """See ``DepthModelLoader``; relative depth needs no lens."""
    own, base = folders
    device = pick_device()
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    unet = _load_part(UNetSpatioTemporalConditionModel, own, spec.title, dtype)
    vae = _load_part(AutoencoderKLTemporalDecoder, base / "vae", spec.weights[1].what, torch.float32, variant="fp16")
    encoder = load_transformers(
        CLIPVisionModelWithProjection, base / "image_encoder", spec.weights[1].what, variant="fp16"
    )
    with reading(spec.title), quiet():
        scheduler = EulerDiscreteScheduler.from_pretrained(base / "scheduler", local_files_only=True)
    return DepthCrafter(unet.to(device), vae.to(device), encoder.to(device, dtype), scheduler, device, dtype)
