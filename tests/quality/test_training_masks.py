# SPDX-License-Identifier: Apache-2.0
"""The rendering mask of training against the true co-visibility."""

import numpy as np

from ex4d.evaluation.regions import seen_of_source
from ex4d.evaluation.truth import find_scenes
from ex4d.raster import create_rasterizer
from ex4d.training.masking import rendering_mask


def test_the_rendering_mask_of_training_is_the_true_covisibility(truth):
    """With true depth. Thin things, and views from 60° on, are left out: there the holes are decided by the backs of
    things, which no picture shows."""
    rasterizer, _ = create_rasterizer()
    try:
        for scene in find_scenes(truth):
            if scene.name == "thin":
                continue
            for name in ("left_30", "right_30", "dolly", "zoom"):
                view = scene.targets[name]
                depths = [scene.source.surface(number).z for number in scene.numbers]
                masks = rendering_mask(depths, scene.source.camera, view.camera, rasterizer) > 0
                true = np.stack([seen_of_source(scene, view, index) for index in range(len(scene.numbers))])
                assert (masks & true).sum() / (masks | true).sum() >= 0.95, (scene.name, name)
                assert true.mean() < 0.9, (scene.name, name)
    finally:
        rasterizer.close()
