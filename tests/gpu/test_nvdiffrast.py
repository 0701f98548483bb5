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
    test_a_scene_renders_many_cameras_and_meshes_do_not_mix,
    test_any_render_size,
    test_camera_inside_the_scene_sees_no_false_surface,
    test_camera_turned_away_sees_nothing,
    test_coarse_mesh_keeps_the_plates_resolution,
    test_holes_open_with_the_parallax_not_before,
    test_near_and_far_limits,
    test_no_dark_outlines,
    test_plate_comes_back_exactly_from_the_source_camera,
    test_plate_comes_back_from_a_source_camera_anywhere_in_the_world,
    test_released_cap_hides_the_sky_and_ours_does_not,
    test_sequences_are_the_frames_one_by_one,
    test_slanted_plane,
    test_sphere_before_a_plane,
    test_surfaces_seen_from_behind_are_holes,
    test_tiny_plates,
)

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def rasterizer(nvdiffrast):
    return nvdiffrast


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


@pytest.fixture(scope="module")
def torch(nvdiffrast):
    return nvdiffrast.torch


@pytest.mark.parametrize(("share", "size"), [(0.0005, (2, 300, 520)), (0.02, (3, 120, 90)), (0.3, (1, 37, 1100))])
def test_kernels_compute_what_torch_does(torch, share, size):
    from ex4d.mesh.torch import widths

    assert widths.kernels is not None, "Triton comes with torch's CUDA builds for Linux"
    edge = torch.rand(size, generator=torch.Generator().manual_seed(3)) < share
    edge[0, 5, 6] = True
    pixel = edge.flatten().nonzero()[:, 0]
    distances = widths.squared_distances(edge.cuda()).cpu()
    assert torch.equal(distances, widths.squared_distances(edge))
    assert torch.equal(widths.widths_at(edge.cuda(), pixel.cuda()).cpu(), widths.widths_at(edge, pixel))


def test_meshes_on_the_gpu_are_those_on_the_cpu(torch):
    from benchmarks.raster_clips import SCENES, synthetic
    from ex4d.mesh.torch.surface import build_surfaces
    from ex4d.raster.cuda.render_mesh import draw_surfaces

    for name in SCENES:
        clip = synthetic(name, 3, 256)
        depth = torch.from_numpy(clip.depth)
        here = draw_surfaces(build_surfaces(depth, clip.sources, clip.far))
        there = draw_surfaces(build_surfaces(depth.cuda(), clip.sources, clip.far))
        assert torch.equal(there.faces.cpu(), here.faces)
        torch.testing.assert_close(there.points.cpu(), here.points, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(there.gaps.cpu(), here.gaps, rtol=1e-6, atol=0)
        torch.testing.assert_close(there.plate.cpu(), here.plate, rtol=0, atol=0)
