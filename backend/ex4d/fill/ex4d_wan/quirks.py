# SPDX-License-Identifier: Apache-2.0
"""What the released EX-4D checkpoint expects besides the published method, each with its reason.

The weights were trained with these; "repairing" one moves the input away from what the adapter has seen. Source: the
released code (generate.py, diffsynth/models/camera.py, diffsynth/pipelines/wan_video.py) at commit b456a41.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

#: Steps, guidance and sigma shift of the released generate.py.
STEPS, GUIDANCE, SHIFT = 25, 5.0, 5.0

#: The released script's fixed prompts. A user's own prompt replaces the first.
PROMPT = "4K ultra HD, surround motion, realistic tone, panoramic shot, wide-angle view, cinematic quality"
NEGATIVE_PROMPT = (
    "Bright tones, overexposed, static, blurred details, subtitles, style, works, paintings, images, static, "
    "overall gray, worst quality, low quality, JPEG compression residue, ugly, incomplete, extra fingers, poorly "
    "drawn hands, poorly drawn faces, deformed, disfigured, misshapen limbs, fused fingers, still picture, messy "
    "background, three legs, many people in the background, walking backwards"
)

#: Sides in pixels of the square kernel that training took off the mask's edge, smallest and largest.
EROSION_PX = (2, 8)


def mask_for_vae(mask: torch.Tensor) -> torch.Tensor:
    """The mask as the VAE gets it: values {−3, +1} for a mask in {−1, +1}.

    The released code maps [0, 1] to [−1, 1] twice, once in the script and once more in the encoder, and its training
    data did the same. −3 is outside the range of pictures, which makes holes unmistakable to the VAE.
    """
    return mask * 2 - 1


def first_frame(color: torch.Tensor) -> torch.Tensor:
    """The picture that conditions Wan's image-to-video model: the take's first frame (B, 3, H, W) in [−1, 1].

    It is the source view: training clips always start there with a mask of ones. The released code sends it through an
    8-bit picture; 8-bit plates pass that unchanged and deeper ones would only lose by it, so it is left out.
    """
    return color[:, :, 0]


def erosion_side(seed: int) -> int:
    """Side of the erosion kernel for a take, pixels at the model's size.

    Training eroded every frame's mask by a random 2 to 8 pixels, and the released script still does, unseeded: hole
    borders flicker and no run can be repeated. The statistics are kept, but one side holds for the whole take.
    """
    low, high = EROSION_PX
    return int(np.random.default_rng(seed).integers(low, high, endpoint=True))


def erode_mask(mask: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Take a square of ``side`` pixels off the visible part of a mask (H, W), 0 or 255. The picture's border is no
    edge."""
    # Menus read the numbers above, and need no OpenCV.
    import cv2

    kernel: NDArray[Any] = np.ones((side, side), np.uint8)
    return np.asarray(cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=255), dtype=np.uint8)
