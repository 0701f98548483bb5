# SPDX-License-Identifier: Apache-2.0
"""Bytes in a JSON object. JSON has none: each stands there as ``{"blob": N}``, and travels beside it as the blob of
that number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ex4d.protocol.errors import UsageError


def detach_blobs(record: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """The record without bytes, and the blobs, numbered as they come in it."""
    blobs: list[bytes] = []

    def detached(value: Any) -> Any:
        if isinstance(value, bytes):
            blobs.append(value)
            return {"blob": len(blobs) - 1}
        if isinstance(value, Mapping):
            return {name: detached(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [detached(item) for item in value]
        return value

    return detached(record), tuple(blobs)


def attach_blobs(record: Mapping[str, Any], blobs: tuple[bytes, ...]) -> dict[str, Any]:
    """The record with the bytes in it.

    Raises:
        UsageError: a blob that it names is not there, or one is there that it does not name.
    """
    named: set[int] = set()

    def attached(value: Any) -> Any:
        match value:
            case {"blob": int(index)} if len(value) == 1 and not isinstance(index, bool):
                if not 0 <= index < len(blobs):
                    raise UsageError(f"The request's blob {index} is missing.", "Send all that it names.")
                named.add(index)
                return blobs[index]
            case Mapping():
                return {name: attached(item) for name, item in value.items()}
            case list() | tuple():
                return [attached(item) for item in value]
        return value

    whole: dict[str, Any] = {name: attached(item) for name, item in record.items()}
    if len(named) != len(blobs):
        raise UsageError("The request names not all of its blobs.", "Send only those that it names.")
    return whole
