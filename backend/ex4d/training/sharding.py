# SPDX-License-Identifier: Apache-2.0
"""Models that are spread over devices (FSDP 2): how they are spread, and their trained state as whole tensors."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate.utils import FullyShardedDataParallelPlugin, is_torch_version
from torch import nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor, distribute_tensor

from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.training.settings import TrainingSettings

Tensors = dict[str, torch.Tensor]


def sharding_plugin(settings: TrainingSettings) -> FullyShardedDataParallelPlugin | None:
    """How accelerate's launcher was told to spread the model; None = not.

    Parameters keep their dtypes, inputs too, and gradients are averaged in float32, so that autocast decides what is
    computed in which precision, as on one GPU. accelerate's own choice would round all that enters a block to bfloat16,
    timesteps and the angles of the rotary embedding among it.

    Raises:
        UsageError: the launcher was told of the first FSDP, or 8-bit optimizer state is asked for with it.
        ResourceError: this torch spreads models of one dtype alone.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() != "true":
        return None
    if os.environ.get("FSDP_VERSION", "1") != "2":
        raise UsageError(
            "The first version of FSDP cannot spread a frozen model in bfloat16 with an adapter in float32.",
            "Write `fsdp_version: 2` into accelerate's configuration, as in zero3.yaml.",
        )
    # https://github.com/pytorch/pytorch/pull/154103
    if is_torch_version("<", "2.8"):
        raise ResourceError(
            "FSDP of torch before 2.8 cannot spread a frozen model in bfloat16 with an adapter in float32.",
            "Install torch 2.8 or newer, or use several_gpus.yaml.",
        )
    if settings.eight_bit:
        # https://github.com/bitsandbytes-foundation/bitsandbytes/issues/1633
        raise UsageError(
            "The 8-bit optimizer of bitsandbytes cannot train a model that FSDP spreads over devices.",
            "Leave --eight-bit out: the optimizer's state is spread, too.",
        )
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float32, cast_forward_inputs=False)
    return FullyShardedDataParallelPlugin(mixed_precision_policy=policy)


def release(model: nn.Module) -> None:
    """Let go of what other devices lent for a forward pass that no backward pass has followed."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def whole(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    """Copies on the CPU, put together from all devices; every process has to call this."""
    return {name: _whole(tensor) for name, tensor in tensors.items()}


@torch.no_grad()
def fill(target: Mapping[str, torch.Tensor], source: Mapping[str, torch.Tensor]) -> None:
    """Copy whole tensors into those of a model, spread as these are."""
    for name, tensor in target.items():
        tensor.copy_(_spread(source[name].to(tensor.device, tensor.dtype), tensor))


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's state as one device alone would have it, on the CPU; every process has to call this."""
    state = optimizer.state_dict()
    return {**state, "state": {index: _changed(values, _whole) for index, values in state["state"].items()}}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Put a whole state into an optimizer whose parameters may be spread; every process has to call this."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    spread = {}
    for index, values in state["state"].items():
        parameter = parameters[index]

        def like(value: torch.Tensor, parameter: nn.Parameter = parameter) -> torch.Tensor:
            return _spread(value.to(parameter.device), parameter) if value.shape == parameter.shape else value

        spread[index] = _changed(values, like)
    optimizer.load_state_dict({**state, "state": spread})


def _changed(values: Mapping[str, Any], change: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, Any]:
    """With its tensors changed; counts may be plain numbers."""
    return {name: change(value) if isinstance(value, torch.Tensor) else value for name, value in values.items()}


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().cpu().clone().contiguous()


def _spread(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor on the right device, spread as another one."""
    return distribute_tensor(value, like.device_mesh, like.placements) if isinstance(like, DTensor) else value
