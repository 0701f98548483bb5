# SPDX-License-Identifier: Apache-2.0
"""Step time and peak memory of adapter training at the released size, with random weights made on the GPU.

    python -m benchmarks.bench_training [--steps 6] [--layers 40] [--size 512x512] [--frames 49] [--batch 1]
                                          [--keep-activations] [--eight-bit] [--toy]
    accelerate launch --config_file backend/ex4d/training/configs/zero3.yaml --num_processes 2 \
        -m benchmarks.bench_training

First checks that the loss is finite and that gradients are where they should be and nowhere else; then times steps;
then checks that they changed the adapter, and that what a checkpoint holds comes together from all GPUs. --toy runs a
few small blocks on any device, to try the script. On several GPUs each makes the whole model, 33 GB, and keeps its part
of it: the peak of that is told apart from the peak of the steps.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object
from diffusers import WanTransformer3DModel
from torch.distributed.tensor import DTensor

from ex4d.models.torch_device import pick_device
from ex4d.models.wan.sizes import FRAMES_PER_LATENT, TEXT_LENGTH
from ex4d.protocol.values import parse_size
from ex4d.training.estimate import estimate
from ex4d.training.flow import LEVELS, TrainingSchedule
from ex4d.training.loop import create_accelerator, training_dtype
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
from ex4d.training.sharding import load_optimizer_state, optimizer_state, whole

GIB = 2**30
TOY = {"num_attention_heads": 4, "attention_head_dim": 24, "ffn_dim": 128, "text_dim": 32, "image_dim": 32}


def make_model(
    config: dict[str, Any], settings: TrainingSettings, device: torch.device, dtype: torch.dtype
) -> AdaptedTransformer:
    """Random weights, each made on the device in its final dtype: the CPU's memory need not hold the model."""
    # Devices that share one model make the same.
    torch.manual_seed(settings.seed)
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
    if dtype == torch.bfloat16:
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


