# SPDX-License-Identifier: Apache-2.0
"""Components and pipelines from folders of weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cached_property
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

from ex4d.diffusion.fp8 import Fp8Linear, has_fp8, use_fp8
from ex4d.diffusion.geometry import GeometryEncoder
from ex4d.diffusion.pipeline import EX4DPipeline
from ex4d.diffusion.sampler import create_scheduler
from ex4d.diffusion.weights.adapter import Lora, LoraLayer, geometry_config, parse_lora, split_checkpoint
from ex4d.diffusion.weights.kinds import Kind, kind_of
from ex4d.diffusion.weights.places import SUFFIXES, TOKENIZER_FILES, candidate_files
from ex4d.diffusion.weights.tensors import TensorFile, TensorSet, all_finite, check_shards
from ex4d.diffusion.weights.wan import (
    Renaming,
    image_renaming,
    text_renaming,
    transformer_renaming,
    vae_renaming,
)
from ex4d.protocol.errors import BadInputError

#: What EX-4D's checkpoint is made of in our converted folder.
LORA_FOLDER = "lora"
LORA_CONFIG = "adapter_config.json"
#: In the config.json of a transformer that ``ex4d models convert`` wrote in 8 bits, under the key at which diffusers
#: looks: it refuses a method that it does not know.
QUANTIZATION_KEY, QUANTIZATION_METHOD = "quantization_config", "ex4d_float8"
_SCALE = ".scale"


@dataclass(frozen=True)
class Part:
    """The weights of one part of the model.

    Attributes:
        kind: what they are.
        tensors: of all shards.
        config: what a config.json beside them says, or {}.
    """

    kind: Kind
    tensors: TensorSet
    config: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.tensors.files[0].path.parent

    @property
    def label(self) -> str:
        """What they are, for people."""
        return "8-bit fused transformer" if self.quantized else str(self.kind)

    @cached_property
    def quantized(self) -> bool:
        """Whether it is a transformer whose linear layers are ``Fp8Linear``: weights in 8 bits with scales of their
        rows, EX-4D's LoRA fused before. Told by the tensors; a file of 8-bit weights without scales is none."""
        if self.kind is not Kind.TRANSFORMER:
            return False
        # Where all scales are lost the configuration still says what the weights are.
        eight = torch.float8_e4m3fn in self.tensors.dtypes.values()
        return any(name.endswith(_SCALE) for name in self.tensors.shapes) or (eight and self._marked)

    @property
    def _marked(self) -> bool:
        marker = self.config.get(QUANTIZATION_KEY)
        return isinstance(marker, dict) and marker.get("quant_method") == QUANTIZATION_METHOD

    @property
    def parameters(self) -> int:
        """Number of weights, without the scales of 8-bit ones."""
        return sum(math.prod(self.tensors.shapes[name]) for name in self.tensors.shapes if not self._is_scale(name))

    @property
    def gib(self) -> float:
        """GiB where it is loaded: in 16 bits, but for the linear layers of a transformer that is ``quantized``."""
        shapes = self.tensors.shapes
        return sum(math.prod(shape) * self._itemsize(name) for name, shape in shapes.items()) / 2**30

    def _is_scale(self, name: str) -> bool:
        return self.quantized and name.endswith(_SCALE)

    def _itemsize(self, name: str) -> int:
        if self._is_scale(name):
            return 4
        return 1 if self.quantized and self.tensors.dtypes.get(name) == torch.float8_e4m3fn else 2

    def check_not_quantized(self, who: str) -> None:
        """Raise BadInputError for a transformer in 8 bits, which ``who`` cannot use."""
        if self.quantized:
            raise BadInputError(
                f"The transformer in {self.folder} is in 8 bits with EX-4D's LoRA fused, and {who} needs the original "
                "one.",
                "Name the original files; this folder is for the profiles fast and turbo, and for load_pipeline.",
            )


