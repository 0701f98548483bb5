# SPDX-License-Identifier: Apache-2.0
"""Rasterizers on a GPU against the one on the CPU, at full size: scenes made here, and footage where it is there."""

from pathlib import Path

import pytest

from benchmarks.raster_clips import SCENES, agreement, flower, synthetic
from ex4d.raster import create_rasterizer

pytestmark = pytest.mark.gpu

FOOTAGE = Path(__file__).parents[3] / "shared" / "data" / "flower" / "input.mp4"
CLIPS = [
    *SCENES,
    pytest.param(
        "flower",
        marks=[
            pytest.mark.shared,
            pytest.mark.skipif(not FOOTAGE.exists(), reason="needs the flower footage in ../shared/data"),
        ],
    ),
]


@pytest.fixture(scope="module")
def expected():
    """Views and Embree's frames of each clip, computed when first asked for."""
    known = {}

    def of(name):
        if name not in known:
            views = (flower(FOOTAGE).part(12) if name == "flower" else synthetic(name, 3)).views()
            known[name] = views, list(create_rasterizer("embree")[0].render_sequence(views))
        return known[name]

    return of


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("name", ["opengl", "nvdiffrast"])
def test_agrees_with_embree(request, expected, name, clip):
    rasterizer = request.getfixturevalue(name)
    views, reference = expected(clip)
    iou, psnr = agreement(reference, list(rasterizer.render_sequence(views)))
    assert iou >= 0.995
    assert psnr >= 40
