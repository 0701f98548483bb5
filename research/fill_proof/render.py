# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the processes that render clips, and keeps each in one file: SEED_CLIP.npz with ``rgb`` (T, H, W, 3) uint8,
``z`` (T, H, W) float16 (metres along the axis; 0 = sky) and ``fov`` (radians)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from research.small_depth.driver import mark_done, render_all, take_frame
from tools.scenes.make_groundtruth import run_job

#: Beyond this many metres there is sky.
FARTHEST = 1000.0
#: A clip shows nothing where it is darker than this grey level, or where more than TOO_MUCH is nearer than NEAR metres.
DARKEST, NEAR, TOO_MUCH = 6.0, 0.12, 0.02


def _frame(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    picture, channels = take_frame(path)
    z = channels["Depth.Z"]
    return picture, np.where(z < FARTHEST, z, 0).astype(np.float16)


def _keep(frames: list[Path], path: Path, fov: float) -> None:
    """Store a clip, if it shows something."""
    rgb, z = (np.stack(parts) for parts in zip(*map(_frame, frames), strict=True))
    if rgb.mean() >= DARKEST and ((z > 0) & (z < NEAR)).mean() <= TOO_MUCH:
        np.savez_compressed(path.with_suffix(".part.npz"), rgb=rgb, z=z, fov=np.float32(fov))
        path.with_suffix(".part.npz").replace(path)


def clips_in(folder: Path) -> list[Path]:
    """Whole clips."""
    return sorted(path for path in folder.glob("*_?.npz") if ".part" not in path.name)


def render(out: Path, scenes: int, first: int, workers: int, shape: dict[str, float]) -> None:
    """Render what is not there yet; an interrupted run goes on where it was.

    Args:
        shape: ``clips`` of each scene, ``frames`` of each, their ``size`` in pixels, ``samples`` a pixel, ``reach`` of
            the camera (``moving.run``).
    """

    def process(python: Path, seeds: list[int]) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            job = {"folder": scratch, "seeds": seeds, "threads": 1, **shape}
            for line in run_job(python, "research.fill_proof.moving", job, "clips could not be rendered."):
                if line.startswith("done "):
                    seed, clip, fov = line.split()[1:]
                    name = f"{int(seed):06d}_{clip}"
                    _keep(sorted(Path(scratch).glob(f"{name}_*.exr")), out / f"{name}.npz", float(fov))
                    if int(clip) == shape["clips"] - 1:
                        mark_done(out, int(seed), shape)

    render_all(out, range(first, first + scenes), workers, process, lambda: f"{len(clips_in(out))} clips")
