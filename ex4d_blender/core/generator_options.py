# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of generators: their values, checked by what the backend says of each. No Blender in here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from ex4d.protocol.capabilities import GeneratorInfo, OptionInfo, OptionValue
from ex4d.protocol.errors import UsageError
from ex4d.protocol.values import parse_size

#: Options that the scene has properties for, since before generators told of theirs.
SEED, PROMPT = "seed", "prompt"

_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


def find_option(generator: GeneratorInfo, name: str) -> OptionInfo | None:
    """The option of that name, None where the generator has none such."""
    return next((option for option in generator.options if option.name == name), None)


def takes(generator: GeneratorInfo, name: str) -> bool:
    """Whether a generator has an option of that name."""
    return find_option(generator, name) is not None


def own_options(generator: GeneratorInfo) -> tuple[OptionInfo, ...]:
    """The options that a take keeps: all but seed and prompt, which are the scene's."""
    return tuple(option for option in generator.options if option.name not in (SEED, PROMPT))


def clamped(option: OptionInfo, value: float) -> float:
    """The nearest number that the option takes."""
    if option.minimum is not None:
        value = max(value, option.minimum)
    if option.maximum is not None:
        value = min(value, option.maximum)
    return value


def check_option(option: OptionInfo, value: OptionValue) -> None:
    """Raise UsageError for a value that the option does not take; None, the generator's own choice, is always taken."""
    if value is None:
        return
    problem = ""
    if option.kind in ("integer", "number"):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole and not (option.kind == "number" and isinstance(value, float)):
            problem = "a whole number" if option.kind == "integer" else "a number"
        elif not math.isfinite(float(value)):
            problem = "a number that is finite"
        elif clamped(option, float(value)) != value:
            problem = _range(option)
    elif option.kind == "flag":
        problem = "" if isinstance(value, bool) else "yes or no"
    elif not isinstance(value, str):
        problem = "a text"
    elif option.kind == "choice" and value not in option.choices:
        problem = f"one of {', '.join(option.choices)}"
    elif option.kind == "size":
        parse_size(value)
    if problem:
        raise UsageError(f"The option {option.label} takes {problem}, not «{value}».", option.help or "Change it.")


def _range(option: OptionInfo) -> str:
    if option.maximum is None:
        return f"{option.minimum:g} or more"
    return f"at most {option.maximum:g}" if option.minimum is None else f"{option.minimum:g} to {option.maximum:g}"


def parse_option(option: OptionInfo, text: str) -> OptionValue:
    """The value that a text of the command line stands for; raises UsageError."""
    value: OptionValue = text
    if option.kind == "integer" and re.fullmatch(r"[+-]?[0-9]{1,12}", text):
        value = int(text)
    elif option.kind == "number":
        try:
            value = float(text)
        except ValueError:
            value = text
    elif option.kind == "flag" and text.lower() in (*_YES, *_NO):
        value = text.lower() in _YES
    elif option.kind == "file":
        value = str(Path(text).absolute())
    check_option(option, value)
    return value


def parse_options(generator: GeneratorInfo, texts: list[str]) -> dict[str, OptionValue]:
    """Options of the command line, ``NAME=VALUE`` each, by name; raises UsageError."""
    values: dict[str, OptionValue] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        option = find_option(generator, name.strip().replace("-", "_"))
        if option is None or not sign:
            names = ", ".join(item.name for item in generator.options) or "none"
            raise UsageError(
                f"The profile {generator.name} has no option «{text[:60]}».", f"Write NAME=VALUE; it has: {names}."
            )
        values[option.name] = parse_option(option, value)
    return values


def request_options(
    generator: GeneratorInfo, given: Mapping[str, OptionValue], *, seed: int | None, prompt: str | None
) -> dict[str, OptionValue]:
    """What a request says of a generator's options, checked: those that it has.

    Args:
        generator: as the backend offers it.
        given: values of a take, by name; those that the generator does not have are left out.
        seed, prompt: the scene's; None or "" = none.

    Raises:
        UsageError: a value is not one that the option takes.
    """
    values: dict[str, OptionValue] = {SEED: seed, PROMPT: prompt or None, **given}
    out: dict[str, OptionValue] = {}
    for option in generator.options:
        value = values.get(option.name)
        if value is not None:
            check_option(option, value)
            out[option.name] = value
    return out
