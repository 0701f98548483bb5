# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the processes that render, and keeps what they make: per frame SEED_VIEW.jpg, SEED_VIEW.z.png (16 bit, log
z-depth, 0 = sky) and SEED_VIEW.id.png (object ids), and SEED.json when a seed is through."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

from depth_training.codes import FARTHEST, encode_z
from make_groundtruth import blender_python, run_job

#: Seeds below are those of ``make_groundtruth.py``; held-out frames have the seeds from ``HELD_OUT`` on.
FIRST, HELD_OUT = 1000, 900_000
#: A frame is no picture where this share of it is nearer than that many metres, ...
TOO_NEAR, TOO_MUCH = 0.12, 0.02
#: ... where its far end is not this much farther than its near end, or where it is darker than this grey level.
FLATTEST, DARKEST = 1.15, 6.0


def _keep(exr: Path, out: Path) -> bool:
    """Store a frame in small files; whether it is a picture of something."""
    with OpenEXR.File(str(exr), separate_channels=True) as file:
        channels = {k.removeprefix("ViewLayer."): v.pixels for part in file.parts for k, v in part.channels.items()}
        linear = np.clip(np.stack([channels[f"Combined.{c}"] for c in "BGR"], -1), 0, 1)
        z, ids = channels["Depth.Z"].copy(), np.rint(channels["IndexOB.X"]).astype(np.uint8)
    exr.unlink()
    coded = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    picture = np.rint(255 * coded).astype(np.uint8)
    z = np.where(z < FARTHEST, z, np.inf)
    near, far = np.percentile(np.minimum(z, 50.0), [2, 98])
    if (z < TOO_NEAR).mean() > TOO_MUCH or far / near < FLATTEST or picture.mean() < DARKEST:
        return False
    name = exr.stem
    cv2.imwrite(str(out / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(str(out / f"{name}.z.png"), encode_z(z))
    cv2.imwrite(str(out / f"{name}.id.png"), ids)
    return True


def _process(python: Path, out: Path, seeds: list[int], views: int, size: int, samples: int, threads: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        job = {"folder": scratch, "seeds": seeds, "views": views, "size": size, "samples": samples, "threads": threads}
        kept: dict[int, list[int]] = {}
        for line in run_job(python, "depth_training.frames", job, "frames could not be rendered."):
            if line.startswith("done "):
                seed, view, path = line.split()[1:]
                views_kept = kept.setdefault(int(seed), [])
                if _keep(Path(path), out):
                    views_kept.append(int(view))
                if int(view) == views - 1:
                    (out / f"{int(seed):06d}.json").write_text(json.dumps({"views": views_kept}), encoding="utf-8")


def render(out: Path, scenes: int, first: int, views: int, size: int, samples: int, workers: int) -> None:
    """Render what is not there yet; an interrupted run goes on where it was."""
    out.mkdir(parents=True, exist_ok=True)
    seeds = [seed for seed in range(first, first + scenes) if not (out / f"{seed:06d}.json").exists()]
    python = blender_python()
    # In short runs, so that a process that Blender kills costs little, and memory does not grow.
    chunks = [seeds[i : i + 12] for i in range(0, len(seeds), 12)]
    with ThreadPoolExecutor(workers) as pool:
        jobs = [pool.submit(_process, python, out, chunk, views, size, samples, 1) for chunk in chunks]
        for done, job in enumerate(jobs, 1):
            job.result()
            print(
                f"{min(12 * done, len(seeds))} of {len(seeds)} scenes, {len(list(out.glob('*.jpg')))} frames",
                flush=True,
            )
