# SPDX-License-Identifier: Apache-2.0
"""Reading and writing the trained state of models that may be spread over devices (FSDP)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor, distribute_tensor

Tensors = dict[str, torch.Tensor]


def is_sharded(model: nn.Module) -> bool:
    """Whether the parameters are pieces of larger ones."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def whole(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Copies on the CPU, put together from all devices; every process has to call this."""
    out = {}
    for name, tensor in tensors.items():
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        out[name] = full.detach().cpu().clone().contiguous()
    return out


@torch.no_grad()
def fill(target: Mapping[str, torch.Tensor], source: Mapping[str, torch.Tensor]) -> None:
    """Copy whole tensors into those of a model, spread as these are."""
    for name, tensor in target.items():
        value = source[name].to(tensor.device, tensor.dtype)
        if isinstance(tensor, DTensor):
            tensor.copy_(distribute_tensor(value, tensor.device_mesh, tensor.placements))
        else:
            tensor.copy_(value)


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's state, whole and on the CPU; every process has to call this."""
    if not is_sharded(model):
        return optimizer.state_dict()
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return dict(get_optimizer_state_dict(model, optimizer, options=options))


def load_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Put a whole state into the optimizer of a model that may be spread."""
    if not is_sharded(model):
        optimizer.load_state_dict(state)
        return
    options = StateDictOptions(full_state_dict=True, ignore_frozen_params=True)
    set_optimizer_state_dict(model, optimizer, state, options=options)
