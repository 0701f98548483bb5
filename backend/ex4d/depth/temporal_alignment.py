# SPDX-License-Identifier: Apache-2.0
"""Takes the flicker out of disparity that was estimated frame by frame.

Each frame of such an estimate has a scale and a shift of its own. They are found for all frames of a shot at once:

    minimise  Σ over neighbouring frames  mean (s_t·d_t + o_t − warped(s_{t−1}·d_{t−1} + o_{t−1}))²
            + Σ over frames  (s_t − 1)²/M² + o_t²/M²

where the warp follows the optical flow and pixels count by how well the two frames agree up to one line (Huber). The
second sum lets the estimate itself decide over spans longer than M frames: without it small errors of the pairs would
add up, and whatever moves along the optical axis would be pumped flat. Each pair enters by ten sums, freed from the
noise of both frames, so memory does not grow with the picture, and the equations are a chain, solved in time linear in
the frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import carry, flow_between, is_cut
from ex4d.depth.solved import HUBER, fit_line

Float = NDArray[np.float32]
Array = NDArray[np.float64]
Grey = NDArray[np.uint8]

#: Frames over which flicker is told from change (M above).
MEMORY_FRAMES = 50.0
#: Pixels of the pictures that the flow is found in.
FLOW_PIXELS = 40_000
#: Width of the Gaussian that the compared disparities are smoothed with, pixels of those pictures.
SMOOTHING = 2.0
#: Flow there and back must return within this many pixels.
RETURN_PX = 1.0
#: Pairs with fewer pixels than this, or less alike than this correlation, say nothing.
LEAST_PIXELS, LEAST_CORRELATION = 200, 0.5
#: Bounds of a frame's scale against the shot's.
_SCALES = (0.2, 5.0)


@dataclass(frozen=True)
class ScaleShift:
    """What makes the frames of a shot agree: d ↦ scale·d + shift, per frame.

    Attributes:
        scale, shift: (T,) float64.
    """

    scale: Array
    shift: Array

    def __call__(self, index: int, disparity: NDArray[Any]) -> Float:
        """Steadied disparity float32 of frame ``index`` (0 = the first)."""
        return (disparity.astype(np.float64) * self.scale[index] + self.shift[index]).astype(np.float32)


def flow_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the pictures that the flow is found in."""
    scale = min(1.0, float(np.sqrt(FLOW_PIXELS / (width * height))))
    return max(2, round(width * scale)), max(2, round(height * scale))


