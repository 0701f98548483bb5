# SPDX-License-Identifier: Apache-2.0
"""Where a host gets the model's weights from: a seam, so that what measures time and memory needs no 80 GB of files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from ex4d.fill.ex4d_wan.geometry import GeometryEncoder
from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.weights import load_adapter
from ex4d.models.locations import fingerprint, models_fingerprint
from ex4d.models.model_files import ModelFiles
from ex4d.models.wan.load import Layout, component_config, load_component
from ex4d.models.wan.lora import Lora
from ex4d.models.wan.prompts import cached_embeddings

#: Embeds prompts, (1, n, D) each.
Encode = Callable[[Sequence[str]], list[torch.Tensor]]


class WeightSource(Protocol):
    """Gives the parts of the EX-4D model."""

    def fingerprint(self, places: Sequence[Path]) -> str:
        """Another one for other weights."""
        ...

    def find(self, places: Sequence[Path]) -> ModelFiles:
        """What there is of the model, in folders or files."""
        ...

    def parameters(self, models: ModelFiles) -> float:
        """Number of weights of the transformer."""
        ...

    def heads(self, models: ModelFiles) -> int:
        """Heads of the transformer's self-attention."""
        ...

    def component(
        self,
        models: ModelFiles,
        role: str,
        dtype: torch.dtype,
        device: torch.device,
        loras: Sequence[Lora] = (),
        layout: Layout | None = None,
        loaded: Callable[[], None] = lambda: None,
    ) -> nn.Module:
        """A part of the model; see ``load_component``."""
        ...

    def adapter(
        self, models: ModelFiles, dtype: torch.dtype, device: torch.device
    ) -> tuple[Lora | None, GeometryEncoder]:
        """EX-4D's LoRA, None where the transformer has it in itself, and its geometry encoder."""
        ...

    def embeddings(self, models: ModelFiles, prompts: Sequence[str], encode: Encode) -> list[torch.Tensor]:
        """Embeddings of prompts; ``encode`` loads the text encoder and is called only where it is needed."""
        ...


class FileWeights:
    """See ``WeightSource``: the model's files, as users have them."""

    def fingerprint(self, places: Sequence[Path]) -> str:
        """See ``WeightSource``."""
        return models_fingerprint(places)

    def find(self, places: Sequence[Path]) -> ModelFiles:
        """See ``WeightSource``; raises as ``find_parts``."""
        return find_models(places)

    def parameters(self, models: ModelFiles) -> float:
        """See ``WeightSource``."""
        return float(models.part("transformer").parameters)

    def heads(self, models: ModelFiles) -> int:
        """See ``WeightSource``; raises as ``component_config``."""
        return int(component_config(models.part("transformer"))["num_attention_heads"])

    def component(
        self,
        models: ModelFiles,
        role: str,
        dtype: torch.dtype,
        device: torch.device,
        loras: Sequence[Lora] = (),
        layout: Layout | None = None,
        loaded: Callable[[], None] = lambda: None,
    ) -> nn.Module:
        """See ``WeightSource``; raises as ``load_component``."""
        return load_component(models.part(role), dtype, device, loras, layout, loaded)

    def adapter(
        self, models: ModelFiles, dtype: torch.dtype, device: torch.device
    ) -> tuple[Lora | None, GeometryEncoder]:
        """See ``WeightSource``; raises as ``load_adapter``."""
        return load_adapter(models, dtype, device)

    def embeddings(self, models: ModelFiles, prompts: Sequence[str], encode: Encode) -> list[torch.Tensor]:
        """See ``WeightSource``: those of earlier prompts are on disk."""
        return cached_embeddings(prompts, text_fingerprint(models), encode)


def text_fingerprint(models: ModelFiles) -> str:
    """A hash of the text encoder and its tokenizer, under which embeddings of prompts are kept."""
    files = [file.path for file in models.part("text").tensors.files]
    if models.tokenizer is not None:
        files += sorted(path for path in models.tokenizer.iterdir() if path.is_file())
    return hashlib.sha256("".join(fingerprint(path) for path in files).encode()).hexdigest()
