# SPDX-License-Identifier: Apache-2.0
"""The sigma schedule of DiffSynth's Wan, on diffusers' Euler scheduler."""

from __future__ import annotations

import numpy as np
from diffusers import FlowMatchEulerDiscreteScheduler


def create_scheduler(shift: float) -> FlowMatchEulerDiscreteScheduler:
    """Euler steps for flow matching, with the shift of the noise levels towards 1."""
    return FlowMatchEulerDiscreteScheduler(shift=shift)


def set_steps(scheduler: FlowMatchEulerDiscreteScheduler, steps: int, device: object = None) -> None:
    """Prepare ``steps`` noise levels: evenly from 1 to 1/steps before the shift, then 0.

    The scheduler's own levels end at its training minimum, which it shifts twice, and so are others. Source:
    diffsynth/schedulers/flow_match.py of the released EX-4D code (sigma_min 0, extra_one_step).
    """
    scheduler.set_timesteps(sigmas=np.linspace(1.0, 1.0 / steps, steps), device=device)
