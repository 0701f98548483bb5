# SPDX-License-Identifier: Apache-2.0
"""Classifier-free guidance, every step or held from step to step.

Guidance needs a second forward without the prompt. What it adds, the difference of both velocities, changes little
from one late step to the next (Castillo et al., "Adaptive Guidance", arXiv 2312.12487), so the profile ``turbo`` keeps
it for some steps. For how many is measured on the clip itself: no table of thresholds from other clips or weights is
needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Profiles name ``HeldGuidance``, and are known without torch.
    import torch


@dataclass(frozen=True)
class HeldGuidance:
    """When the forward without the prompt is left out.

    Attributes:
        first: steps in the beginning that always have it: there the picture is laid out.
        tolerance: by how much the difference may have changed, as a share of its length, before it is computed again.
        most: steps in a row that go without it at most.
    """

    # A quarter of 25 steps; at their shift of 5 noise is still above 0.93 there.
    first: int = 6
    # Guidance 5 multiplies the difference by 4; a tenth of it is then less than what 8-bit weights change.
    tolerance: float = 0.1
    most: int = 3


class Guidance:
    """Guidance over the steps of one clip.

    Args:
        scale: 1 = none.
        held: None = every step has both forwards.
    """

    def __init__(self, scale: float, held: HeldGuidance | None = None) -> None:
        self._scale, self._held = scale, held
        self._difference: torch.Tensor | None = None
        self._step = self._computed = self._next = 0
        #: Forwards without the prompt so far.
        self.forwards = 0

    @property
    def needs_plain(self) -> bool:
        """Whether the next step computes the velocity without the prompt."""
        if self._scale == 1.0:
            return False
        return self._held is None or self._difference is None or self._step >= self._next

    def velocity(self, prompted: torch.Tensor, plain: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The guided velocity of the next step.

        Args:
            prompted: velocity with the prompt.
            plain: computes the one without; called only where it is needed.
        """
        needed = self.needs_plain
        step, self._step = self._step, self._step + 1
        if self._scale == 1.0:
            return prompted
        if needed:
            other = plain()
            self.forwards += 1
            if self._held is None:
                return other + self._scale * (prompted - other)
            self._keep(prompted - other, step, self._held)
        assert self._difference is not None
        return prompted + (self._scale - 1) * self._difference

    def _keep(self, difference: torch.Tensor, step: int, held: HeldGuidance) -> None:
        wait = 1
        if self._difference is not None and step + 1 >= held.first:
            change = float((difference - self._difference).norm() / difference.norm().clamp_min(1e-12))
            each = change / (step - self._computed)
            wait = 1 + min(held.most, int(held.tolerance / max(each, 1e-6)))
        self._difference, self._computed, self._next = difference, step, step + wait
