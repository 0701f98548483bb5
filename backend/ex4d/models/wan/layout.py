# SPDX-License-Identifier: Apache-2.0
"""Wan 2.1's own files: their sizes, and their tensor names in diffusers and transformers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers, convert_wan_vae_to_diffusers

from ex4d.models.wan.sizes import FRAMES_PER_LATENT
from ex4d.protocol.errors import BadInputError

Shapes = Mapping[str, tuple[int, ...]]
#: Width of one attention head where no configuration tells: the transformer's and the image encoder's, at all sizes
#: that were released.
_HEAD_DIM, _IMAGE_HEAD_DIM = 128, 80


@dataclass(frozen=True)
class Renaming:
    """How a file's tensors become a component's.

    Attributes:
        config: arguments of the component's class.
        names: in the file → in the component; a tensor that becomes several has several.
        change: what becomes of a tensor on the way, by its name in the component.
    """

    config: dict[str, Any]
    names: Mapping[str, tuple[str, ...]]
    change: Callable[[str, torch.Tensor], torch.Tensor] = lambda _name, tensor: tensor


def _count(shapes: Shapes, pattern: str) -> int:
    return 1 + max((int(match[1]) for name in shapes if (match := re.match(pattern, name))), default=-1)


def _missing(name: str, what: str) -> BadInputError:
    return BadInputError(f"The {what} lacks the tensor «{name}».", "Get the file again; it may be another model's.")


def _shape(shapes: Shapes, name: str, what: str) -> tuple[int, ...]:
    if name not in shapes:
        raise _missing(name, what)
    return shapes[name]


def transformer_renaming(shapes: Shapes, config: Mapping[str, Any]) -> Renaming:
    """Of the original transformer.

    Args:
        shapes: of its tensors.
        config: of a file beside it: ``num_heads`` (Wan) or ``num_attention_heads`` (diffusers), and ``eps``.

    Raises:
        BadInputError: it is no image-to-video model of Wan 2.1.
    """
    what = "transformer"
    width, channels, *patch = _shape(shapes, "patch_embedding.weight", what)
    out_channels = _shape(shapes, "head.head.weight", what)[0] // (patch[0] * patch[1] * patch[2])
    if "img_emb.proj.1.weight" not in shapes or channels != 2 * out_channels + FRAMES_PER_LATENT:
        raise BadInputError(
            "This transformer is not Wan 2.1's image-to-video model.",
            "EX-4D needs Wan2.1-I2V-14B-480P; text-to-video and Wan 2.2 models do not fit its adapter.",
        )
    heads = config.get("num_attention_heads") or config.get("num_heads") or width // _HEAD_DIM
    if not heads or width % heads:
        raise BadInputError(
            f"The number of attention heads of a transformer of width {width} is not known.",
            "Put the model's config.json beside it.",
        )
    sizes = {
        "patch_size": tuple(patch),
        "num_attention_heads": heads,
        "attention_head_dim": width // heads,
        "in_channels": channels,
        "out_channels": out_channels,
        "text_dim": _shape(shapes, "text_embedding.0.weight", what)[1],
        "freq_dim": _shape(shapes, "time_embedding.0.weight", what)[1],
        "ffn_dim": _shape(shapes, "blocks.0.ffn.0.weight", what)[0],
        "num_layers": _count(shapes, r"blocks\.(\d+)\."),
        "cross_attn_norm": "blocks.0.norm3.weight" in shapes,
        "qk_norm": "rms_norm_across_heads" if "blocks.0.self_attn.norm_q.weight" in shapes else None,
        "eps": config.get("eps", 1e-6),
        "image_dim": shapes["img_emb.proj.1.weight"][1],
        "added_kv_proj_dim": width,
    }
    # diffusers renames a dict; the names are all that is wanted here.
    renamed = convert_wan_transformer_to_diffusers({name: name for name in shapes})
    return Renaming(sizes, {old: (new,) for new, old in renamed.items()})


def transformer_parameter_name(name: str) -> str:
    """The diffusers name of one of the original transformer's parameters: ``blocks.0.self_attn.q.weight`` →
    ``blocks.0.attn1.to_q.weight``, ``blocks.0.modulation`` → ``blocks.0.scale_shift_table``."""
    (renamed,) = convert_wan_transformer_to_diffusers({name: ""})
    return str(renamed)


def transformer_module_name(name: str) -> str:
    """The same of a module: ``blocks.0.self_attn.q`` → ``blocks.0.attn1.to_q``."""
    return transformer_parameter_name(f"{name}.weight").removesuffix(".weight")


def vae_renaming(shapes: Shapes) -> Renaming:
    """Of the original VAE. Raises BadInputError: it is none of Wan 2.1's."""
    what = "VAE"
    base = _shape(shapes, "encoder.conv1.weight", what)[0]
    multiples, temporal, width, residuals = [], [], 0, 0
    blocks = _count(shapes, r"encoder\.downsamples\.(\d+)\.")
    per_level = []
    for index in range(blocks):
        prefix = f"encoder.downsamples.{index}."
        if f"{prefix}residual.2.weight" in shapes:
            width, residuals = shapes[f"{prefix}residual.2.weight"][0], residuals + 1
        else:
            multiples.append(width // base)
            per_level.append(residuals)
            temporal.append(f"{prefix}time_conv.weight" in shapes)
            residuals = 0
    multiples.append(width // base)
    per_level.append(residuals)
    if len(multiples) != 4 or set(per_level) != {2}:
        raise BadInputError(
            "This VAE does not have the layout of Wan 2.1's.", "Use Wan2.1_VAE.pth; Wan 2.2's does not fit."
        )
    sizes = {
        "base_dim": base,
        "z_dim": _shape(shapes, "conv2.weight", what)[0],
        "dim_mult": multiples,
        "num_res_blocks": 2,
        "temperal_downsample": temporal,
    }
    renamed = convert_wan_vae_to_diffusers({name: name for name in shapes})
    return Renaming(sizes, {old: (new,) for new, old in renamed.items()})


def text_renaming(shapes: Shapes) -> Renaming:
    """Of the original UMT5 encoder. Raises BadInputError: tensors are missing."""
    what = "text encoder"
    vocabulary, width = _shape(shapes, "token_embedding.weight", what)
    inner = _shape(shapes, "blocks.0.attn.q.weight", what)[0]
    buckets, heads = _shape(shapes, "blocks.0.pos_embedding.embedding.weight", what)
    config = {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": inner // heads,
        "d_ff": _shape(shapes, "blocks.0.ffn.fc1.weight", what)[0],
        "num_layers": _count(shapes, r"blocks\.(\d+)\."),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "relative_attention_max_distance": 128,
        "feed_forward_proj": "gated-gelu",
        "layer_norm_epsilon": 1e-6,
        "is_encoder_decoder": False,
        "use_cache": False,
        "tie_word_embeddings": False,
    }
    parts = {
        "norm1.weight": "layer.0.layer_norm.weight",
        "norm2.weight": "layer.1.layer_norm.weight",
        "pos_embedding.embedding.weight": "layer.0.SelfAttention.relative_attention_bias.weight",
        "ffn.gate.0.weight": "layer.1.DenseReluDense.wi_0.weight",
        "ffn.fc1.weight": "layer.1.DenseReluDense.wi_1.weight",
        "ffn.fc2.weight": "layer.1.DenseReluDense.wo.weight",
        **{f"attn.{letter}.weight": f"layer.0.SelfAttention.{letter}.weight" for letter in "qkvo"},
    }
    names = {"token_embedding.weight": ("shared.weight",), "norm.weight": ("encoder.final_layer_norm.weight",)}
    for name in shapes:
        if (match := re.match(r"blocks\.(\d+)\.(.+)$", name)) and match[2] in parts:
            names[name] = (f"encoder.block.{match[1]}.{parts[match[2]]}",)
    return Renaming(config, names)


def image_renaming(shapes: Shapes, config: Mapping[str, Any]) -> Renaming:
    """Of the image half of the original CLIP; its text half is not used.

    Args:
        shapes: of its tensors.
        config: of a file beside it: ``num_attention_heads``.

    Raises:
        BadInputError: tensors are missing.
    """
    what = "image encoder"
    width, _, patch, _ = _shape(shapes, "visual.patch_embedding.weight", what)
    tokens = _shape(shapes, "visual.pos_embedding", what)[1]
    sizes = {
        "hidden_size": width,
        "intermediate_size": _shape(shapes, "visual.transformer.0.mlp.0.weight", what)[0],
        "num_hidden_layers": _count(shapes, r"visual\.transformer\.(\d+)\."),
        "num_attention_heads": config.get("num_attention_heads") or max(1, width // _IMAGE_HEAD_DIM),
        "image_size": round((tokens - 1) ** 0.5) * patch,
        "patch_size": patch,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
    }
    parts = {
        "norm1": "layer_norm1",
        "norm2": "layer_norm2",
        "attn.proj": "self_attn.out_proj",
        "mlp.0": "mlp.fc1",
        "mlp.2": "mlp.fc2",
    }
    names: dict[str, tuple[str, ...]] = {
        "visual.patch_embedding.weight": ("embeddings.patch_embedding.weight",),
        "visual.cls_embedding": ("embeddings.class_embedding",),
        "visual.pos_embedding": ("embeddings.position_embedding.weight",),
        # sic, in transformers
        **{f"visual.pre_norm.{end}": (f"pre_layrnorm.{end}",) for end in ("weight", "bias")},
        **{f"visual.post_norm.{end}": (f"post_layernorm.{end}",) for end in ("weight", "bias")},
    }
    for name in shapes:
        if not (match := re.match(r"visual\.transformer\.(\d+)\.(.+)\.(weight|bias)$", name)):
            continue
        layer = f"encoder.layers.{match[1]}."
        if match[2] == "attn.to_qkv":
            names[name] = tuple(f"{layer}self_attn.{letter}_proj.{match[3]}" for letter in "qkv")
        elif match[2] in parts:
            names[name] = (f"{layer}{parts[match[2]]}.{match[3]}",)
    # The projection to the space that pictures and text share, and all of the text half.
    unused = {name: () for name in shapes if not name.startswith("visual.") or name == "visual.head"}

    def change(name: str, tensor: torch.Tensor) -> torch.Tensor:
        if name.endswith("embeddings.class_embedding"):
            return tensor.reshape(-1)
        if name.endswith("position_embedding.weight"):
            return tensor[0]
        if match := re.search(r"self_attn\.([qkv])_proj\.", name):
            return tensor.chunk(3)["qkv".index(match[1])]
        return tensor

    return Renaming(sizes, {**names, **unused}, change)
