# SPDX-License-Identifier: Apache-2.0
"""The order of depth in single frames, as the small network sees it."""

from __future__ import annotations

from ex4d.depth.small.network import SHA256, SmallNetwork
from ex4d.media.frames import FrameSource
from ex4d.solve.depth_order import DepthOrder


def depth_order(frames: FrameSource) -> DepthOrder:
    """Estimates the order of depth in a plate's frames; nothing is read before it is asked."""
    network = SmallNetwork()
    return DepthOrder(lambda index: network(frames.read_8bit(frames.numbers[index])), SHA256)
