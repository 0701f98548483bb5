# SPDX-License-Identifier: Apache-2.0
"""What is looked at during the training: scores on frames that it never sees, and sheets of pictures."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from research.small_depth.batches import Store, bounded
from research.small_depth.losses import abs_rel
from research.small_depth.network import MULTIPLE, SmallDepth, with_places


@torch.no_grad()
def predict(model: SmallDepth, picture: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """ln disparity at the picture's size; its area is brought to that of a square of ``side``."""
    height, width = picture.shape[:2]
    scale = side / math.sqrt(height * width)
    size = tuple(max(4 * MULTIPLE, MULTIPLE * round(n * scale / MULTIPLE)) for n in (width, height))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    device = next(model.parameters()).device
    x = torch.from_numpy(small).to(device).permute(2, 0, 1)[None].float() / 255
    y = model(with_places(x))
    return functional.interpolate(y, (height, width), mode="bilinear")[0, 0].float().cpu().numpy()


@torch.no_grad()
def check(model: SmallDepth, store: Store, labels: list[str]) -> str:
    """Scores on whole frames by kind of scene: the network, and a vertical gradient of disparity."""
    device = store.pictures.device
    errors, flat = [], []
    gradient = torch.linspace(0.25, 1, store.log_disparity.shape[-2], device=device).log().view(1, 1, -1, 1)
    for at in torch.arange(len(store), device=device).split(32):
        true = bounded(store.log_disparity[at].float())
        x = with_places(store.pictures[at].float() / 255)
        errors.append(abs_rel(functional.interpolate(model(x).float(), true.shape[-2:], mode="bilinear"), true))
        flat.append(abs_rel(gradient.expand_as(true), true))
    error, other = torch.cat(errors).cpu().numpy(), torch.cat(flat).cpu().numpy()
    parts = [f"all {error.mean():.3f} (gradient {other.mean():.3f})"]
    for label in dict.fromkeys(labels):
        own = np.array(labels) == label
        parts.append(f"{label} {error[own].mean():.3f} ({other[own].mean():.3f})")
    return ", ".join(parts)


def sheet(model: SmallDepth, pictures: list[NDArray[np.uint8]], path: Path, sides: tuple[int, ...]) -> None:
    """Pictures and their predicted disparity at several sizes of the network's input."""
    rows = []
    for picture in pictures:
        row = [picture[..., ::-1]]
        for side in sides:
            disparity = np.exp(predict(model, picture, side))
            shown = np.clip(disparity / np.percentile(disparity, 99.5), 0, 1)
            row.append(cv2.applyColorMap(np.uint8(255 * shown), cv2.COLORMAP_INFERNO))
        rows.append(np.hstack(row))
    width = max(row.shape[1] for row in rows)
    rows = [cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT) for row in rows]
    cv2.imwrite(str(path), np.vstack(rows))


def clip_frames(path: Path, count: int = 3) -> list[NDArray[np.uint8]]:
    """Some frames of a video, RGB."""
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    frames = []
    for index in range(total):
        ok, frame = capture.read()
        if ok and index in set(np.linspace(0, total - 1, count).round().astype(int).tolist()):
            frames.append(frame[..., ::-1].copy())
    return frames


def examples(pictures: Tensor, log_disparity: Tensor, path: Path) -> None:
    """A sheet of what is trained on, eight in a row."""
    near = torch.exp(log_disparity - log_disparity.amax((2, 3), keepdim=True)).expand_as(pictures)
    both = torch.cat([pictures.flip(1), near], 2)[..., :384, :192].permute(0, 2, 3, 1).cpu().numpy()
    rows = [np.hstack(list(both[i : i + 8])) for i in range(0, len(both) // 8 * 8, 8)]
    if rows:
        cv2.imwrite(str(path), (255 * np.vstack(rows)).astype(np.uint8))
