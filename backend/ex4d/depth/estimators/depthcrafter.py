# SPDX-License-Identifier: Apache-2.0
"""DepthCrafter as the released EX-4D used it. For research only."""

from __future__ import annotations

from ex4d.depth.affine import AffineDepth, released_depth
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.depth.learned.source import LearnedDepth
from ex4d.depth.learned.track import Track


class ReleasedDepth(LearnedDepth):
    """With the released code's map from disparity to depth."""

    def mapping(self, track: Track, count: int) -> tuple[AffineDepth, str]:
        """See ``LearnedDepth``."""
        note = "Depth is z = 10000 / (3900·d) of the shot's disparity d from 0 to 1, as in the released EX-4D."
        return released_depth(*track.extremes(count)), note


def create(fov_deg: float | None) -> ReleasedDepth:
    """The estimator; see ``ex4d.depth.estimators``."""
    return ReleasedDepth(
        ESTIMATOR_SPECS["depthcrafter"], "depthcrafter_network", metric=False, steady=False, fov_deg=fov_deg
    )
