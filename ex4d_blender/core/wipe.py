# SPDX-License-Identifier: GPL-3.0-or-later
"""Two pictures side by side over one frame, parted by an upright line: where each is drawn, and its display values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The longest side of a picture that is shown, pixels: what a viewport holds, and what is read in a moment.
LONGEST = 1920


@dataclass(frozen=True)
class Rect:
    """A rectangle, in pixels, y up."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """Its width."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Its height."""
        return self.top - self.bottom


@dataclass(frozen=True)
class Part:
    """What is drawn of a picture.

    Attributes:
        place: where.
        left, right: from where to where in the picture, 0..1 of its width.
    """

    place: Rect
    left: float
    right: float


def fit(frame: Rect, aspect: float | None) -> Rect:
    """The largest rectangle of an aspect (width by height) in the middle of a frame; None fills it."""
    if aspect is None or frame.width <= 0 or frame.height <= 0:
        return frame
    width, height = min(frame.width, frame.height * aspect), min(frame.height, frame.width / aspect)
    x, y = (frame.left + frame.right) / 2, (frame.bottom + frame.top) / 2
    return Rect(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def part_between(picture: Rect, left: float, right: float) -> Part | None:
    """What lies of a picture between two upright lines at these x; None where nothing does."""
    low, high = max(picture.left, left), min(picture.right, right)
    if high <= low:
        return None
    place = Rect(low, picture.bottom, high, picture.top)
    return Part(place, (low - picture.left) / picture.width, (high - picture.left) / picture.width)


def line_at(frame: Rect, share: float) -> float:
    """The x of the line that parts a frame at a share of its width, 0..1."""
    return frame.left + share * frame.width


def share_at(frame: Rect, x: float) -> float:
    """The share of a frame's width at an x, 0..1; outside of the frame its nearer edge's."""
    return min(max((x - frame.left) / frame.width, 0.0), 1.0) if frame.width > 0 else 0.5


def is_on_line(frame: Rect, share: float, x: float, y: float, reach: float) -> bool:
    """Whether a place is within ``reach`` pixels of the line, and beside the frame."""
    return frame.bottom <= y <= frame.top and abs(x - line_at(frame, share)) <= reach


def shown_size(width: int, height: int) -> tuple[int, int]:
    """The size in which a picture is shown: no side longer than ``LONGEST`` pixels, its aspect kept."""
    shrink = min(1.0, LONGEST / max(width, height, 1))
    return max(round(width * shrink), 1), max(round(height * shrink), 1)


#: The colours of pixels by where they come from: this frame of the plate, another one, what fills.
OWN_FRAME, OTHER_FRAME, FILLED = (0.1, 0.55, 0.15), (0.85, 0.6, 0.05), (0.75, 0.06, 0.06)


def origin_colors(codes: np.ndarray) -> np.ndarray:
    """Colours (..., 3), float32, of the codes of a take's ``confidence`` or ``mask`` pictures, 0..1: 1 is measured, a
    half from another frame, 0 filled."""
    seen, other = codes[..., None] > 0.75, codes[..., None] > 0.25
    own, elsewhere, filled = (np.array(color, np.float32) for color in (OWN_FRAME, OTHER_FRAME, FILLED))
    return np.where(seen, own, np.where(other, elsewhere, filled))


def srgb_codes(linear: np.ndarray) -> np.ndarray:
    """Scene-linear values as codes of sRGB, 0..1; what is brighter than white is white. Of any shape, float32."""
    inside = np.clip(np.nan_to_num(linear, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0).astype(np.float32)
    return np.where(inside <= 0.0031308, inside * 12.92, 1.055 * np.power(inside, 1 / 2.4) - 0.055).astype(np.float32)
