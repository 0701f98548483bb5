# SPDX-License-Identifier: Apache-2.0
"""What focus adds to the network: in shots with a shallow depth of field, what is sharp stands before what is not.

Rendered scenes teach the network little of lenses, and a blossom before a dark, blurred garden is where it fails. In
shots without a shallow depth of field this says nothing at all.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import sharpness
from ex4d.depth.edge_aware import spread
from ex4d.depth.frame_maps import FrameMaps

Float = NDArray[np.float32]

#: ln disparity between what is wholly out of focus and what is sharp where a shot surely has a shallow depth of field,
#: and the share of the network's own relief that stays there.
RELIEF, NETWORK_SHARE = 1.1, 0.15
#: Percentiles of a shot's sharpness that become 0 and 1.
LOW_PERCENTILE, HIGH_PERCENTILE = 5, 70
#: Reach of the filter that lets textured places speak for their region: pixels of a map of ``REACH_SIDE``, and colour.
REACH, REACH_SIDE, REACH_COLOR = 24.0, 200, 0.4
#: Frames that tell how a shot's sharpness is spread.
_SAMPLE = 32


class Focus:
    """The sharpness of a shot's frames.

    Args:
        folder: for scratch files.
        height, width: of the maps.
    """

    def __init__(self, folder: Path, height: int, width: int) -> None:
        self._maps = FrameMaps(folder / "focus", (height, width), np.float16)
        self._size = width, height
        self._trusts: list[float] = []

    def add(self, picture: NDArray[np.uint8], small: NDArray[np.uint8]) -> None:
        """The next frame, (H, W, 3), and the same at the size of the maps."""
        cue = sharpness(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), self._size)
        both = np.stack([cue.value * cue.confidence, cue.confidence], axis=-1)
        guide = small.astype(np.float32) / np.float32(255)
        reach = REACH * max(self._size) / REACH_SIDE
        value, confidence = np.moveaxis(spread(both, guide, sigma_space=reach, sigma_range=REACH_COLOR), -1, 0)
        self._maps[len(self._trusts)] = value / (confidence + np.float32(1e-6))
        self._trusts.append(cue.trust)

    def add_to(self, maps: FrameMaps) -> None:
        """Bring what is sharp nearer, in maps of ln disparity."""
        count = len(self._trusts)
        # What the typical frame says holds for the shot: a trust that came and went would pump.
        trust = float(np.median(self._trusts))
        if trust == 0:
            return
        picked = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).round().astype(int))
        sample = np.stack([self._maps[int(index)] for index in picked]).astype(np.float32)
        low, high = np.percentile(sample, [LOW_PERCENTILE, HIGH_PERCENTILE])
        span = np.float32(max(float(high - low), 0.1))
        for index in range(count):
            unit = np.clip((self._maps[index].astype(np.float32) - np.float32(low)) / span, 0, 1)
            own = maps[index]
            middle = np.median(own)
            maps[index] = middle + (1 - trust * (1 - NETWORK_SHARE)) * (own - middle) + trust * RELIEF * unit
