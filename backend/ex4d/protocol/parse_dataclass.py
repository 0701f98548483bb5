# SPDX-License-Identifier: Apache-2.0
"""Data classes from JSON objects, checked field by field."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Reader:
    """Reads values of the fields' types; ``lenient``: what a newer program has added is left out."""

    lenient: bool

    def value(self, kind: Any, value: Any, where: str) -> Any:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return self._union(arguments, value, where)
        if origin is typing.Literal:
            return _choice(arguments, value, where)
        if dataclasses.is_dataclass(kind):
            return self.record(typing.cast("type[Any]", kind), _mapping(value, where), where)
        if origin is dict:
            return self._dict(arguments, _mapping(value, where), where)
        if origin is tuple:
            return self._tuple(arguments, value, where)
        return _scalar(kind, value, where)

    def record(self, cls: type[T], record: Mapping[str, Any], where: str) -> T:
        hints = _hints(typing.cast("Any", cls))
        fields = {item.name: item for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(str(name)[:40] for name in set(record) - set(fields))
        if unknown and not self.lenient:
            raise _refuse(where, f"has no «{unknown[0]}»")
        values = {}
        for name, item in fields.items():
            path = name if where == "parameters" else f"{where}.{name}"
            if name in record:
                values[name] = self.value(hints[name], record[name], path)
            elif _is_required(item):
                raise _refuse(path, "is missing")
        return cls(**values)

    def _union(self, options: tuple[Any, ...], value: Any, where: str) -> Any:
        if value is None:
            if type(None) in options:
                return None
            raise _refuse(where, "is missing")
        kinds = [option for option in options if option is not type(None)]
        if len(kinds) == 1:
            return self.value(kinds[0], value, where)
        classes = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
        if classes:
            # Of several data classes: the one whose required fields are there.
            record = _mapping(value, where)
            fitting = [kind for kind in classes if all(name in record for name in _required(kind))]
            return self.record(typing.cast("type[Any]", (fitting or classes)[0]), record, where)
        # Of several scalars: the one that it is.
        return _scalar(type(value) if type(value) in kinds else kinds[0], value, where)

    def _dict(self, arguments: tuple[Any, ...], value: Mapping[str, Any], where: str) -> dict[str, Any]:
        if arguments[1] is Any:
            check_json(value, where)
            return dict(value)
        return {
            _scalar(arguments[0], name, where): self.value(arguments[1], item, f"{where}.{str(name)[:40]}")
            for name, item in value.items()
        }

    def _tuple(self, parts: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise _refuse(where, "is not a list")
        if len(parts) == 2 and parts[1] is Ellipsis:
            parts = parts[:1] * len(value)
        if len(value) != len(parts):
            raise _refuse(where, f"is not a list of {len(parts)}")
        return tuple(
            self.value(part, item, f"{where}[{i}]") for i, (part, item) in enumerate(zip(parts, value, strict=True))
        )


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refuse(where, "is not an object")
    return value


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in choices or isinstance(value, bool):
        raise _refuse(where, f"is none of {', '.join(map(str, choices))}")
    return value


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


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _required(cls: Any) -> list[str]:
    return [item.name for item in dataclasses.fields(cls) if _is_required(item)]


def from_record(cls: type[T], record: Mapping[str, Any], where: str = "parameters", *, lenient: bool = False) -> T:
    """A data class from a JSON object. Fields may be str, int, float, bool, bytes (which JSON has none of: see
    ``blobs``), tuples and ``dict`` of them, data classes, free JSON objects (``dict[str, Any]``), unions of scalars, of
    data classes that differ in the fields they require, or any of these or None; those with a default may be left out.

    Args:
        where: what a sentence calls the record.
        lenient: leave out fields that the class does not have, which a newer program has added.

    Raises:
        UsageError: naming the field that is missing, unknown or of another type, or as the class itself raises it.
    """
    return _Reader(lenient).record(cls, _mapping(record, where), where)


def to_record(value: Any) -> Any:
    """The JSON of a data class: its fields, and those of the data classes in it. Scalars in tuples are not looked at: a
    result of a million numbers costs next to nothing."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_record(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
        return [to_record(item) for item in value]
    if isinstance(value, Mapping):
        return {name: to_record(item) for name, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
