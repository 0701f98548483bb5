# SPDX-License-Identifier: Apache-2.0
"""Where models run."""

from __future__ import annotations

import os

import torch

from ex4d.protocol.errors import ResourceError, UsageError

#: "cuda", "cuda:1" or "cpu" instead of the first GPU.
DEVICE_VARIABLE = "EX4D_DEVICE"


def pick_device() -> torch.device:
    """The first GPU, or what ``EX4D_DEVICE`` names.

    Raises:
        UsageError: it names no device.
        ResourceError: it names one that this machine or this torch does not have.
    """
    named = os.environ.get(DEVICE_VARIABLE)
    if not named:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(named)
    except RuntimeError as error:
        raise UsageError(f"{DEVICE_VARIABLE} names no device: «{named}».", "Use cuda, cuda:1 or cpu.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ResourceError(
            f"{DEVICE_VARIABLE} is «{named}», and torch sees {torch.cuda.device_count()} CUDA devices.",
            f"Unset {DEVICE_VARIABLE}, or set it to cpu.",
        )
    return device
