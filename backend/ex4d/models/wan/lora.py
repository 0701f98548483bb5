# SPDX-License-Identifier: Apache-2.0
"""LoRAs of Wan's transformer as public trainers write them.

They change layers by low-rank sums, and whole weights, norms, biases and modulations. How strong the sums are stands in
the tensors, in the file's metadata or beside the file.

Sources: peft's adapter_config.json (``r``, ``lora_alpha``, ``alpha_pattern``, ``rank_pattern``, ``use_rslora``),
diffusers' ``lora_adapter_metadata``, kohya's ``.alpha`` tensors and ``ss_network_alpha``, ComfyUI's ``.diff``,
``.diff_b`` and ``.diff_m``, LyCORIS' ``.w_norm`` and ``.b_norm``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from ex4d.models.locations import lora_config
from ex4d.models.tensors import TensorFile, TensorSet, all_finite
from ex4d.models.wan.layout import transformer_parameter_name
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import read_bytes

K = TypeVar("K")
V = TypeVar("V")
_METADATA = "lora_adapter_metadata"
_PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "module.")
_LORA = re.compile(r"(?P<module>.+)[._]lora[._](?P<side>A|B|down|up)(\.(?P<adapter>[^.]+))?\.(?P<kind>weight|bias)")
_SIDES = {"down": "A", "up": "B"}
#: Other changes by their last part: of which parameter of the module.
_CHANGES = {"diff": "weight", "diff_b": "bias", "diff_m": "modulation", "w_norm": "weight", "b_norm": "bias"}
#: Kinds of adapters that are no low-rank sums, told by a part of their tensors' names.
_FOREIGN = {
    "dora_scale": "DoRA",
    "lora_magnitude_vector": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "oft_": "OFT",
    "lora_mid": "LoCon",
    "text_encoder": "changes of the text encoder",
    "lora_te": "changes of the text encoder",
}
#: What peft does to the base weights before it trains: the file alone is then no change of the released ones.
_CHANGED_BASES = ("pissa", "olora", "corda", "loftq")
#: Names of the original's modules, and of diffusers'.
_ORIGINAL = re.compile(r"self_attn|cross_attn|ffn\.\d|^(text_embedding|time_embedding|time_projection|img_emb|head)\b")
_DIFFUSERS = re.compile(r"attn[12]\.|ffn\.net|condition_embedder|proj_out")
#: kohya's names have underscores for dots; these words have underscores of their own.
_KOHYA = "lora_unet_"
#: Repeats and choices in an expression that names layers; each may multiply the time that a search takes.
_MOST_REPEATS, _MOST_CHOICES = 3, 12
#: Bytes of a description beside a file.
_MAX_CONFIG = 16 << 20
_WORDS = (
    "self_attn", "cross_attn", "k_img", "v_img", "norm_k_img", "norm_q", "norm_k", "text_embedding", "time_embedding",
    "time_projection", "img_emb", "patch_embedding", "to_q", "to_k", "to_v", "to_out", "add_k_proj", "add_v_proj",
)  # fmt: skip


@dataclass(frozen=True)
class LoraLayer:
    """A change of one linear layer's weight: ``scale · up @ down``.

    Attributes:
        down: (rank, inputs).
        up: (outputs, rank).
        scale: alpha / rank.
    """

    down: torch.Tensor
    up: torch.Tensor
    scale: float

    def delta(self, device: torch.device) -> torch.Tensor:
        """The change (outputs, inputs), float32."""
        return self.scale * (self.up.to(device, torch.float32) @ self.down.to(device, torch.float32))


@dataclass(frozen=True)
class Lora:
    """A LoRA of the transformer.

    Attributes:
        layers: by the diffusers name of the module, ``blocks.0.attn1.to_q``.
        name: of its file, for messages.
        changes: of whole parameters, to be added, by their diffusers name, ``blocks.0.norm2.weight``.
    """

    layers: Mapping[str, LoraLayer]
    name: str
    changes: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """The largest of its layers."""
        return max((layer.down.shape[0] for layer in self.layers.values()), default=0)

    def fused(self, name: str, value: torch.Tensor) -> torch.Tensor:
        """The parameter of that name with this LoRA's changes, in float32; as it is where there are none.

        Raises:
            BadInputError: a change is of another shape.
        """
        module, _, last = name.rpartition(".")
        layer = self.layers.get(module) if last == "weight" else None
        deltas = [] if layer is None else [layer.delta(value.device)]
        if (change := self.changes.get(name)) is not None:
            deltas.append(change)
        for delta in deltas:
            if delta.shape != value.shape:
                raise BadInputError(
                    f"{self.name} changes «{name}» as if it were {_by(delta)}; it is {_by(value)}.",
                    "The adapter belongs to a model of another width.",
                )
            value = value.float() + delta.to(value.device, torch.float32)
        return value

    @property
    def parameters(self) -> frozenset[str]:
        """Names of the parameters that it changes."""
        return frozenset(self.changes) | {f"{module}.weight" for module in self.layers}


def _by(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


@dataclass(frozen=True)
class LoraScaling:
    """How strong the low-rank changes are where the tensors do not say.

    Attributes:
        alpha: of all layers; None = each layer's rank, so that the scale is 1.
        patterns: alpha of the layers whose name ends so.
        root: whether the scale is alpha / √rank (rank-stabilised) instead of alpha / rank.
    """

    alpha: float | None = None
    patterns: Mapping[str, float] = field(default_factory=dict)
    root: bool = False

    def scale(self, module: str, rank: int, alpha: float | None) -> float:
        """Of a layer by the name that its trainer gives it; ``alpha``: from its own tensor."""
        if alpha is None:
            matching = (value for name, value in self.patterns.items() if re.fullmatch(rf"(.*\.)?({name})", module))
            alpha = next(matching, self.alpha)
        if alpha is None:
            return 1.0
        return alpha / (math.sqrt(rank) if self.root else rank)


def scaling_from_config(config: Mapping[str, Any], name: str) -> LoraScaling:
    """From peft's adapter_config.json, or diffusers' metadata, which has the same words.

    Raises:
        BadInputError: it describes an adapter that cannot be added to the released weights.
    """
    init = str(config.get("init_lora_weights", ""))
    if config.get("use_dora"):
        raise _unsupported(name, "DoRA")
    if any(init.startswith(kind) for kind in _CHANGED_BASES):
        raise _unsupported(name, f"{init}, which changes the base weights too")
    alpha, patterns = config.get("lora_alpha"), config.get("alpha_pattern") or {}
    if slow := next((key for key in patterns if _is_regex(key) and _is_slow(key)), None):
        raise BadInputError(
            f"The description of {name} chooses layers by «{slow[:40]}», which could take without end.",
            "Name the layers in alpha_pattern plainly.",
        )
    try:
        return LoraScaling(
            None if alpha is None else _strength(alpha),
            {re.escape(str(key)) if not _is_regex(key) else key: _strength(value) for key, value in patterns.items()},
            bool(config.get("use_rslora")),
        )
    except (AttributeError, TypeError, ValueError):
        raise BadInputError(
            f"The description of {name} holds an alpha that is no number.", "Export it again."
        ) from None


def _is_regex(key: str) -> bool:
    # peft's keys are expressions; most are plain names, whose dots stand for themselves.
    try:
        re.compile(key)
    except re.error:
        return False
    return bool(re.search(r"[\^$*+?|\\()\[\]]", key))


def _is_slow(key: str) -> bool:
    """Whether a search for an expression may take exponential time: repeated groups, many repeats or choices."""
    return (
        "(?" in key
        or re.search(r"\)[*+?{]", key) is not None
        or len(re.findall(r"[*+?{]", key)) > _MOST_REPEATS
        or key.count("|") > _MOST_CHOICES
    )


def _strength(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _scaling_of(path: Path, metadata: Mapping[str, str]) -> LoraScaling:
    """What the file's metadata say, else what stands beside it."""
    if _METADATA in metadata:
        config = _object(metadata[_METADATA], path.name)
        # diffusers puts the component before each word.
        return scaling_from_config(
            {key.rpartition("transformer.")[2]: value for key, value in config.items()}, path.name
        )
    if (beside := lora_config(path)) is not None:
        return scaling_from_config(_object(read_bytes(beside, _MAX_CONFIG), beside.name), path.name)
    alpha = metadata.get("ss_network_alpha", "")
    return LoraScaling(float(alpha) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", alpha) else None)


def _object(text: str | bytes, name: str) -> dict[str, Any]:
    try:
        found = parse_json(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadInputError(f"The description of the LoRA in {name} is damaged.", "Get the file again.")
    return found


def load_lora(path: Path) -> Lora:
    """A LoRA of Wan 2.1's transformer from a file, such as one that distils steps.

    Raises:
        BadInputError: it is none, or one that cannot be added to the weights.
    """
    file = TensorFile.open(path)
    return parse_lora(dict(TensorSet.of([file]).tensors()), path.name, scaling=_scaling_of(path, file.metadata))


def parse_lora(tensors: Mapping[str, torch.Tensor], name: str, scaling: LoraScaling | None = None) -> Lora:
    """A LoRA of Wan's transformer in any usual naming: the original's or diffusers' module names, with dots or kohya's
    underscores; see the module.

    Args:
        tensors: by their names in the file.
        name: of the file, for messages.
        scaling: of layers without an alpha of their own; None = 1.

    Raises:
        BadInputError: half a layer is missing, a tensor is none of a LoRA, or the adapter is of another kind.
    """
    halves: dict[str, dict[str, torch.Tensor]] = {}
    changes: dict[tuple[str, str], torch.Tensor] = {}
    adapters = {match["adapter"] or "" for match in map(_LORA.fullmatch, tensors) if match}
    if len(adapters) > 1:
        raise BadInputError(
            f"{name} holds several adapters: {', '.join(sorted(adapters))}.", "Export the one that you want alone."
        )
    for key, tensor in tensors.items():
        if foreign := next((kind for sign, kind in _FOREIGN.items() if sign in key), None):
            raise _unsupported(name, foreign)
        if not all_finite(tensor):
            raise BadInputError(f"The tensor «{key}» of {name} holds NaN or infinity.", "Get the file again.")
        if match := _LORA.fullmatch(key):
            part = _SIDES.get(match["side"], match["side"]) + ("" if match["kind"] == "weight" else "_bias")
            _put(halves.setdefault(_plain(match["module"]), {}), part, tensor, key, name)
            continue
        module, _, last = key.rpartition(".")
        if last == "alpha":
            _put(halves.setdefault(_plain(module), {}), last, tensor, key, name)
        elif last in _CHANGES:
            _put(changes, (_plain(module), _CHANGES[last]), tensor, key, name)
        else:
            raise BadInputError(f"{name} holds «{key}», which is no part of a LoRA.", "Name a LoRA of Wan 2.1.")
    original = _is_original({*halves, *(module for module, _ in changes)})
    layers: dict[str, LoraLayer] = {}
    added: dict[str, torch.Tensor] = {}
    for (module, kind), tensor in changes.items():
        _put(added, _parameter(module, kind, original), tensor, f"{module}.{kind}", name)
    for module, parts in halves.items():
        target = _parameter(module, "weight", original).removesuffix(".weight")
        layer = _layer(module, target, parts, name, scaling or LoraScaling())
        _put(layers, target, layer, module, name)
        if (bias := parts.get("B_bias")) is not None:
            bias_name = f"{target}.bias"
            added[bias_name] = layer.scale * bias.float() + added.get(bias_name, torch.zeros_like(bias)).float()
    if not layers and not added:
        raise BadInputError(f"{name} holds no LoRA.", "Name a LoRA of Wan 2.1.")
    return Lora(layers, name, added)


def _put(found: dict[K, V], key: K, value: V, spelled: str, name: str) -> None:
    """Take a part in; raises BadInputError where another name in the file has meant the same."""
    if key in found:
        raise BadInputError(
            f"{name} holds the change of one layer twice, the second time as «{spelled[:80]}».",
            "Export the one that you want alone.",
        )
    found[key] = value


def _layer(module: str, target: str, parts: Mapping[str, torch.Tensor], name: str, scaling: LoraScaling) -> LoraLayer:
    if "A" not in parts or "B" not in parts:
        lost = "lora_A" if "A" not in parts else "lora_B"
        raise BadInputError(f"{name} lacks {lost} of the layer «{target}».", "Get the file again.")
    if "A_bias" in parts:
        raise _unsupported(name, "a bias between its two matrices")
    down, up = parts["A"], parts["B"]
    if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1] or not down.shape[0]:
        raise BadInputError(
            f"The layer «{target}» of {name} has {tuple(down.shape)} and {tuple(up.shape)}, which do not fit.",
            "Get the file again.",
        )
    alpha = parts.get("alpha")
    if alpha is not None and alpha.numel() != 1:
        raise BadInputError(f"The alpha of «{target}» in {name} is no number.", "Get the file again.")
    return LoraLayer(down, up, scaling.scale(module, down.shape[0], None if alpha is None else float(alpha)))


def _unsupported(name: str, kind: str) -> BadInputError:
    return BadInputError(
        f"{name} is an adapter that cannot be added to the released weights ({kind}).",
        "Merge it into a plain LoRA with its trainer's tools, or choose a LoRA of Wan 2.1's transformer.",
    )


def _plain(module: str) -> str:
    """A module's name without what tools put before it, and with dots."""
    while prefix := next((prefix for prefix in _PREFIXES if module.startswith(prefix)), None):
        module = module.removeprefix(prefix)
    if not module.startswith(_KOHYA):
        return module
    text = module.removeprefix(_KOHYA)
    for word in sorted(_WORDS, key=len, reverse=True):
        text = re.sub(rf"(?<![A-Za-z]){word}(?![A-Za-z])", word.replace("_", "\0"), text)
    return text.replace("_", ".").replace("\0", "_")


def _is_original(modules: set[str]) -> bool:
    """Whether names that both namings have, such as «blocks.0.norm3», are the original's."""
    return any(map(_ORIGINAL.search, modules)) or not any(map(_DIFFUSERS.search, modules))


def _parameter(module: str, kind: str, original: bool) -> str:
    """The diffusers name of a module's parameter; ``kind``: "weight", "bias" or "modulation"."""
    if _ORIGINAL.search(module) or (original and not _DIFFUSERS.search(module)):
        return transformer_parameter_name(f"{module}.{kind}" if module else kind)
    if kind != "modulation":
        return f"{module}.{kind}"
    return "scale_shift_table" if module in ("", "proj_out") else f"{module}.scale_shift_table"


@torch.no_grad()
def fuse_lora(transformer: Any, lora: Lora) -> None:
    """Add a LoRA to a transformer's weights: the sum in float32, then back to each weight's dtype.

    Raises:
        BadInputError: it changes what the transformer does not have, or has in another shape.
    """
    parameters = dict(transformer.named_parameters())
    for name in sorted(lora.parameters):
        if name not in parameters:
            raise unknown_parameter(lora, name)
        value = parameters[name].data
        parameters[name].data = lora.fused(name, value).to(value.dtype)


def unknown_parameter(lora: Lora, name: str) -> BadInputError:
    """The error for a LoRA of another model."""
    module, _, last = name.rpartition(".")
    what = f"layer «{module}»" if last == "weight" else f"parameter «{name}»"
    return BadInputError(
        f"{lora.name} changes the {what}, which the transformer does not have.",
        "The adapter belongs to a model of another size.",
    )
