# SPDX-License-Identifier: Apache-2.0
"""Putting tensors into a component that has none yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from transformers import UMT5EncoderModel

from ex4d.models.model_files import SCALE
from ex4d.models.tensors import all_finite
from ex4d.models.wan.fp8 import Fp8Linear
from ex4d.models.wan.layout import Renaming
from ex4d.models.wan.lora import Lora, unknown_parameter
from ex4d.protocol.errors import BadInputError


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


@dataclass
class ComponentLoader:
    """Puts tensors into an empty component, each in its place, fused with LoRAs, cast and moved.

    Attributes:
        model: the component, on "meta".
        what: it is, for messages.
        dtype: to cast to; what diffusers keeps in float32 stays so.
        device: where tensors are fused and cast.
        loras: fused in float32, before the cast.
        store: where a tensor is kept, by its name; None = on ``device``.
        quantized: the tensors of 8-bit layers are in 8 bits already, with their scales; else they are quantized here.
    """

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
        self._unfused = {(index, name) for index, lora in enumerate(self.loras) for name in lora.parameters}

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
        for index, lora in enumerate(self.loras):
            value = lora.fused(name, value)
            self._unfused.discard((index, name))
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
        return name.endswith(SCALE) and self._in_fp8(name)

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
            raise unknown_parameter(self.loras[index], name)
        for name, buffer in list(self.model.named_buffers()):
            owner = self.model.get_submodule(name.rpartition(".")[0])
            owner._buffers[name.rpartition(".")[2]] = buffer.to(self.device)
        return self.model.eval().requires_grad_(False)


def load_tensor(loader: ComponentLoader, renaming: Renaming | None, name: str, tensor: torch.Tensor) -> None:
    """Put a file's tensor where it belongs; raises BadInputError for one that belongs nowhere."""
    if renaming is None:
        loader.put(name, tensor)
        return
    if name not in renaming.names:
        raise BadInputError(
            f"The {loader.what} has the unexpected tensor «{name}».", "The file belongs to another model or version."
        )
    for target in renaming.names[name]:
        loader.put(target, renaming.change(target, tensor))
