# SPDX-License-Identifier: Apache-2.0
"""Stage 5's generative model: Wan 2.1 I2V 14B with the EX-4D adapter.

Needs the extra ``ex4d[gpu]`` (torch, diffusers, transformers, peft). Importing this package imports none of them; its
names are loaded when they are used. ``ModelMixin`` is among them because diffusers looks for a component's base class
in the module that ``model_index.json`` names.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ex4d.protocol.errors import ResourceError

_HOMES = {
    "EX4DPipeline": "ex4d.diffusion.pipeline",
    "EX4DOutput": "ex4d.diffusion.pipeline",
    "GeometryEncoder": "ex4d.diffusion.geometry",
    "ModelMixin": "diffusers",
    "load_pipeline": "ex4d.diffusion.weights.load",
}
__all__ = ["EX4DPipeline", "EX4DOutput", "GeometryEncoder", "load_pipeline"]  # noqa: RUF022  see __getattr__

#: What the model needs beyond the base install; module names.
PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors")


def missing_packages() -> tuple[str, ...]:
    """Those of ``PACKAGES`` that are not installed."""
    return tuple(name for name in PACKAGES if find_spec(name) is None)


def require_packages() -> None:
    """Raise ResourceError where the model cannot run because packages are missing."""
    missing = missing_packages()
    if missing:
        raise ResourceError(
            f"The EX-4D model needs packages that are not installed: {', '.join(missing)}.",
            'Install them with: pip install "ex4d[gpu]", or choose "For: NVIDIA GPU" in the add-on\'s preferences.',
        )


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