@dataclass(frozen=True)
class ModelFiles:
    """All weights that were found.

    Attributes:
        parts: by role: "transformer", "vae", "text", "image", "adapter", "lora", "geometry".
        tokenizer: folder of the text encoder's tokenizer, None = not found.
        places: the folders that were searched, for messages.
    """

    parts: Mapping[str, Part]
    tokenizer: Path | None
    places: tuple[Path, ...]

    def part(self, role: str) -> Part:
        """The weights of a part; raises BadInputError where there are none."""
        if role not in self.parts:
            raise BadInputError(
                f"No {_ROLE_NAMES[role]} was found in {' or '.join(map(str, self.places))}.",
                "`ex4d models download` gets the model; `ex4d models list DIR` shows what a folder holds.",
            )
        return self.parts[role]

    def check_tokenizer(self) -> None:
        """Raise BadInputError where the text encoder's tokenizer is missing."""
        if self.tokenizer is None:
            raise BadInputError(
                f"No tokenizer of the text encoder was found in {' or '.join(map(str, self.places))}.",
                "It is the folder google/umt5-xxl of Wan's download; `ex4d models download` gets it.",
            )

    @property
    def quantized(self) -> bool:
        """Whether the transformer is in 8 bits; see ``Part``."""
        return "transformer" in self.parts and self.parts["transformer"].quantized

    def check_not_quantized(self, who: str) -> None:
        """See ``Part``."""
        if self.quantized:
            self.parts["transformer"].check_not_quantized(who)

    def check_quantized(self) -> None:
        """Raise BadInputError where a transformer in 8 bits is not known to have EX-4D's LoRA in it, or another LoRA
        lies beside it."""
        if not self.quantized:
            return
        transformer = self.parts["transformer"]
        if not transformer._marked:
            raise BadInputError(
                f"The 8-bit transformer in {transformer.folder} was not written by `ex4d models convert`, so it has no "
                "LoRA of EX-4D.",
                f"Name the original files; where it was, its config.json has lost «{QUANTIZATION_KEY}».",
            )
        for role in ("adapter", "lora"):
            if role in self.parts:
                raise BadInputError(
                    f"{self.parts[role].folder} holds a LoRA, and EX-4D's is fused into the 8-bit transformer in "
                    f"{transformer.folder} already.",
                    "Name the folder of the 8-bit model alone, or the original files with the LoRA.",
                )

    def files(self) -> list[Path]:
        """All files of weights."""
        return [file.path for part in self.parts.values() for file in part.tensors.files]


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


_ROLES: dict[Kind, str] = {
    Kind.WAN_TRANSFORMER: "transformer",
    Kind.TRANSFORMER: "transformer",
    Kind.WAN_VAE: "vae",
    Kind.VAE: "vae",
    Kind.WAN_TEXT: "text",
    Kind.TEXT: "text",
    Kind.WAN_IMAGE: "image",
    Kind.IMAGE: "image",
    Kind.ADAPTER: "adapter",
    Kind.LORA: "lora",
    Kind.GEOMETRY: "geometry",
}
_ROLE_NAMES = {
    "transformer": "Wan 2.1 transformer",
    "vae": "Wan 2.1 VAE",
    "text": "UMT5 text encoder",
    "image": "CLIP image encoder",
    "adapter": "EX-4D checkpoint",
    "lora": "EX-4D LoRA",
    "geometry": "EX-4D geometry encoder",
}


