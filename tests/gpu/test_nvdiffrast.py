# SPDX-License-Identifier: Apache-2.0
"""nvdiffrast held to the same truth as the other rasterizers; skipped with a sentence where it does not work."""

import numpy as np
import pytest
from scenes import mesh_of
from test_raster import (  # noqa: F401  collected here with the fixtures of this module
    AGREEMENT,
    SOURCE,
    iou,
    moved,
    render,
    test_any_render_size,
    test_camera_inside_the_scene_sees_no_false_surface,
    test_camera_turned_away_sees_nothing,
    test_coarse_mesh_keeps_the_plates_resolution,
    test_holes_open_with_the_parallax_not_before,
    test_near_and_far_limits,
    test_no_dark_outlines,
    test_plate_comes_back_exactly_from_the_source_camera,
    test_slanted_plane,
    test_sphere_before_a_plane,
    test_surfaces_seen_from_behind_are_holes,
    test_tiny_plates,
)

from ex4d.protocol.errors import ResourceError
from ex4d.raster import create_rasterizer

pytestmark = pytest.mark.gpu


def _made(name):
    try:
        return create_rasterizer(name)[0]
    except ResourceError as error:
        pytest.skip(f"{name} does not work on this machine: {error}")


@pytest.fixture(scope="module")
def rasterizer():
    made = _made("nvdiffrast")
    yield made
    made.close()


@pytest.fixture(scope="module")
def opengl():
    made = _made("opengl")
    yield made
    made.close()


@pytest.mark.parametrize(("shapes", "text"), AGREEMENT)
def test_agrees_with_opengl(opengl, rasterizer, shapes, text):
    mesh, _ = mesh_of(shapes, SOURCE)
    a, b = (render(one, mesh, moved(text)) for one in (opengl, rasterizer))
    seen_a, seen_b = a.mask > 0, b.mask > 0
    assert iou(seen_a, seen_b) >= 0.995
    inside = seen_a & seen_b
    # It snaps vertices to sixteenths of a pixel: at a silhouette another face may win.
    different = np.abs(a.color[inside].astype(int) - b.color[inside]).max(axis=-1) > 1
    assert different.mean() <= 1e-3
