# SPDX-License-Identifier: Apache-2.0
"""A model of the released layout at toy size, with random weights: Wan's files, ex4d.ckpt, encoders, tokenizer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

Tensors = dict[str, torch.Tensor]

DIM, HEADS, FFN, LAYERS, RANK, HIDDEN = 96, 4, 128, 2, 4, 16
TEXT_DIM, IMAGE_DIM, IMAGE_HEADS = 16, 32, 2
WORDS = ("a", "house", "by", "the", "sea", "dog", "runs", "4k", "quality", "cinematic")


def _random(shapes: Iterable[tuple[str, tuple[int, ...]]], seed: int, scale: float = 0.08) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes:
        value = torch.randn(shape, generator=generator) * scale
        norm = "norm" in name or "gamma" in name or name.startswith(("img_emb.proj.0", "img_emb.proj.4"))
        tensors[name] = value + 1 if norm and not name.endswith("bias") else value
    return tensors


def _linear(name: str, inputs: int, outputs: int) -> list[tuple[str, tuple[int, ...]]]:
    return [(f"{name}.weight", (outputs, inputs)), (f"{name}.bias", (outputs,))]


def transformer(seed: int = 1, dim: int = DIM, layers: int = LAYERS) -> Tensors:
    """Original names."""
    shapes = [("patch_embedding.weight", (dim, 36, 1, 2, 2)), ("patch_embedding.bias", (dim,))]
    shapes += _linear("text_embedding.0", TEXT_DIM, dim) + _linear("text_embedding.2", dim, dim)
    shapes += _linear("time_embedding.0", 256, dim) + _linear("time_embedding.2", dim, dim)
    shapes += _linear("time_projection.1", dim, 6 * dim)
    shapes += [*_linear("head.head", dim, 64), ("head.modulation", (1, 2, dim))]
    shapes += [("img_emb.proj.0.weight", (IMAGE_DIM,)), ("img_emb.proj.0.bias", (IMAGE_DIM,))]
    shapes += _linear("img_emb.proj.1", IMAGE_DIM, IMAGE_DIM) + _linear("img_emb.proj.3", IMAGE_DIM, dim)
    shapes += [("img_emb.proj.4.weight", (dim,)), ("img_emb.proj.4.bias", (dim,))]
    for layer in range(layers):
        block = f"blocks.{layer}."
        for attention, extra in (("self_attn", ()), ("cross_attn", ("k_img", "v_img"))):
            for part in ("q", "k", "v", "o", *extra):
                shapes += _linear(f"{block}{attention}.{part}", dim, dim)
            norms = ("norm_q", "norm_k", *(("norm_k_img",) if extra else ()))
            shapes += [(f"{block}{attention}.{norm}.weight", (dim,)) for norm in norms]
        shapes += [(f"{block}norm3.weight", (dim,)), (f"{block}norm3.bias", (dim,))]
        shapes += _linear(f"{block}ffn.0", dim, FFN) + _linear(f"{block}ffn.2", FFN, dim)
        shapes += [(f"{block}modulation", (1, 6, dim))]
    return _random(shapes, seed)


def vae(seed: int = 2, base: int = 8) -> Tensors:
    """Original names; Wan 2.1's layout at another width."""
    widths = [base, 2 * base, 4 * base, 4 * base]
    shapes: list[tuple[str, tuple[int, ...]]] = []

    def conv(name: str, inputs: int, outputs: int, *kernel: int) -> None:
        shapes.extend([(f"{name}.weight", (outputs, inputs, *kernel)), (f"{name}.bias", (outputs,))])

    def residual(name: str, inputs: int, outputs: int) -> None:
        shapes.append((f"{name}.residual.0.gamma", (inputs, 1, 1, 1)))
        conv(f"{name}.residual.2", inputs, outputs, 3, 3, 3)
        shapes.append((f"{name}.residual.3.gamma", (outputs, 1, 1, 1)))
        conv(f"{name}.residual.6", outputs, outputs, 3, 3, 3)
        if inputs != outputs:
            conv(f"{name}.shortcut", inputs, outputs, 1, 1, 1)

    def middle(name: str, width: int) -> None:
        residual(f"{name}.middle.0", width, width)
        shapes.append((f"{name}.middle.1.norm.gamma", (width, 1, 1)))
        conv(f"{name}.middle.1.to_qkv", width, 3 * width, 1, 1)
        conv(f"{name}.middle.1.proj", width, width, 1, 1)
        residual(f"{name}.middle.2", width, width)

    conv("conv1", 32, 32, 1, 1, 1)
    conv("conv2", 16, 16, 1, 1, 1)
    conv("encoder.conv1", 3, base, 3, 3, 3)
    index, width = 0, base
    for level, out in enumerate(widths):
        for _ in range(2):
            residual(f"encoder.downsamples.{index}", width, out)
            index, width = index + 1, out
        if level < 3:
            conv(f"encoder.downsamples.{index}.resample.1", width, width, 3, 3)
            if level > 0:
                conv(f"encoder.downsamples.{index}.time_conv", width, width, 3, 1, 1)
            index += 1
    middle("encoder", width)
    shapes.append(("encoder.head.0.gamma", (width, 1, 1, 1)))
    conv("encoder.head.2", width, 32, 3, 3, 3)
    conv("decoder.conv1", 16, width, 3, 3, 3)
    middle("decoder", width)
    index = 0
    for level, out in enumerate(reversed(widths)):
        for _ in range(3):
            residual(f"decoder.upsamples.{index}", width, out)
            index, width = index + 1, out
        if level < 3:
            conv(f"decoder.upsamples.{index}.resample.1", width, width // 2, 3, 3)
            if level < 2:
                conv(f"decoder.upsamples.{index}.time_conv", width, 2 * width, 3, 1, 1)
            index, width = index + 1, width // 2
    shapes.append(("decoder.head.0.gamma", (width, 1, 1, 1)))
    conv("decoder.head.2", width, 3, 3, 3, 3)
    return _random(shapes, seed)


def adapter(seed: int = 3, rank: int = RANK, dim: int = DIM, layers: int = LAYERS) -> Tensors:
    """Names of the released checkpoint."""
    shapes: list[tuple[str, tuple[int, ...]]] = []
    for layer in range(layers):
        sizes = {f"{a}.{p}": (dim, dim) for a in ("self_attn", "cross_attn") for p in "qkvo"}
        for name, (inputs, outputs) in {**sizes, "ffn.0": (dim, FFN), "ffn.2": (FFN, dim)}.items():
            shapes.append((f"blocks.{layer}.{name}.lora_A.default.weight", (rank, inputs)))
            shapes.append((f"blocks.{layer}.{name}.lora_B.default.weight", (outputs, rank)))
    for index, inputs in ((0, 32), (2, HIDDEN), (4, HIDDEN)):
        shapes.append((f"latent_encoder.{index}.weight", (HIDDEN, inputs, 1, 1, 1)))
        shapes.append((f"latent_encoder.{index}.bias", (HIDDEN,)))
    shapes += [("latent_patch_embedding.weight", (dim, HIDDEN, 1, 2, 2)), ("latent_patch_embedding.bias", (dim,))]
    # The encoder's share is large enough that a take shows in the result.
    tensors = _random(shapes, seed, 0.15)
    return {name: value * 3 if name.startswith("latent_") else value for name, value in tensors.items()}


def text_encoder(seed: int = 4) -> Tensors:
    """Original names."""
    shapes = [("token_embedding.weight", (len(WORDS) + 3, TEXT_DIM)), ("norm.weight", (TEXT_DIM,))]
    for layer in range(2):
        block = f"blocks.{layer}."
        shapes += [(f"{block}{norm}.weight", (TEXT_DIM,)) for norm in ("norm1", "norm2")]
        shapes += [(f"{block}attn.{part}.weight", (TEXT_DIM, TEXT_DIM)) for part in "qkvo"]
        shapes += [(f"{block}ffn.gate.0.weight", (24, TEXT_DIM)), (f"{block}ffn.fc1.weight", (24, TEXT_DIM))]
        shapes += [(f"{block}ffn.fc2.weight", (TEXT_DIM, 24)), (f"{block}pos_embedding.embedding.weight", (32, 2))]
    return _random(shapes, seed, 0.3)


def image_encoder(seed: int = 5) -> Tensors:
    """Original names; a picture of 16x16 patches."""
    width = IMAGE_DIM
    shapes = [("visual.patch_embedding.weight", (width, 3, 14, 14)), ("visual.cls_embedding", (1, 1, width))]
    shapes += [("visual.pos_embedding", (1, 257, width)), ("visual.head", (width, 8)), ("log_scale", ())]
    shapes += [(f"visual.{n}.{k}", (width,)) for n in ("pre_norm", "post_norm") for k in ("weight", "bias")]
    for layer in range(3):
        block = f"visual.transformer.{layer}."
        shapes += [(f"{block}{n}.{k}", (width,)) for n in ("norm1", "norm2") for k in ("weight", "bias")]
        shapes += _linear(f"{block}attn.to_qkv", width, 3 * width) + _linear(f"{block}attn.proj", width, width)
        shapes += _linear(f"{block}mlp.0", width, 4 * width) + _linear(f"{block}mlp.2", 4 * width, width)
    return _random(shapes, seed)


def write_tokenizer(folder: Path) -> None:
    """One token a word, then the end mark."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{word: index + 3 for index, word in enumerate(WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "</s>"}
    config |= {"unk_token": "<unk>", "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


def save_shards(tensors: Tensors, folder: Path, count: int, stem: str = "diffusion_pytorch_model") -> list[Path]:
    """Numbered safetensors shards."""
    names = sorted(tensors)
    paths = []
    for index in range(count):
        path = folder / f"{stem}-{index + 1:05}-of-{count:05}.safetensors"
        save_file({name: tensors[name].contiguous() for name in names[index::count]}, path)
        paths.append(path)
    return paths


def write_model(folder: Path, *, shards: int = 3, dim: int = DIM, layers: int = LAYERS) -> Path:
    """A folder like the downloads of Wan2.1-I2V-14B-480P and EX-4D; returns it."""
    wan = folder / "Wan2.1-I2V-14B-480P"
    wan.mkdir(parents=True)
    save_shards(transformer(dim=dim, layers=layers), wan, shards)
    config = {"_class_name": "WanModel", "dim": dim, "eps": 1e-6, "num_heads": HEADS, "model_type": "i2v"}
    (wan / "config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save(vae(), wan / "Wan2.1_VAE.pth")
    torch.save(text_encoder(), wan / "models_t5_umt5-xxl-enc-bf16.pth")
    torch.save(image_encoder(), wan / "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth")
    write_tokenizer(wan / "google" / "umt5-xxl")
    (folder / "EX-4D").mkdir()
    torch.save(adapter(dim=dim, layers=layers), folder / "EX-4D" / "ex4d.ckpt")
    return folder
