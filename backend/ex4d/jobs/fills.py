# SPDX-License-Identifier: Apache-2.0
"""From a fill that was asked for to what fills."""

from __future__ import annotations

from pathlib import Path

from ex4d.fill import Generator
from ex4d.fill import create_generator as create
from ex4d.protocol.requests import FillRequest
from ex4d.protocol.results import FillInfo


def create_generator(fill: FillRequest) -> Generator:
    """What fills.

    Raises:
        UsageError: there is no such generator, or it has no use for an option.
    """
    return create(fill.generator, fill.options, models=tuple(Path(place) for place in fill.models))


def fill_info(generator: Generator) -> FillInfo:
    """What a record says of what filled."""
    return FillInfo(
        generator.name,
        generator.label,
        generator.licence,
        generator.generative,
        generator.seed,
        generator.prompt,
    )
