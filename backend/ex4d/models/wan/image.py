# SPDX-License-Identifier: Apache-2.0
"""The first frame → embeddings of the CLIP image encoder."""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers import CLIPVisionModel

#: CLIP's own normalisation. Source: github.com/openai/CLIP.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)


@torch.no_grad()
def encode_image(encoder: CLIPVisionModel, picture: torch.Tensor) -> torch.Tensor:
    """Embeddings (B, 257, 1280) of a picture (B, 3, H, W) in [−1, 1]: the encoder's last layer but one.

    Resized to a square bicubically without antialiasing, aspect ignored, as the released code and Wan's own do.
    """
    side = encoder.config.image_size
    resized = functional.interpolate(picture.float(), size=(side, side), mode="bicubic", align_corners=False)
    mean, std = (torch.tensor(values, device=picture.device).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    pixels = ((resized * 0.5 + 0.5) - mean) / std
    output = encoder(pixels.to(encoder.device, encoder.dtype), output_hidden_states=True)
    return output.hidden_states[-2]
