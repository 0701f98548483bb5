# SPDX-License-Identifier: Apache-2.0
"""What EX-4D is shown of a take; known without torch."""

from __future__ import annotations

from ex4d.fill.spec import Conditioning, FrameRule, SizeRule
from ex4d.models.wan.sizes import FRAMES_PER_LATENT, SIZE_MULTIPLE

#: The adapter was trained on clips of 49 frames at 512x512; the base model on up to 81 frames. Holes are black in its
#: training data. The mask goes through the VAE as a picture, after ``quirks.mask_for_vae``.
TAKES = Conditioning(
    frames=FrameRule(step=FRAMES_PER_LATENT, first=1, most=81, trained=49),
    size=SizeRule(multiple=SIZE_MULTIPLE, trained_side=512),
    hole_color=(0.0, 0.0, 0.0),
    mask_hole=-1.0,
    mask_known=1.0,
    mask_fold="vae",
    source_first=True,
    caption=True,
)


def token_count(size: tuple[int, int], frames: int) -> int:
    """Tokens of the transformer for a clip of so many frames at a size."""
    side = TAKES.size.multiple
    return (size[0] // side) * (size[1] // side) * TAKES.frames.groups(frames)
