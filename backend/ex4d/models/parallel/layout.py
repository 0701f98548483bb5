# SPDX-License-Identifier: Apache-2.0
"""How the processes that make one clip share its work; known without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RankLayout:
    """Two axes: the branches of guidance, and the tokens of the sequence within a branch. Ranks that share a branch are
    neighbours, so that the larger traffic, that of attention, stays among them.

    Attributes:
        branches: 1, or 2 where each branch of guidance has devices of its own.
        sequence: ranks that share the tokens of one branch, and the heads of its self-attention.
    """

    branches: int = 1
    sequence: int = 1

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.branches * self.sequence

    def branch(self, rank: int) -> int:
        """The branch of guidance that a rank computes."""
        return rank // self.sequence

    def position(self, rank: int) -> int:
        """Which part of the tokens it has."""
        return rank % self.sequence

    def describe(self) -> str:
        """For a note: «on 4 GPUs (guidance 2 x tokens 2)»."""
        return f"on {self.size} GPUs (guidance {self.branches} x tokens {self.sequence})"


def choose_layout(devices: int, heads: int, *, guided: bool) -> RankLayout:
    """The layout that keeps most of the devices busy.

    Guidance comes first: its branches meet once a step, with one small latent each. Tokens are shared as Ulysses does
    (Jacobs et al., arXiv 2309.14509), whose ranks have whole heads, so their number divides the heads.

    Args:
        devices: how many there are; more than the layout can use stay idle.
        heads: of the transformer's self-attention.
        guided: whether each step has two forwards.
    """
    found = [RankLayout(1, _divisor(heads, devices))]
    if guided and devices > 1:
        found.append(RankLayout(2, _divisor(heads, devices // 2)))
    # Of as many devices the one that shares less: ``max`` keeps the first, so guidance is looked at first.
    return max(reversed(found), key=lambda layout: layout.size)


def _divisor(heads: int, most: int) -> int:
    """The largest number up to ``most`` that divides the heads."""
    return max(number for number in range(1, max(most, 1) + 1) if heads % number == 0)
