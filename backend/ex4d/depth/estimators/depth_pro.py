# SPDX-License-Identifier: Apache-2.0
"""Depth Pro: metres and the lens, frame by frame, steadied along the flow. For research only."""

from __future__ import annotations

from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.depth.learned.source import LearnedDepth


def create(fov_deg: float | None) -> LearnedDepth:
    """The estimator; see ``ex4d.depth.estimators``."""
    return LearnedDepth(ESTIMATOR_SPECS["depth_pro"], "depth_pro_network", metric=True, steady=True, fov_deg=fov_deg)
