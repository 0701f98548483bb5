# SPDX-License-Identifier: Apache-2.0
"""Stage 5: filling what the plate never showed."""

from __future__ import annotations

from collections.abc import Callable

from ex4d.fill.base import FillOptions, FillSink, Generator, PixelOrigin, TakeFrame, TakeScene, TakeView
from ex4d.fill.ex4d_wan.generator import ModelFill, model_generators
from ex4d.fill.preview.generator import PreviewFill
from ex4d.protocol.errors import UsageError

__all__ = [
    "GENERATORS",
    "FillOptions",
    "FillSink",
    "Generator",
    "PixelOrigin",
    "TakeFrame",
    "TakeScene",
    "TakeView",
    "create_generator",
]

#: By name.
GENERATORS: dict[str, Callable[[FillOptions], Generator]] = {"preview": lambda _: PreviewFill(), **model_generators()}


def create_generator(name: str, options: FillOptions | None = None) -> Generator:
    """The generator of that name.

    Raises:
        UsageError: there is none, or it has no use for an option.
    """
    if name not in GENERATORS:
        raise UsageError(f"There is no fill «{name}».", f"Use one of: {', '.join(GENERATORS)}.")
    options = options or FillOptions()
    generator = GENERATORS[name](options)
    if options.seed is not None and not generator.takes_seed:
        raise UsageError(f"The fill «{name}» takes no seed.", "Leave it out.")
    if options.prompt and not generator.takes_prompt:
        raise UsageError(f"The fill «{name}» takes no prompt.", "Leave it out.")
    if (options.size or options.lora or options.models or options.steps) and not generator.generative:
        raise UsageError(f"The fill «{name}» is no model and takes neither size, steps nor files.", "Leave them out.")
    if options.lora and not (isinstance(generator, ModelFill) and generator.profile.distilled):
        raise UsageError(f"The fill «{name}» takes no LoRA that distils steps.", "Leave it out, or use --fill draft.")
    return generator
