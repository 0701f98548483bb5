# SPDX-License-Identifier: Apache-2.0
"""Numbers of Wan 2.1 that every model made of it has; known without torch."""

from __future__ import annotations

#: Text tokens the transformer was trained with. diffusers splits the context into image and text by taking the last
#: 512 as text, so embeddings of a shorter prompt are padded with zeros to exactly this.
TEXT_LENGTH = 512

#: The latents of a clip hold one frame, then one for each further four: Wan's VAE is causal in time.
FRAMES_PER_LATENT = 4
#: Width and height are divisible by this: 8 by the VAE, then patches of 2.
SIZE_MULTIPLE = 16
