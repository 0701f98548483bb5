#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time and memory of the model at full size on this machine's GPU, with random weights: scripts/bench_gpu.py

    scripts/bench_gpu.py profiles               a whole job with each profile, against the profile exact
    scripts/bench_gpu.py memory --limits 24 16  a whole job within so many GiB of GPU memory
    scripts/bench_gpu.py vae                    the VAE, plain and fast, against float32

Weights are made on the GPU, so nothing needs to be downloaded; speed and memory do not depend on their values. PSNR of
random weights says how far a profile's arithmetic is from that of exact, not how a picture looks.
Prints tables in Markdown for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from ex4d.diffusion import host as host_module
from ex4d.diffusion.attention import fastest_kernel
from ex4d.diffusion.clip import Clip
from ex4d.diffusion.fp8 import Fp8Linear, use_fp8
from ex4d.diffusion.geometry import GeometryEncoder
from ex4d.diffusion.host import ModelHost, Request
from ex4d.diffusion.pipeline import EX4DPipeline
from ex4d.diffusion.profiles import PROFILES, Fit, fits
from ex4d.diffusion.vae import use_fast_vae
from ex4d.progress import Silent

DEVICE = torch.device("cuda")
SIZE, FRAMES = 512, 49
PARAMETERS = 16.4e9
TRANSFORMER = {
    "num_attention_heads": 40,
    "attention_head_dim": 128,
    "in_channels": 36,
    "out_channels": 16,
    "text_dim": 4096,
    "ffn_dim": 13824,
    "num_layers": 40,
    "image_dim": 1280,
    "added_kv_proj_dim": 5120,
}
IMAGE = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "hidden_act": "gelu",
}


def fill_randomly(model: nn.Module, store: Callable[[str], torch.device], dtype: torch.dtype) -> Any:
    """Weights whose products keep their size, made on the GPU one by one."""
    generator = torch.Generator(DEVICE).manual_seed(0)
    for name, parameter in list(model.named_parameters()):
        module, _, last = name.rpartition(".")
        owner = model.get_submodule(module)
        if isinstance(owner, Fp8Linear) and last == "scale":
            continue
        value = torch.empty(parameter.shape, device=DEVICE, dtype=dtype)
        if value.ndim >= 2 and "table" not in name:
            value.normal_(0, value[0].numel() ** -0.5, generator=generator)
        else:
            value.normal_(0, 0.02, generator=generator)
        if ("norm" in name or "gamma" in name) and last in ("weight", "gamma"):
            value = value * 0.1 + 1
        if isinstance(owner, Fp8Linear) and last == "weight":
            owner.put(value, store(name))
        else:
            setattr(owner, last, nn.Parameter(value.to(store(name)), requires_grad=False))
    for name, buffer in list(model.named_buffers()):
        module, _, last = name.rpartition(".")
        model.get_submodule(module)._buffers[last] = buffer.to(DEVICE)
    return model.eval()


def random_component(
    role: str, _part: Any, dtype: torch.dtype, _device: Any, _loras: Any = (), layout: Any = None
) -> Any:
    """Stands in for ``load_component``."""
    with init_empty_weights(include_buffers=False):
        match role:
            case "transformer":
                model: Any = WanTransformer3DModel(**TRANSFORMER)
            case "vae":
                model = AutoencoderKLWan()
            case _:
                model = CLIPVisionModel(CLIPVisionConfig(**IMAGE))
    if layout is not None and layout.fp8:
        use_fp8(model, multiply=layout.multiply)
    store = layout.store if layout is not None and layout.store is not None else lambda _name: DEVICE
    return fill_randomly(model, store, dtype)


def random_adapter(_models: Any, dtype: torch.dtype, device: Any) -> Any:
    """Stands in for ``load_adapter``; the LoRA is in the weights already."""
    return None, fill_randomly(GeometryEncoder(), lambda _name: torch.device(device), dtype)


class Counted:
    """Counts the transformer's forwards."""

    forwards = 0

    @classmethod
    def install(cls) -> None:
        """Count from now on."""
        plain = EX4DPipeline.predict_velocity

        def counting(*given: Any) -> torch.Tensor:
            cls.forwards += 1
            return plain(*given)

        EX4DPipeline.predict_velocity = counting  # type: ignore[method-assign]


