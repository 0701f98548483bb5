# SPDX-License-Identifier: Apache-2.0
"""Simulated masks: which pixels of an ordinary video a camera elsewhere would not have seen.

In training a clip is its own truth. A mask takes away what would be missing had it been filmed from another place (the
rendering mask) or what its first frame does not show (the tracking mask); the model learns to put it back. Idea: EX-4D,
arXiv 2506.05554.
"""

from ex4d.training.masking.parameters import POLICIES, MaskingParameters
from ex4d.training.masking.rendering import rendering_mask
from ex4d.training.masking.sampling import MaskSample, draw_sample, erode, simulate
from ex4d.training.masking.tracking import Tracker, Tracks, tracking_mask
from ex4d.training.masking.trajectories import draw_trajectory

__all__ = [
    "POLICIES",
    "MaskSample",
    "MaskingParameters",
    "Tracker",
    "Tracks",
    "draw_sample",
    "draw_trajectory",
    "erode",
    "rendering_mask",
    "simulate",
    "tracking_mask",
]
