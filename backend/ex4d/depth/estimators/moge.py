# SPDX-License-Identifier: Apache-2.0
"""MoGe-2: metres and the lens from key frames, shape and motion from Video Depth Anything or Depth Anything."""

from __future__ import annotations

from ex4d.depth.estimators import depth_anything, video_depth_anything
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.depth.learned.metric import KeyedDepth
from ex4d.depth.learned.source import LearnedDepth


def create(fov_deg: float | None) -> KeyedDepth:
    """The estimator; see ``ex4d.depth.estimators``."""
    metric = LearnedDepth(ESTIMATOR_SPECS["moge"], "moge_network", metric=True, steady=True, fov_deg=fov_deg)
    return KeyedDepth(metric, (video_depth_anything.create(fov_deg), depth_anything.create(fov_deg)))
