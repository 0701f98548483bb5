# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the processes that render clips, and keeps each in one file: SEED_CLIP.npz with ``rgb`` (T, H, W, 3) uint8,
``z`` (T, H, W) float16 (metres along the axis; 0 = sky) and ``fov`` (radians)."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from make_groundtruth import blender_python, run_job

#: Beyond this many metres there is sky.
FARTHEST = 1000.0
#: A clip shows nothing where it is darker than this grey level, or where more than TOO_MUCH is nearer than NEAR metres.
DARKEST, NEAR, TOO_MUCH = 6.0, 0.12, 0.02


def _frame(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        channels = {k.removeprefix("ViewLayer."): v.pixels for part in file.parts for k, v in part.channels.items()}
        linear = np.clip(np.stack([channels[f"Combined.{c}"] for c in "RGB"], -1), 0, 1)
        z = channels["Depth.Z"].copy()
    path.unlink()
    coded = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded).astype(np.uint8), np.where(z < FARTHEST, z, 0).astype(np.float16)


def _process(python: Path, out: Path, seeds: list[int], shape: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        job = {"folder": scratch, "seeds": seeds, "threads": 1, **shape}
        for line in run_job(python, "fill_training.moving", job, "clips could not be rendered."):
            if not line.startswith("done "):
                continue
            seed, clip, fov = line.split()[1:]
            files = sorted(Path(scratch).glob(f"{int(seed):06d}_{clip}_*.exr"))
            rgb, z = (np.stack(parts) for parts in zip(*map(_frame, files), strict=True))
            if rgb.mean() >= DARKEST and ((z > 0) & (z < NEAR)).mean() <= TOO_MUCH:
                name = out / f"{int(seed):06d}_{clip}.npz"
                np.savez_compressed(name.with_suffix(".part.npz"), rgb=rgb, z=z, fov=np.float32(fov))
                name.with_suffix(".part.npz").replace(name)
            if int(clip) == shape["clips"] - 1:
                (out / f"{int(seed):06d}.json").write_text(json.dumps(shape), encoding="utf-8")


def render(out: Path, scenes: int, first: int, workers: int, shape: dict[str, int]) -> None:
    """Render what is not there yet; an interrupted run goes on where it was.

    Args:
        shape: ``clips`` of each scene, ``frames`` of each, their ``size`` in pixels, ``samples`` a pixel.
    """
    out.mkdir(parents=True, exist_ok=True)
    seeds = [seed for seed in range(first, first + scenes) if not (out / f"{seed:06d}.json").exists()]
    python = blender_python()
    chunks = [seeds[i : i + 12] for i in range(0, len(seeds), 12)]
    with ThreadPoolExecutor(workers) as pool:
        for done, job in enumerate([pool.submit(_process, python, out, chunk, shape) for chunk in chunks], 1):
            job.result()
            found = len(list(out.glob("*_?.npz")))
            print(f"{min(12 * done, len(seeds))} of {len(seeds)} scenes, {found} clips", flush=True)
