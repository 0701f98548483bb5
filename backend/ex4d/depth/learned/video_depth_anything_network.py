# SPDX-License-Identifier: Apache-2.0
"""Video Depth Anything (arXiv 2501.12375): Depth Anything V2 with attention over time in its head.

Vision transformer, neck and head are transformers' Depth Anything, the attention blocks diffusers'. What is written
here: where the four temporal layers sit, the names of the released tensors, and the passage of windows over a clip,
which follows the released inference settings because the network was trained for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.attention import BasicTransformerBlock
from numpy.typing import NDArray
from torch import nn
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from ex4d.depth.learned.depth_anything_network import PATCH, SIDE, check_size
from ex4d.depth.learned.depth_model import Estimate
from ex4d.depth.learned.estimator_spec import EstimatorSpec
from ex4d.depth.learned.loading import check_tensors, load_transformers, reading
from ex4d.depth.learned.pictures import half_on_gpu, inputs, size_above
from ex4d.media.frames import FrameSource
from ex4d.models.tensors import TensorFile
from ex4d.models.torch_device import pick_device
from ex4d.protocol.errors import BadInputError

#: Side of the pictures that the position embedding was made for, pixels; for others it is interpolated.
EMBEDDED_SIDE = 518
#: Added to the number of patches in that interpolation by the released code, so by the training.
_EMBEDDING_OFFSET = 0.1
#: Frames of a window.
WINDOW = 32
#: Places in a window whose pictures begin the next one: two far back for the scale, and the last eight, over which the
#: two windows are blended.
KEPT = (0, 12, *range(24, 32))
KEYS, BLENDED = 2, 8
#: New frames of each window but the first.
STEP = WINDOW - len(KEPT)
#: Aspect beyond which the shorter side is made smaller, because memory grows with the area.
WIDEST = 1.777
#: Frames that go through the parts without time at once.
BATCH = 4
_HEAD_CHANNELS, _HEADS, _GROUPS = 64, 8, 32
#: Blocks of the vision transformer whose output is used, counted from 1, by their number.
_TAPPED = {12: [3, 6, 9, 12], 24: [5, 12, 18, 24]}


class TemporalLayer(nn.Module):
    """Attention of each pixel to itself over time, added to what comes in.

    Args:
        channels: of the feature maps, a multiple of 32.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.block = BasicTransformerBlock(
            channels,
            _HEADS,
            channels // _HEADS,
            double_self_attention=True,
            positional_embeddings="sinusoidal",
            num_positional_embeddings=WINDOW,
        )
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Feature maps (T, C, h, w) of a window -> the same shape."""
        count, channels, height, width = maps.shape
        series = self.norm(maps).permute(2, 3, 0, 1).reshape(height * width, count, channels)
        series = self.proj_out(self.block(self.proj_in(series)))
        return maps + series.reshape(height, width, count, channels).permute(2, 3, 0, 1)


class VideoDepthAnything(nn.Module):
    """The network.

    Args:
        image: the parts that see one frame at a time.
    """

    def __init__(self, image: Any) -> None:
        super().__init__()
        config = image.config
        self.image = image
        self.image.backbone.embeddings.interpolate_pos_encoding = self._positions
        sizes = (*config.neck_hidden_sizes[2:], config.fusion_hidden_size, config.fusion_hidden_size)
        self.temporal = nn.ModuleList(TemporalLayer(channels) for channels in sizes)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Disparities (T, H, W) up to scale and shift, at least 0, of a window's normalised pictures (T, 3, H, W)."""
        patches = pictures.shape[-2] // PATCH, pictures.shape[-1] // PATCH
        parts = [self._features(batch, patches) for batch in pictures.split(BATCH)]
        maps = [torch.cat(level) for level in zip(*parts, strict=True)]
        maps[2], maps[3] = self.temporal[0](maps[2]), self.temporal[1](maps[3])
        neck = self.image.neck
        maps = [convolution(level) for convolution, level in zip(neck.convs, maps, strict=True)]
        fusion = neck.fusion_stage.layers
        path = self.temporal[2](fusion[0](maps[3], size=maps[2].shape[2:]))
        path = self.temporal[3](fusion[1](path, maps[2], size=maps[1].shape[2:]))
        depths = []
        for low, middle, high in zip(path.split(BATCH), maps[1].split(BATCH), maps[0].split(BATCH), strict=True):
            fused = fusion[3](fusion[2](low, middle, size=high.shape[2:]), high)
            depths.append(self.image.head([fused], *patches))
        return torch.cat(depths)

    def _positions(self, _: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """Position embedding (1, 1 + patches, C) for pictures of that size; transformers' own leaves the offset out."""
        whole: torch.Tensor = self.image.backbone.embeddings.position_embeddings
        grid, side = (height // PATCH, width // PATCH), EMBEDDED_SIDE // PATCH
        if grid == (side, side):
            return whole
        square = whole[:, 1:].float().reshape(1, side, side, -1).permute(0, 3, 1, 2)
        factors = [(count + _EMBEDDING_OFFSET) / side for count in grid]
        with torch.autocast(whole.device.type, enabled=False):
            resized = nn.functional.interpolate(square, scale_factor=factors, mode="bicubic")
        return torch.cat([whole[:, :1], resized.flatten(2).transpose(1, 2).to(whole.dtype)], dim=1)

    def _features(self, pictures: torch.Tensor, patches: tuple[int, int]) -> list[torch.Tensor]:
        """The neck's first maps (T, C, h, w), finest first."""
        maps: list[torch.Tensor] = self.image.neck.reassemble_stage(
            self.image.backbone(pictures).feature_maps, *patches
        )
        return maps


@dataclass(frozen=True)
class WindowedDepth:
    """See ``DepthModel``.

    Attributes:
        model: on its device.
        device: where.
    """

    model: VideoDepthAnything
    device: torch.device

    @torch.inference_mode()
    def run(self, frames: FrameSource) -> Iterator[Estimate]:
        """See ``DepthModel``. A window is in memory at once, with its pictures and its disparities."""
        count = len(frames)
        size = size_above(*frames.size, _side(*frames.size), PATCH)
        coming = inputs(frames, size)
        pictures: list[NDArray[np.float32]] = []
        ends: list[NDArray[np.float32]] = []  # disparities that the next window is blended with
        keys: list[NDArray[np.float32]] = []  # of the pictures that the next window begins with
        done = 0
        while done < count:
            pictures = [pictures[place] for place in KEPT] if pictures else []
            first = len(pictures)
            pictures += islice(coming, WINDOW - first)
            new = len(pictures) - first
            pictures += [pictures[-1]] * (WINDOW - len(pictures))
            own = self._disparities(pictures)
            if first:
                scale, shift = _line(own[:KEYS], keys)
                own = [np.maximum(scale * disparity + shift, 0).astype(np.float32) for disparity in own]
                for place in range(BLENDED):
                    share = np.float32(place / (BLENDED - 1))
                    yield Estimate((1 - share) * ends[place] + share * own[KEYS + place])
            keys = [keys[0] if keys else own[0], own[KEPT[1]]]
            fresh = own[first : first + new]
            done += new
            if done < count:
                ends, fresh = fresh[-BLENDED:], fresh[:-BLENDED]
            yield from map(Estimate, fresh)

    def _disparities(self, pictures: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Of a window's pictures (3, H, W), each (H, W)."""
        stacked = torch.from_numpy(np.stack(pictures)).to(self.device)
        with half_on_gpu(self.device):
            found = self.model(stacked)
        return list(found.float().cpu().numpy())


def _side(width: int, height: int) -> int:
    """Shorter side of the pictures for the network."""
    aspect = max(width, height) / min(width, height)
    return SIDE if aspect <= WIDEST else max(PATCH, round(SIDE * WIDEST / aspect / PATCH) * PATCH)


def _line(own: list[NDArray[np.float32]], wanted: list[NDArray[np.float32]]) -> tuple[float, float]:
    """Scale and shift that bring a window onto the one before, by the pictures that both have seen: least squares."""
    x, y = (np.concatenate([disparity.ravel() for disparity in part]).astype(np.float64) for part in (own, wanted))
    variance = float(x.var())
    if not variance > 0:
        return 1.0, 0.0  # nothing to fit; what is no number is reported where it is stored
    scale = float(np.mean((x - x.mean()) * (y - y.mean()))) / variance
    return scale, float(y.mean() - scale * x.mean())


# The released file ----------------------------------------------------------------------------------------------------

_VISION = {
    "cls_token": "embeddings.cls_token",
    "mask_token": "embeddings.mask_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
_VISION_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.output.dense",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_TEMPORAL_BLOCK = {
    "attention_blocks.0": "attn1",
    "attention_blocks.1": "attn2",
    "norms.0": "norm1",
    "norms.1": "norm2",
    "ff_norm": "norm3",
    "ff": "ff",
}


def _renamed(name: str, table: Mapping[str, str]) -> str | None:
    """The name with its beginning replaced, where the table has it."""
    for old, new in table.items():
        if name == old or name.startswith(f"{old}."):
            return new + name[len(old) :]
    return None


#: Patterns of the head's names, and what they become. The released refinements count from the finest, these from the
#: coarsest.
_HEAD: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"projects\.(\d)\.(\w+)", lambda m: f"neck.reassemble_stage.layers.{m[1]}.projection.{m[2]}"),
    (r"resize_layers\.(\d)\.(\w+)", lambda m: f"neck.reassemble_stage.layers.{m[1]}.resize.{m[2]}"),
    (r"scratch\.layer(\d)_rn\.weight", lambda m: f"neck.convs.{int(m[1]) - 1}.weight"),
    (
        r"scratch\.refinenet(\d)\.resConfUnit(\d)\.conv(\d)\.(\w+)",
        lambda m: f"neck.fusion_stage.layers.{4 - int(m[1])}.residual_layer{m[2]}.convolution{m[3]}.{m[4]}",
    ),
    (
        r"scratch\.refinenet(\d)\.out_conv\.(\w+)",
        lambda m: f"neck.fusion_stage.layers.{4 - int(m[1])}.projection.{m[2]}",
    ),
    (r"scratch\.output_conv1\.(\w+)", lambda m: f"head.conv1.{m[1]}"),
    (r"scratch\.output_conv2\.([02])\.(\w+)", lambda m: f"head.conv{int(m[1]) // 2 + 2}.{m[2]}"),
)


def image_name(name: str) -> str | None:
    """Name of a released tensor in files of Depth Anything for transformers; None where it is none of those."""
    area, _, rest = name.partition(".")
    if area == "pretrained":
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)", rest)
        inner = _renamed(block[2], _VISION_BLOCK) if block else _renamed(rest, _VISION)
        prefix = f"backbone.encoder.layer.{block[1]}" if block else "backbone"
        return inner and f"{prefix}.{inner}"
    matches = ((re.fullmatch(pattern, rest), become) for pattern, become in _HEAD if area == "head")
    return next((become(match) for match, become in matches if match), None)


