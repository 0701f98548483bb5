# SPDX-License-Identifier: Apache-2.0
"""The order of depth in single frames, as the small network sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ex4d.depth.small.network import SmallNetwork
from ex4d.media.frames import FrameSource


def depth_order(frames: FrameSource) -> Callable[[int], NDArray[np.float32]]:
    """Gives ln disparity (h, w) float32, up to a constant, of the frame with an index; nothing is read before that."""
    network = SmallNetwork()
    return lambda index: network(frames.read_8bit(frames.numbers[index]))
