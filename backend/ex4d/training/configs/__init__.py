# SPDX-License-Identifier: Apache-2.0
"""Configuration files of accelerate for `accelerate launch --config_file FILE -m ex4d train …`.

    one_gpu.yaml       one GPU
    several_gpus.yaml  a copy of the frozen model on each GPU; gradients of the adapter are averaged
    zero2.yaml         FSDP2 that shards gradients and optimizer and gathers the weights once a step (ZeRO stage 2)
    zero3.yaml         FSDP2 that shards the frozen weights, too, and gathers them block by block (ZeRO stage 3)

Where all is on one machine, set num_processes to the number of its GPUs.
"""

from __future__ import annotations

from pathlib import Path


def paths() -> list[Path]:
    """All files."""
    return sorted(Path(__file__).parent.glob("*.yaml"))
