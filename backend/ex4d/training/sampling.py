# SPDX-License-Identifier: Apache-2.0
"""What a run shows of itself: loss on held-out clips, and sample videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline
from ex4d.fill.ex4d_wan.quirks import GUIDANCE, NEGATIVE_PROMPT
from ex4d.media.movie import MovieWriter
from ex4d.models.wan.sampler import create_scheduler, set_steps
from ex4d.system.files import make_folder
from ex4d.training.data import Window
from ex4d.training.flow import LEVELS, TrainingSchedule
from ex4d.training.latents import LatentStore
from ex4d.training.model import Batch, padded_prompt
from ex4d.training.order import seeded

#: A model's velocity: noisy latents, timesteps (B,), conditions.
Predict = Callable[[torch.Tensor, torch.Tensor, Batch], torch.Tensor]
#: Noise levels at which clips are validated, evenly over all.
VALIDATED_LEVELS = 4
#: Clips that are validated at most.
VALIDATED_CLIPS = 16
_FPS = Fraction(15)


@torch.no_grad()
def validation_loss(
    predict: Predict, store: LatentStore, windows: Sequence[Window], schedule: TrainingSchedule, device: torch.device
) -> float:
    """Mean squared velocity error over held-out clips, each with the same noise and at the same levels every time."""
    total, count = 0.0, 0
    for window in windows[:VALIDATED_CLIPS]:
        batch = store.batch([(window, 0)]).to(device)
        noise = torch.randn(batch.clips.shape, generator=seeded("validation", window.name)).to(device)
        for index in range(VALIDATED_LEVELS):
            level = torch.tensor([(2 * index + 1) * LEVELS // (2 * VALIDATED_LEVELS)])
            noisy, velocity = schedule.mix(batch.clips, noise, level)
            predicted = predict(noisy, schedule.timesteps[level].to(device), batch)
            total += float(schedule.loss(predicted, velocity, level, weighted=False))
            count += 1
    return total / count


@torch.no_grad()
def sample(
    predict: Predict,
    batch: Batch,
    negative: torch.Tensor,
    steps: int,
    shift: float,
    guidance: float = GUIDANCE,
    seed: int = 0,
) -> torch.Tensor:
    """Latents of what the model makes of a batch's conditions, as inference does.

    Args:
        predict: the model.
        batch: its clips only give the shape.
        negative: padded embeddings of the negative prompt.
        steps, shift, guidance: of the sampler.
        seed: of the noise.
    """
    device = batch.clips.device
    scheduler = create_scheduler(shift)
    set_steps(scheduler, steps, device)
    latents = torch.randn(batch.clips.shape, generator=seeded("sample", seed)).to(device)
    without = Batch(**{**vars(batch), "prompt": negative.to(device).expand_as(batch.prompt)})
    for timestep in scheduler.timesteps:
        moment = timestep.expand(len(latents))
        velocity = predict(latents, moment, batch).float()
        if guidance != 1.0:
            other = predict(latents, moment, without).float()
            velocity = other + guidance * (velocity - other)
        latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
    return latents


def negative_prompt(store: LatentStore) -> torch.Tensor:
    """Its padded embeddings."""
    return padded_prompt(store.prompts([NEGATIVE_PROMPT])[0]).float()


@torch.no_grad()
def decoded(codec: EX4DPipeline, latents: torch.Tensor) -> NDArray[np.uint8]:
    """Frames (T, H, W, 3) uint8 of latents (1, 16, t, h, w)."""
    video = torch.cat(list(codec.decode_frames(latents)), dim=2)[0]
    return (video.permute(1, 2, 3, 0).clamp(-1, 1).cpu().numpy() * 127.5 + 128).astype(np.uint8)


def write_sample(codec: EX4DPipeline, batch: Batch, latents: torch.Tensor, path: Path) -> None:
    """A movie: what the model was given, what it made, the clip itself, side by side."""
    make_folder(path.parent)
    parts = [decoded(codec, part) for part in (batch.color, latents, batch.clips)]
    height, width = parts[0].shape[1:3]
    with MovieWriter(path, width=3 * width, height=height, fps=_FPS) as movie:
        for frames in zip(*parts, strict=True):
            movie.write(np.concatenate(frames, axis=1))
