# SPDX-License-Identifier: Apache-2.0
"""Wan 2.1's components from their files, in Wan's own layout or in diffusers' and transformers'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import nn
from transformers import (
    AutoTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerBase,
    UMT5Config,
    UMT5EncoderModel,
)

from ex4d.models.model_files import Part
from ex4d.models.wan import kinds
from ex4d.models.wan.component_loader import ComponentLoader, load_tensor
from ex4d.models.wan.fp8 import use_fp8
from ex4d.models.wan.layout import (
    Renaming,
    image_renaming,
    text_renaming,
    transformer_renaming,
    vae_renaming,
)
from ex4d.models.wan.lora import Lora
from ex4d.protocol.errors import BadInputError

#: By role; a generator's own components are handed in.
COMPONENTS: dict[str, type[nn.Module]] = {
    "transformer": WanTransformer3DModel,
    "vae": AutoencoderKLWan,
    "text": UMT5EncoderModel,
    "image": CLIPVisionModel,
}


def _renaming(part: Part) -> Renaming | None:
    """How to read a part in Wan's own layout; None for one whose names are its component's."""
    shapes = part.tensors.shapes
    match part.kind:
        case kinds.WAN_TRANSFORMER:
            return transformer_renaming(shapes, part.config)
        case kinds.WAN_VAE:
            return vae_renaming(shapes)
        case kinds.WAN_TEXT:
            return text_renaming(shapes)
        case kinds.WAN_IMAGE:
            return image_renaming(shapes, part.config)
        case _:
            return None


def empty_component(part: Part, component: type[nn.Module] | None = None) -> nn.Module:
    """A part of the model without weights, in its own sizes.

    Args:
        part: its weights.
        component: its class, with ``from_config``; None = Wan's of that role.

    Raises:
        BadInputError: the file's shapes are not that component's.
    """
    return _empty(part, _renaming(part), component)


def component_config(part: Part) -> dict[str, Any]:
    """The sizes of a part's component, as diffusers and transformers name them.

    Raises:
        BadInputError: nothing tells them, or the file's shapes are not that component's.
    """
    return _config(part, _renaming(part))


def _config(part: Part, renaming: Renaming | None) -> dict[str, Any]:
    if renaming is None and not part.config:
        raise BadInputError(f"{part.folder} lacks config.json.", "Copy the whole folder, with its config.json.")
    return dict(part.config if renaming is None else renaming.config)


def _empty(part: Part, renaming: Renaming | None, component: type[nn.Module] | None) -> nn.Module:
    """The component without weights."""
    config = _config(part, renaming)
    # Buffers are computed and not stored, so they are made for real.
    with init_empty_weights(include_buffers=False):
        match part.kind.role:
            case "text":
                return UMT5EncoderModel(UMT5Config(**config))
            case "image":
                return CLIPVisionModel(CLIPVisionConfig(**config.get("vision_config", config)))
            case role:
                cls: Any = component or COMPONENTS[role]
                return cls.from_config(config)


def check_tensors(part: Part, component: type[nn.Module] | None = None) -> None:
    """Compare a part's tensors with what its component has, by name and shape; reads no weights.

    Raises:
        BadInputError: a tensor is missing or unexpected, or of another shape.
    """
    renaming = _renaming(part)
    model, quantized = _empty(part, renaming, component), part.quantized
    if quantized:
        use_fp8(model)
    loader = ComponentLoader(model, part.title, torch.float32, torch.device("meta"), quantized=quantized)
    for name, shape in part.tensors.shapes.items():
        dtype = part.tensors.dtypes.get(name) if quantized else None
        load_tensor(loader, renaming, name, torch.empty(shape, dtype=dtype, device="meta"))
    loader.finish()


@dataclass(frozen=True)
class Layout:
    """How a transformer is loaded where memory is short.

    Attributes:
        fp8: whether its linear layers become 8-bit ones, or are 8-bit ones already (``Part.quantized``).
        multiply: see ``Fp8Linear``.
        store: where a tensor is kept, by its name; None = where it is computed.
    """

    fp8: bool = False
    multiply: bool = False
    store: Callable[[str], torch.device] | None = None


def load_component(
    part: Part,
    dtype: torch.dtype,
    device: torch.device | str,
    loras: Sequence[Lora] = (),
    layout: Layout | None = None,
    loaded: Callable[[], None] = lambda: None,
    component: type[nn.Module] | None = None,
) -> nn.Module:
    """A part of the model, ready to run.

    Args:
        part: its weights.
        dtype: to run in; what diffusers keeps in float32 stays so.
        device: to put it on, tensor by tensor.
        loras: fused into the transformer in float32, before the cast.
        layout: of a transformer; None = all of it in ``dtype`` on ``device``.
        loaded: called after each tensor; may raise to stop.
        component: see ``empty_component``.

    Raises:
        BadInputError: a tensor is missing, unexpected, of another shape, or not finite; or the transformer is in 8 bits
            already, and ``layout`` wants 16 or there are ``loras``.
    """
    if loras:
        part.check_not_quantized("another LoRA")
    if layout is None or not layout.fp8:
        part.check_not_quantized("a transformer in 16 bits")
    renaming = _renaming(part)
    model, layout = _empty(part, renaming, component), layout or Layout()
    if layout.fp8:
        use_fp8(model, multiply=layout.multiply)
    loader = ComponentLoader(model, part.title, dtype, torch.device(device), loras, layout.store, part.quantized)
    with closing(part.tensors.tensors(lock=loader.device.type == "cuda")) as tensors:
        for name, tensor in tensors:
            load_tensor(loader, renaming, name, tensor)
            loaded()
    return loader.finish()


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The text encoder's tokenizer; raises BadInputError where its files are damaged."""
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise BadInputError(
            f"The tokenizer in {folder} cannot be used: {' '.join(str(error).split())[:200]}.", "Get its files again."
        ) from error
