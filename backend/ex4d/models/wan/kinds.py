# SPDX-License-Identifier: Apache-2.0
"""How Wan 2.1's files are told, in its own layout and in diffusers' and transformers'; known without torch."""

from __future__ import annotations

from ex4d.models.file_spec import FileKind, FileRole, Shapes
from ex4d.models.wan.sizes import FRAMES_PER_LATENT

WAN_TRANSFORMER = FileKind("Wan transformer", "transformer", r"^blocks\.\d+\.(self_attn|cross_attn)\.|^head\.head\.")
TRANSFORMER = FileKind(
    "diffusers transformer", "transformer", r"^blocks\.\d+\.attn[12]\.|^condition_embedder\.", quantizable=True
)
WAN_VAE = FileKind("Wan VAE", "vae", r"^(en|de)coder\.(middle|downsamples|upsamples)\.\d")
VAE = FileKind("diffusers VAE", "vae", r"^(en|de)coder\.(mid_block|down_blocks|up_blocks)\.")
WAN_TEXT = FileKind("Wan text encoder", "text", r"^blocks\.\d+\.(attn\.[qkvo]|ffn\.gate)\.")
TEXT = FileKind("transformers text encoder", "text", r"^encoder\.block\.\d+\.layer\.|^shared\.weight$")
WAN_IMAGE = FileKind("Wan image encoder", "image", r"^visual\.")
IMAGE = FileKind(
    "transformers image encoder",
    "image",
    r"^(vision_model\.)?(embeddings\.class_embedding|encoder\.layers\.\d+\.self_attn)",
)

#: All of Wan's, in the order in which signs are tried.
WAN_KINDS = (WAN_TRANSFORMER, TRANSFORMER, WAN_VAE, VAE, WAN_TEXT, TEXT, WAN_IMAGE, IMAGE)


def is_image_to_video(shapes: Shapes) -> bool:
    """Whether a transformer, in either layout, is Wan 2.1's plain image-to-video model: told by its image embedding,
    by the channels of its input, and by what other models of the same blocks add to them."""
    patch = shapes.get("patch_embedding.weight")
    head = shapes.get("head.head.weight") or shapes.get("proj_out.weight")
    if patch is None or head is None or len(patch) != 5:
        return False
    out = head[0] // (patch[2] * patch[3] * patch[4])
    embeds_images = any(name.startswith(("img_emb.", "condition_embedder.image_embedder.")) for name in shapes)
    return (
        embeds_images
        and patch[1] == 2 * out + FRAMES_PER_LATENT
        and not any(name.startswith(("vace_", "control_adapter.")) for name in shapes)
    )


#: The parts of an image-to-video model, by ``FileKind.role``.
IMAGE_TO_VIDEO_ROLES = (
    FileRole("transformer", "Wan 2.1 transformer", section="dit", fits=is_image_to_video),
    FileRole("vae", "Wan 2.1 VAE"),
    FileRole("text", "UMT5 text encoder"),
    FileRole("image", "CLIP image encoder"),
)
