# SPDX-License-Identifier: Apache-2.0
"""Requests as ``ex4d/1`` knew them: jobs that still wait in a backend's journal when it is updated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import Request, parse_request
from ex4d.protocol.values import DEFAULT_GENERATOR


def former_request(kind: str, params: Mapping[str, Any], blob_count: int) -> tuple[str, Request]:
    """The job's name and its request as they are now; its blobs, which keep their order, stand in it empty.

    Raises:
        UsageError: it cannot be asked for any more, or is none.
    """
    name = "preview" if kind == "render" and params.get("preview") is True else kind
    match name:
        case "reconstruct":
            record = _reconstruct(params, blob_count)
        case "render" | "preview" | "generate":
            record = _take(params, blob_count)
        case _:
            record = {}
    if name == "preview":
        record["take"] = params.get("take", "")
    elif name == "generate":
        options = {key: params[key] for key in ("seed", "prompt") if params.get(key) is not None}
        record["fill"] = {"generator": params.get("profile", DEFAULT_GENERATOR), "options": options}
        record["title"] = params.get("title", "")
    return name, parse_request(name, record, (b"",) * blob_count)


def _reconstruct(params: Mapping[str, Any], blob_count: int) -> dict[str, Any]:
    mesh = {name: value for name, value in params.get("mesh", {}).items() if value is not None}
    record = {**params, "mesh": mesh}
    if blob_count:
        points = {"blob": 1} if blob_count > 1 else None
        record["solved"] = {"camera": {"blob": 0}, "points": points}
    return record


def _take(params: Mapping[str, Any], blob_count: int) -> dict[str, Any]:
    # The front's process does without numpy, which comes with it; such a job is rare.
    from ex4d.camera import names_file

    move = params.get("camera")
    if isinstance(move, str) and names_file(move):
        raise UsageError("The job's camera is a file, which a backend reads no more.", "Ask for the job again.")
    camera: dict[str, Any] = {"trajectory": {"blob": 0}} if blob_count else {"move": move}
    return {name: params.get(name) for name in ("shot", "size", "frames")} | {
        "camera": camera,
        "raster": params.get("raster", "auto"),
    }
