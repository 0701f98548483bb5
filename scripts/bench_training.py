# SPDX-License-Identifier: Apache-2.0
"""Step time and peak memory of adapter training at the released size, with random weights made on the GPU.

    python scripts/bench_training.py [--steps 6] [--layers 40] [--size 512x512] [--frames 49] [--batch 1]
                                     [--keep-activations] [--eight-bit] [--toy]

First checks that the loss is finite, that gradients are where they should be and nowhere else, and that a step changes
the adapter; then times steps. --toy runs a few small blocks on any device, to try the script.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from ex4d.commands.options import parse_size
from ex4d.diffusion.device import pick_device
from ex4d.diffusion.quirks import FRAMES_PER_LATENT, TEXT_LENGTH
from ex4d.training.estimate import estimate
from ex4d.training.flow import LEVELS, TrainingSchedule
from ex4d.training.model import (
    RELEASED_TRANSFORMER,
    AdaptedTransformer,
    Batch,
    adapt,
    keep_activations_low,
    parameter_counts,
)
from ex4d.training.optimizers import create_optimizer
from ex4d.training.settings import TrainingSettings

GIB = 2**30
TOY = {"num_attention_heads": 4, "attention_head_dim": 24, "ffn_dim": 128, "text_dim": 32, "image_dim": 32}


def make_model(config: dict[str, Any], settings: TrainingSettings, device: torch.device) -> AdaptedTransformer:
    """Random weights, each made on the device in its final dtype: the CPU's memory need not hold the model."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    former = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            transformer = WanTransformer3DModel(**config)
    finally:
        torch.set_default_dtype(former)
    for name, module in transformer.named_modules():
        # What diffusers keeps in float32 when it loads.
        if any(part in name.split(".") for part in transformer._keep_in_fp32_modules or ()):
            module.float()
    transformer.scale_shift_table.data = transformer.scale_shift_table.data.float()
    with torch.device(device):
        model = adapt(transformer, settings)
    keep_activations_low(model)
    return model.to(device).train()


def make_batch(config: dict[str, Any], size: tuple[int, int], frames: int, batch: int, device: torch.device) -> Batch:
    """Random clips."""
    latent = ((frames - 1) // FRAMES_PER_LATENT + 1, size[1] // 8, size[0] // 8)
    channels = config["out_channels"]

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(batch, *shape, device=device)

    return Batch(
        clips=random(channels, *latent),
        color=random(channels, *latent),
        mask=random(channels, *latent),
        condition=random(channels + FRAMES_PER_LATENT, *latent),
        prompt=random(TEXT_LENGTH, config["text_dim"]),
        image=random(257, config["image_dim"]),
    )


def autocast(device: torch.device) -> AbstractContextManager[Any]:
    """As the trainer: bf16 on GPUs, nothing on the CPU."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def check(model: AdaptedTransformer) -> None:
    """After a backward pass: gradients are finite and where they should be."""
    trained = dict(model.trainable())
    for name, parameter in model.named_parameters():
        if name in trained:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
        else:
            assert parameter.grad is None, name
    assert model.geometry.latent_patch_embedding.weight.grad.abs().max() > 0
    print(f"correct: gradients of {len(trained)} tensors, none of the frozen ones", flush=True)


class Steps:
    """A model with its optimizer, that trains on one batch."""

    def __init__(self, model: AdaptedTransformer, batch: Batch, settings: TrainingSettings) -> None:
        self._model, self._batch = model, batch
        self._optimizer = create_optimizer([parameter for _, parameter in model.trainable()], settings)
        self._schedule = TrainingSchedule(settings.shift)
        self._before = model.geometry.latent_patch_embedding.weight.detach().clone()

    def run(self, index: int) -> float:
        """One step; its loss."""
        batch, schedule = self._batch, self._schedule
        device = batch.clips.device
        levels = torch.full((len(batch.clips),), (index * 331 + 500) % LEVELS)
        noisy, velocity = schedule.mix(batch.clips, torch.randn_like(batch.clips), levels)
        with autocast(device):
            predicted = self._model.predict(noisy, schedule.timesteps[levels].to(device), batch)
        loss = schedule.loss(predicted, velocity, levels)
        loss.backward()
        if index == 0:
            check(self._model)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.detach())

    def check_trained(self) -> None:
        """The adapter has changed."""
        assert not torch.equal(self._before, self._model.geometry.latent_patch_embedding.weight)


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--layers", type=int, default=RELEASED_TRANSFORMER["num_layers"])
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--frames", type=int, default=49)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--keep-activations", action="store_true")
    parser.add_argument("--eight-bit", action="store_true")
    parser.add_argument("--toy", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Measure; returns the exit code."""
    args = arguments()
    device, size = pick_device(), parse_size(args.size)
    if device.type != "cuda" and not args.toy:
        print(
            "error: no CUDA device is found.\n       Run this on a machine with an NVIDIA GPU, or try it with --toy.",
            file=sys.stderr,
        )
        return 20
    config = {**RELEASED_TRANSFORMER, "num_layers": args.layers}
    if args.toy:
        config |= {**TOY, "num_layers": min(2, args.layers), "added_kv_proj_dim": 96}
    settings = TrainingSettings(
        batch=args.batch, eight_bit=args.eight_bit, checkpointing=not args.keep_activations, warmup=0
    )
    started = time.perf_counter()
    model = make_model(config, settings, device)
    counts = parameter_counts(model)
    print(f"{json.dumps(counts)}, made in {time.perf_counter() - started:.1f} s", flush=True)
    steps = Steps(model, make_batch(config, size, args.frames, args.batch, device), settings)
    seconds = []
    for index in range(args.steps):
        started = time.perf_counter()
        loss = steps.run(index)
        seconds.append(time.perf_counter() - started)
        assert loss < float("inf")
        print(f"step {index}: {seconds[-1]:.3f} s, loss {loss:.4f}", flush=True)
    steps.check_trained()
    cuda = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) / GIB if cuda else 0.0
    del model, steps
    if cuda:
        torch.cuda.empty_cache()
    guess = estimate(argparse.Namespace(**config), counts, size, args.frames, settings, device)
    # The first step makes the optimizer's state and picks kernels.
    rest = sorted(seconds[1:] or seconds)
    row = {
        "device": torch.cuda.get_device_name(device) if cuda else "CPU",
        "torch": torch.__version__,
        "clips": f"{args.batch}x{args.frames}x{args.size}",
        "layers": config["num_layers"],
        "checkpointing": settings.checkpointing,
        "seconds_per_step": round(rest[len(rest) // 2], 3),
        "peak_gib": round(peak, 2),
        "estimated_gib": round(guess.memory, 2),
        "estimated_seconds_at_least": round(guess.seconds, 3),
    }
    print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
