# SPDX-License-Identifier: Apache-2.0
"""The packages that models need beyond the base install."""

from __future__ import annotations

from importlib.util import find_spec

from ex4d.protocol.errors import ResourceError

#: What the model needs beyond the base install; module names.
PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors")
#: FlashAttention-3's module, of ``pip install "ex4d[hopper]"``.
FLASH3 = "fa3_fwd_interface"


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
