# SPDX-License-Identifier: Apache-2.0
"""Video Depth Anything Small: consistent over time, and free to use; the default of the extra gpu."""

from __future__ import annotations

from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.depth.learned.source import LearnedDepth


def create(fov_deg: float | None) -> LearnedDepth:
    """The estimator; see ``ex4d.depth.estimators``."""
    return LearnedDepth(
        ESTIMATOR_SPECS["video_depth_anything"],
        "video_depth_anything_network",
        metric=False,
        steady=False,
        fov_deg=fov_deg,
    )
