# SPDX-License-Identifier: Apache-2.0
"""What the working curve costs: depth on K against depth on the sRGB picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from depth_factory import estimated, plate

from ex4d.colour.curve import codes_of_linear
from ex4d.colour.transfer import SRGB
from ex4d.depth import create_depth_source
from ex4d.plate import FrameRange, open_plate

FLOWER = Path(__file__).parents[3] / "shared" / "data" / "flower" / "input.mp4"


def on_k(picture):
    """The picture as a scene-linear plate of the same light would be seen."""
    return (codes_of_linear(SRGB.to_linear(picture / 255).astype(np.float32)) / 257 + 0.5).astype(np.uint8)


@pytest.mark.shared
@pytest.mark.skipif(not FLOWER.exists(), reason="needs the flower footage in ../shared/data, which is not there")
def test_depth_stays_on_k(tmp_path):
    pictures = [frame.pixels for frame in open_plate(FLOWER, frames=FrameRange.parse("1001-1009")).frames()]
    size = (256, round(256 * pictures[0].shape[0] / pictures[0].shape[1]))
    small = [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures]
    _, depth = estimated(create_depth_source("small"), plate(small), tmp_path / "srgb")
    _, depth_k = estimated(create_depth_source("small"), plate([on_k(p) for p in small]), tmp_path / "k")
    disparity, disparity_k = 1 / depth, 1 / depth_k
    fit = np.polyfit(disparity_k.ravel(), disparity.ravel(), 1)
    difference = np.abs(np.polyval(fit, disparity_k) - disparity) / disparity
    assert difference.mean() <= 0.01
