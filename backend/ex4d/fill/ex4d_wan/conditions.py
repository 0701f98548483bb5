# SPDX-License-Identifier: Apache-2.0
"""What the pipeline is shown of a clip, as tensors: jobs and training make it in one way."""

from __future__ import annotations

import torch

from ex4d.fill.ex4d_wan.conditioning import TAKES


def masked(video: torch.Tensor, visible: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Colour and mask as ``EX4DPipeline`` takes them.

    Args:
        video: (B, 3, T, H, W) float in [−1, 1].
        visible: (B, 1, T, H, W) bool, on the same device.

    Returns:
        The video with ``TAKES.hole_color`` in its holes; and (B, 1, T, H, W) float32, ``TAKES.mask_known`` where it is
        visible and ``TAKES.mask_hole`` where not.
    """
    hole = torch.tensor(TAKES.hole_color, dtype=video.dtype, device=video.device).view(1, 3, 1, 1, 1) * 2 - 1
    return torch.where(visible, video, hole), torch.where(visible, TAKES.mask_known, TAKES.mask_hole)
