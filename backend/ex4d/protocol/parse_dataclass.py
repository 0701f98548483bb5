# SPDX-License-Identifier: Apache-2.0
"""Data classes from JSON objects, checked field by field."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ex4d.protocol.errors import UsageError

T = TypeVar("T")
#: Texts in requests are paths, prompts and names.
MAX_TEXT = 16384
#: Levels of a free-form JSON object in a request or a result.
MAX_LEVELS = 32


def _refuse(where: str, problem: str) -> UsageError:
    return UsageError(f"The request's {where} {problem}.", "Send what the protocol describes (docs/protocol.md).")


def check_json(value: Any, where: str) -> None:
    """Raise UsageError for what would not come back from JSON: numbers that are not finite, other types, more than
    ``MAX_LEVELS`` levels."""
    level = [value]
    for _ in range(MAX_LEVELS):
        below: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                below += item.values()
            elif isinstance(item, list | tuple):
                below += item
            elif isinstance(item, float) and not math.isfinite(item):
                raise _refuse(where, "holds a number that is not finite")
            elif not isinstance(item, str | int | float | None):
                raise _refuse(where, f"holds a {type(item).__name__}")
        if not below:
            return
        level = below
    raise _refuse(where, "has too many levels")


def _union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None:
        if type(None) in options:
            return None
        raise _refuse(where, "is missing")
    kinds = [option for option in options if option is not type(None)]
    if len(kinds) == 1:
        return _value(kinds[0], value, where)
    # Of several scalars: the one that it is.
    return _scalar(type(value) if type(value) in kinds else kinds[0], value, where)


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in choices or isinstance(value, bool):
        raise _refuse(where, f"is none of {', '.join(map(str, choices))}")
    return value


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, value, where)
    if origin is typing.Literal:
        return _choice(arguments, value, where)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise _refuse(where, "is not an object")
        return from_record(typing.cast("type[Any]", kind), value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _refuse(where, "is not an object")
        check_json(value, where)
        return dict(value)
    if origin is tuple:
        return _tuple(arguments, value, where)
    return _scalar(kind, value, where)


def _tuple(parts: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _refuse(where, "is not a list")
    if len(parts) == 2 and parts[1] is Ellipsis:
        parts = parts[:1] * len(value)
    if len(value) != len(parts):
        raise _refuse(where, f"is not a list of {len(parts)}")
    return tuple(_value(part, item, f"{where}[{i}]") for i, (part, item) in enumerate(zip(parts, value, strict=True)))


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 1 << 53 else math.inf
    # bool is an int for Python, not for us.
    if type(value) is not kind:
        raise _refuse(where, f"is not {'an' if kind is int else 'a'} {kind.__name__}")
    if kind is str and (len(value) > MAX_TEXT or "\0" in value):
        raise _refuse(where, "is too long or holds a zero byte")
    if kind is float and not math.isfinite(value):
        raise _refuse(where, "is not finite")
    if kind is int and not -(1 << 53) < value < 1 << 53:
        raise _refuse(where, "is out of range")
    return value


@functools.cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def from_record(cls: type[T], record: Mapping[str, Any], where: str = "parameters") -> T:
    """A data class from a JSON object. Fields may be str, int, float, bool, tuples of them, data classes, free JSON
    objects (``dict``), or any of these or None; those with a default may be left out.

    Raises:
        UsageError: naming the field that is missing, unknown or of another type.
    """
    hints = _hints(typing.cast("Any", cls))
    fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(str(name)[:40] for name in set(record) - set(fields))
    if unknown:
        raise _refuse(where, f"has no «{unknown[0]}»")
    values = {}
    for name, item in fields.items():
        path = name if where == "parameters" else f"{where}.{name}"
        if name in record:
            values[name] = _value(hints[name], record[name], path)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise _refuse(path, "is missing")
    return cls(**values)
