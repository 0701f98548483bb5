# SPDX-License-Identifier: Apache-2.0
"""The network: inverted bottlenecks down to 1/32, and up again to 1/2 with the finer maps added (an encoder as in
MobileNetV2, Sandler et al. 2018, with squeeze and excitation, Hu et al. 2018; a decoder as in FPN, Lin et al. 2017)."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: Sides of the input must be multiples of this.
MULTIPLE = 32
#: Per stage from 1/4 on: channels, blocks, kernel, squeeze and excitation.
STAGES = ((40, 2, 3, False), (64, 3, 5, False), (128, 5, 5, True), (208, 4, 5, True))
STEM, EXPANSION, DECODER = 24, 4, (128, 96, 64, 48, 32)


class Conv(nn.Sequential):
    """Convolution, normalisation and, mostly, ReLU."""

    def __init__(self, i: int, o: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: bool = True) -> None:
        super().__init__(
            nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(o),
            nn.ReLU(inplace=True) if act else nn.Identity(),
        )


class Squeeze(nn.Module):
    """Channels weighted by what the whole picture shows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 8, 1), nn.Conv2d(channels // 8, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x and result (B, C, H, W)."""
        weight = functional.relu(self.down(functional.adaptive_avg_pool2d(x, 1)))
        return x * torch.sigmoid(self.up(weight))


class Block(nn.Module):
    """Inverted bottleneck."""

    def __init__(self, i: int, o: int, kernel: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        wide = EXPANSION * i
        self.body = nn.Sequential(
            Conv(i, wide),
            Conv(wide, wide, kernel, stride, groups=wide),
            Squeeze(wide) if squeeze else nn.Identity(),
            Conv(wide, o, act=False),
        )
        self.same = i == o and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """x (B, i, H, W)."""
        return x + self.body(x) if self.same else self.body(x)


class Smooth(nn.Sequential):
    """Depthwise and pointwise."""

    def __init__(self, channels: int) -> None:
        super().__init__(Conv(channels, channels, 5, groups=channels), Conv(channels, channels))


class SmallDepth(nn.Module):
    """ln of relative disparity from a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(5, STEM, 3, 2)
        self.first = Conv(STEM, STEM, 3)
        stages, width = [], STEM
        for channels, blocks, kernel, squeeze in STAGES:
            stages.append(
                nn.Sequential(
                    Block(width, channels, kernel, 2, squeeze),
                    *[Block(channels, channels, kernel, 1, squeeze) for _ in range(blocks - 1)],
                )
            )
            width = channels
        self.stages = nn.ModuleList(stages)
        widths = [STEM, *(stage[0] for stage in STAGES)][::-1]
        self.lateral = nn.ModuleList(Conv(i, o) for i, o in zip(widths, DECODER, strict=True))
        self.narrow = nn.ModuleList(Conv(a, b) for a, b in itertools.pairwise(DECODER))
        self.smooth = nn.ModuleList(Smooth(o) for o in DECODER[:-1])
        self.last = nn.Sequential(Conv(DECODER[-1], DECODER[-1], 3), nn.Conv2d(DECODER[-1], 1, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """ln disparity (B, 1, H/2, W/2), up to a constant.

        Args:
            x: (B, 5, H, W): red, green, blue and the pixel's place across and down, all from −1 to 1.
        """
        maps = [self.first(self.stem(x))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        y = self.smooth[0](self.lateral[0](maps[-1]))
        for k in range(1, len(DECODER)):
            y = functional.interpolate(self.narrow[k - 1](y), scale_factor=2.0, mode="bilinear", align_corners=False)
            y = y + self.lateral[k](maps[-1 - k])
            if k < len(DECODER) - 1:
                y = self.smooth[k](y)
        return self.last(y)


def keep(weights: dict[str, Tensor], path: Path) -> None:
    """Write a ``weights.pt``: the state in float16, under another name first."""
    half = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    torch.save(half, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def load_kept(path: Path) -> SmallDepth:
    """The network of a ``weights.pt`` of the training."""
    kept = torch.load(path, map_location="cpu", weights_only=True)
    model = SmallDepth()
    model.load_state_dict({name: value.float() for name, value in kept.items()})
    return model


def with_places(pictures: Tensor) -> Tensor:
    """The network's input (B, 5, H, W) from pictures (B, 3, H, W) in 0..1."""
    batch, _, height, width = pictures.shape
    y = torch.linspace(-1, 1, height, device=pictures.device).view(1, 1, height, 1).expand(batch, 1, height, width)
    x = torch.linspace(-1, 1, width, device=pictures.device).view(1, 1, 1, width).expand(batch, 1, height, width)
    return torch.cat([2 * pictures - 1, x, y], dim=1)


def folded(model: SmallDepth) -> SmallDepth:
    """The same function with normalisations folded into the convolutions."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, Conv):
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return model


@torch.no_grad()
def unfolded(model: SmallDepth) -> SmallDepth:
    """The same function with normalisations that do nothing, as weights are kept."""
    made = SmallDepth().eval()
    for own, other in zip(made.modules(), model.modules(), strict=True):
        if isinstance(own, Conv):
            norm = own[1]
            own[0].weight.copy_(other[0].weight)
            norm.bias.copy_(other[0].bias)
            norm.running_mean.zero_()
            norm.running_var.fill_(1 - norm.eps)
        elif isinstance(own, nn.Conv2d) and own.bias is not None:
            own.weight.copy_(other.weight)
            own.bias.copy_(other.bias)
    return made
