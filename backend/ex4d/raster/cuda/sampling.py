# SPDX-License-Identifier: Apache-2.0
"""Values of the plate between its pixels: the rules of ``raster.sampling`` and ``shaders/plate.glsl`` in torch.

Values are carried as the bits of whole numbers: torch computes little in uint16, and what is taken as it is keeps the
payload of its NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ex4d.raster.base import SNAP_PX

#: By the size of a value in bytes, whole numbers of which torch can move and choose.
CARRIERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32}


@dataclass(frozen=True, eq=False)
class Plates:
    """The plate's frames as they are looked up.

    Attributes:
        pixels: (N, H, W, C) in their own dtype, see ``raster.base.Texture``.
        values: (N·H·W, C) float32.
        bits: (N·H·W, C) in the carrier of their dtype.
    """

    pixels: Tensor
    values: Tensor
    bits: Tensor

    @classmethod
    def of(cls, texture: Tensor) -> Plates:
        """Of frames (N, H, W, C)."""
        whole = texture.contiguous()
        rows = whole.view(-1, whole.shape[3])
        return cls(whole, rows.float(), rows.view(CARRIERS[whole.element_size()]))

    @property
    def channels(self) -> int:
        """3, or 4 with alpha."""
        return int(self.pixels.shape[3])

    @property
    def is_float(self) -> bool:
        """Whether values are floats, their alpha associated."""
        return self.pixels.is_floating_point()

    @property
    def is_plain(self) -> bool:
        """Whether they are code values without alpha."""
        return not self.is_float and self.channels == 3

    @property
    def snaps(self) -> bool:
        """See ``raster.base.snaps``."""
        return self.pixels.dtype != torch.uint8 or self.channels == 4

    def carried(self, values: Tensor) -> Tensor:
        """Float32 values (P, C) rounded to the plate's dtype, as its bits."""
        dtype = self.pixels.dtype
        rounded = values.to(dtype) if self.is_float else (values + 0.5).to(torch.int32).to(dtype)
        return rounded.view(CARRIERS[self.pixels.element_size()])


def mix(plates: Plates, texels: tuple[Tensor, Tensor, Tensor], weights: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Weighted means (P, C) float32 of pixels, three (P,) indices and weights of sum 1; see ``raster.sampling.mix``."""
    shares = [weight.clamp(min=0)[:, None] for weight in weights]
    values = [plates.values.index_select(0, texel) for texel in texels]
    if plates.is_float or plates.channels == 3:
        return _weighted(values, shares)
    alphas = [share * value[:, 3:] for share, value in zip(shares, values, strict=True)]
    total = alphas[0] + alphas[1] + alphas[2]
    # Where all is transparent the colours count as they stand.
    of = [torch.where(total > 0, alpha, share) for alpha, share in zip(alphas, shares, strict=True)]
    color = _weighted([value[:, :3] for value in values], of) / torch.where(total > 0, total, 1.0)
    return torch.cat([color, total], dim=1)


def _weighted(values: list[Tensor], shares: list[Tensor]) -> Tensor:
    # A pixel of weight 0 is not looked at: 0 times inf would be NaN.
    parts = [torch.where(share > 0, share * value, 0.0) for value, share in zip(values, shares, strict=True)]
    return parts[0] + parts[1] + parts[2]


def sample_plates(plates: Plates, frame: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The plates at positions, linear over the half of the pixel quad they fall into.

    Args:
        plates: of N frames.
        frame: (P,) int64.
        x, y: (P,) float32 plate pixel positions, finite.

    Returns:
        (P, C) bits of the values, and the positions x and y that were looked at.
    """
    _, height, width, _ = plates.pixels.shape
    px, py = (x - 0.5).clamp(0, width - 1), (y - 0.5).clamp(0, height - 1)
    x0, y0 = px.floor(), py.floor()
    fx, fy = px - x0, py - y0
    second = fx + fy > 1
    left, top = x0.long(), y0.long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    start = frame * height
    near_x, other_x = torch.where(second, right, left), torch.where(second, left, right)
    near_row = (start + torch.where(second, bottom, top)) * width
    other_row = (start + torch.where(second, top, bottom)) * width
    gx, gy = torch.where(second, 1 - fx, fx), torch.where(second, 1 - fy, fy)
    texels = near_row + near_x, near_row + other_x, other_row + near_x
    if plates.is_plain:
        corner, across, down = (plates.values.index_select(0, texel) for texel in texels)
        color = corner + gx[:, None] * (across - corner) + gy[:, None] * (down - corner)
    else:
        color = mix(plates, texels, (1 - gx - gy, gx, gy))
    bits = plates.carried(color)
    if plates.snaps:
        near_px, near_py = px.round(), py.round()
        snapped = ((px - near_px).abs() <= SNAP_PX) & ((py - near_py).abs() <= SNAP_PX)
        pixel = (start + near_py.long()) * width + near_px.long()
        bits = torch.where(snapped[:, None], plates.bits.index_select(0, pixel), bits)
        px, py = torch.where(snapped, near_px, px), torch.where(snapped, near_py, py)
    return bits, px + 0.5, py + 0.5


def sample_vertices(
    plates: Plates,
    corners: tuple[Tensor, Tensor, Tensor],
    weights: tuple[Tensor, Tensor, Tensor],
    visible: tuple[Tensor, Tensor, Tensor],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Visible vertices mixed, of one frame with one vertex a plate pixel; see ``raster.sampling.sample_vertices``.

    Returns:
        (P, C) bits of the values, the positions x and y that were looked at, and the visible share (P,).
    """
    shares = tuple(weight * seen for weight, seen in zip(weights, visible, strict=True))
    total = shares[0] + shares[1] + shares[2]
    a, b, c = (share / total for share in shares)
    # Un-premultiplied: the released code leaves dark outlines where alpha is between 0 and 1.
    if plates.is_plain:
        mixed = [share[:, None] * plates.values[corner] for share, corner in zip(shares, corners, strict=True)]
        color = (mixed[0] + mixed[1] + mixed[2]) / total[:, None]
    else:
        color = mix(plates, corners, (a, b, c))
    bits = plates.carried(color)
    width = plates.pixels.shape[2]
    columns, rows = [(corner % width).float() for corner in corners], [(corner // width).float() for corner in corners]
    x, y = (a * place[0] + b * place[1] + c * place[2] for place in (columns, rows))
    if plates.snaps:
        for k in range(3):
            snapped = (weights[k] >= 1 - SNAP_PX) & visible[k]
            bits = torch.where(snapped[:, None], plates.bits[corners[k]], bits)
            x, y = torch.where(snapped, columns[k], x), torch.where(snapped, rows[k], y)
    return bits, x + 0.5, y + 0.5, total
