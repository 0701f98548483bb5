# SPDX-License-Identifier: Apache-2.0
"""Which workers a backend has, and on which GPU each of them is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.system.devices import DEVICE_VARIABLE, GPUS_VARIABLE
from ex4d.system.machine import Gpu, gpus

#: Workers without GPUs of their own: more would only be in each other's way.
MAX_WORKERS = 64


@dataclass(frozen=True)
class WorkerPlace:
    """Where a worker is.

    Attributes:
        number: that people call it by; None = the backend has but one.
        gpu: its own, None = it takes what it finds.
    """

    number: int | None = None
    gpu: Gpu | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What its process is told of it."""
        if self.gpu is None:
            return {}
        number = str(self.gpu.number)
        # Numbers are those that nvidia-smi gives: CUDA's own order begins with the fastest.
        return {DEVICE_VARIABLE: f"cuda:{number}", GPUS_VARIABLE: number, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def cpu_places(count: int) -> tuple[WorkerPlace, ...]:
    """So many workers that share what the machine has. Raises UsageError for a number that cannot be."""
    if not 1 <= count <= MAX_WORKERS:
        raise UsageError(f"A backend cannot have {count} workers.", f"Give 1 to {MAX_WORKERS} with --workers.")
    return (WorkerPlace(),) if count == 1 else tuple(WorkerPlace(number) for number in range(count))


def gpu_places(asked: str) -> tuple[WorkerPlace, ...]:
    """One worker for each GPU.

    Args:
        asked: "all", how many ("2": the first two), or their numbers ("0,2"; "1," is the second one alone).

    Raises:
        UsageError: it is none of these.
        ResourceError: this machine has no such GPUs.
    """
    text = asked.strip().lower()
    if text != "all" and not re.fullmatch(r"[1-9][0-9]{0,2}|([0-9]{1,3},)+([0-9]{1,3})?", text):
        raise UsageError(
            f"«{asked[:40]}» names no GPUs.", "Give --gpus all, how many (--gpus 2), or their numbers (--gpus 0,2)."
        )
    found = gpus()
    if not found:
        raise ResourceError(
            "--gpus gives each GPU a worker, and this machine shows no NVIDIA GPU.",
            "Leave --gpus out, or install its driver; `ex4d doctor` tells more. --workers takes no GPU.",
        )
    if text == "all":
        chosen = list(range(len(found)))
    elif "," in text:
        chosen = list(dict.fromkeys(int(number) for number in text.split(",") if number))
    else:
        chosen = list(range(int(text)))
    if missing := [number for number in chosen if number >= len(found)]:
        last = "only GPU 0 is there" if len(found) == 1 else f"there are 0 to {len(found) - 1}"
        raise ResourceError(f"There is no GPU {missing[0]}: {last}.", "Give --gpus all, or fewer.")
    if len(chosen) == 1:
        return (WorkerPlace(gpu=found[chosen[0]]),)
    return tuple(WorkerPlace(number, found[gpu]) for number, gpu in enumerate(chosen))
