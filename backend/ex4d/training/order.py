# SPDX-License-Identifier: Apache-2.0
"""Which clip, mask, noise and noise level each place of a run has: from the seed and the place alone.

So a run that goes on after an interruption, or on another number of devices with the same clips a step, sees the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from ex4d.training.data import Window


def seeded(*parts: object) -> torch.Generator:
    """Random numbers on the CPU that these parts alone decide."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class Order:
    """The order of samples.

    Args:
        windows: to train on.
        variants: masks of each; an epoch takes each window once, with the next of its masks.
        seed: of the run.
    """

    def __init__(self, windows: Sequence[Window], variants: int, seed: int) -> None:
        self._windows, self._variants, self._seed = windows, variants, seed
        self._epoch, self._shuffled = -1, torch.zeros(0, dtype=torch.int64)

    def __getitem__(self, place: int) -> tuple[Window, int]:
        epoch, at = divmod(place, len(self._windows))
        if epoch != self._epoch:
            self._epoch = epoch
            self._shuffled = torch.randperm(len(self._windows), generator=seeded(self._seed, "order", epoch))
        window = self._windows[int(self._shuffled[at])]
        # Windows start with different masks, so that a short run sees all kinds.
        return window, (epoch + int(window.name[:4], 16)) % self._variants

    def noise(self, place: int, shape: Sequence[int]) -> torch.Tensor:
        """Noise for a sample, float32."""
        return torch.randn(tuple(shape), generator=seeded(self._seed, "noise", place))

    def level(self, place: int, levels: int) -> int:
        """Noise level of a sample, uniformly one of so many."""
        return int(torch.randint(levels, (1,), generator=seeded(self._seed, "level", place)))


def places(step: int, accumulate: int, micro: int, world: int, rank: int, batch: int) -> range:
    """Places of the samples of one device in one batch of a step (from 0)."""
    begin = (((step * accumulate + micro) * world) + rank) * batch
    return range(begin, begin + batch)
