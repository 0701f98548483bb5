# SPDX-License-Identifier: Apache-2.0
"""Data classes from JSON objects, checked field by field."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ex4d.protocol.errors import UsageError

T = TypeVar("T")
#: Texts in requests are paths, prompts and names.
MAX_TEXT = 16384


def _refuse(where: str, problem: str) -> UsageError:
    return UsageError(f"The request's {where} {problem}.", "Send what the protocol describes (docs/protocol.md).")


def _value(kind: Any, value: Any, where: str) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        options = typing.get_args(kind)
        if value is None:
            if type(None) in options:
                return None
            raise _refuse(where, "is missing")
        (kind,) = (option for option in options if option is not type(None))
        return _value(kind, value, where)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise _refuse(where, "is not an object")
        return from_record(typing.cast("type[Any]", kind), value, where)
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        if not isinstance(value, list | tuple) or len(value) != len(parts):
            raise _refuse(where, f"is not a list of {len(parts)}")
        return tuple(
            _value(part, item, f"{where}[{i}]") for i, (part, item) in enumerate(zip(parts, value, strict=True))
        )
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


def from_record(cls: type[T], record: Mapping[str, Any], where: str = "parameters") -> T:
    """A data class from a JSON object. Fields may be str, int, float, bool, tuples of them, data classes, or any of
    these or None; those with a default may be left out.

    Raises:
        UsageError: naming the field that is missing, unknown or of another type.
    """
    hints = typing.get_type_hints(cls)
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