class RandomHost(ModelHost):
    """A host whose files are random weights."""

    fit: Fit | None = None

    def _find(self, _places: Any) -> Any:
        self._models = ("random", _Files())  # type: ignore[assignment]
        return self._models[1]  # type: ignore[index]

    def _choose(self, *arguments: Any) -> Fit:
        return self.fit or super()._choose(*arguments)

    def _embed_prompts(self, _models: Any, prompts: Any, _device: Any) -> Any:
        generator = torch.Generator().manual_seed(1)
        return [torch.randn((1, 40, 4096), generator=generator) * 0.3 for _ in prompts], []


class _Files:
    def part(self, _role: str) -> None:
        """Nothing is read."""


def stand_in() -> None:
    """Let the host make random weights instead of reading files."""
    host_module.load_component = random_component
    host_module.load_adapter = random_adapter
    host_module.check_fit = lambda *_: None
    host_module.transformer_parameters = lambda _models: PARAMETERS


def make_clip() -> Clip:
    """Moving stripes with a hole that opens."""
    x = np.arange(SIZE, dtype=np.float32)
    stripes = 0.5 + 0.5 * np.sin((x[None] + 3 * np.arange(FRAMES, dtype=np.float32)[:, None]) / 17)
    color = np.broadcast_to(stripes[:, None, :, None], (FRAMES, SIZE, SIZE, 3)).copy()
    visible = np.ones((FRAMES, SIZE, SIZE), np.bool_)
    for frame in range(FRAMES):
        visible[frame, :, SIZE - 5 * frame :] = False
    color[~visible] = 0
    return Clip(color, visible, visible, tuple(range(FRAMES)), 0, 255, ())


class Stages(Silent):
    """Seconds of each stage, and of the steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.steps: list[float] = []
        self._stage, self._since = "", 0.0

    def _close(self) -> None:
        torch.cuda.synchronize()
        if self._stage:
            self.seconds[self._stage] = time.monotonic() - self._since

    def begin(self, stage: str, of: int | None) -> None:
        """See ``Progress``."""
        self._close()
        self._stage, self._since = stage, time.monotonic()

    def advance(self) -> None:
        """See ``Progress``."""
        if self._stage == "denoise":
            self.steps.append(time.monotonic())

    def end(self, *, cached: bool = False) -> None:
        """See ``Progress``."""
        self._close()
        self._stage = ""


@contextmanager
def memory_limit(gib: float | None) -> Any:
    """Let torch have only so much of the GPU's memory."""
    total = torch.cuda.get_device_properties(DEVICE).total_memory / 2**30
    torch.cuda.set_per_process_memory_fraction(min(1.0, (gib or total) / total))
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def job(host: RandomHost, profile: str) -> tuple[np.ndarray[Any, Any], Stages, float, float]:
    """Pictures, stages, seconds and peak GiB of one whole job."""
    stages = Stages()
    torch.cuda.reset_peak_memory_stats()
    started = time.monotonic()
    request = Request((Path(),), PROFILES[profile], "", "", 0)
    pictures, _ = host.run(request, make_clip(), stages)
    made = np.stack([(picture * 255 + 0.5).astype(np.uint8) for picture in pictures])
    stages.end()
    return made, stages, time.monotonic() - started, torch.cuda.max_memory_allocated() / 2**30


