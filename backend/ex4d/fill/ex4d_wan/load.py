# SPDX-License-Identifier: Apache-2.0
"""Components and pipelines from folders of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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

from ex4d.fill.ex4d_wan.adapter import geometry_config, split_checkpoint
from ex4d.fill.ex4d_wan.geometry import GeometryEncoder
from ex4d.fill.ex4d_wan.pipeline import EX4DPipeline
from ex4d.models.component_loader import Assembly, place
from ex4d.models.identify import Kind
from ex4d.models.lora import Lora, load_lora
from ex4d.models.model_files import (
    LORA_FOLDER,
    ROLE_NAMES,
    ModelFiles,
    Part,
    find_models,
    missing_roles,
)
from ex4d.models.wan.fp8 import has_fp8, use_fp8
from ex4d.models.wan.layout import (
    Renaming,
    image_renaming,
    text_renaming,
    transformer_renaming,
    vae_renaming,
)
from ex4d.models.wan.sampler import create_scheduler
from ex4d.protocol.errors import BadInputError

_CLASSES: dict[str, type[nn.Module]] = {
    "transformer": WanTransformer3DModel,
    "vae": AutoencoderKLWan,
    "text": UMT5EncoderModel,
    "image": CLIPVisionModel,
    "geometry": GeometryEncoder,
}


def _renaming(part: Part) -> Renaming | None:
    """How to read a part in Wan's own layout; None for one whose names are its component's."""
    shapes = part.tensors.shapes
    match part.kind:
        case Kind.WAN_TRANSFORMER:
            return transformer_renaming(shapes, part.config)
        case Kind.WAN_VAE:
            return vae_renaming(shapes)
        case Kind.WAN_TEXT:
            return text_renaming(shapes)
        case Kind.WAN_IMAGE:
            return image_renaming(shapes, part.config)
        case _:
            return None


def empty_component(role: str, part: Part) -> nn.Module:
    """A part of the model without weights, in its own sizes.

    Raises:
        BadInputError: the file's shapes are not that component's.
    """
    return _empty(role, part, _renaming(part))


def _empty(role: str, part: Part, renaming: Renaming | None) -> nn.Module:
    """The component without weights."""
    if renaming is None and not part.config:
        raise BadInputError(f"{part.folder} lacks config.json.", "Copy the whole folder, with its config.json.")
    config = dict(part.config if renaming is None else renaming.config)
    # Buffers are computed and not stored, so they are made for real.
    with init_empty_weights(include_buffers=False):
        match role:
            case "text":
                return UMT5EncoderModel(UMT5Config(**config))
            case "image":
                return CLIPVisionModel(CLIPVisionConfig(**config.get("vision_config", config)))
            case _:
                cls: Any = _CLASSES[role]
                return cls.from_config(config)


def check_parts(models: ModelFiles) -> None:
    """Compare every part's tensors with what its component has, by name and shape; reads only the adapter's weights.

    Raises:
        BadInputError: a part or a tensor is missing or unexpected, or of another shape.
    """
    if missing := missing_roles(models):
        raise BadInputError(
            f"The model lacks its {' and '.join(missing)}.", "`ex4d models download` gets what is missing."
        )
    for role, part in models.parts.items():
        if role in _CLASSES:
            renaming = _renaming(part)
            model, quantized = _empty(role, part, renaming), part.quantized
            if quantized:
                use_fp8(model)
            assembly = Assembly(model, ROLE_NAMES[role], torch.float32, torch.device("meta"), quantized=quantized)
            for name, shape in part.tensors.shapes.items():
                dtype = part.tensors.dtypes.get(name) if quantized else None
                place(assembly, renaming, name, torch.empty(shape, dtype=dtype, device="meta"))
            assembly.finish()
    load_adapter(models, torch.float32, "cpu")


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
    role: str,
    part: Part,
    dtype: torch.dtype,
    device: torch.device | str,
    loras: Sequence[Lora] = (),
    layout: Layout | None = None,
    loaded: Callable[[], None] = lambda: None,
) -> nn.Module:
    """A part of the model, ready to run.

    Args:
        role: "transformer", "vae", "text", "image" or "geometry".
        part: its weights.
        dtype: to run in; what diffusers keeps in float32 stays so.
        device: to put it on, tensor by tensor.
        loras: fused into the transformer in float32, before the cast.
        layout: of a transformer; None = all of it in ``dtype`` on ``device``.
        loaded: called after each tensor; may raise to stop.

    Raises:
        BadInputError: a tensor is missing, unexpected, of another shape, or not finite; or the transformer is in 8 bits
            already, and ``layout`` wants 16 or there are ``loras``.
    """
    if loras:
        part.check_not_quantized("another LoRA")
    if layout is None or not layout.fp8:
        part.check_not_quantized("a transformer in 16 bits")
    renaming = _renaming(part)
    what = ROLE_NAMES[role]
    model, layout = _empty(role, part, renaming), layout or Layout()
    if layout.fp8:
        use_fp8(model, multiply=layout.multiply)
    assembly = Assembly(model, what, dtype, torch.device(device), loras, layout.store, part.quantized)
    with closing(part.tensors.tensors(lock=assembly.device.type == "cuda")) as tensors:
        for name, tensor in tensors:
            place(assembly, renaming, name, tensor)
            loaded()
    return assembly.finish()


def load_adapter(
    models: ModelFiles, dtype: torch.dtype, device: torch.device | str
) -> tuple[Lora | None, GeometryEncoder]:
    """EX-4D's LoRA and geometry encoder, from its checkpoint or from our converted folder.

    Returns:
        The LoRA, None where the transformer is in 8 bits and has it in itself; and the encoder in ``dtype``.

    Raises:
        BadInputError: as ``load_component`` and ``ModelFiles.check_quantized``.
    """
    models.check_quantized()
    lora: Lora | None = None
    if models.quantized:
        encoder = load_component("geometry", models.part("geometry"), dtype, device)
    elif "adapter" in models.parts or "geometry" not in models.parts:
        part = models.part("adapter")
        lora, tensors = split_checkpoint(part.tensors, _alpha(part.config))
        with init_empty_weights(include_buffers=False):
            empty = GeometryEncoder(**geometry_config(tensors))
        assembly = Assembly(empty, ROLE_NAMES["geometry"], dtype, torch.device(device))
        for name, tensor in tensors.items():
            assembly.put(name, tensor)
        encoder = assembly.finish()
    else:
        part = models.part("lora")
        lora = load_lora(part.tensors.files[0].path)
        encoder = load_component("geometry", models.part("geometry"), dtype, device)
    assert isinstance(encoder, GeometryEncoder)
    return lora, encoder


def _alpha(config: Mapping[str, Any]) -> float | None:
    alpha = config.get("alpha")
    return float(alpha) if isinstance(alpha, int | float) else None


def load_peft_lora(folder: Path) -> Lora:
    """EX-4D's LoRA of our converted folder.

    Raises:
        BadInputError: there is none, also because it is fused into a transformer in 8 bits; or it is damaged.
    """
    path = folder / LORA_FOLDER / "adapter_model.safetensors"
    if not path.is_file():
        if folder.is_dir():
            find_models([folder]).check_not_quantized("from_pretrained")
        raise BadInputError(f"{folder} has no {LORA_FOLDER}.", "Name a folder that `ex4d models convert` wrote.")
    return load_lora(path)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The text encoder's tokenizer; raises BadInputError where its files are damaged."""
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, ImportError) as error:
        raise BadInputError(
            f"The tokenizer in {folder} cannot be used: {' '.join(str(error).split())[:200]}.", "Get its files again."
        ) from error


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
    transformer = load_component("transformer", models.part("transformer"), dtype, device, loras, layout)
    vae = load_component("vae", models.part("vae"), dtype, device)
    check_fit(transformer, vae, geometry, lora)
    found: dict[str, Any] = {}
    if encoders and "text" in models.parts and models.tokenizer is not None:
        found["text_encoder"] = load_component("text", models.part("text"), dtype, device)
        found["tokenizer"] = load_tokenizer(models.tokenizer)
    if encoders and "image" in models.parts:
        found["image_encoder"] = load_component("image", models.part("image"), dtype, device)
    return EX4DPipeline(transformer, vae, geometry, create_scheduler(), **found)


