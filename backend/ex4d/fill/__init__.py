# SPDX-License-Identifier: Apache-2.0
"""Stage 5: filling what the plate never showed."""

from __future__ import annotations

from ex4d.fill.base import FillSink, Generator, PixelOrigin, TakeFrame, TakeScene, TakeView
from ex4d.fill.registry import create_generator, generator_infos

__all__ = [
    "FillSink",
    "Generator",
    "PixelOrigin",
    "TakeFrame",
    "TakeScene",
    "TakeView",
    "create_generator",
    "generator_infos",
]
