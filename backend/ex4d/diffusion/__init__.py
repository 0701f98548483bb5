# SPDX-License-Identifier: Apache-2.0
"""The public name of the EX-4D pipeline, and the one that ``model_index.json`` of converted folders has on disk.

Importing this package imports none of the model's packages (``ex4d[gpu]``); its names are loaded when they are used.
``ModelMixin`` is among them because diffusers looks for a component's base class in the module that
``model_index.json`` names.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "EX4DPipeline": "ex4d.fill.ex4d_wan.pipeline",
    "EX4DOutput": "ex4d.fill.ex4d_wan.pipeline",
    "GeometryEncoder": "ex4d.fill.ex4d_wan.geometry",
    "ModelMixin": "diffusers",
    "load_pipeline": "ex4d.fill.ex4d_wan.load",
}
__all__ = ["EX4DPipeline", "EX4DOutput", "GeometryEncoder", "load_pipeline"]  # noqa: RUF022  see __getattr__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
