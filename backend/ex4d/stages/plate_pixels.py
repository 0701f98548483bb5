# SPDX-License-Identifier: Apache-2.0
"""What the pixels of a plate are: they may be wider than they are high, and may be more than the frame (overscan)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, intrinsics_from_fov
from ex4d.media.frames import FrameSource, frame_window


def plate_intrinsics(fov_deg: float, frames: FrameSource) -> NDArray[np.float64]:
    """3x3 K of the plate's pixels.

    Args:
        fov_deg: over the longer side of the frame as it looks, degrees; of the pinhole, whatever a lens does besides.
        frames: of the plate.
    """
    window = frame_window(frames)
    K = intrinsics_from_fov(fov_deg, window.width, window.height, float(frames.pixel_aspect))
    K[:2, 2] += window.left, window.top
    return K


def square_size(size: tuple[int, int], pixel_aspect: Fraction) -> tuple[int, int]:
    """(width, height) of a picture in square pixels, none of which is lost."""
    width, height = size
    return (round(width * pixel_aspect), height) if pixel_aspect > 1 else (width, round(height / pixel_aspect))


def on_plate(camera: Trajectory, frames: FrameSource) -> Trajectory:
    """A camera of the frame, of any pixel size, as one of the plate's pixels; one of their number is taken for it."""
    if frames.frame is None or (camera.width, camera.height) == frames.size:
        return camera.resized(*frames.size)
    window = frames.frame
    return camera.resized(window.width, window.height).cropped(-window.left, -window.top, *frames.size)