def find_models(places: Sequence[Path]) -> ModelFiles:
    """Look for the model's parts in folders (or files), by what the files hold.

    Raises:
        BadInputError: a folder is missing, a file is damaged, a shard is missing, or a part is there twice.
        TransientError: a file cannot be read.
    """
    paths = candidate_files(places)
    weights = [path for path in paths if path.suffix.lower() in SUFFIXES]
    check_shards(weights)
    found: dict[str, dict[tuple[Path, Kind], list[TensorFile]]] = {}
    for path in weights:
        file = TensorFile.open(path)
        kind = kind_of(file.shapes)
        # Other LoRAs may lie about; EX-4D's in peft's format has its configuration beside it.
        if kind is Kind.LORA and not (path.parent / LORA_CONFIG).is_file():
            continue
        if kind is not None:
            found.setdefault(_ROLES[kind], {}).setdefault((path.parent, kind), []).append(file)
    parts = {}
    for role, groups in found.items():
        if len(groups) > 1:
            raise BadInputError(
                f"There is more than one {_ROLE_NAMES[role]}: in "
                f"{' and in '.join(str(folder) for folder, _ in groups)}.",
                "Name the folders or files to use one by one.",
            )
        ((folder, kind), files), *_ = groups.items()
        parts[role] = Part(kind, TensorSet.of(files), _config_beside(folder, role))
    tokenizers = [path.parent for path in paths if path.name in TOKENIZER_FILES and _is_text_tokenizer(path)]
    return ModelFiles(parts, tokenizers[0] if tokenizers else None, tuple(places))


def _is_text_tokenizer(path: Path) -> bool:
    # Wan's repository also has the tokenizer of CLIP's text half, which nothing uses.
    return "xlm" not in path.parent.name.lower()


def _config_beside(folder: Path, role: str) -> dict[str, Any]:
    """What a config.json in the folder says of a part: flat, as Wan's and diffusers', or by part."""
    config: Any = None
    with suppress(OSError, ValueError):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        return {}
    section = {"transformer": "dit", "adapter": "lora"}.get(role, role)
    inner = config.get(section)
    return inner if isinstance(inner, dict) else config


def missing_roles(models: ModelFiles) -> list[str]:
    """Names of parts that a take needs and that were not found."""
    needed = ["transformer", "vae", "text", "image"]
    if models.quantized:
        needed += ["geometry"]
    else:
        needed += ["lora", "geometry"] if "geometry" in models.parts else ["adapter"]
    missing = [_ROLE_NAMES[role] for role in needed if role not in models.parts]
    return missing + (["tokenizer"] if models.tokenizer is None else [])


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
            assembly = _Assembly(model, _ROLE_NAMES[role], torch.float32, torch.device("meta"), quantized=quantized)
            for name, shape in part.tensors.shapes.items():
                dtype = part.tensors.dtypes.get(name) if quantized else None
                _place(assembly, renaming, name, torch.empty(shape, dtype=dtype, device="meta"))
            assembly.finish()
    load_adapter(models, torch.float32, "cpu")


# Components ------------------------------------------------------------------------------------------------------

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


