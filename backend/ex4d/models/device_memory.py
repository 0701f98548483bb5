# SPDX-License-Identifier: Apache-2.0
"""How much memory devices have, and giving it back."""

from __future__ import annotations

import gc

import psutil
import torch


def free_gib(device: torch.device) -> float:
    """Memory that this process could use on a device, what it holds already included."""
    if device.type != "cuda":
        return free_ram_gib()
    free, _ = torch.cuda.mem_get_info(device)
    return (free + torch.cuda.memory_reserved(device)) / 2**30


def free_ram_gib() -> float:
    """Main memory that the system would give, its cache of files included, which reading a model fills."""
    return float(psutil.virtual_memory().available) / 2**30


def held_gib(device: torch.device) -> float:
    """What this process's tensors take on a GPU."""
    return torch.cuda.memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0


def device_name(device: torch.device) -> str:
    """Of a GPU, with what is free of it, for people."""
    return f"{torch.cuda.get_device_name(device)}, {free_gib(device):.0f} GiB free"


def collect(device: torch.device) -> None:
    """Give back what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        # Page-locked memory, which reading and parked weights leave behind; torch would keep it for ever. The call has
        # no public name in all versions that are supported.
        if (release := getattr(torch._C, "_host_emptyCache", None)) is not None:
            release()
