# SPDX-License-Identifier: Apache-2.0
"""Averages maps over time along the optical flow, forwards and backwards, so that what stands still does not flicker.

A pixel takes over what its place in the frame before had, unless that looks otherwise (a thing uncovered, a light
switched on): then it begins anew. Half of the average is running forwards, half backwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import carry, flow_between
from ex4d.depth.frame_maps import FrameMaps

Float = NDArray[np.float32]

#: Share of a frame in its running average, where the past is trusted fully.
BLEND = 0.15
#: Difference of colour (root mean square of channels, 0..1) at which the past counts half.
CHANGE = 0.05
#: Pixels of the flow that must return where it came from, as in ``temporal_alignment``, at which the past counts half.
RETURN_PX = 1.0


@dataclass(frozen=True)
class Smoother:
    """Maps of a shot in scratch files.

    Attributes:
        pictures: (h, w, 3) uint8 per frame.
        maps: (h, w) float32 per frame, what is averaged; they are overwritten.
        forward: scratch of the same shape.
        cuts: indices of frames that begin another shot.
    """

    pictures: FrameMaps
    maps: FrameMaps
    forward: FrameMaps
    cuts: frozenset[int]

    def _blended(self, own: Float, average: Float, at: int, other: int) -> Float:
        """The running average at frame ``at`` from that at the neighbour ``other``."""
        picture, former = self.pictures[at], self.pictures[other]
        grey, former_grey = (np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (picture, former))
        back = flow_between(grey, former_grey)
        there = carry(flow_between(former_grey, grey), back)
        carried = carry(np.dstack([former.astype(np.float32) / 255, average]), back)
        change = np.sqrt(((carried[..., :3] - picture.astype(np.float32) / 255) ** 2).mean(axis=-1)) / CHANGE
        astray = np.linalg.norm(back + there, axis=-1) / RETURN_PX
        trust = (1 / (1 + change**2 + astray**2)).astype(np.float32)
        return np.asarray(own + (1 - BLEND) * trust * (carried[..., 3] - own), np.float32)

    def run(self, count: int) -> None:
        """Average the maps of ``count`` frames."""
        for index in range(count):
            own = self.maps[index]
            if index == 0 or index in self.cuts:
                self.forward[index] = own
            else:
                self.forward[index] = self._blended(own, self.forward[index - 1], index, index - 1)
        backward: Float | None = None
        for index in range(count - 1, -1, -1):
            own = self.maps[index]
            if backward is None or index + 1 in self.cuts:
                backward = own
            else:
                backward = self._blended(own, backward, index, index + 1)
            # The own frame is in both halves.
            self.maps[index] = (self.forward[index] + backward) / 2
