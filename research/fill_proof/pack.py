# SPDX-License-Identifier: Apache-2.0
"""All clips with their simulated masks in one file of some 25 KB a clip, to be carried to where the training runs; and
reading it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

#: Kinds of masks, and how many of each a clip gets.
KINDS, VARIANTS = ("rendering", "tracking"), 2
#: Of the tracking mask, and what is taken off edges: those of 512 pixels are larger.
KERNEL, EROSION = (3, 5), (1, 2)
_QUALITY = 70


@dataclass(frozen=True)
class Clips:
    """Clips to learn from.

    Attributes:
        rgb: (N, T, H, W, 3) uint8.
        masks: (N, kind, variant, T, H, W) bool, True = kept; None where they are not needed.
    """

    rgb: NDArray[np.uint8]
    masks: NDArray[np.bool_]


def clip_masks(path: Path) -> NDArray[np.bool_]:
    """Masks (kind, variant, T, H, W) of one rendered clip, from its true depth."""
    # Not needed where the training runs.
    from ex4d.camera import intrinsics_from_fov, static_trajectory
    from ex4d.raster import create_rasterizer
    from ex4d.training.masking import MaskingParameters, erode, simulate
    from ex4d.training.masking.trackers import FlowTracker

    with np.load(path) as file:
        rgb, z, fov = file["rgb"], file["z"].astype(np.float32), float(np.degrees(file["fov"]))
    depths = [np.where(each > 0, each, np.float32(np.inf)) for each in z]
    height, width = z.shape[1:]
    source = static_trajectory(intrinsics_from_fov(fov, width, height), width, height, len(z))
    rasterizer, _ = create_rasterizer()
    made = []
    for kind in KINDS:
        parameters = MaskingParameters(policy=kind, kernel=KERNEL, erosion=EROSION)
        for seed in range(VARIANTS):
            masks, _ = simulate(path.stem, seed, rgb, depths, source, rasterizer, FlowTracker(), parameters)
            made.append(erode(masks, path.stem, seed, parameters) > 0)
    rasterizer.close()
    return np.stack(made).reshape(len(KINDS), VARIANTS, *z.shape)


def _packed(path: Path) -> tuple[bytes, NDArray[np.uint8]]:
    cv2.setNumThreads(1)
    with np.load(path) as file:
        tall = file["rgb"].reshape(-1, file["rgb"].shape[2], 3)
    return bytes(cv2.imencode(".webp", tall[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])[1]), np.packbits(
        clip_masks(path)
    )


def pack(folders: Sequence[Path], out: Path, workers: int = 2) -> int:
    """Write all clips of ``prove_training.py clips`` into ``out``, those of all folders in turn, so that its end is
    like the rest; returns how many there are."""
    # Reading EXR files is not needed where the training runs.
    from research.fill_proof.render import clips_in

    found = [clips_in(folder) for folder in folders]
    paths = [path for _, path in sorted((i / len(each), path) for each in found for i, path in enumerate(each))]
    # A fork of a process with other libraries' threads may wait for a lock that none of its own threads holds.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        packed = list(pool.map(_packed, paths, chunksize=8))
    with np.load(paths[0]) as file:
        shape = file["rgb"].shape[:3]
    pictures = [np.frombuffer(picture, np.uint8) for picture, _ in packed]
    np.savez_compressed(
        out,
        pictures=np.concatenate(pictures),
        sizes=np.array([len(picture) for picture in pictures]),
        masks=np.stack([masks for _, masks in packed]),
        shape=np.array(shape),
    )
    return len(paths)


def unpack(path: Path) -> Clips:
    """What ``pack`` wrote."""
    with np.load(path) as file:
        pictures, sizes, bits, shape = (file[name] for name in ("pictures", "sizes", "masks", "shape"))
    rgb = [
        cv2.imdecode(piece, cv2.IMREAD_COLOR)[..., ::-1].reshape(*shape, 3)
        for piece in np.split(pictures, np.cumsum(sizes)[:-1])
    ]
    masks = np.unpackbits(bits, axis=1)[:, : len(KINDS) * VARIANTS * int(np.prod(shape))]
    return Clips(np.stack(rgb), masks.reshape(len(rgb), len(KINDS), VARIANTS, *shape).astype(np.bool_))