@dataclass
class _Assembly:
    """Puts tensors into an empty component, each in its place, fused with LoRAs, cast and moved. ``quantized``: the
    tensors of 8-bit layers are in 8 bits already, with their scales; else they are quantized here."""

    model: nn.Module
    what: str
    dtype: torch.dtype
    device: torch.device
    loras: Sequence[Lora] = ()
    store: Callable[[str], torch.device] | None = None
    quantized: bool = False
    _missing: set[str] = field(init=False)
    _expected: dict[str, nn.Parameter] = field(init=False)
    _unfused: set[tuple[int, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._expected = dict(self.model.named_parameters(remove_duplicate=False))
        # Where weights are quantized here, their scales come with them.
        self._missing = {name for name in self._expected if self.quantized or not self._is_scale(name)}
        self._unfused = {(index, name) for index, lora in enumerate(self.loras) for name in lora.layers}

    def put(self, name: str, tensor: torch.Tensor) -> None:
        """One tensor by its name in the component."""
        name = self._resolved(name)
        parameter = self._expected[name]
        if tuple(tensor.shape) != tuple(parameter.shape):
            raise BadInputError(
                f"The tensor «{name}» of the {self.what} is {tuple(tensor.shape)} instead of {tuple(parameter.shape)}.",
                "The file belongs to a model of another size.",
            )
        kept = self.quantized and self._in_fp8(name)
        if kept and tensor.dtype != parameter.dtype:
            raise BadInputError(
                f"The tensor «{name}» of the {self.what} is {_dtype_name(tensor.dtype)} instead of "
                f"{_dtype_name(parameter.dtype)}.",
                "Convert the model again.",
            )
        # Page-locked memory is not used again before the copy is done; torch sees to that. Not asked elsewhere: the
        # question alone would take GPU memory.
        value = tensor.to(self.device, non_blocking=self.device.type == "cuda" and tensor.is_pinned())
        module = name.rpartition(".")[0]
        for index, lora in enumerate(self.loras):
            if (layer := lora.layers.get(module)) is not None:
                value = self._fused(value, layer, name, lora.name)
                self._unfused.discard((index, module))
        if not kept:
            value = value.to(self._dtype(name))
        if not value.is_meta:
            self._check_values(name, value, tensor)
        part = value is tensor and value.untyped_storage().nbytes() > value.nbytes
        self._keep(name, value.clone() if part else value)
        self._missing.discard(name)

    def _check_values(self, name: str, value: torch.Tensor, stored: torch.Tensor) -> None:
        """Raise BadInputError where a value is none to compute with, or was none in the file."""
        if not all_finite(value):
            wide = all_finite(stored)
            raise BadInputError(
                f"The tensor «{name}» of the {self.what} holds "
                + (f"values that {_dtype_name(value.dtype)} cannot hold." if wide else "NaN or infinity."),
                "Use bfloat16." if wide else "Get the file again; `ex4d models verify` compares checksums.",
            )
        if self._is_scale(name) and not bool((value > 0).all()):
            raise BadInputError(
                f"The tensor «{name}» of the {self.what} holds scales that are not positive.",
                "Convert the model again.",
            )

    def _keep(self, name: str, value: torch.Tensor) -> None:
        """``value`` has memory of its own: a view would keep the whole that it is a part of."""
        module, _, last = name.rpartition(".")
        owner = self.model.get_submodule(module)
        device = self.device if self.store is None else self.store(name)
        if isinstance(owner, Fp8Linear) and last == "weight" and not self.quantized:
            owner.put(value, device)
        else:
            setattr(owner, last, nn.Parameter(value.to(device), requires_grad=False))

    def _is_scale(self, name: str) -> bool:
        return name.endswith(_SCALE) and self._in_fp8(name)

    def _in_fp8(self, name: str) -> bool:
        """Whether it is the weight or the scale of an 8-bit layer."""
        module, _, last = name.rpartition(".")
        return last in ("weight", "scale") and isinstance(self.model.get_submodule(module), Fp8Linear)

    def _resolved(self, name: str) -> str:
        # transformers has moved its vision models' parts in and out of «vision_model» over the years.
        bare = name.removeprefix("vision_model.")
        for candidate in (name, bare, f"vision_model.{bare}"):
            if candidate in self._expected:
                return candidate
        raise BadInputError(
            f"The {self.what} has the unexpected tensor «{name}».", "The file belongs to another model or version."
        )

    def _fused(self, value: torch.Tensor, layer: LoraLayer, name: str, file: str) -> torch.Tensor:
        value = value.float()
        if name.endswith(".bias"):
            return value if layer.bias is None else value + layer.bias.to(value)
        if layer.up.shape[0] == 0:
            return value
        if (layer.up.shape[0], layer.down.shape[1]) != tuple(value.shape):
            raise BadInputError(
                f"{file} changes «{name}» as if it were {layer.up.shape[0]}x{layer.down.shape[1]}; it is "
                f"{value.shape[0]}x{value.shape[1]}.",
                "The adapter belongs to a model of another width.",
            )
        return value + layer.delta(value.device)

    def _dtype(self, name: str) -> torch.dtype:
        keep = getattr(self.model, "_keep_in_fp32_modules", None) or ()
        return torch.float32 if any(part in name.split(".") for part in keep) else self.dtype

    def finish(self) -> nn.Module:
        """The component; raises BadInputError where a tensor or a LoRA's layer is missing."""
        if isinstance(self.model, UMT5EncoderModel) and "shared.weight" not in self._missing:
            self.model.encoder.embed_tokens.weight = self.model.shared.weight
            self._missing.discard("encoder.embed_tokens.weight")
        if self._missing:
            first, more = sorted(self._missing)[0], len(self._missing) - 1
            raise BadInputError(
                f"The {self.what} lacks the tensor «{first}»" + (f" and {more} more." if more else "."),
                "A file or a shard is missing, or it belongs to another model.",
            )
        if self._unfused:
            index, name = sorted(self._unfused)[0]
            raise BadInputError(
                f"{self.loras[index].name} changes the layer «{name}», which the transformer does not have.",
                "The adapter belongs to a model of another size.",
            )
        for name, buffer in list(self.model.named_buffers()):
            owner = self.model.get_submodule(name.rpartition(".")[0])
            owner._buffers[name.rpartition(".")[2]] = buffer.to(self.device)
        return self.model.eval().requires_grad_(False)


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
) -> nn.Module:
    """A part of the model, ready to run.

    Args:
        role: "transformer", "vae", "text", "image" or "geometry".
        part: its weights.
        dtype: to run in; what diffusers keeps in float32 stays so.
        device: to put it on, tensor by tensor.
        loras: fused into the transformer in float32, before the cast.
        layout: of a transformer; None = all of it in ``dtype`` on ``device``.

    Raises:
        BadInputError: a tensor is missing, unexpected, of another shape, or not finite; or the transformer is in 8 bits
            already, and ``layout`` wants 16 or there are ``loras``.
    """
    if loras:
        part.check_not_quantized("another LoRA")
    if layout is None or not layout.fp8:
        part.check_not_quantized("a transformer in 16 bits")
    renaming = _renaming(part)
    what = _ROLE_NAMES[role]
    model, layout = _empty(role, part, renaming), layout or Layout()
    if layout.fp8:
        use_fp8(model, multiply=layout.multiply)
    assembly = _Assembly(model, what, dtype, torch.device(device), loras, layout.store, part.quantized)
    with closing(part.tensors.tensors(lock=assembly.device.type == "cuda")) as tensors:
        for name, tensor in tensors:
            _place(assembly, renaming, name, tensor)
    return assembly.finish()


def _place(assembly: _Assembly, renaming: Renaming | None, name: str, tensor: torch.Tensor) -> None:
    """Put a file's tensor where it belongs; raises BadInputError for one that belongs nowhere."""
    if renaming is None:
        assembly.put(name, tensor)
        return
    if name not in renaming.names:
        raise BadInputError(
            f"The {assembly.what} has the unexpected tensor «{name}».", "The file belongs to another model or version."
        )
    for target in renaming.names[name]:
        assembly.put(target, renaming.change(target, tensor))


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
        assembly = _Assembly(empty, _ROLE_NAMES["geometry"], dtype, torch.device(device))
        for name, tensor in tensors.items():
            assembly.put(name, tensor)
        encoder = assembly.finish()
    else:
        part = models.part("lora")
        alpha = _peft_alpha(part.folder)
        lora = parse_lora(dict(part.tensors.tensors()), part.tensors.name, alpha)
        encoder = load_component("geometry", models.part("geometry"), dtype, device)
    assert isinstance(encoder, GeometryEncoder)
    return lora, encoder


def _alpha(config: Mapping[str, Any]) -> float | None:
    alpha = config.get("alpha")
    return float(alpha) if isinstance(alpha, int | float) else None


def _peft_alpha(folder: Path) -> float | None:
    with suppress(OSError, ValueError):
        alpha = json.loads((folder / LORA_CONFIG).read_text(encoding="utf-8")).get("lora_alpha")
        return float(alpha) if isinstance(alpha, int | float) else None
    return None


def load_lora(path: Path) -> Lora:
    """Another LoRA of Wan 2.1's transformer, such as one that distils steps.

    Raises:
        BadInputError: it is none.
    """
    file = TensorFile.open(path)
    return parse_lora(dict(TensorSet.of([file]).tensors()), path.name)


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
    tensors = dict(TensorSet.of([TensorFile.open(path)]).tensors())
    return parse_lora(tensors, path.name, _peft_alpha(path.parent))


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
