# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives the processes that render, and keeps what they make: per frame SEED_VIEW.jpg, SEED_VIEW.z.png (16 bit, log
z-depth, 0 = sky) and SEED_VIEW.id.png (object ids), and SEED.json when a seed is through."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from research.small_depth.codes import FARTHEST, encode_z
from research.small_depth.driver import mark_done, render_all, take_frame
from tools.scenes.make_groundtruth import run_job

#: Seeds below are those of ``make_groundtruth.py``; held-out frames have the seeds from ``HELD_OUT`` on.
FIRST, HELD_OUT = 1000, 900_000
#: A frame is no picture where this share of it is nearer than that many metres, ...
TOO_NEAR, TOO_MUCH = 0.12, 0.02
#: ... where its far end is not this much farther than its near end, or where it is darker than this grey level.
FLATTEST, DARKEST = 1.15, 6.0


def _keep(exr: Path, out: Path) -> bool:
    """Store a frame in small files; whether it is a picture of something."""
    picture, channels = take_frame(exr)
    ids = np.rint(channels["IndexOB.X"]).astype(np.uint8)
    z = np.where(channels["Depth.Z"] < FARTHEST, channels["Depth.Z"], np.inf)
    near, far = np.percentile(np.minimum(z, 50.0), [2, 98])
    if (z < TOO_NEAR).mean() > TOO_MUCH or far / near < FLATTEST or picture.mean() < DARKEST:
        return False
    name = exr.stem
    cv2.imwrite(str(out / f"{name}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    cv2.imwrite(str(out / f"{name}.z.png"), encode_z(z))
    cv2.imwrite(str(out / f"{name}.id.png"), ids)
    return True


def render(
    out: Path, scenes: int, first: int, views: int, size: int, samples: int, workers: int, kinds: list[str]
) -> None:
    """Render what is not there yet; an interrupted run goes on where it was."""
    settings = {"views": views, "size": size, "samples": samples, "threads": 1, "kinds": kinds}

    def process(python: Path, seeds: list[int]) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            job = {"folder": scratch, "seeds": seeds, **settings}
            kept: dict[int, list[int]] = {}
            for line in run_job(python, "research.small_depth.frames", job, "frames could not be rendered."):
                if line.startswith("done "):
                    seed, view, path = line.split()[1:]
                    views_kept = kept.setdefault(int(seed), [])
                    if _keep(Path(path), out):
                        views_kept.append(int(view))
                    if int(view) == views - 1:
                        mark_done(out, int(seed), {"views": views_kept})

    render_all(out, range(first, first + scenes), workers, process, lambda: f"{len(list(out.glob('*.jpg')))} frames")
