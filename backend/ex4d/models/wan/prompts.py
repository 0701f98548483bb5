# SPDX-License-Identifier: Apache-2.0
"""Embeddings of prompts on disk: a repeated prompt loads no text encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ex4d.models.locations import user_folder
from ex4d.models.wan.text import clean_prompt
from ex4d.protocol.errors import Ex4dError
from ex4d.system.files import atomic_write, make_folder

#: Another one when embeddings of the same prompt and encoder change.
_VERSION = 1


def prompt_cache() -> Path:
    """The user's folder of embeddings."""
    return user_folder("cache") / "prompts"


def cached_embeddings(
    prompts: Sequence[str],
    encoder: str,
    compute: Callable[[Sequence[str]], Sequence[torch.Tensor]],
    folder: Path | None = None,
) -> list[torch.Tensor]:
    """Embeddings (1, n, D) of prompts.

    Args:
        prompts: as the user wrote them.
        encoder: fingerprint of the text encoder and its tokenizer.
        compute: embeds those that are not cached; called at most once.
        folder: of the cache, None = the user's.
    """
    folder = prompt_cache() if folder is None else folder
    paths = [folder / f"{_key(prompt, encoder)}.safetensors" for prompt in prompts]
    found = {path: embeds for path in paths if (embeds := _read(path)) is not None}
    missing = [(prompt, path) for prompt, path in zip(prompts, paths, strict=True) if path not in found]
    if missing:
        for (_, path), embeds in zip(missing, compute([prompt for prompt, _ in missing]), strict=True):
            found[path] = embeds.cpu()
            # A cache that cannot be written only costs time.
            with suppress(Ex4dError, OSError):
                make_folder(folder)
                atomic_write(path, save({"embeds": embeds.cpu().contiguous()}))
    return [found[path] for path in paths]


def _key(prompt: str, encoder: str) -> str:
    return hashlib.sha256(f"{_VERSION}\0{encoder}\0{clean_prompt(prompt)}".encode()).hexdigest()


def _read(path: Path) -> torch.Tensor | None:
    try:
        return load(path.read_bytes())["embeds"]
    except (OSError, SafetensorError, KeyError):
        return None
