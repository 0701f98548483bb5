# SPDX-License-Identifier: Apache-2.0
"""What the frozen encoders make of the clips, once and on disk: training itself needs neither VAE nor encoders.

    DATASET/latents/KEY/WINDOW.safetensors   clip, condition, image; color.K and mask.K for each variant K of its masks
    DATASET/latents/KEY/prompts/…            embeddings of captions

KEY stands for the encoders' files. Latents are kept in 16 bits, which the backbone computes in anyway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ex4d.fill.ex4d_wan import conditions
from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline
from ex4d.models.locations import fingerprint
from ex4d.models.model_files import ModelFiles
from ex4d.models.wan.load import load_component, load_tokenizer
from ex4d.models.wan.prompts import cached_embeddings
from ex4d.models.wan.text import encode_prompt
from ex4d.system.files import atomic_write, make_folder
from ex4d.system.progress import Progress
from ex4d.training.data import Dataset, Window, read_masks, window_frames
from ex4d.training.data.windows import Frames
from ex4d.training.masking import erode
from ex4d.training.model import Batch, padded_prompt

#: Raised when the same inputs give other latents.
_VERSION = 1
_STORED = torch.float16


def _key(models: ModelFiles, roles: Sequence[str]) -> str:
    files = sorted(fingerprint(file.path) for role in roles for file in models.part(role).tensors.files)
    return hashlib.sha256("".join([str(_VERSION), *files]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class LatentStore:
    """Latents of a dataset.

    Attributes:
        dataset: whose.
        folder: of the latents that belong to the encoders.
        encoder: fingerprint of the text encoder.
    """

    dataset: Dataset
    folder: Path
    encoder: str

    @classmethod
    def of(cls, dataset: Dataset, models: ModelFiles) -> LatentStore:
        """Raises BadInputError where the models lack an encoder."""
        models.check_tokenizer()
        return cls(dataset, dataset.folder / "latents" / _key(models, ("vae", "image")), _key(models, ("text",)))

    def file(self, window: Window) -> Path:
        """Of a window."""
        return self.folder / f"{window.name}.safetensors"

    def has(self, window: Window) -> bool:
        """Whether a window's latents are there, whole."""
        try:
            with safe_open(str(self.file(window)), framework="pt") as file:
                return f"mask.{self.dataset.settings.variants - 1}" in file.keys()  # noqa: SIM118  no dict
        except (OSError, SafetensorError):
            return False

    def read(self, window: Window, variant: int) -> dict[str, torch.Tensor]:
        """clip, condition, image, color and mask of a window, float32, without a batch dimension."""
        with safe_open(str(self.file(window)), framework="pt") as file:
            names = {"clip": "clip", "condition": "condition", "image": "image"}
            names |= {name: f"{name}.{variant}" for name in ("color", "mask")}
            return {name: file.get_tensor(stored).float() for name, stored in names.items()}

    def prompts(self, captions: Sequence[str]) -> list[torch.Tensor]:
        """Embeddings (1, n, D) of captions that ``encode`` has seen."""

        def compute(missing: Sequence[str]) -> Sequence[torch.Tensor]:
            raise RuntimeError(f"captions without embeddings: {missing}")

        return cached_embeddings(captions, self.encoder, compute, self.folder / "prompts")

    def batch(self, samples: Sequence[tuple[Window, int]]) -> Batch:
        """Windows with variants of their masks as the model gets them, on the CPU."""
        read = [self.read(window, variant) for window, variant in samples]
        stacked = {name: torch.stack([item[name] for item in read]) for name in read[0]}
        prompts = self.prompts([window.caption for window, _ in samples])
        return Batch(
            clips=stacked["clip"],
            color=stacked["color"],
            mask=stacked["mask"],
            condition=stacked["condition"],
            prompt=torch.cat([padded_prompt(prompt) for prompt in prompts]).float(),
            image=stacked["image"],
        )

    # Encoding ----------------------------------------------------------------------------------------------------

    def encode(
        self,
        models: ModelFiles,
        windows: Sequence[Window],
        captions: Sequence[str],
        device: torch.device,
        dtype: torch.dtype,
        progress: Progress,
    ) -> None:
        """Write what is not there yet.

        Args:
            models: with VAE, image and text encoder.
            windows: to encode.
            captions: to embed.
            device, dtype: to compute in.
            progress: stage "latents".
        """
        make_folder(self.folder / "prompts")
        self._encode_captions(models, captions, device, dtype)
        missing = [window for window in windows if not self.has(window)]
        progress.begin("latents", len(missing))
        if missing:
            pipeline = encoding_pipeline(models, device, dtype)
            for video in dict.fromkeys(window.video for window in missing):
                own = [window for window in missing if window.video == video]
                for window, frames in window_frames(own, self.dataset.settings.size):
                    tensors = self._encoded(pipeline, window, frames, device)
                    atomic_write(self.file(window), save({name: value.cpu() for name, value in tensors.items()}))
                    progress.advance()
        progress.end(cached=not missing)

    def _encode_captions(
        self, models: ModelFiles, captions: Sequence[str], device: torch.device, dtype: torch.dtype
    ) -> None:
        def compute(missing: Sequence[str]) -> Sequence[torch.Tensor]:
            assert models.tokenizer is not None
            tokenizer = load_tokenizer(models.tokenizer)
            encoder: Any = load_component(models.part("text"), dtype, device)
            return [encode_prompt(tokenizer, encoder, prompt).cpu() for prompt in missing]

        cached_embeddings(list(dict.fromkeys(captions)), self.encoder, compute, self.folder / "prompts")

    @torch.no_grad()
    def _encoded(
        self, pipeline: EX4DPipeline, window: Window, frames: Frames, device: torch.device
    ) -> dict[str, torch.Tensor]:
        settings = self.dataset.settings
        video = as_tensor(frames).to(device)
        found = {
            "clip": pipeline.encode_video(video),
            "condition": pipeline.encode_condition(video),
            "image": pipeline.encode_image(video),
        }
        for variant, masks in enumerate(read_masks(self.dataset.folder, window)):
            kept = erode(masks, window.name, settings.seed + variant, settings.masking)
            color, mask = masked(video, kept)
            found[f"color.{variant}"], found[f"mask.{variant}"] = pipeline.encode_color_and_mask(color, mask)
        return {name: value[0].to(_STORED).contiguous() for name, value in found.items()}


def encoding_pipeline(models: ModelFiles, device: torch.device, dtype: torch.dtype) -> EX4DPipeline:
    """A pipeline with VAE and image encoder alone."""
    vae: Any = load_component(models.part("vae"), dtype, device)
    image: Any = load_component(models.part("image"), dtype, device)
    absent: Any = None
    return EX4DPipeline(absent, vae, absent, absent, image_encoder=image)


def as_tensor(frames: Frames) -> torch.Tensor:
    """(T, H, W, 3) uint8 -> (1, 3, T, H, W) float32 in [−1, 1]."""
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def masked(video: torch.Tensor, kept: Frames) -> tuple[torch.Tensor, torch.Tensor]:
    """Colour and mask as the pipeline gets them; see ``conditions.masked``.

    Args:
        video: (1, 3, T, H, W) in [−1, 1].
        kept: (T, H, W) uint8, 255 = kept, 0 = not.
    """
    return conditions.masked(video, torch.from_numpy(kept)[None, None].to(video.device) > 0)
