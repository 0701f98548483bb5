# SPDX-License-Identifier: Apache-2.0
"""Optical flow between the frames of a shot, and where the way back leads back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import flow_between

Float = NDArray[np.float32]
Half = NDArray[np.float16]
Bool = NDArray[np.bool_]
Grey = NDArray[np.uint8]

#: Longer side of the pictures that the flow is found in, about.
FLOW_SIDE = 512
#: Longer side of the flows that are kept, about: the flow is no finer.
KEPT_SIDE = 256
#: Flows that are kept: each is asked for again from its other end.
KEPT = 96
#: Pixels, and a share of the flow, by which the way back may miss. What a neighbour hides has no way back.
BACK_PX, BACK_SHARE = 0.7, 0.07


class Flows:
    """Flows between frames, by their indices; for several threads."""

    def __init__(self, read: Callable[[int], Grey]) -> None:
        """
        Args:
            read: gives the grey picture (H, W) uint8 of a frame.
        """
        self._read = read
        self._kept: OrderedDict[tuple[int, int], Half] = OrderedDict()
        self._lock = Lock()

    def between(self, start: int, end: int) -> tuple[Float, Bool]:
        """Flow (H, W, 2) in pixels from one frame to another, and where (H, W) the way back leads back."""
        height, width = self._read(start).shape
        there, back = self._small(start, end).astype(np.float32), self._small(end, start).astype(np.float32)
        small_height, small_width = there.shape[:2]
        scale = np.array([small_width / width, small_height / height], np.float32)
        x, y = np.moveaxis(there * scale, -1, 0)
        x += np.arange(small_width, dtype=np.float32)
        y += np.arange(small_height, dtype=np.float32)[:, None]
        there_back = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(1e6, 1e6))
        off = np.linalg.norm(there + there_back, axis=-1)
        leads_back = off < BACK_PX + BACK_SHARE * np.linalg.norm(there, axis=-1)
        size = (width, height)
        flow = cv2.resize(there, size, interpolation=cv2.INTER_LINEAR)
        sure = cv2.resize(leads_back.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(flow, np.float32), sure > 0

    def _small(self, start: int, end: int) -> Half:
        with self._lock:
            if (start, end) in self._kept:
                self._kept.move_to_end((start, end))
                return self._kept[start, end]
        flow = _flow(self._read(start), self._read(end))
        with self._lock:
            self._kept[start, end] = flow
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return flow


def _flow(start: Grey, end: Grey) -> Half:
    """Optical flow (h, w, 2) in the pictures' pixels, of ``KEPT_SIDE``; of small pictures enlarged, since it looks at
    blocks of them."""
    height, width = start.shape
    factor = max(1, round(FLOW_SIDE / max(height, width)))
    size = (factor * width, factor * height)
    large = (
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8) for picture in (start, end)
    )
    smaller = max(1.0, max(height, width) / KEPT_SIDE)
    kept = (max(1, round(width / smaller)), max(1, round(height / smaller)))
    flow = cv2.resize(flow_between(*large), kept, interpolation=cv2.INTER_AREA)
    return np.asarray(flow / np.float32(factor), np.float16)
