# SPDX-License-Identifier: Apache-2.0
"""What works here, for menus and for who asks before a job."""

from __future__ import annotations

from importlib.util import find_spec

from ex4d.depth import working_estimators
from ex4d.fill import generator_infos
from ex4d.protocol.capabilities import Capabilities, EstimatorInfo, RasterizerInfo
from ex4d.protocol.errors import Ex4dError
from ex4d.raster import AUTOMATIC, RASTERIZERS, borrow_rasterizer


def capabilities() -> Capabilities:
    """Generators, and the estimators and rasterizers that work, the default first."""
    estimators = tuple(EstimatorInfo(source.name, source.label, source.licence) for source in working_estimators())
    return Capabilities(generator_infos(), estimators, _rasterizers())


def _rasterizers() -> tuple[RasterizerInfo, ...]:
    found = []
    for name in RASTERIZERS:
        # Others than the automatic ones are packages of the same name, which the import alone makes slow.
        if name not in AUTOMATIC and find_spec(name) is None:
            continue
        try:
            rasterizer, _ = borrow_rasterizer(name)
        except Ex4dError:
            continue
        found.append(RasterizerInfo(name, rasterizer.licence))
        rasterizer.close()
    return tuple(found)
