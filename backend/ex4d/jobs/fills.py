# SPDX-License-Identifier: Apache-2.0
"""From a fill that was asked for to what fills."""

from __future__ import annotations

from pathlib import Path

from ex4d.fill import GENERATORS, FillOptions, Generator
from ex4d.fill import create_generator as create
from ex4d.protocol.capabilities import GeneratorInfo, OptionInfo, OptionValue
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import FillRequest
from ex4d.protocol.results import FillInfo
from ex4d.protocol.values import MAX_SEED, MAX_STEPS, parse_size

_SEED = OptionInfo("seed", "Seed", "integer", None, 0, MAX_SEED, help="of a model's random numbers (default 0)")
_PROMPT = OptionInfo(
    "prompt", "Prompt", "text", help="what a model is told about the shot (default: the released script's prompt)"
)
_SIZE = OptionInfo(
    "size", "Size", "size", help="size a model works at, such as 832x480 (default: about 512x512 pixels)"
)
_STEPS = OptionInfo("steps", "Steps", "integer", None, 1, MAX_STEPS, help="of a model (default: the profile's)")
_LORA = OptionInfo(
    "distill_lora", "Distilling LoRA", "file", help="LoRA of Wan 2.1 that distils steps, for --fill draft"
)


def create_generator(fill: FillRequest) -> Generator:
    """What fills.

    Raises:
        UsageError: there is no such generator, or it has no use for an option.
    """
    known = {option.name: option for option in (_SEED, _PROMPT, _SIZE, _STEPS, _LORA)}
    for name, value in fill.options.items():
        if name not in known:
            raise UsageError(f"The fill «{fill.generator}» has no option «{name[:40]}».", "Leave it out.")
        _check_kind(known[name], value)
    options = fill.options
    size, lora = options.get("size"), options.get("distill_lora")
    return create(
        fill.generator,
        FillOptions(
            _integer(options.get("seed")),
            str(options["prompt"]) if options.get("prompt") else None,
            parse_size(str(size)) if size is not None else None,
            tuple(Path(place) for place in fill.models),
            Path(str(lora)) if lora is not None else None,
            _integer(options.get("steps")),
        ),
    )


def _integer(value: OptionValue) -> int | None:
    return value if isinstance(value, int) else None


def _check_kind(option: OptionInfo, value: OptionValue) -> None:
    kind = int if option.kind == "integer" else str
    if value is not None and type(value) is not kind:
        raise UsageError(f"The option «{option.name}» is not {'a number' if kind is int else 'a text'}.", option.help)


def generator_infos() -> tuple[GeneratorInfo, ...]:
    """All generators, with their options."""
    return tuple(_info(name) for name in GENERATORS)


def _info(name: str) -> GeneratorInfo:
    generator = create(name)
    options = [_SEED] if generator.takes_seed else []
    options += [_PROMPT] if generator.takes_prompt else []
    options += [_SIZE, _STEPS] if generator.generative else []
    return GeneratorInfo(name, generator.label, generator.licence, generator.generative, tuple(options))


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