def temporal_name(name: str) -> str | None:
    """Name of a released tensor in ``VideoDepthAnything``; None where it is none of a temporal layer."""
    match = re.fullmatch(r"head\.motion_modules\.(\d)\.temporal_transformer\.(.+)", name)
    if match is None:
        return None
    inner = match[2]
    if block := re.fullmatch(r"transformer_blocks\.0\.(.+)", inner):
        renamed = _renamed(block[1], _TEMPORAL_BLOCK)
        if renamed is None:
            return None
        inner = f"block.{renamed}"
    return f"temporal.{match[1]}.{inner}"


def split_tensors(file: TensorFile) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A released file's tensors by their names in the two halves: per image, over time.

    Raises:
        BadInputError: it has a tensor that the network has not.
    """
    image: dict[str, torch.Tensor] = {}
    temporal: dict[str, torch.Tensor] = {}
    for name in file.shapes:
        if name.endswith(".pos_encoder.pe"):
            continue  # sines and cosines of the place in the window, which the library computes
        if match := re.fullmatch(r"pretrained\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)", name):
            for part, tensor in zip(("query", "key", "value"), file.read(name).chunk(3), strict=True):
                image[f"backbone.encoder.layer.{match[1]}.attention.attention.{part}.{match[2]}"] = tensor
        elif inner := temporal_name(name):
            temporal[inner] = file.read(name)
        elif inner := image_name(name):
            image[inner] = file.read(name)
        else:
            raise BadInputError(
                f"{file.path.name} has the tensor «{name}», which Video Depth Anything has not.",
                "It is another model's or version's file; `ex4d models download --depth` gets the right one.",
            )
    return image, temporal


def configuration(shapes: Mapping[str, tuple[int, ...]], title: str) -> DepthAnythingConfig:
    """The network's sizes from those of a released file's tensors.

    Raises:
        BadInputError: they are not those of such a network.
    """
    depth = sum(name.endswith(".attn.qkv.weight") for name in shapes)
    needed = [f"head.projects.{level}.weight" for level in range(4)]
    needed += ["pretrained.cls_token", "head.scratch.layer1_rn.weight"]
    check_tensors(title, missing=[name for name in needed if name not in shapes], wrong=[])
    channels = shapes["pretrained.cls_token"][-1]
    if depth not in _TAPPED or channels % _HEAD_CHANNELS:
        raise BadInputError(
            f"The file of {title} holds a vision transformer of {depth} blocks of {channels} channels.",
            "Only those of the released Small, Base and Large models can be read.",
        )
    vision = Dinov2Config(
        image_size=EMBEDDED_SIDE,
        patch_size=PATCH,
        hidden_size=channels,
        num_hidden_layers=depth,
        num_attention_heads=channels // _HEAD_CHANNELS,
        out_indices=_TAPPED[depth],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    return DepthAnythingConfig(
        backbone_config=vision,
        reassemble_hidden_size=channels,
        neck_hidden_sizes=[shapes[name][0] for name in needed[:4]],
        fusion_hidden_size=shapes["head.scratch.layer1_rn.weight"][0],
    )


def load(spec: EstimatorSpec, folders: tuple[Path, ...], _: float | None) -> WindowedDepth:
    """See ``DepthModelLoader``; relative depth needs no lens."""
    (folder,) = folders
    (name,) = spec.weights[0].files
    file = TensorFile.open(folder / name)
    config = configuration(file.shapes, spec.title)
    check_size(spec, folder, config.reassemble_hidden_size)
    image, temporal = split_tensors(file)
    parts = load_transformers(DepthAnythingForDepthEstimation, None, spec.title, config=config, tensors=image)
    model = VideoDepthAnything(parts)
    expected = {
        name: tuple(tensor.shape)
        for name, tensor in model.state_dict().items()
        if name.startswith("temporal.") and not name.endswith("pos_embed.pe")
    }
    found = {name: tuple(tensor.shape) for name, tensor in temporal.items()}
    check_tensors(
        spec.title,
        missing=expected.keys() - found.keys(),
        wrong=[name for name in found if found[name] != expected.get(name)],
    )
    with reading(spec.title):
        model.load_state_dict(temporal, strict=False)
    device = pick_device()
    return WindowedDepth(model.eval().to(device), device)
