# SPDX-License-Identifier: Apache-2.0
"""The pipeline from folders of weights in any layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from ex4d.fill.ex4d_wan.model_files import find_models
from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline
from ex4d.fill.ex4d_wan.quirks import SHIFT
from ex4d.fill.ex4d_wan.weights import check_fit, load_adapter
from ex4d.models.wan.fp8 import has_fp8
from ex4d.models.wan.load import Layout, load_component, load_tokenizer
from ex4d.models.wan.lora import Lora
from ex4d.models.wan.sampler import create_scheduler


def load_pipeline(
    places: Sequence[Path | str] | Path | str,
    *,
    dtype: torch.dtype = torch.bfloat16,
    device: torch.device | str = "cpu",
    encoders: bool = True,
    extra_loras: Iterable[Lora] = (),
) -> EX4DPipeline:
    """The model from folders in any layout: Wan's own files, diffusers', ``ex4d.ckpt``, our converted folder.

    Args:
        places: folders or files that together hold the model.
        dtype: of all components; what diffusers keeps in float32 stays so, and what is stored in 8 bits does.
        device: of all components.
        encoders: also load text and image encoder, where they are found.
        extra_loras: fused on top of the adapter; none where the transformer is in 8 bits.

    Raises:
        BadInputError: a part is missing or damaged, or a LoRA cannot be fused.
    """
    places = [places] if isinstance(places, Path | str) else places
    models = find_models([Path(place) for place in places])
    lora, geometry = load_adapter(models, dtype, device)
    loras = (*(() if lora is None else (lora,)), *extra_loras)
    # Products of rows in 8 bits come out in bfloat16 alone.
    layout = Layout(fp8=models.quantized, multiply=dtype == torch.bfloat16 and has_fp8(device))
    transformer = load_component(models.part("transformer"), dtype, device, loras, layout)
    vae = load_component(models.part("vae"), dtype, device)
    check_fit(transformer, vae, geometry, lora)
    found: dict[str, Any] = {}
    if encoders and "text" in models.parts and models.tokenizer is not None:
        found["text_encoder"] = load_component(models.part("text"), dtype, device)
        found["tokenizer"] = load_tokenizer(models.tokenizer)
    if encoders and "image" in models.parts:
        found["image_encoder"] = load_component(models.part("image"), dtype, device)
    return EX4DPipeline(transformer, vae, geometry, create_scheduler(SHIFT), **found)
