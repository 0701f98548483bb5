# SPDX-License-Identifier: Apache-2.0
"""Batches to train on, made on the GPU: other crops, things of one frame before another, and what a camera does."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from research.small_depth import lens
from research.small_depth.pack import Frames

#: Sizes (height, width) of the batches, multiples of 32; plates are square, wide or upright.
SIZES = ((256, 256), (224, 288), (192, 320), (288, 224), (320, 192), (288, 288))
#: Least disparity, as a share of the picture's median: what is farther is as good as the sky (as in
#: ``ex4d.evaluation.depth.LEAST_DISPARITY``).
LEAST = 0.02
#: Shares of pictures that are composed of two, out of focus, hazy.
COMPOSED, DEFOCUSED, HAZY = 0.45, 0.5, 0.12
#: Of the pictures this share shows frames as they are, which is what estimates are made of; the others show parts.
WHOLE = 0.3
#: Shares of a frame that a thing may cover to be cut out.
THING = (0.015, 0.45)


class Store:
    """All frames in the GPU's memory."""

    def __init__(self, frames: Frames, device: str) -> None:
        self.pictures = torch.from_numpy(frames.pictures).to(device).permute(0, 3, 1, 2).contiguous()
        self.ids = torch.from_numpy(frames.ids).to(device)[:, None]
        self.sizes = torch.cat([_sizes(part) for part in self.ids.split(64)])
        steps = torch.from_numpy(frames.steps).to(device)
        depth = torch.from_numpy(frames.depth).to(device)
        self.log_disparity = torch.cat(
            [_smooth(-d.float()[:, None], s) for d, s in zip(depth.split(64), steps.split(64), strict=True)]
        )

    def __len__(self) -> int:
        return len(self.pictures)


def _sizes(ids: Tensor) -> Tensor:
    """Pixels of each object (N, 256) float32 in frames (N, 1, H, W) uint8."""
    flat = ids.flatten(1).long()
    return torch.zeros(len(ids), 256, device=ids.device).scatter_add_(
        1, flat, torch.ones_like(flat, dtype=torch.float32)
    )


def _smooth(log_disparity: Tensor, step: Tensor) -> Tensor:
    """Undo the rounding: the mean of those neighbours that are no more than a step off; float16, −inf = sky."""
    sky = torch.isinf(log_disparity)
    values = torch.where(sky, torch.full_like(log_disparity, -99.0), log_disparity)
    near = functional.unfold(functional.pad(values, [2] * 4, mode="replicate"), 5)
    near = near.view(len(values), 25, *values.shape[-2:])
    alike = ((near - values).abs() < 1.5 * step.view(-1, 1, 1, 1)).float()
    mean = (near * alike).sum(1, keepdim=True) / alike.sum(1, keepdim=True)
    return torch.where(sky, torch.full_like(mean, -math.inf), mean).half()


def bounded(log_disparity: Tensor) -> Tensor:
    """ln disparity less its median, with the sky and all beyond ``LEAST`` at that bound."""
    median = torch.nan_to_num(log_disparity, neginf=-30.0).flatten(1).median(dim=1).values.view(-1, 1, 1, 1)
    # Where most is sky, the median of the rest.
    known = torch.where(torch.isinf(log_disparity), torch.full_like(log_disparity, torch.nan), log_disparity)
    other = known.flatten(1).nanmedian(dim=1).values.view(-1, 1, 1, 1)
    median = torch.where(median < -20, torch.nan_to_num(other), median)
    return (torch.nan_to_num(log_disparity, neginf=-30.0) - median).clamp(min=math.log(LEAST), max=5.0)


def _grid(count: int, size: tuple[int, int], zoom: tuple[float, float], drift: float, like: Tensor) -> Tensor:
    """Sampling grids (count, H, W, 2): zoomed, moved, turned, mirrored."""
    scale = torch.exp(torch.empty(count, device=like.device).uniform_(math.log(zoom[0]), math.log(zoom[1])))
    aspect = torch.exp(torch.empty(count, device=like.device).uniform_(-0.12, 0.12))
    ratio = size[1] / size[0]
    wide, high = scale * aspect * min(ratio, 1.0), scale / aspect * min(1 / ratio, 1.0)
    most = torch.maximum(wide, high).clamp(min=1.0) if drift == 0 else torch.ones_like(wide)
    wide, high = wide / most, high / most
    flip = torch.where(torch.rand(count, device=like.device) < 0.5, 1.0, -1.0)
    angle = torch.randn(count, device=like.device) * 0.05
    room_x, room_y = ((1 - wide), (1 - high)) if drift == 0 else (torch.full_like(wide, drift),) * 2
    x = room_x * torch.empty(count, device=like.device).uniform_(-1, 1)
    y = room_y * torch.empty(count, device=like.device).uniform_(-1, 1)
    c, s = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [torch.stack([flip * wide * c, -high * s, x], -1), torch.stack([flip * wide * s, high * c, y], -1)], 1
    )
    return functional.affine_grid(theta, [count, 1, *size], align_corners=False)


