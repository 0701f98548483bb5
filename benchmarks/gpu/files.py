# SPDX-License-Identifier: Apache-2.0
"""A complete model with random weights as files, in the layout of ``ex4d models convert``: what a cold start reads.

Tensors are made one by one on the device and go straight to disk, so that neither memory ever holds the model. The text
encoder is a stand-in of a few kilobytes: it only names the cached embeddings of the prompts, which are written, too.
The same model in 8 bits is made of those files by the conversion that users have.
"""

from __future__ import annotations

import json
import os
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from benchmarks.gpu.cold import CACHE_FOLDER
from benchmarks.gpu.sizes import Sizes, random_values
from ex4d.fill.ex4d_wan.adapter import TARGETS
from ex4d.fill.ex4d_wan.convert import convert_model, save_lora
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.quirks import NEGATIVE_PROMPT, PROMPT
from ex4d.fill.ex4d_wan.weight_source import text_fingerprint
from ex4d.fill.ex4d_wan.weights import LORA_FOLDER
from ex4d.models.torch_device import pick_device
from ex4d.models.wan.lora import Lora, LoraLayer
from ex4d.models.wan.prompts import cached_embeddings
from ex4d.system.progress import Silent

#: Folder and stem of each component's files, as diffusers and transformers name them.
_FOLDERS = {
    "transformer": ("transformer", "diffusion_pytorch_model"),
    "vae": ("vae", "diffusion_pytorch_model"),
    "image": ("image_encoder", "model"),
    "geometry": ("geometry_encoder", "diffusion_pytorch_model"),
}
_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16"}
#: diffusers' default.
_SHARD_SIZE = "10GB"
#: Files that are written at once.
_WRITERS = 4


def write_files(folder: Path, sizes: Sizes) -> float:
    """Write the model to a new folder and wait for the disk.

    Args:
        folder: must not exist.
        sizes: of the model.

    Returns:
        GB that were written.
    """
    folder.mkdir(parents=True)
    with ThreadPoolExecutor(_WRITERS) as pool:
        waiting = [
            pool.submit(_write_tensors, path, entries)
            for role in _FOLDERS
            for path, entries in _component(role, folder, sizes).items()
        ]
        for each in waiting:
            each.result()
    save_lora(_random_lora(sizes), folder / LORA_FOLDER)
    _write_text(folder)
    _keep_embeddings(folder, sizes)
    os.sync()
    return _gigabytes(folder)


def write_float8(folder: Path, target: Path, sizes: Sizes) -> float:
    """Convert the model of ``write_files`` to 8 bits and wait for the disk.

    Args:
        folder: of ``write_files``.
        target: must not exist.
        sizes: of the model.

    Returns:
        GB that were written.
    """
    convert_model(find_models([folder]), target, torch.float8_e4m3fn, Silent())
    # The text encoder was written anew, so that embeddings have another name.
    _keep_embeddings(target, sizes)
    os.sync()
    return _gigabytes(target)


def _gigabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


Entries = Mapping[str, tuple[torch.dtype, tuple[int, ...]]]


def _component(role: str, folder: Path, sizes: Sizes) -> dict[Path, Entries]:
    """Write the configuration and the index of a component; returns its files and what goes into each."""
    name, stem = _FOLDERS[role]
    target = folder / name
    model: Any = sizes.empty(role)
    target.mkdir()
    if role == "image":
        model.config.save_pretrained(target)
    else:
        model.save_config(target)
    dtype = torch.float32 if role == "geometry" else torch.bfloat16
    kept = getattr(model, "_keep_in_fp32_modules", None) or ()
    state = {
        key: value.to(torch.float32 if any(part in key.split(".") for part in kept) else dtype)
        for key, value in model.state_dict().items()
    }
    shards = split_torch_state_dict_into_shards(
        state, filename_pattern=f"{stem}{{suffix}}.safetensors", max_shard_size=_SHARD_SIZE
    )
    if shards.is_sharded:
        index = {"metadata": shards.metadata, "weight_map": shards.tensor_to_filename}
        (target / f"{stem}.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    return {
        target / file: {key: (state[key].dtype, tuple(state[key].shape)) for key in keys}
        for file, keys in shards.filename_to_tensors.items()
    }


def _write_tensors(path: Path, entries: Entries) -> None:
    """A safetensors file of random values, tensor by tensor. The format: github.com/huggingface/safetensors."""
    device = pick_device()
    generator = torch.Generator(device).manual_seed(0)
    # The library's own order: wide types first, then by name.
    ordered = sorted(entries, key=lambda name: (-entries[name][0].itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in ordered:
        dtype, shape = entries[name]
        size = torch.Size(shape).numel() * dtype.itemsize
        header[name] = {"dtype": _DTYPES[dtype], "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb", buffering=0) as file:
        _write_all(file, struct.pack("<Q", len(text)) + text)
        for name in ordered:
            dtype, shape = entries[name]
            value = random_values(name, shape, dtype, device, generator).flatten().view(torch.uint8).cpu()
            _write_all(file, value.numpy())


def _write_all(file: Any, values: Any) -> None:
    left = memoryview(values)
    while left:
        left = left[file.write(left) :]


def _random_lora(sizes: Sizes) -> Lora:
    device = pick_device()
    generator = torch.Generator(device).manual_seed(3)
    transformer: Any = sizes.empty("transformer")
    layers = {}
    for block in range(sizes.transformer["num_layers"]):
        for target in TARGETS:
            name = f"blocks.{block}.{target}"
            outputs, inputs = transformer.get_submodule(name).weight.shape
            down = random_values("down", (sizes.rank, inputs), torch.float32, device, generator)
            up = random_values("up", (outputs, sizes.rank), torch.float32, device, generator) * 0.1
            layers[name] = LoraLayer(down, up, 1.0)
    return Lora(layers, "random")


def _write_text(folder: Path) -> None:
    """The stand-in of the text encoder and of its tokenizer."""
    config = UMT5Config(vocab_size=16, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    UMT5EncoderModel(config).save_pretrained(folder / "text_encoder")
    words = Tokenizer(WordLevel({"<unk>": 0}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<unk>").save_pretrained(
        folder / "tokenizer"
    )


def _keep_embeddings(folder: Path, sizes: Sizes) -> None:
    """Embeddings of the released prompts, cached under the name of the folder's text encoder."""
    width, generator = sizes.transformer["text_dim"], torch.Generator().manual_seed(4)
    cached_embeddings(
        (PROMPT, NEGATIVE_PROMPT),
        text_fingerprint(find_models([folder])),
        lambda prompts: [torch.randn((1, 40, width), generator=generator) * 0.3 for _ in prompts],
        folder / CACHE_FOLDER / "ex4d" / "prompts",
    )


def bench_files(folder: Path, float8: Path | None, sizes: Sizes) -> None:
    """Write the model and say how fast.

    Args:
        folder: for the model; where ``float8`` is given it may hold that already.
        float8: for the same in 8 bits, or None.
        sizes: of the model.
    """
    if float8 is None or not folder.exists():
        _tell(folder, lambda: write_files(folder, sizes))
    if float8 is not None:
        _tell(float8, lambda: write_float8(folder, float8, sizes))


def _tell(folder: Path, write: Callable[[], float]) -> None:
    started = time.monotonic()
    size = write()
    seconds = time.monotonic() - started
    print(f"{size:.2f} GB in {folder} within {seconds:.1f} s, {size / seconds:.2f} GB/s, synced to disk.", flush=True)
