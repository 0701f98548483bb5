# SPDX-License-Identifier: Apache-2.0
"""Cheap cues to what is near: movement against the background, sharpness. None of them measures depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Grey = NDArray[np.uint8]

#: Movement against the background below this many pixels is noise of the optical flow.
FLOW_NOISE_PX = 0.3
#: From this much more on the cue is trusted fully.
FLOW_TRUST_PX = 1.0
#: RANSAC's inlier distance for the background's homography, pixels.
BACKGROUND_TOLERANCE_PX = 1.0
#: Ratio of gradients before and after a blur of 3.2 px: 1 = out of focus, above = in focus.
BLURRED_RATIO, SHARP_RATIO = 1.15, 2.6
#: Contrast (grey levels 0..1 per pixel) at which sharpness can be told.
TEXTURE_CONTRAST = 0.01
#: A cut changes the histogram (Bhattacharyya distance) and the pixels (mean grey levels) by more than this. Seen on
#: real clips: cuts 0.24 to 0.59 and 50 to 84, the fastest movement inside a shot 0.12 and 21.
CUT_HISTOGRAM, CUT_CHANGE = 0.18, 30.0


@dataclass(frozen=True)
class Cue:
    """A cue of one frame.

    Attributes:
        value: (h, w) float32, 0 = far, 1 = near.
        confidence: (h, w) float32 in 0..1, per pixel.
        trust: 0..1, how much the whole frame says about depth at all.
    """

    value: Float
    confidence: Float
    trust: float


#: OpenCV's DIS refuses smaller pictures, and crashes on some.
LEAST_FLOW_SIDE = 32


def _grid(height: int, width: int) -> Float:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x, y], axis=-1)


def flow_between(a: Grey, b: Grey) -> Float:
    """Dense optical flow (h, w, 2) in pixels from grey picture ``a`` to ``b`` (DIS)."""
    height, width = a.shape
    below, beside = max(0, LEAST_FLOW_SIDE - height), max(0, LEAST_FLOW_SIDE - width)
    first, second = (cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_REPLICATE) for picture in (a, b))
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = np.asarray(solver.calc(first, second, None), dtype=np.float32)  # type: ignore[call-overload]
    return np.ascontiguousarray(flow[:height, :width])


def carry(values: Float, flow: Float) -> Float:
    """Fetch ``values`` (h, w, C) of another frame along the flow (h, w, 2) that leads there."""
    at = _grid(*flow.shape[:2]) + flow
    out = cv2.remap(values, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.float32).reshape(values.shape)


def movement(flow: Float) -> Cue:
    """How much each pixel moves against the background, whose movement is the homography that most pixels follow.

    A near thing shows more parallax when the camera moves, and what moves by itself is mostly the subject.
    """
    grid = _grid(*flow.shape[:2])
    start = grid[4::8, 4::8].reshape(-1, 2)
    homography = None
    if len(start) >= 8:
        cv2.setRNGSeed(0)
        end = start + flow[4::8, 4::8].reshape(-1, 2)
        homography, _ = cv2.findHomography(start, end, cv2.RANSAC, BACKGROUND_TOLERANCE_PX)
    background = np.zeros_like(flow)
    if homography is not None:
        background = cv2.perspectiveTransform(grid.reshape(1, -1, 2), homography).reshape(grid.shape) - grid
    residual = np.linalg.norm(flow - background, axis=-1).astype(np.float32)
    scale = max(float(np.percentile(residual, 95)), FLOW_NOISE_PX)
    trust = min(max((scale - FLOW_NOISE_PX) / FLOW_TRUST_PX, 0.0), 1.0)
    return Cue(np.minimum(residual / np.float32(scale), 1), np.ones_like(residual), trust)


def _gradient_energy(grey: Float, sigma: float, size: tuple[int, int]) -> Float:
    blurred = cv2.GaussianBlur(grey, (0, 0), sigma)
    dx, dy = cv2.Sobel(blurred, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(blurred, cv2.CV_32F, 0, 1) / 8
    pooled = cv2.resize(dx * dx + dy * dy, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(pooled, (0, 0), 2), dtype=np.float32)


def sharpness(grey: NDArray[Any], size: tuple[int, int]) -> Cue:
    """How sharp the picture is, at ``size`` (width, height): focus is mostly on the subject.

    Trusted only where a good part of the textured picture is out of focus, which tells a shallow depth of field.
    """
    picture = (grey / 255).astype(np.float32)
    fine, coarse = _gradient_energy(picture, 0.8, size), _gradient_energy(picture, 3.2, size)
    ratio = np.sqrt(fine / (coarse + np.float32(1e-7)))
    contrast = np.sqrt(coarse)
    confidence = contrast / (contrast + np.float32(TEXTURE_CONTRAST))
    value = np.clip((ratio - BLURRED_RATIO) / (SHARP_RATIO - BLURRED_RATIO), 0, 1)
    unfocused = float(((ratio < 1.35) * confidence).sum() / max(float(confidence.sum()), 1e-6))
    trust = min(max(unfocused / 0.4 - 0.5, 0.0), 1.0)
    return Cue(value.astype(np.float32), confidence.astype(np.float32), trust)


def is_cut(a: Grey, b: Grey) -> bool:
    """Whether two consecutive frames, small and grey, belong to different shots: their histograms and pixels differ."""
    hist_a, hist_b = (cv2.calcHist([x], [0], None, [32], [0, 256]) for x in (a, b))
    unlike = float(cv2.compareHist(hist_a / a.size, hist_b / b.size, cv2.HISTCMP_BHATTACHARYYA))
    change = float(np.abs(a.astype(np.float32) - b.astype(np.float32)).mean())
    return unlike > CUT_HISTOGRAM and change > CUT_CHANGE
