# SPDX-License-Identifier: Apache-2.0
"""The pictures that parallax is measured in: of bounded size, without the lens's distortion, kept in a scratch file.

Cameras are brought to the same pixels, and what was measured is brought back to the plate's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.depth.frame_maps import FrameMaps
from ex4d.media.frames import FrameSource
from ex4d.system.threads import prefetched

Array = NDArray[np.float64]
Float = NDArray[np.float32]
#: What is known of each pixel, a bit each.
Flags = NDArray[np.uint8]
Picture = NDArray[np.uint8]

#: Depths of neighbouring pixels within this ratio lie on one surface and are interpolated.
SAME_SURFACE = 1.05
#: Of the plate's size, by which the picture without distortion may be larger on each side.
MOST_MARGIN = 0.25


@dataclass(frozen=True)
class WorkingFrames:
    """Pictures and cameras of a shot.

    Attributes:
        plate: the frames.
        plate_cameras: of them, with their lens.
        cameras: pinholes of the working pictures.
        pictures: (h, w, 3) uint8 RGB by the frame's index.
        left, top: where the first working pixel lies in the plate, in the plate's pixels.
    """

    plate: FrameSource
    plate_cameras: Trajectory
    cameras: Trajectory
    pictures: FrameMaps
    left: float
    top: float

    @classmethod
    def of(cls, plate: FrameSource, cameras: Trajectory, longest: int, path: Path) -> WorkingFrames:
        """Those of a plate; the pictures are still to be written, with ``load``.

        Args:
            cameras: of the plate's pixels, one per frame.
            longest: pixels that the longer side may have.
            path: of the scratch file.
        """
        left, top, right, bottom = _window(cameras)
        width, height = right - left, bottom - top
        scale = min(1.0, longest / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pinholes = replace(cameras.cropped(left, top, width, height), lens=None).resized(*size)
        return cls(plate, cameras, pinholes, FrameMaps(path, (size[1], size[0], 3), np.uint8), left, top)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the working pictures."""
        return self.cameras.width, self.cameras.height

    @property
    def is_plate(self) -> bool:
        """Whether the working pixels are the plate's."""
        return self.plate_cameras.lens is None and self.size == self.plate.size

    def load(self, advance: Callable[[], None]) -> None:
        """Read all frames of the plate.

        Args:
            advance: called after each.
        """
        for index, picture in enumerate(prefetched(self.plate.read_8bit, self.plate.numbers)):
            self.pictures[index] = self._picture(index, picture)
            advance()

    def _picture(self, index: int, picture: Picture) -> Picture:
        if self.is_plate:
            return picture
        if self.plate_cameras.lens is None:
            return np.asarray(cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA), np.uint8)
        view, plate = self.cameras[index], self.plate_cameras[index]
        at = view.rays(_centres(*self.size))
        at = plate.lens.distort(at) * plate.K[(0, 1), (0, 1)] + plate.K[:2, 2] - 0.5  # type: ignore[union-attr]
        x, y = at[..., 0].astype(np.float32), at[..., 1].astype(np.float32)
        return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    def grey(self, index: int) -> Float:
        """(h, w) float32 in 0..1."""
        return cv2.cvtColor(self.pictures[index], cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)

    def grey_8bit(self, index: int) -> Picture:
        """(h, w) uint8."""
        return np.asarray(cv2.cvtColor(self.pictures[index], cv2.COLOR_RGB2GRAY), np.uint8)

    def from_plate(self, index: int, values: Float) -> Float:
        """A map (H, W) of the plate at the working pixels, the nearest pixel's value."""
        if self.is_plate:
            return values
        if self.plate_cameras.lens is None:
            return np.asarray(cv2.resize(values, self.size, interpolation=cv2.INTER_NEAREST), values.dtype)
        view, plate = self.cameras[index], self.plate_cameras[index]
        at = plate.lens.distort(view.rays(_centres(*self.size)))  # type: ignore[union-attr]
        at = (at * plate.K[(0, 1), (0, 1)] + plate.K[:2, 2] - 0.5).astype(np.float32)
        out = cv2.remap(values, at[..., 0], at[..., 1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(out, values.dtype)

    def to_plate(self, index: int, disparity: Float, flags: Flags) -> tuple[Float, Flags]:
        """Disparities and what is known of them, (h, w), at the plate's pixels (H, W): interpolated on a surface; where
        two meet, that of the pixel whose colour is nearest."""
        if self.is_plate:
            return disparity, flags
        picture = self.plate.read_8bit(self.plate.numbers[index]).astype(np.int16)
        x, y = self._working_positions(index)
        width, height = self.size
        left = np.clip(np.floor(x), 0, width - 2).astype(np.intp)
        top = np.clip(np.floor(y), 0, height - 2).astype(np.intp)
        share_x = np.clip(x - left, 0, 1).astype(np.float32)
        share_y = np.clip(y - top, 0, 1).astype(np.float32)
        small = self.pictures[index].astype(np.int16)
        best, most = np.zeros(x.shape, np.float32), np.full(x.shape, np.inf, np.float32)
        smooth, flag = np.zeros(x.shape, np.float32), np.zeros(x.shape, np.uint8)
        low, high = np.full(x.shape, np.inf, np.float32), np.zeros(x.shape, np.float32)
        for dy, weight_y in ((0, 1 - share_y), (1, share_y)):
            for dx, weight_x in ((0, 1 - share_x), (1, share_x)):
                value, weight = disparity[top + dy, left + dx], weight_x * weight_y
                smooth += value * weight
                np.minimum(low, value, out=low)
                np.maximum(high, value, out=high)
                # Of pixels that look alike the nearest.
                unlike = np.abs(small[top + dy, left + dx] - picture).sum(axis=-1) + 8 * (1 - weight)
                nearer = unlike < most
                best, most = np.where(nearer, value, best), np.where(nearer, unlike, most)
                flag = np.where(nearer, flags[top + dy, left + dx], flag)
        return np.where(high <= SAME_SURFACE * low, smooth, best).astype(np.float32), flag

    def _working_positions(self, index: int) -> tuple[Array, Array]:
        """Array positions in the working picture of the plate's pixels: column and row, (H, W) each."""
        view, plate = self.cameras[index], self.plate_cameras[index]
        at = plate.rays(_centres(*self.plate.size)) * view.K[(0, 1), (0, 1)] + view.K[:2, 2] - 0.5
        return at[..., 0], at[..., 1]


def _centres(width: int, height: int) -> Array:
    """(H, W, 2) positions of the pixels' centres."""
    return np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)


def _window(cameras: Trajectory) -> tuple[int, int, int, int]:
    """Left, top, right, bottom, in the plate's pixels, of a pinhole's picture that shows all that the plate does."""
    width, height = cameras.width, cameras.height
    if cameras.lens is None:
        return 0, 0, width, height
    x, y = np.linspace(0, width, 33), np.linspace(0, height, 33)
    border = np.concatenate(
        [np.column_stack([x, 0 * x + edge]) for edge in (0, height)]
        + [np.column_stack([0 * y + edge, y]) for edge in (0, width)]
    )
    corners = []
    for K in np.unique(cameras.K, axis=0):
        at = cameras.lens.undistort((border - K[:2, 2]) / K[(0, 1), (0, 1)]) * K[(0, 1), (0, 1)] + K[:2, 2]
        corners += [at.min(axis=0), at.max(axis=0)]
    margin = MOST_MARGIN * np.array([width, height])
    low = np.floor(np.maximum(np.min(corners, axis=0), -margin)).astype(int)
    high = np.ceil(np.minimum(np.max(corners, axis=0), margin + np.array([width, height]))).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
