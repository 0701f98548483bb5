# SPDX-License-Identifier: Apache-2.0
"""What works here, for menus and for who asks before a job."""

from __future__ import annotations

from ex4d.depth import working_estimators
from ex4d.fill import generator_infos
from ex4d.protocol.capabilities import Capabilities, EstimatorInfo, RasterizerInfo
from ex4d.protocol.errors import Ex4dError
from ex4d.raster import AUTOMATIC, borrow_rasterizer
from ex4d.raster.nvdiffrast import NvdiffrastRasterizer


def capabilities() -> Capabilities:
    """Generators, and the estimators and rasterizers that work, the default first."""
    return Capabilities(generator_infos(), estimator_infos(), _rasterizers())


def estimator_infos() -> tuple[EstimatorInfo, ...]:
    """The estimators that work, the default first."""
    return tuple(EstimatorInfo(source.name, source.label, source.licence) for source in working_estimators())


def _rasterizers() -> tuple[RasterizerInfo, ...]:
    found = []
    for name in AUTOMATIC:
        try:
            rasterizer, _ = borrow_rasterizer(name)
        except Ex4dError:
            continue
        found.append(RasterizerInfo(name, rasterizer.licence))
        rasterizer.close()
    # To try it takes torch and a CUDA context, which a worker's start does without: whether it is there must do.
    if NvdiffrastRasterizer.missing_package() is None:
        found.append(RasterizerInfo(NvdiffrastRasterizer.name, NvdiffrastRasterizer.licence))
    return tuple(found)
