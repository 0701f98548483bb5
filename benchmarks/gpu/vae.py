# SPDX-License-Identifier: Apache-2.0
"""The VAE alone: plain and fast, against float32."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from benchmarks.gpu.jobs import milliseconds, peak_gib, random_component
from benchmarks.gpu.sizes import Sizes
from benchmarks.gpu.tables import cells, head
from ex4d.models.torch_device import pick_device
from ex4d.models.wan.vae import use_fast_vae


@torch.no_grad()  # type: ignore[untyped-decorator,unused-ignore]
def bench_vae(sizes: Sizes) -> None:
    """Encode and decode of one clip."""
    device = pick_device()
    generator = torch.Generator(device).manual_seed(2)
    small = torch.rand((1, 3, sizes.frames, sizes.height // 16, sizes.width // 16), device=device, generator=generator)
    video = nn.functional.interpolate(small * 2 - 1, size=(sizes.frames, sizes.height, sizes.width), mode="trilinear")
    latents: torch.Tensor | None = None
    reference: dict[str, torch.Tensor] = {}
    head("VAE", "encode, ms", "decode, ms", "peak GiB", "error of latents", "of pictures")
    for name in ("float32", "bfloat16", "bfloat16, fast"):
        vae = random_component("vae", sizes, torch.float32)
        vae = vae.to(torch.float32 if name == "float32" else torch.bfloat16)
        if name.endswith("fast"):
            use_fast_vae(vae)
        source = video.to(vae.dtype)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        peak_gib()
        encoded = vae.encode(source).latent_dist.mode()
        latents = encoded.float() if latents is None else latents
        decoded = vae.decode(latents.to(vae.dtype)).sample.float()
        if not reference:
            reference = {"latents": encoded.float(), "pictures": decoded}
        times = [
            milliseconds(partial(vae.encode, source)),
            milliseconds(partial(vae.decode, latents.to(vae.dtype))),
        ]
        errors = [
            f"{float((found - reference[key]).norm() / reference[key].norm()):.1e}"
            for key, found in (("latents", encoded.float()), ("pictures", decoded))
        ]
        cells(name, *(f"{each:.0f}" for each in times), f"{peak_gib():.1f}", *errors)
