# SPDX-License-Identifier: Apache-2.0
"""The tracking mask: what the first frame shows and is still visible.

Points on a grid over the first frame are tracked; each covers a box, and what no visible point's box covers has come
into view since. Steps and figures: EX-4D's author (see ``parameters``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


@dataclass(frozen=True)
class Tracks:
    """Where points went.

    Attributes:
        positions: (T, N, 2) float32 pixel positions, x and y, centres at i+0.5.
        visible: (T, N) bool.
    """

    positions: NDArray[np.float32]
    visible: NDArray[np.bool_]


class Tracker(Protocol):
    """Tracks points through a clip."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    def track(self, frames: Frames, points: NDArray[np.float32]) -> Tracks:
        """Follow points of the first frame.

        Args:
            frames: (T, H, W, 3) uint8 RGB.
            points: (N, 2) float32 pixel positions in the first frame.
        """
        ...


def grid_points(width: int, height: int, side: int) -> NDArray[np.float32]:
    """(side², 2) positions, evenly over the picture, the outermost on its outermost pixels."""
    x, y = np.linspace(0.5, width - 0.5, side), np.linspace(0.5, height - 0.5, side)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)


def cover(positions: NDArray[np.float32], size: tuple[int, int], half: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) uint8, 255 where a box of ``half`` pixels to all sides (across, down) round one of the positions lies."""
    width, height = size
    # Points just outside still cover pixels inside.
    out = np.zeros((height + 2 * half[1], width + 2 * half[0]), dtype=np.uint8)
    at = np.floor(positions).astype(np.intp) + half
    inside = ((at >= 0) & (at < (out.shape[1], out.shape[0]))).all(axis=1)
    out[at[inside, 1], at[inside, 0]] = 255
    box = np.ones((2 * half[1] + 1, 2 * half[0] + 1), np.uint8)
    covered = cv2.dilate(out, box, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(covered[half[1] : half[1] + height, half[0] : half[0] + width], dtype=np.uint8)


def smooth(mask: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Close gaps and take off specks (H, W) smaller than a square of ``side`` pixels. Beyond the picture goes on what
    lies at its border: none of the two may eat the mask from there."""
    kernel = np.ones((side, side), np.uint8)
    padded = cv2.copyMakeBorder(mask, side, side, side, side, cv2.BORDER_REPLICATE)
    for operation in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN):
        padded = cv2.morphologyEx(padded, operation, kernel)
    return np.asarray(padded[side:-side, side:-side], dtype=np.uint8)


def tracking_mask(frames: Frames, tracker: Tracker, side: int, kernel: int) -> NDArray[np.uint8]:
    """The tracking mask of a clip.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        tracker: follows the points.
        side: points a side of the grid, at least 2.
        kernel: side of the closing and opening in pixels, odd.

    Returns:
        (T, H, W) uint8, 255 = in the first frame and still visible, 0 = to be filled.
    """
    height, width = frames.shape[1:3]
    tracks = tracker.track(frames, grid_points(width, height, side))
    half = (max(1, width // (side - 1) // 2), max(1, height // (side - 1) // 2))
    masks = [
        smooth(cover(positions[visible], (width, height), half), kernel)
        for positions, visible in zip(tracks.positions, tracks.visible, strict=True)
    ]
    return np.stack(masks)