def check_lora_fits(transformer: Any, lora: Lora) -> None:
    """Raise BadInputError where EX-4D's LoRA does not change every block of the transformer."""
    changed = {name.split(".")[1] for name in lora.layers}
    if len(changed) != transformer.config.num_layers:
        raise BadInputError(
            f"{lora.name} changes {len(changed)} blocks of the transformer's {transformer.config.num_layers}.",
            "Use EX-4D's checkpoint with Wan2.1-I2V-14B-480P.",
        )


def check_fit(transformer: Any, vae: Any, geometry: GeometryEncoder, lora: Lora | None) -> None:
    """Raise BadInputError where parts of models of different sizes were put together.

    Args:
        transformer, vae, geometry: as they are loaded.
        lora: EX-4D's; None = it was fused before the transformer was loaded.
    """
    if lora is not None:
        check_lora_fits(transformer, lora)
    width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
    if geometry.config.out_channels != width:
        raise BadInputError(
            f"The adapter is made for a transformer of width {geometry.config.out_channels}, this one's is {width}.",
            "Use EX-4D's checkpoint with Wan2.1-I2V-14B-480P.",
        )
    channels = vae.config.z_dim
    if geometry.config.latent_channels != channels or transformer.config.out_channels != channels:
        raise BadInputError(f"The VAE's {channels} channels do not fit the transformer.", "Use Wan2.1_VAE.pth.")
