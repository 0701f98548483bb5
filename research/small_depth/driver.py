# SPDX-License-Identifier: GPL-3.0-or-later
"""What rendering frames and rendering clips to learn from share: reading a frame, and driving the processes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from tools.scenes.make_groundtruth import blender_python

#: Scenes that one process renders: short runs, so that a process that Blender kills costs little, and memory does not
#: grow.
CHUNK = 12


def take_frame(exr: Path) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """The picture (H, W, 3) RGB, 8 bits sRGB, of a multi-layer EXR that Blender rendered, and all its channels by name;
    the file is removed."""
    with OpenEXR.File(str(exr), separate_channels=True) as file:
        channels = {
            k.removeprefix("ViewLayer."): v.pixels.copy() for part in file.parts for k, v in part.channels.items()
        }
    exr.unlink()
    linear = np.clip(np.stack([channels[f"Combined.{c}"] for c in "RGB"], -1), 0, 1)
    coded = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded).astype(np.uint8), channels


def mark_done(out: Path, seed: int, record: dict[str, Any]) -> None:
    """A scene is through."""
    (out / f"{seed:06d}.json").write_text(json.dumps(record), encoding="utf-8")


def cpu_shares(workers: int, cpus: Sequence[int]) -> list[set[int]]:
    """The processors of each worker: all of them, each once where there are enough."""
    return [set(cpus[i::workers]) or {cpus[i % len(cpus)]} for i in range(workers)]


def render_all(
    out: Path,
    seeds: range,
    workers: int,
    process: Callable[[Path, list[int]], None],
    found: Callable[[], str],
) -> None:
    """Render the scenes that are not marked in ``out`` yet; an interrupted run goes on where it was.

    Args:
        process: renders some seeds with a Python that has bpy.
        found: says what there is already.
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = [seed for seed in seeds if not (out / f"{seed:06d}.json").exists()]
    python = blender_python()
    chunks = [wanted[i : i + CHUNK] for i in range(0, len(wanted), CHUNK)]
    shares: SimpleQueue[set[int]] = SimpleQueue()
    if hasattr(os, "sched_setaffinity"):
        for share in cpu_shares(workers, sorted(os.sched_getaffinity(0))):
            shares.put(share)

    def take_share() -> None:
        # A process has the processors of the thread that starts it. Blender's denoiser, whatever it is told, takes a
        # thread for each that it may use: 56 processes on 64 processors came nearly to a stand.
        if not shares.empty():
            os.sched_setaffinity(0, shares.get())

    with ThreadPoolExecutor(workers, initializer=take_share) as pool:
        jobs = [pool.submit(process, python, chunk) for chunk in chunks]
        for done, job in enumerate(jobs, 1):
            job.result()
            print(f"{min(CHUNK * done, len(wanted))} of {len(wanted)} scenes, {found()}", flush=True)
