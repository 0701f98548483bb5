# SPDX-License-Identifier: Apache-2.0
"""The small network that comes with the package; see ``ex4d.depth.small``."""

from __future__ import annotations

from ex4d.depth.small.source import SmallDepth


def create(fov_deg: float | None) -> SmallDepth:
    """The estimator; see ``ex4d.depth.estimators``."""
    return SmallDepth(fov_deg)
