# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's values of its generator's options: rows in the .blend, kept by name while the generator is not offered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from ex4d.protocol.capabilities import GeneratorInfo, OptionInfo, OptionKind, OptionValue

from .core.generator_options import clamped, own_options

#: The property of a row that holds a value, by the option's kind.
VALUE_PROPERTIES: dict[OptionKind, str] = {
    "integer": "integer",
    "number": "number",
    "text": "text",
    "choice": "text",
    "flag": "flag",
    "size": "text",
    "file": "path",
}


def find_row(take: Any, generator: str, option: str) -> Any | None:
    """The take's row (``props.EX4D_PG_option``) of an option, None where it has none yet."""
    return next((row for row in take.options if (row.generator, row.name) == (generator, option)), None)


def lacks_rows(take: Any, generator: GeneratorInfo) -> bool:
    """Whether the take has no row for some option of the generator."""
    return any(find_row(take, generator.name, option.name) is None for option in own_options(generator))


def ensure_rows(take: Any, generator: GeneratorInfo) -> None:
    """Give the take a row for each of the generator's options, with the option's default; those that it has stay,
    unless the option has become one of another kind."""
    for option in own_options(generator):
        row = find_row(take, generator.name, option.name)
        if row is None:
            row = take.options.add()
            row.generator, row.name = generator.name, option.name
        elif row.kind == option.kind:
            continue
        row.kind, row.given = option.kind, False
        default = option.default if option.default is not None or not option.choices else option.choices[0]
        if default is not None:
            _set_value(row, option.kind, default)


def _set_value(row: Any, kind: OptionKind, value: OptionValue) -> None:
    name = VALUE_PROPERTIES[kind]
    if name == "number" and isinstance(value, int | float):
        value = float(value)
    setattr(row, name, value)


def rows(take: Any, generator: GeneratorInfo) -> Iterator[tuple[OptionInfo, Any]]:
    """The generator's own options with the take's rows for them, those that have one."""
    for option in own_options(generator):
        row = find_row(take, generator.name, option.name)
        if row is not None and row.kind == option.kind:
            yield option, row


def given_values(take: Any, generator: GeneratorInfo) -> dict[str, OptionValue]:
    """The values that the artist has given, by the option's name; paths of files absolute."""
    return {option.name: _value(option, row) for option, row in rows(take, generator) if row.given}


def _value(option: OptionInfo, row: Any) -> OptionValue:
    value: OptionValue = getattr(row, VALUE_PROPERTIES[option.kind])
    if option.kind == "file" and isinstance(value, str):
        return bpy.path.abspath(value)
    if option.kind == "number" and isinstance(value, float):
        # Blender keeps 32 bits of a number: 0.1 comes back as 0.10000000149.
        return float(f"{value:.7g}")
    return value


def clamp(row: Any, generator: GeneratorInfo | None) -> None:
    """Bring a row's number into the range that its option has, where that is known."""
    option = next((item for item in generator.options if item.name == row.name), None) if generator else None
    if option is None or option.kind not in ("integer", "number"):
        return
    value = getattr(row, VALUE_PROPERTIES[option.kind])
    bounded = clamped(option, value)
    if bounded != value:
        _set_value(row, option.kind, int(bounded) if option.kind == "integer" else bounded)