def local(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor, or what this device has of one that is spread."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def check(model: AdaptedTransformer) -> int:
    """After a backward pass: gradients are finite and where they should be. Returns how many there are."""
    trained = dict(model.trainable())
    for name, parameter in model.named_parameters():
        if name in trained:
            assert parameter.grad is not None, name
            assert parameter.grad.shape == parameter.shape, name
            assert torch.isfinite(local(parameter.grad)).all(), name
        else:
            assert parameter.grad is None, name
    assert local(model.geometry.latent_patch_embedding.weight.grad).abs().max() > 0
    return len(trained)


def spreading(accelerator: Accelerator) -> str:
    """How the model lies on the devices."""
    if accelerator.distributed_type == DistributedType.FSDP:
        return "FSDP 2, " + ("zero3" if accelerator.state.fsdp_plugin.reshard_after_forward else "zero2")
    return "one device" if accelerator.num_processes == 1 else "copies"


class Steps:
    """A model with its optimizer, that trains on one batch as ``Trainer`` does."""

    def __init__(
        self, model: AdaptedTransformer, batch: Batch, settings: TrainingSettings, accelerator: Accelerator
    ) -> None:
        self._batch, self._settings, self._accelerator = batch, settings, accelerator
        optimizer = create_optimizer([parameter for _, parameter in model.trainable()], settings)
        self._model, self._optimizer = accelerator.prepare(model, optimizer)
        self._adapted: AdaptedTransformer = accelerator.unwrap_model(self._model)
        self._schedule = TrainingSchedule(settings.shift)
        self._before = local(self._adapted.geometry.latent_patch_embedding.weight).detach().clone()

    def run(self, index: int) -> float:
        """One step; its loss on this device."""
        batch, schedule, accelerator = self._batch, self._schedule, self._accelerator
        levels = torch.full((len(batch.clips),), (index * 331 + 500) % LEVELS)
        noisy, velocity = schedule.mix(batch.clips, torch.randn_like(batch.clips), levels)
        moment = schedule.timesteps[levels].to(batch.clips.device)
        with accelerator.autocast():
            predicted = self._model(noisy, moment, batch.condition, batch.color, batch.mask, batch.prompt, batch.image)
        loss = schedule.loss(predicted, velocity, levels)
        accelerator.backward(loss)
        if index == 0:
            checked = check(self._adapted)
            accelerator.print(f"correct: gradients of {checked} tensors, none of the frozen ones", flush=True)
        accelerator.clip_grad_norm_([parameter for _, parameter in self._adapted.trainable()], self._settings.clip_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return float(loss.detach())

    def check_trained(self) -> None:
        """The adapter has changed."""
        assert not torch.equal(self._before, local(self._adapted.geometry.latent_patch_embedding.weight))

    def check_saved(self, numbers: int) -> float:
        """What a checkpoint holds is put together from all devices, and spread again as when a run goes on.

        Args:
            numbers: in the whole adapter.

        Returns:
            Seconds until it was together.
        """
        started = time.perf_counter()
        adapter = whole(dict(self._adapted.trainable()))
        state = optimizer_state(self._optimizer.optimizer)
        seconds = time.perf_counter() - started
        assert sum(value.numel() for value in adapter.values()) == numbers
        assert all(torch.isfinite(value).all() for value in adapter.values())
        load_optimizer_state(self._optimizer.optimizer, state)
        again = optimizer_state(self._optimizer.optimizer)["state"]
        for index, values in state["state"].items():
            assert all(torch.equal(value, again[index][name]) for name, value in values.items()), index
        self._accelerator.print(
            f"correct: the adapter and its optimizer are put together in {seconds:.1f} s", flush=True
        )
        return seconds


class Peak:
    """The most memory that was in use on a GPU, in GiB; 0 on the CPU."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._counted = device, device.type == "cuda"

    def taken(self) -> float:
        """Since the last call, or the start."""
        if not self._counted:
            return 0.0
        peak = torch.cuda.max_memory_allocated(self._device) / GIB
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self._device)
        return round(peak, 2)


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
    cpu, size = pick_device().type != "cuda", parse_size(args.size)
    if cpu and not args.toy:
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
    dtype = training_dtype(cpu=cpu)
    accelerator = create_accelerator(settings, dtype, cpu=cpu)
    device, peak = accelerator.device, Peak(accelerator.device)
    started = time.perf_counter()
    model = make_model(config, settings, device, dtype)
    counts = parameter_counts(model)
    # Every device has clips of its own.
    torch.manual_seed(accelerator.process_index)
    steps = Steps(model, make_batch(config, size, args.frames, args.batch, device), settings, accelerator)
    del model
    making = peak.taken()
    accelerator.print(f"{json.dumps(counts)}, made in {time.perf_counter() - started:.1f} s", flush=True)
    seconds = []
    for index in range(args.steps):
        started = time.perf_counter()
        loss = steps.run(index)
        seconds.append(time.perf_counter() - started)
        assert loss < float("inf")
        accelerator.print(f"step {index}: {seconds[-1]:.3f} s, loss {loss:.4f}", flush=True)
    steps.check_trained()
    peaks, making_peaks = gather_object([peak.taken()]), gather_object([making])
    # The state of 8 bits is kept in bitsandbytes' own way, by one device alone.
    gathering = None if args.eight_bit else steps.check_saved(counts["lora"] + counts["geometry"])
    del steps
    accelerator.free_memory()
    if accelerator.is_main_process:
        guess = estimate(argparse.Namespace(**config), counts, size, args.frames, settings, device)
        # The first step makes the optimizer's state and picks kernels.
        rest = sorted(seconds[1:] or seconds)
        row = {
            "device": "CPU" if cpu else torch.cuda.get_device_name(device),
            "devices": accelerator.num_processes,
            "spreading": spreading(accelerator),
            "torch": torch.__version__,
            "clips": f"{args.batch}x{args.frames}x{args.size}",
            "layers": config["num_layers"],
            "checkpointing": settings.checkpointing,
            "seconds_per_step": round(rest[len(rest) // 2], 3),
            "clips_per_second": round(args.batch * accelerator.num_processes / rest[len(rest) // 2], 3),
            "seconds_to_gather": None if gathering is None else round(gathering, 2),
            "peak_gib": peaks,
            "peak_gib_making": making_peaks,
            "estimated_gib_one_device": round(guess.memory, 2),
            "estimated_seconds_at_least": round(guess.seconds, 3),
        }
        print(json.dumps(row), flush=True)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return 0


if __name__ == "__main__":
    sys.exit(main())
