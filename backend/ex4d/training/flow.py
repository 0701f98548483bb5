# SPDX-License-Identifier: Apache-2.0
"""Flow matching as DiffSynth-Studio's trainer of Wan does it, which EX-4D's author names as the base of his.

Noise levels: 1000 of them, evenly from 1 down, shifted towards 1 by σ' = s·σ / (1 + (s − 1)·σ). A step draws one of
them uniformly, mixes x = (1 − σ')·clip + σ'·noise, and the model has to say the velocity noise − clip. The squared
error is weighted by a bell over the levels that is 0 at its lowest end and 1 in the mean.
Source: FlowMatchScheduler of DiffSynth-Studio (set_timesteps with training=True), Apache-2.0.
"""

from __future__ import annotations

import torch

#: Noise levels, and the unit of timesteps.
LEVELS = 1000


class TrainingSchedule:
    """Noise levels and their weights.

    Attributes:
        sigmas: (1000,) float32, from 1 down.
        timesteps: (1000,) float32, 1000 times these.
        weights: (1000,) float32, 1 in the mean.
    """

    def __init__(self, shift: float) -> None:
        even = torch.linspace(1.0, 0.0, LEVELS + 1, dtype=torch.float64)[:-1]
        sigmas = shift * even / (1 + (shift - 1) * even)
        timesteps = sigmas * LEVELS
        bell = torch.exp(-2 * ((timesteps - LEVELS / 2) / LEVELS) ** 2)
        bell = bell - bell.min()
        self.sigmas, self.timesteps = sigmas.float(), timesteps.float()
        self.weights = (bell * (LEVELS / bell.sum())).float()

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Indices (count,) of noise levels."""
        return torch.randint(LEVELS, (count,), generator=generator)

    def mix(self, clips: torch.Tensor, noise: torch.Tensor, levels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Noisy clips and their true velocities, (B, …) each.

        Args:
            clips, noise: (B, …) float32.
            levels: (B,) indices.
        """
        sigma = self.sigmas.to(clips.device)[levels.to(clips.device)].view(-1, *(1,) * (clips.ndim - 1))
        return (1 - sigma) * clips + sigma * noise, noise - clips

    def loss(
        self, predicted: torch.Tensor, velocity: torch.Tensor, levels: torch.Tensor, *, weighted: bool = True
    ) -> torch.Tensor:
        """Mean squared error of velocities (B, …), weighted by level; a scalar, float32."""
        error = (predicted.float() - velocity.float()).pow(2).flatten(1).mean(1)
        return (error * self.weights.to(error.device)[levels.to(error.device)]).mean() if weighted else error.mean()
