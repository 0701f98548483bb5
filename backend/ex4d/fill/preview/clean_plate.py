# SPDX-License-Identifier: Apache-2.0
"""Background of a shot whose source camera stands still: one clean plate and its mesh for all frames."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.fill.base import TakeScene
from ex4d.mesh import DWMesh, MeshSettings, build_mesh

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]

#: Frames that are looked at; they are spread over the shot.
SAMPLES = 24
#: Percentile of a pixel's depths over the samples that counts as its background: nearly the farthest, but no outlier.
BACKGROUND_PERCENTILE = 90
#: Vertices along the longer side of the background's mesh.
GRID_SIDE = 512
#: A moving thing's mixed edge, as a share of the longer side, is left out too.
EDGE = 0.006


@dataclass(frozen=True)
class CleanPlate:
    """What stands still in front of a still camera.

    Attributes:
        mesh: its mesh.
        texture: (H, W, 3) the plate without what moves, in the plate's dtype.
    """

    mesh: DWMesh
    texture: NDArray[np.generic]


def clean_plate(scene: TakeScene) -> CleanPlate | None:
    """The clean plate of a shot, or None if nothing in it moves, so that it would show nothing new."""
    frames = scene.frames
    indices = np.unique(np.linspace(0, len(frames) - 1, SAMPLES).round().astype(int)).tolist()
    depths = np.stack([_grid_depth(scene, index) for index in indices])
    measured = np.isfinite(depths)
    # Frames without depth at a pixel do not vote; pixels without any stay unknown.
    filled = np.where(measured, depths, -np.inf)
    background = np.sort(filled, axis=0)[_rank(measured.sum(axis=0), len(indices)), *np.indices(depths.shape[1:])]
    still = filled >= background / (1 + scene.tolerance)
    known = np.isfinite(background) & still.any(axis=0)
    moving = [_without_specks(known & measured[i] & ~still[i]) for i in range(len(indices))]
    if not any(mask.any() for mask in moving):
        return None
    total = np.zeros((frames.height, frames.width, 3), np.float32)
    votes = np.zeros((frames.height, frames.width), np.float32)
    kernel = np.ones((2 * round(EDGE * max(depths.shape[1:])) + 3,) * 2, np.uint8)
    dtype: np.dtype[np.generic] = np.dtype(np.uint8)
    for index, mask in zip(indices, moving, strict=True):
        texture, _ = frames.read(frames.numbers[index])
        dtype = texture.dtype
        clear = (1 - cv2.dilate(mask.astype(np.uint8), kernel)).astype(np.float32)
        weight = cv2.resize(clear, frames.size, interpolation=cv2.INTER_NEAREST)
        total += texture * weight[..., None]
        votes += weight
    seen = votes > 0
    total[seen] /= votes[seen, None]
    depth = np.where(known, background, np.nan).astype(np.float32)
    opaque = cv2.erode(seen.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1) > 0
    settings = MeshSettings(max_grid_side=GRID_SIDE)
    mesh = build_mesh(depth, scene.mesh.source[0], scene.mesh.far, opaque, settings)
    return CleanPlate(mesh, (total + np.float32(0.5)).astype(dtype))


def _rank(counts: NDArray[np.integer], samples: int) -> NDArray[np.intp]:
    """Index of the wanted percentile in ascending order, when the missing ones of ``samples`` stand first."""
    behind = np.floor((100 - BACKGROUND_PERCENTILE) / 100 * np.maximum(counts - 1, 0))
    return np.asarray(samples - 1 - behind, dtype=np.intp)


def _without_specks(mask: Bool) -> Bool:
    """Depth edges are never quite in the same place: what is a pixel or two wide is no evidence of movement."""
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0)


def _grid_depth(scene: TakeScene, index: int) -> Float:
    """z-depth (h, w) of a frame's mesh grid at about ``GRID_SIDE``; NaN where it is not measured."""
    mesh = scene.mesh.read(index)
    width, height = mesh.topology.grid
    depth = np.where(mesh.pixel_valid, mesh.grid_z, np.float32(np.nan))
    scale = min(1.0, GRID_SIDE / max(width, height))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return np.asarray(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST), dtype=np.float32)
