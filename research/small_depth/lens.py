# SPDX-License-Identifier: Apache-2.0
"""What a camera does to a picture of known depth, on the GPU, batched: defocus, haze, noise, compression, colours.

Pictures are (B, 3, H, W) float in 0..1, ln disparity is (B, 1, H, W).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

#: Layers of depth that are blurred one by one, from far to near.
LAYERS = 7
#: Pixels around the picture, so that blur does not come round from the other side.
MARGIN = 24


def uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """(count, 1, 1, 1) random numbers."""
    return torch.empty(count, 1, 1, 1, device=like.device).uniform_(low, high)


def chance(count: int, share: float, like: Tensor) -> Tensor:
    """(count, 1, 1, 1) bool."""
    return torch.rand(count, 1, 1, 1, device=like.device) < share


def _discs(radius: Tensor, height: int, width: int) -> Tensor:
    """Spectra of discs of these radii (B, 1, 1, 1) with a soft rim, of sum 1, round the corner (0, 0)."""
    y = torch.arange(height, device=radius.device, dtype=torch.float32)
    x = torch.arange(width, device=radius.device, dtype=torch.float32)
    y, x = torch.minimum(y, height - y), torch.minimum(x, width - x)
    distance = torch.sqrt(y[:, None] ** 2 + x[None] ** 2)[None, None]
    disc = (radius + 0.5 - distance).clamp(0, 1)
    return torch.fft.rfft2(disc / disc.sum(dim=(-2, -1), keepdim=True))


def defocus(picture: Tensor, log_disparity: Tensor) -> Tensor:
    """Depth of field: discs whose radius is proportional to the difference of disparity from the plane in focus.

    Focus is on a random place, mostly on a near one; the blur of the far end is 1 to 16 pixels.
    """
    count = len(picture)
    disparity = torch.exp(log_disparity)
    flat = disparity.flatten(1)
    ends = torch.quantile(flat[:, ::7], torch.tensor([0.02, 0.98], device=flat.device), dim=1)
    low, high = ends[0].view(-1, 1, 1, 1), ends[1].view(-1, 1, 1, 1)
    span = (high - low).clamp(min=1e-4)
    place = torch.randint(0, flat.shape[1], (count, 1), device=flat.device)
    own = flat.gather(1, place).view(-1, 1, 1, 1)
    near = high - span * uniform(count, 0.0, 0.4, picture)
    focus = torch.where(chance(count, 0.55, picture), near, own)
    aperture = torch.exp(uniform(count, math.log(1.0), math.log(16.0), picture))
    signed = ((disparity - focus) / span * aperture).clamp(-18, 18)
    padded = functional.pad(torch.cat([picture**2.2, signed], 1), [MARGIN] * 4, mode="reflect")
    light, signed = padded[:, :3], padded[:, 3:]
    least, most = signed.amin(dim=(2, 3), keepdim=True), signed.amax(dim=(2, 3), keepdim=True)
    index = ((signed - least) / (most - least + 1e-4) * LAYERS).floor().clamp(max=LAYERS - 1)
    shape = light.shape[-2:]
    colour, cover = torch.zeros_like(light), torch.zeros_like(signed)
    for layer in range(LAYERS):
        mask = (index == layer).float()
        # Each layer goes on under the nearer ones, so that nothing dark shines through their soft rims.
        behind = (index >= layer).float()
        radius = ((signed.abs() * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True).clamp(min=1)).clamp(
            0, 18
        )
        spectrum = _discs(radius, *shape)

        def blurred(x: Tensor, spectrum: Tensor = spectrum) -> Tensor:
            return torch.fft.irfft2(torch.fft.rfft2(x) * spectrum, s=shape)

        own_light, own_cover = blurred(torch.cat([light * mask, mask], 1)).split([3, 1], 1)
        share = (own_cover / blurred(behind).clamp(min=1e-3)).clamp(0, 1) if layer == 0 else own_cover.clamp(0, 1)
        tint = own_light / own_cover.clamp(min=1e-3)
        visible = torch.where(own_cover > 1e-3, share, torch.zeros_like(share))
        colour, cover = colour * (1 - visible) + tint * visible, cover * (1 - visible) + visible
    out = (colour / cover.clamp(min=1e-3)).clamp(0, 1) ** (1 / 2.2)
    return out[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def haze(picture: Tensor, log_disparity: Tensor) -> Tensor:
    """Light that the air scatters, more of it the farther something is."""
    z = torch.exp(-(log_disparity - log_disparity.mean(dim=(2, 3), keepdim=True))).clamp(max=50)
    share = 1 - torch.exp(-z * torch.exp(uniform(len(picture), math.log(0.02), math.log(0.6), picture)))
    air = uniform(len(picture), 0.3, 0.95, picture) + 0.1 * torch.randn(len(picture), 3, 1, 1, device=picture.device)
    return (picture * (1 - share) + air * share).clamp(0, 1)


def colours(picture: Tensor) -> Tensor:
    """Exposure, contrast, gamma, saturation, hue, white balance, vignette, and now and then no colour at all."""
    count = len(picture)
    weights = torch.tensor([0.3, 0.59, 0.11], device=picture.device).view(1, 3, 1, 1)
    # Hue: a turn about the grey axis (Rodrigues' formula).
    angle = torch.randn(count, 1, 1, device=picture.device) * 0.25
    axis = torch.full((3,), 1 / math.sqrt(3), device=picture.device)
    cross = torch.zeros(3, 3, device=picture.device)
    cross[0, 1], cross[0, 2], cross[1, 0] = -axis[2], axis[1], axis[2]
    cross[1, 2], cross[2, 0], cross[2, 1] = -axis[0], -axis[1], axis[0]
    turn = torch.eye(3, device=picture.device) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)
    picture = torch.einsum("bij,bjhw->bihw", turn, picture)
    grey = (picture * weights).sum(1, keepdim=True)
    saturation = uniform(count, 0.3, 1.6, picture) * (~chance(count, 0.07, picture)).float()
    picture = grey + (picture - grey) * saturation
    picture = picture * torch.exp(0.12 * torch.randn(count, 3, 1, 1, device=picture.device))
    picture = picture * torch.exp(uniform(count, -0.9, 0.5, picture))
    contrast = uniform(count, 0.6, 1.5, picture)
    mean = picture.mean(dim=(1, 2, 3), keepdim=True)
    picture = (mean + (picture - mean) * contrast).clamp(1e-4, 1)
    picture = picture ** torch.exp(uniform(count, -0.4, 0.5, picture))
    height, width = picture.shape[-2:]
    y = torch.linspace(-1, 1, height, device=picture.device).view(1, 1, -1, 1)
    x = torch.linspace(-1, 1, width, device=picture.device).view(1, 1, 1, -1)
    dark = uniform(count, 0, 0.35, picture) * chance(count, 0.3, picture).float()
    return picture * (1 - dark * (x**2 + y**2) / 2)


def _gauss(picture: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with one width (B, 1, 1, 1) a picture."""
    reach = 6
    k = torch.arange(-reach, reach + 1, device=picture.device, dtype=torch.float32)
    kernel = torch.exp(-(k**2) / (2 * sigma.view(-1, 1) ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    count, _, height, width = picture.shape
    flat = functional.pad(picture, [reach] * 4, mode="reflect").reshape(1, count * 3, height + 12, width + 12)
    flat = functional.conv2d(flat, kernel.view(-1, 1, 13, 1), groups=count * 3)
    flat = functional.conv2d(flat, kernel.view(-1, 1, 1, 13), groups=count * 3)
    return flat.view(count, 3, height, width)


def _jpeg(picture: Tensor) -> Tensor:
    """Blocks of 8×8, their cosine transform rounded as JPEG would, coarser for fine detail."""
    count, _, height, width = picture.shape
    n = torch.arange(8, device=picture.device, dtype=torch.float32)
    basis = torch.cos((2 * n[None] + 1) * n[:, None] * math.pi / 16) * torch.where(n == 0, 8**-0.5, 0.5)[:, None]
    blocks = picture.reshape(count, 3, height // 8, 8, width // 8, 8).transpose(3, 4)
    spectrum = torch.einsum("ui,bcyxij,vj->bcyxuv", basis, blocks, basis)
    step = (1 + n[:, None] + n[None]) * torch.exp(uniform(count, math.log(0.004), math.log(0.05), picture)).view(
        -1, 1, 1, 1, 1, 1
    )
    spectrum = torch.round(spectrum / step) * step
    blocks = torch.einsum("ui,bcyxuv,vj->bcyxij", basis, spectrum, basis)
    return blocks.transpose(3, 4).reshape(count, 3, height, width)


def _some(picture: Tensor, share: float, change: Callable[[Tensor], Tensor]) -> Tensor:
    """With a share of the pictures changed; the others cost nothing."""
    at = torch.randperm(len(picture), device=picture.device)[: round(share * len(picture))]
    return picture.index_copy(0, at, change(picture[at])) if len(at) else picture


def _softened(picture: Tensor) -> Tensor:
    return _gauss(picture, uniform(len(picture), 0.3, 1.6, picture))


def _resized(picture: Tensor) -> Tensor:
    scale = float(torch.empty(1).uniform_(0.35, 0.8))
    small = functional.interpolate(picture, scale_factor=scale, mode="bilinear", antialias=True)
    return functional.interpolate(small, picture.shape[-2:], mode="bilinear")


def _sharpened(picture: Tensor) -> Tensor:
    count = len(picture)
    gain = uniform(count, 0.3, 1.2, picture)
    return (picture + gain * (picture - _gauss(picture, uniform(count, 0.6, 1.5, picture)))).clamp(0, 1)


def _noisy(picture: Tensor) -> Tensor:
    count = len(picture)
    wide = torch.full((1, 1, 1, 1), 0.8, device=picture.device)
    # Half of the noise has a grain of more than a pixel.
    noise = _some(torch.randn_like(picture), 0.5, lambda n: 2 * _gauss(n, wide.expand(len(n), 1, 1, 1)))
    return picture + uniform(count, 0, 0.05, picture) * noise


def sensor(picture: Tensor) -> Tensor:
    """Softness, lost resolution, noise, compression: each in some pictures."""
    for share, change in ((0.3, _softened), (0.2, _resized), (0.2, _sharpened), (0.5, _noisy), (0.3, _jpeg)):
        picture = _some(picture, share, change)
    return picture.clamp(0, 1)
