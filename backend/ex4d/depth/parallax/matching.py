# SPDX-License-Identifier: Apache-2.0
"""The surface that each pixel of a frame shows, by itself and its neighbours: sweep, semi-global matching, refinement.

By far most of the arithmetic is here. It is done with numpy and OpenCV, or by torch where that has a GPU; the two agree
but for rounding, so a shot's keys do not say which of them it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from ex4d.depth.parallax.matcher import Match, Matcher
from ex4d.depth.parallax.refine import refine
from ex4d.depth.parallax.semi_global import jump_costs, semi_global
from ex4d.depth.parallax.sweep import Neighbour, sweep

Array = NDArray[np.float64]
Float = NDArray[np.float32]

#: Threads that count.
THREADS = 2


class CpuMatcher:
    """``Matcher`` with numpy and OpenCV, on a few threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS)

    def match(self, grey: Float, neighbours: Sequence[Neighbour], planes: Array) -> Match:
        """See ``Matcher``."""
        step = float(planes[1] - planes[0])
        surface = semi_global(sweep(grey, neighbours, planes, self._pool, THREADS), jump_costs(grey), self._pool)
        w = (planes[0] + surface.plane * step).astype(np.float32)
        w = refine(grey, neighbours, w, step, self._pool)
        # Nothing is farther than infinitely far away.
        return Match(np.maximum(w, 0), surface.cost)

    def close(self) -> None:
        """See ``Matcher``."""
        self._pool.shutdown()


def create_matcher() -> Matcher:
    """The one for this machine: torch's where it is installed and has a GPU, or ``EX4D_DEVICE`` names one.

    Raises:
        UsageError, ResourceError: ``EX4D_DEVICE`` names no device, or one that is not there.
    """
    if find_spec("torch") is not None:
        from ex4d.models.torch_device import pick_device

        device = pick_device()
        if device.type == "cuda":
            from ex4d.depth.parallax.torch_matching import TorchMatcher

            return TorchMatcher(device)
    return CpuMatcher()