def _parts_and_wholes(count: int, size: tuple[int, int], like: Tensor) -> Tensor:
    """Sampling grids (count, H, W, 2) within the frames."""
    whole = round(WHOLE * count)
    grids = _grid(whole, size, (0.96, 1.0), 0.0, like), _grid(count - whole, size, (0.5, 1.0), 0.0, like)
    return torch.cat(grids)[torch.randperm(count, device=like.device)]


def _sample(values: Tensor, grid: Tensor, mode: str, outside: str = "border") -> Tensor:
    return functional.grid_sample(values, grid, mode=mode, padding_mode=outside, align_corners=False)


def _things(store: Store, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """One thing or two of each of these frames: their mask, the picture, ln disparity; no mask where there is none."""
    ids, disparity = store.ids[at].long(), store.log_disparity[at].float()
    count = len(ids)
    share = store.sizes[at] / ids[0].numel()
    fit = (share > THING[0]) & (share < THING[1])
    fit[:, 0] = False
    weight = torch.where(fit, torch.ones_like(share), torch.zeros_like(share))
    some = weight.sum(1, keepdim=True) > 0
    chosen = torch.multinomial(torch.where(some, weight, torch.ones_like(weight)) + 1e-8, 2)
    second = torch.rand(count, device=ids.device) < 0.4
    mask = ids == chosen[:, :1, None, None]
    mask |= (
        (ids == chosen[:, 1:, None, None]) & second.view(-1, 1, 1, 1) & fit.gather(1, chosen[:, 1:]).view(-1, 1, 1, 1)
    )
    return (
        (mask & some.view(-1, 1, 1, 1) & torch.isfinite(disparity)).float(),
        store.pictures[at].float() / 255,
        disparity,
    )


def _compose(store: Store, at: Tensor, picture: Tensor, log_disparity: Tensor) -> tuple[Tensor, Tensor]:
    """Things of the frames ``at`` before these pictures, nearer than all that they hide."""
    mask, other, disparity = _things(store, at)
    grid = _grid(len(at), tuple(picture.shape[-2:]), (0.45, 1.5), 0.5, picture)
    hard = _sample(mask, grid, "nearest", "zeros")
    soft = _sample(mask, grid, "bilinear", "zeros")
    other = _sample(other, grid, "bilinear")
    disparity = _sample(torch.nan_to_num(disparity, neginf=-30.0), grid, "nearest")
    inside = hard > 0.5
    low = torch.full_like(disparity, 1e3)
    least = torch.where(inside, disparity, low).amin(dim=(2, 3), keepdim=True)
    hidden = torch.where(inside, log_disparity, -low).amax(dim=(2, 3), keepdim=True)
    some = inside.flatten(1).any(1).view(-1, 1, 1, 1)
    nearer = torch.exp(lens.uniform(len(at), math.log(0.03), math.log(1.8), picture))
    moved = disparity - least + hidden + nearer
    # A thing keeps its look or takes the light of the other picture.
    gain = torch.exp(lens.uniform(len(at), -0.4, 0.4, picture))
    alpha = torch.where(some, soft, torch.zeros_like(soft))
    picture = picture * (1 - alpha) + (other * gain).clamp(0, 1) * alpha
    return picture, torch.where(inside & some, moved, log_disparity)


@torch.no_grad()
def batch(store: Store, count: int) -> tuple[Tensor, Tensor]:
    """Pictures (count, 3, H, W) in 0..1 and their ln disparity (count, 1, H, W), ``bounded``."""
    size = SIZES[int(torch.randint(len(SIZES), (1,)))]
    device = store.pictures.device
    at = torch.randint(len(store), (count,), device=device)
    grid = _parts_and_wholes(count, size, store.log_disparity)
    picture = _sample(store.pictures[at].float() / 255, grid, "bilinear")
    log_disparity = _sample(torch.nan_to_num(store.log_disparity[at].float(), neginf=-30.0), grid, "nearest")
    log_disparity = torch.where(log_disparity < -25, torch.full_like(log_disparity, -math.inf), log_disparity)
    log_disparity = bounded(log_disparity)
    first = round(COMPOSED * count)
    again = torch.randint(len(store), (first,), device=device)
    made = _compose(store, again, picture[:first], log_disparity[:first])
    picture, log_disparity = (
        torch.cat([new, old[first:]]) for new, old in zip(made, (picture, log_disparity), strict=True)
    )
    order = torch.randperm(count, device=device)
    picture, log_disparity = picture[order], bounded(log_disparity[order])
    hazy, blurred = round(HAZY * count), round(DEFOCUSED * count)
    picture = torch.cat([lens.haze(picture[:hazy], log_disparity[:hazy]), picture[hazy:]])
    picture = torch.cat([picture[:-blurred], lens.defocus(picture[-blurred:], log_disparity[-blurred:])])
    return lens.sensor(lens.colours(picture).clamp(0, 1)), log_disparity
