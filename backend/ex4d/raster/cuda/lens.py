# SPDX-License-Identifier: Apache-2.0
"""Lenses in torch: ``raster.lens_table`` looked up for many positions at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ex4d.camera import Camera
from ex4d.mesh.torch.surface import lens
from ex4d.raster.lens_table import LensTable, distortion_table, pixel_centre_rays


@lru_cache(maxsize=4)
def _nodes(table: LensTable, device: torch.device) -> Tensor:
    return torch.from_numpy(table.displacement.astype(np.float32)).to(device)


def _spline(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    t2 = t * t
    t3 = t2 * t
    return t2 - 0.5 * (t + t3), 1 + 0.5 * (3 * t3 - 5 * t2), 0.5 * (t + 4 * t2 - 3 * t3), 0.5 * (t3 - t2)


def displacement(camera: Camera, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How a camera's lens moves ideal pixel positions.

    Args:
        camera: one with a lens.
        x, y: float32 of any shape, pixels.

    Returns:
        What is to be added to x and y, and whether the position lies in the table; elsewhere that of its border.
    """
    table = distortion_table(camera)
    nodes = _nodes(table, x.device)
    height, width = nodes.shape[:2]
    left, top, across, down = table.grid
    column, row = (x - left) * across, (y - top) * down
    inside = (column >= 0) & (column <= width - 1) & (row >= 0) & (row <= height - 1)
    # A position that is none has no place in the table.
    column, row = torch.nan_to_num(column).clamp(1, width - 2), torch.nan_to_num(row).clamp(1, height - 2)
    first_column, first_row = column.floor().clamp(max=width - 3), row.floor().clamp(max=height - 3)
    columns, rows = _spline(column - first_column), _spline(row - first_row)
    start = (first_row.long() - 1) * width + first_column.long() - 1
    flat = nodes.view(-1, 2)
    moved = torch.zeros((*x.shape, 2), dtype=torch.float32, device=x.device)
    for j in range(4):
        line = torch.zeros_like(moved)
        for i in range(4):
            line += columns[i][..., None] * flat[start + (j * width + i)]
        moved += rows[j][..., None] * line
    return moved[..., 0], moved[..., 1], inside


def take_rays(takes: Sequence[Camera], device: torch.device) -> tuple[Tensor, Tensor]:
    """x and y at z = 1 of the rays through the pixels' centres, float32 (N, H, W), or what broadcasts to it."""
    if any(take.lens is not None for take in takes):
        # Cameras of one kind share an array of rays.
        arrays = [pixel_centre_rays(take) for take in takes]
        known = {id(rays): torch.from_numpy(rays.astype(np.float32)).to(device) for rays in arrays}
        dense = torch.stack([known[id(rays)] for rays in arrays])
        return dense[..., 0], dense[..., 1]
    lenses = torch.tensor([lens(camera) for camera in takes], dtype=torch.float64, device=device)
    fx, fy, cx, cy = lenses.T[..., None]
    column, row = (torch.arange(n, dtype=torch.float64, device=device) for n in (takes[0].width, takes[0].height))
    return ((column + 0.5 - cx) / fx).float()[:, None], ((row + 0.5 - cy) / fy).float()[:, :, None]


def bend(positions: Tensor, takes: Sequence[Camera]) -> None:
    """Move vertices (N, D, 4) float32 in clip space to where the takes' lenses show them; see ``take_lens.glsl``."""
    for clip, take in zip(positions, takes, strict=True):
        if take.lens is None:
            continue
        x, y, _, w = clip.unbind(-1)
        before = w > 0
        scale = torch.where(before, w, 1.0)
        dx, dy, _ = displacement(take, (x / scale + 1) * (take.width / 2), (y / scale + 1) * (take.height / 2))
        clip[:, 0] += torch.where(before, dx * (2 / take.width) * scale, 0.0)
        clip[:, 1] += torch.where(before, dy * (2 / take.height) * scale, 0.0)