def psnr(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Decibels, of 8-bit pictures."""
    error = float(np.mean((one.astype(np.float32) - other.astype(np.float32)) ** 2))
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def cells(*values: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(str(value) for value in values) + " |", flush=True)


def bench_profiles(names: list[str]) -> None:
    """Each profile, cold and warm."""
    cells(
        "profile",
        "first job, s",
        "warm job, s",
        "forwards",
        "ms a forward",
        "encode",
        "decode",
        "peak GiB",
        "PSNR to exact, dB",
    )
    cells(*["---"] * 9)
    reference = None
    for name in names:
        host = RandomHost()
        _, _, cold, _ = job(host, name)
        Counted.forwards = 0
        made, stages, warm, peak = job(host, name)
        reference = made if reference is None else reference
        forwards = Counted.forwards
        cells(
            name,
            f"{cold:.1f}",
            f"{warm:.1f}",
            forwards,
            f"{1000 * stages.seconds['denoise'] / forwards:.0f}",
            f"{stages.seconds['encode']:.2f}",
            f"{stages.seconds['decode']:.2f}",
            f"{peak:.1f}",
            f"{psnr(made, reference):.1f}",
        )
        host.unload()


def bench_memory(limits: list[float], profile_name: str) -> None:
    """Whole jobs within a limited memory, with the layout that would be chosen."""
    cells("GPU memory", "layout", "weights", "first job, s", "ms a forward", "peak GiB")
    cells(*["---"] * 6)
    profile = PROFILES[profile_name]
    for limit in limits:
        # What a card of that size has left beside the driver and the desktop.
        usable = limit - 0.8
        tokens = (SIZE // 16) ** 2 * ((FRAMES - 1) // 4 + 1)
        fit = next((fit for fit in fits(profile, tokens, SIZE * SIZE / 1e6, PARAMETERS) if fit.gib <= usable), None)
        if fit is None:
            cells(f"{limit:.0f} GB", "none fits", "", "", "", "")
            continue
        host = RandomHost()
        host.fit = fit
        with memory_limit(usable):
            try:
                _, stages, seconds, peak = job(host, profile_name)
            except Exception as error:  # noqa: BLE001  the table says so
                cells(f"{limit:.0f} GB", fit.name, "", f"failed: {' '.join(str(error).split())[:120]}", "", "")
            else:
                # The first step compiles kernels.
                forward = 500 * float(np.median(np.diff(stages.steps)))
                cells(
                    f"{limit:.0f} GB",
                    fit.name,
                    "8 bits" if fit.fp8 else "16 bits",
                    f"{seconds:.1f}",
                    f"{forward:.0f}",
                    f"{peak:.1f}",
                )
        host.unload()
        gc.collect()
        torch.cuda.empty_cache()


def milliseconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Mean time of work on the GPU."""
    torch.cuda.synchronize()
    started = time.monotonic()
    for _ in range(repeats):
        work()
    torch.cuda.synchronize()
    return 1000 * (time.monotonic() - started) / repeats


@torch.no_grad()
def bench_vae() -> None:
    """Encode and decode of one clip."""
    generator = torch.Generator(DEVICE).manual_seed(2)
    video = torch.rand((1, 3, FRAMES, SIZE, SIZE), device=DEVICE, generator=generator) * 2 - 1
    video = nn.functional.interpolate(
        video[:, :, :, ::16, ::16].contiguous(), size=(FRAMES, SIZE, SIZE), mode="trilinear"
    )
    latents, reference = None, {}
    cells("VAE", "encode, ms", "decode, ms", "peak GiB", "error of latents", "of pictures")
    cells(*["---"] * 6)
    for name in ("float32", "bfloat16", "bfloat16, fast"):
        vae = random_component("vae", None, torch.float32, DEVICE)
        vae = vae.to(torch.float32 if name == "float32" else torch.bfloat16)
        if name.endswith("fast"):
            use_fast_vae(vae)
        source = video.to(vae.dtype)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        encoded = vae.encode(source).latent_dist.mode()
        latents = encoded.float() if latents is None else latents
        decoded = vae.decode(latents.to(vae.dtype)).sample.float()
        if not reference:
            reference = {"latents": encoded.float(), "pictures": decoded}
        latents_here = latents.to(vae.dtype)
        times = [
            milliseconds(lambda vae=vae, source=source: vae.encode(source)),
            milliseconds(lambda vae=vae, latents_here=latents_here: vae.decode(latents_here)),
        ]
        errors = [
            f"{float((found - reference[key]).norm() / reference[key].norm()):.1e}"
            for key, found in (("latents", encoded.float()), ("pictures", decoded))
        ]
        cells(name, *(f"{each:.0f}" for each in times), f"{torch.cuda.max_memory_allocated() / 2**30:.1f}", *errors)


def main() -> int:
    """Run the script; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["profiles", "memory", "vae"])
    parser.add_argument("--profiles", nargs="+", default=["exact", "fast", "turbo", "draft"], choices=list(PROFILES))
    parser.add_argument("--limits", nargs="+", type=float, default=[24.0, 16.0, 12.0], help="GiB of a card")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("error: no CUDA device is found.\n       Run this on a machine with an NVIDIA GPU.", file=sys.stderr)
        return 20
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}\n", flush=True)
    stand_in()
    Counted.install()
    with fastest_kernel():
        match args.what:
            case "profiles":
                bench_profiles(args.profiles)
            case "memory":
                bench_memory(args.limits, args.profiles[-1])
            case _:
                bench_vae()
    return 0


if __name__ == "__main__":
    sys.exit(main())