@dataclass
class TemporalAlignment:
    """Takes the frames one after the other; keeps only the last one and the sums.

    Attributes:
        cuts: indices of frames that another shot seems to begin with.
    """

    cuts: list[int] = field(default_factory=list)
    _links: list[Array | None] = field(default_factory=list)
    _centres: list[float] = field(default_factory=list)
    _spreads: list[float] = field(default_factory=list)
    _last: tuple[Grey, Float] | None = None

    def add(self, picture: NDArray[np.uint8], disparity: Float) -> None:
        """The next frame.

        Args:
            picture: RGB (H, W, 3) uint8.
            disparity: (h, w) of the same view, any size; numbers only.
        """
        size = flow_size(picture.shape[1], picture.shape[0])
        shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        grey = np.asarray(cv2.cvtColor(shrunk, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        small = np.asarray(cv2.resize(disparity, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        # Following the flow smooths one frame of each pair; smoothed both, they are alike.
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), SMOOTHING), dtype=np.float32)
        self._centres.append(float(np.median(small)))
        self._spreads.append(float(np.abs(small - self._centres[-1]).mean()))
        if self._last is not None:
            if is_cut(self._last[0], grey):
                self.cuts.append(len(self._links) + 1)
                self._links.append(None)
            else:
                self._links.append(_sums(*self._last, grey, small))
        self._last = grey, small

    def lines(self) -> ScaleShift:
        """The lines of all frames so far."""
        centre, spread = float(np.median(self._centres)), float(np.median(self._spreads))
        if spread <= 0:
            return ScaleShift(np.ones(len(self._centres)), np.zeros(len(self._centres)))
        scale, shift = _solve([None if link is None else _normalised(link, centre, spread) for link in self._links])
        # aligned = centre + spread·(scale·(d − centre)/spread + shift)
        return ScaleShift(scale, centre - scale * centre + spread * shift)


def _sums(former_grey: Grey, former: Float, grey: Grey, own: Float) -> Array | None:
    """Weighted second moments (4, 4) of (−y, −1, x, 1), with x a pixel's disparity and y that of the same point in the
    frame before; None where the two frames have too little in common."""
    back = flow_between(grey, former_grey)
    forth = carry(flow_between(former_grey, grey), back)
    height, width = own.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    at_x, at_y = columns + back[..., 0], rows + back[..., 1]
    inside = (at_x >= 0) & (at_y >= 0) & (at_x <= width - 1) & (at_y <= height - 1)
    known = inside & (np.linalg.norm(back + forth, axis=-1) < RETURN_PX)
    warped = carry(former[..., None], back)[..., 0]
    x, y = own[known].astype(np.float64), warped[known].astype(np.float64)
    if len(x) < LEAST_PIXELS or x.std() <= 0 or y.std() <= 0 or np.corrcoef(x, y)[0, 1] < LEAST_CORRELATION:
        return None
    slope, offset = fit_line(x, y)
    error = np.abs(y - slope * x - offset)
    limit = HUBER * max(float(np.median(error)), 1e-12)
    weights = np.minimum(1.0, limit / np.maximum(error, 1e-30))
    terms = np.stack([-y, -np.ones_like(y), x, np.ones_like(x)])
    sums = np.asarray((terms * weights) @ terms.T / weights.sum())
    # Noise in both frames would draw every scale to zero: only what they have in common counts.
    variance_y, variance_x = sums[0, 0] - sums[0, 1] ** 2, sums[2, 2] - sums[2, 3] ** 2
    common = (-sums[0, 2] - sums[0, 1] * sums[2, 3]) / np.sqrt(variance_x * variance_y)
    sums[0, 0] -= (1 - common) * variance_y
    sums[2, 2] -= (1 - common) * variance_x
    return sums


def _normalised(link: Array, centre: float, spread: float) -> Array:
    """The sums of ``_sums`` for (d − centre)/spread in place of d."""
    one = np.eye(4)
    one[0, 0] = one[2, 2] = 1 / spread
    one[0, 1] = one[2, 3] = -centre / spread
    return one @ link @ one.T


def _solve(links: list[Array | None]) -> tuple[Array, Array]:
    """Scales and shifts (T,), T = number of links + 1, by elimination along the chain of 2×2 blocks."""
    count = len(links) + 1
    weight = 1 / MEMORY_FRAMES**2
    diagonal = np.tile(weight * np.eye(2), (count, 1, 1))
    beside = np.zeros((max(count - 1, 0), 2, 2))  # rows of frame t, columns of frame t+1
    right = np.tile([weight, 0.0], (count, 1))
    for index, link in enumerate(links):
        if link is not None:
            diagonal[index] += link[:2, :2]
            diagonal[index + 1] += link[2:, 2:]
            beside[index] = link[:2, 2:]
    for index in range(count - 1):
        factor = np.linalg.solve(diagonal[index], beside[index]).T
        diagonal[index + 1] -= factor @ beside[index]
        right[index + 1] -= factor @ right[index]
    result = np.empty((count, 2))
    result[-1] = np.linalg.solve(diagonal[-1], right[-1])
    for index in range(count - 2, -1, -1):
        result[index] = np.linalg.solve(diagonal[index], right[index] - beside[index] @ result[index + 1])
    scale, shift = result.T
    # Whatever shrinks all scales alike is undone, so that the shot keeps its contrast.
    mean = float(scale.mean())
    scale, shift = scale / mean, (shift - shift.mean()) / mean
    return np.clip(scale, *_SCALES), shift
