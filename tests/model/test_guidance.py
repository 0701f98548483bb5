# SPDX-License-Identifier: Apache-2.0
"""Guidance, held from step to step or not."""

from __future__ import annotations

import pytest
import torch

from ex4d.models.wan.guidance import Guidance, HeldGuidance

SHAPE = (1, 16, 3, 4, 4)


def run(guidance: Guidance, plains: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[int]]:
    """Guided velocities of prompted ones that are all 1, and the steps whose plain one was asked for."""
    asked: list[int] = []

    def plain(step: int) -> torch.Tensor:
        asked.append(step)
        return plains[step]

    made = [guidance.velocity(torch.ones(SHAPE), lambda step=step: plain(step)) for step in range(len(plains))]
    return made, asked


def test_every_step_is_guided_as_the_released_code_does() -> None:
    plains = [torch.full(SHAPE, 0.1 * step) for step in range(5)]
    made, asked = run(Guidance(5.0), plains)
    assert asked == list(range(5))
    for velocity, plain in zip(made, plains, strict=True):
        assert torch.equal(velocity, plain + 5.0 * (1 - plain))


def test_no_guidance_is_one_forward() -> None:
    made, asked = run(Guidance(1.0, HeldGuidance()), [torch.zeros(SHAPE)] * 3)
    assert asked == []
    assert all(torch.equal(velocity, torch.ones(SHAPE)) for velocity in made)


def test_a_steady_difference_is_held_for_the_most_steps() -> None:
    made, asked = run(Guidance(5.0, HeldGuidance(first=3, most=2)), [torch.zeros(SHAPE)] * 10)
    # The third one sees that nothing has changed.
    assert asked == [0, 1, 2, 5, 8]
    assert all(torch.allclose(velocity, torch.full(SHAPE, 5.0)) for velocity in made)


def test_a_difference_that_changes_is_computed_every_step() -> None:
    generator = torch.Generator().manual_seed(0)
    plains = [torch.randn(SHAPE, generator=generator) for _ in range(8)]
    guidance = Guidance(5.0, HeldGuidance(first=2))
    made, asked = run(guidance, plains)
    assert asked == list(range(8))
    assert guidance.forwards == 8
    assert torch.allclose(made[-1], plains[-1] + 5.0 * (1 - plains[-1]), atol=1e-5)


@pytest.mark.parametrize(("drift", "fewest", "most"), [(0.03, 6, 9), (0.08, 8, 12)])
def test_what_is_held_is_off_by_no_more_than_the_tolerance(drift: float, fewest: int, most: int) -> None:
    held = HeldGuidance()
    differences = [torch.ones(SHAPE) * (1 + drift) ** step for step in range(16)]
    made, asked = run(Guidance(5.0, held), [1 - difference for difference in differences])
    assert fewest <= len(asked) <= most
    for velocity, difference in zip(made, differences, strict=True):
        off = ((velocity - 1) / 4 - difference).norm() / difference.norm()
        assert off <= held.tolerance + drift
