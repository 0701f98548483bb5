# SPDX-License-Identifier: Apache-2.0
"""Frames as networks take them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.media.frames import FrameSource
from ex4d.system.threads import prefetched

#: Mean and standard deviation of ImageNet's RGB values in 0..1, which these networks were trained with.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def size_above(width: int, height: int, side: int, multiple: int) -> tuple[int, int]:
    """(width, height) of about the same aspect whose sides are multiples of ``multiple``, the shorter one ``side``."""
    scale = side / min(width, height)
    return tuple(max(multiple, round(length * scale / multiple) * multiple) for length in (width, height))  # type: ignore[return-value]


def to_input(
    picture: NDArray[np.uint8],
    size: tuple[int, int],
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
) -> NDArray[np.float32]:
    """(3, h, w) float32 normalised from RGB (H, W, 3) uint8; ``size`` is (w, h).

    Enlarged as in training; shrunk by averages, because detail that flickers makes depth flicker.
    """
    shrinks = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    resized = cv2.resize(
        picture.astype(np.float32) / 255, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    values = (resized - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32)


def inputs(frames: FrameSource, size: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
    """``to_input`` of each frame, read ahead on a thread."""
    return prefetched(lambda number: to_input(frames.read_8bit(number), size), frames.numbers)


def half_on_gpu(device: Any) -> AbstractContextManager[Any]:
    """float16 arithmetic on a GPU, which is what these networks are run in; float32 on a CPU."""
    import torch

    return torch.autocast(device.type, dtype=torch.float16, enabled=device.type == "cuda")
