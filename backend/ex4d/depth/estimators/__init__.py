# SPDX-License-Identifier: Apache-2.0
"""Estimators that make depth from the plate alone. Each module here that has a function

    create(fov_deg: float | None) -> DepthSource

is one, named like the module; nothing else has to be changed to add one. What such a module imports must be installed
only where ``create`` is called.
"""

from __future__ import annotations

import importlib
import pkgutil

from ex4d.depth.base import DepthSource


def estimator_names() -> list[str]:
    """Names of all estimators."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def create_estimator(name: str, fov_deg: float | None) -> DepthSource:
    """The estimator of that name.

    Args:
        fov_deg: field of view over the longer side in degrees, or None if it is not known.
    """
    source: DepthSource = importlib.import_module(f"{__name__}.{name}").create(fov_deg)
    return source
