# SPDX-License-Identifier: Apache-2.0
"""Small plates and a sink, for the tests of depth sources."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from ex4d.depth.base import DepthFrame, DepthResult, DepthSource
from ex4d.media.frames import ArrayFrames, FrameSource
from ex4d.system.progress import Silent

WIDTH, HEIGHT = 48, 32
NUMBERS = (1001, 1002, 1003)


def plate(pictures: Sequence[np.ndarray], numbers: Sequence[int] = ()) -> ArrayFrames:
    """A plate at 25 frames a second."""
    return ArrayFrames.of(pictures, Fraction(25), numbers or range(1001, 1001 + len(pictures)))


def grey_plate(numbers: Sequence[int] = NUMBERS, size: tuple[int, int] = (WIDTH, HEIGHT)) -> ArrayFrames:
    """A plate of which only size and numbers matter."""
    return plate([np.full((size[1], size[0], 3), 90, np.uint8)] * len(numbers), numbers)


@dataclass
class Collected:
    """A ``DepthSink`` that keeps everything."""

    maps: dict[int, np.ndarray] = field(default_factory=dict)

    def write(self, frame: DepthFrame) -> None:
        assert frame.depth.dtype == np.float32
        assert frame.number not in self.maps
        self.maps[frame.number] = frame.depth


def estimated(source: DepthSource, frames: FrameSource, scratch: Path) -> tuple[DepthResult, np.ndarray]:
    """Result and depth (T, H, W) of a source."""
    sink = Collected()
    scratch.mkdir(parents=True, exist_ok=True)
    result = source.estimate(frames, sink, scratch, Silent())
    assert tuple(sink.maps) == frames.numbers
    assert len(result.source) == len(frames)
    assert (result.source.width, result.source.height) == frames.size
    return result, np.stack(list(sink.maps.values()))


class _Dropped:
    """A ``DepthSink`` that keeps nothing."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size

    def write(self, frame: DepthFrame) -> None:
        assert frame.depth.shape == self._size[::-1]


def peak_memory(source: DepthSource, frames: FrameSource, scratch: Path) -> int:
    """Bytes of numpy arrays at most while a source estimates a plate."""
    scratch.mkdir()
    tracemalloc.start()
    source.estimate(frames, _Dropped(frames.size), scratch, Silent())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
