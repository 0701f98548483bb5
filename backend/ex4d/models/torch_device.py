# SPDX-License-Identifier: Apache-2.0
"""Where models run."""

from __future__ import annotations

import torch

from ex4d.protocol.errors import ResourceError
from ex4d.system.devices import DEVICE_VARIABLE, GPUS_VARIABLE, named_device, shared_gpus


def pick_device() -> torch.device:
    """The first GPU, or what ``EX4D_DEVICE`` names. A numbered GPU becomes torch's current one: kernels of Triton and
    nvdiffrast start there.

    Raises:
        UsageError: it names no device.
        ResourceError: it names one that this machine or this torch does not have.
    """
    named = named_device()
    if named is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(named)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ResourceError(
            f"{DEVICE_VARIABLE} is «{named}», and torch sees {torch.cuda.device_count()} CUDA devices.",
            f"Unset {DEVICE_VARIABLE}, or set it to cpu.",
        )
    if device.index is not None:
        torch.cuda.set_device(device)
    return device


def rank_devices(first: torch.device, count: int) -> tuple[str, ...]:
    """The devices of so many ranks, by name: the first one, then the others that ``EX4D_GPUS`` names, or all in their
    order from the first one on; or the CPU for all.

    Raises:
        UsageError: ``EX4D_GPUS`` names no GPUs.
        ResourceError: there are fewer GPUs, or this torch has nothing by which they talk.
    """
    if first.type != "cuda":
        return (str(first),) * count
    if count > 1 and not torch.distributed.is_nccl_available():
        raise ResourceError(
            "GPUs that share a take talk by NCCL, and this torch has none.", "Leave --gpus out, or use Linux."
        )
    found, own = torch.cuda.device_count(), first.index or 0
    if (named := shared_gpus()) is not None:
        numbers = [own, *(number for number in named if number != own and number < found)]
        if count > len(numbers):
            raise ResourceError(
                f"A take is to be made on {count} GPUs, and it may use {len(numbers)}.",
                f"Give --gpus {len(numbers)}, or let it use more: `ex4d serve --gpus`, or {GPUS_VARIABLE}.",
            )
        return tuple(f"cuda:{number}" for number in numbers[:count])
    if count > found:
        raise ResourceError(
            f"A take is to be made on {count} GPUs, and torch sees {found}.",
            f"Give --gpus {found}, or let it see more of them (CUDA_VISIBLE_DEVICES).",
        )
    return tuple(f"cuda:{(own + number) % found}" for number in range(count))
