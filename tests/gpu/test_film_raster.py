# SPDX-License-Identifier: Apache-2.0
"""Film plates and lenses on a GPU, held to what tests/unit asks of OpenGL in software and of Embree:

python -m pytest tests/gpu/test_film_raster.py
"""

import dataclasses

import numpy as np
import pytest
from scenes import SPHERE
from test_raster_film import (  # noqa: F401  collected here with the fixtures of this module
    TYPES,
    film_picture,
    test_associated_alpha_is_sampled_as_it_is,
    test_inf_and_nan_stay_with_their_pixels,
    test_moved_view_shows_the_plate_at_the_positions_it_names,
    test_plate_comes_back_to_the_bit_from_the_source_camera,
    test_plates_of_film_sizes_come_back_to_the_bit,
    test_released_construction,
    test_straight_alpha_leaves_no_fringe,
    values_of,
)
from test_raster_lens import (  # noqa: F401  collected here with the fixtures of this module
    LENSES,
    camera_with,
    mesh_of,
    moved_with,
    test_a_window_of_the_picture_is_that_window,
    test_all_that_a_wider_take_sees_is_the_plate,
    test_camera_that_looks_away_sees_nothing,
    test_lenses_that_change_from_frame_to_frame,
    test_moved_views_show_what_is_there,
    test_plate_comes_back_to_the_bit_through_its_lens,
    test_wide_plates_and_coarse_meshes_come_back_through_their_lens,
)

from ex4d.raster import create_rasterizer

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", params=["opengl", "nvdiffrast"])
def rasterizer(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("lens", [None, "polynomial barrel", "nuke"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", TYPES)
def test_agrees_with_embree(rasterizer, dtype, channels, lens):
    """Masks to 99.5 % (IoU); where both look at one place of the plate, values to 2e-3 of the pixels around."""
    picture = film_picture(dtype, channels, finite=True)
    source = camera_with(LENSES.get(lens))
    mesh, take = mesh_of(SPHERE, source), moved_with(LENSES.get(lens), "orbit:15")
    a, b = (
        next(iter(one.render_sequence([(mesh, picture, take)], positions=True)))
        for one in (create_rasterizer("embree")[0], rasterizer)
    )
    seen, wanted = b.mask > 0, a.mask > 0
    both = seen & wanted
    assert both.sum() / (seen | wanted).sum() >= 0.995
    near = np.abs(a.plate - b.plate)[both].max(axis=1) < 1e-3
    # nvdiffrast snaps vertices to sixteenths of a pixel: at a silhouette another face may win.
    assert near.mean() >= 0.998
    one, other = (values_of(frame)[both][near].astype(np.float64) for frame in (a, b))
    # Noise of full height from pixel to pixel: an error of 1e-3 px is that share of it, and a code of 8 bits.
    full = 64.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
    apart = np.abs(one - other)
    if channels == 4 and np.dtype(dtype).kind == "u":
        # Un-premultiplied colours of next to no alpha are steep.
        apart = apart[one[:, 3] > 0.05 * full]
    assert np.quantile(apart, 0.999) <= max(2e-3 * full, 1)


def test_frames_of_one_batch_may_have_lenses_of_their_own(nvdiffrast):
    picture = film_picture(np.float16)
    cameras = [camera_with(LENSES[name]) for name in ("polynomial barrel", "division")] + [camera_with(None)]
    views = [(mesh_of(SPHERE, camera), picture, dataclasses.replace(camera)) for camera in cameras]
    for frame in nvdiffrast.render_sequence(views):
        np.testing.assert_array_equal(frame.color.view(np.uint16), picture.view(np.uint16))
