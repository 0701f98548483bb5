# SPDX-License-Identifier: Apache-2.0
"""Plates and takes through a lens: sampled once, to the bit from where the plate was shot."""

import dataclasses

import numpy as np
import pytest
from scenes import GROUND, SLANTED, SPHERE, source_camera
from test_raster import moved, rasterizer, render  # noqa: F401  a fixture of this module too
from test_raster_film import assert_same_bits, film_picture

from ex4d.camera import Camera, Lens, build_take, parse_preset, static_trajectory
from ex4d.mesh import MeshSettings, build_mesh
from ex4d.raster.lens_table import TOLERANCE_PX, distortion_table, pixel_centre_rays

#: One of each model, of 28 mm and less: a barrel of −12 % at the corner among them.
LENSES = {
    "polynomial barrel": Lens("polynomial", (-0.32, 0.06)),
    "polynomial pincushion": Lens("polynomial", (0.08, 0.01, -0.002)),
    "division": Lens("division", (0.25, 0.02)),
    "brown": Lens("brown", (-0.12, 0.02, -0.003, 0.0004, 0.004, -0.003)),
    "nuke": Lens("nuke", (-0.15, 0.01)),
    "opencv": Lens("opencv", (-0.2, 0.05, 0.002, -0.003, -0.006)),
    "opencv rational": Lens("opencv", (0.1, 0.02, 0.001, 0.001, 0.0, 0.3, 0.05, 0.0, 0.001, 0.0, -0.001, 0.0)),
}
#: Pixels twice as wide as high, and a principal point beside the middle.
SQUEEZED = np.array([[230, 0, 167.3], [0, 460, 115.9], [0, 0, 1]])


def camera_with(lens, K=None, width=320, height=240):
    plain = source_camera(width, height, 230.0 * width / 320)
    return dataclasses.replace(plain, lens=lens, K=plain.K if K is None else K)


def rays_of(camera):
    """Origin and directions (H, W, 3) with unit z-depth per unit of length, world coordinates; exactly."""
    pixels = np.stack(np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5), axis=-1)
    directions = np.concatenate([camera.rays(pixels), np.ones((*pixels.shape[:2], 1))], axis=-1)
    return camera.center(), directions @ camera.E[:3, :3]


def depth_of(shapes, camera):
    origin, directions = rays_of(camera)
    return np.stack([shape.hit(origin, directions) for shape in shapes]).min(axis=0)


def mesh_of(shapes, camera, **kwargs):
    return build_mesh(depth_of(shapes, camera).astype(np.float32), camera, 12.0, **kwargs)


def moved_with(lens, text, index=-1):
    camera = moved(text, index=index)
    return dataclasses.replace(camera, K=camera.K * np.array([[230 / 300], [230 / 300], [1]]) * 1.0, lens=lens)


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("K", [None, SQUEEZED], ids=["square", "squeezed"])
def test_tables_are_the_lens(name, K):
    camera = camera_with(LENSES[name], K)
    table = distortion_table(camera)
    assert table.error <= TOLERANCE_PX
    pixels = np.random.default_rng(1).random((5000, 2)) * (320, 240)
    ideal = camera.rays(pixels) * np.diag(camera.K)[:2] + camera.K[:2, 2]
    np.testing.assert_allclose(table.moved(ideal), pixels, atol=1e-4)
    exact = camera.rays(np.stack(np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5), axis=-1))
    np.testing.assert_allclose(pixel_centre_rays(camera), exact, atol=1e-4 / 115)


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("K", [None, SQUEEZED], ids=["square", "squeezed"])
def test_plate_comes_back_to_the_bit_through_its_lens(rasterizer, name, K):  # noqa: F811
    camera = camera_with(LENSES[name], K)
    picture = film_picture(np.float16)
    mesh = mesh_of(SPHERE, camera)
    with rasterizer.upload(mesh, picture) as scene:
        frame = scene.render(camera, positions=True)
    assert (frame.mask == 255).all()
    assert_same_bits(frame.color, picture)
    y, x = np.mgrid[:240, :320]
    np.testing.assert_array_equal(frame.plate, np.stack([x, y], axis=-1) + 0.5)


@pytest.mark.parametrize("name", ["polynomial barrel", "nuke"])
def test_wide_plates_and_coarse_meshes_come_back_through_their_lens(rasterizer, name):  # noqa: F811
    width, height = 2048, 300
    camera = camera_with(LENSES[name], width=width, height=height)
    picture = film_picture(np.uint16, size=(height, width))
    for side in (width, 500):
        frame = render(rasterizer, mesh_of(SLANTED, camera, settings=MeshSettings(max_grid_side=side)), camera, picture)
        assert (frame.mask == 255).mean() > 0.9999
        seen = frame.mask > 0
        assert_same_bits(frame.color[seen], picture[seen])


@pytest.mark.parametrize("shapes", [SLANTED, SPHERE, GROUND])
@pytest.mark.parametrize(
    ("source_lens", "take_lens"),
    [("polynomial barrel", "polynomial barrel"), ("brown", None), (None, "nuke"), ("opencv", "division")],
)
@pytest.mark.parametrize("text", ["orbit:12", "dolly_in:0.3"])
def test_moved_views_show_what_is_there(rasterizer, shapes, source_lens, take_lens, text):  # noqa: F811
    """Depth and plate positions against rays that are met exactly, with a lens before either, both or none."""
    source = camera_with(LENSES.get(source_lens))
    take = moved_with(LENSES.get(take_lens), text)
    picture = film_picture(np.float32, finite=True)
    with rasterizer.upload(mesh_of(shapes, source), picture) as scene:
        frame = scene.render(take, positions=True)
    seen = frame.mask > 0
    assert seen.mean() > 0.3
    origin, directions = rays_of(take)
    z = depth_of(shapes, take)
    # Outlines are as sharp as the depth's pixels.
    right = np.abs(frame.z / z - 1) < 2e-3
    assert right[seen].mean() > 0.99
    points = origin + directions * np.where(np.isfinite(z), z, 1.0)[..., None]
    expected, _ = source.project(points)
    both = seen & right
    error = np.abs(frame.plate - expected)[both].max(axis=-1)
    # A curved surface is flat from vertex to vertex.
    assert np.quantile(error, 0.99) < (0.01 if shapes is SLANTED else 0.3)
    assert np.median(error) < (2e-3 if shapes is SLANTED else 0.02)


def test_all_that_a_wider_take_sees_is_the_plate(rasterizer):  # noqa: F811
    """What lies beyond the plate is never surface, however far a lens' formula goes on there."""
    source = camera_with(LENSES["polynomial barrel"])
    mesh = mesh_of(SLANTED, source)
    wide = dataclasses.replace(
        source, lens=None, K=source.K * np.array([[0.5], [0.5], [1]]) + [[0, 0, 80], [0, 0, 60], [0, 0, 0]]
    )
    with rasterizer.upload(mesh, film_picture(np.float16)) as scene:
        frame = scene.render(wide, positions=True)
    pixels = np.stack(np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5), axis=-1)
    at = source.lens.distort((pixels - wide.K[:2, 2]) / np.diag(wide.K)[:2]) * np.diag(source.K)[:2] + source.K[:2, 2]
    inside = ((at >= 0.5) & (at <= np.array([319.5, 239.5]))).all(axis=-1)
    assert (inside != (frame.mask > 0)).mean() < 2e-3
    seen = inside & (frame.mask > 0)
    np.testing.assert_allclose(frame.plate[seen], at[seen], atol=0.01)


def test_lenses_that_change_from_frame_to_frame(rasterizer):  # noqa: F811
    """A zoom: each frame its own lens, one mesh kept meanwhile."""
    picture = film_picture(np.float16)
    cameras = [camera_with(LENSES[name]) for name in ("nuke", "brown")] + [camera_with(None)]
    kept_mesh = mesh_of(GROUND, cameras[0])
    with rasterizer.upload(kept_mesh, picture) as kept:
        views = [(mesh_of(SLANTED, camera), picture, camera) for camera in cameras * 2]
        for frame in rasterizer.render_sequence(views):
            assert_same_bits(frame.color, picture)
        assert_same_bits(kept.render(cameras[0]).color, picture)


def test_a_window_of_the_picture_is_that_window(rasterizer):  # noqa: F811
    """Overscan: a take that is a part of the plate's picture."""
    camera = camera_with(LENSES["polynomial barrel"])
    picture = film_picture(np.float16)
    frame = render(rasterizer, mesh_of(SPHERE, camera), camera.cropped(20, 10, 280, 200), picture)
    assert_same_bits(frame.color, picture[10:210, 20:300])


def test_camera_that_looks_away_sees_nothing(rasterizer):  # noqa: F811
    source = camera_with(LENSES["division"])
    take = moved_with(LENSES["division"], "pan:180")
    frame = render(rasterizer, mesh_of(SLANTED, source), take, film_picture(np.float16))
    assert not frame.mask.any()


def test_preset_moves_keep_the_lens():
    camera = camera_with(LENSES["brown"])
    trajectory = dataclasses.replace(static_trajectory(camera.K, 320, 240, 3), lens=camera.lens)
    take = build_take(parse_preset("orbit:5"), trajectory, np.array([0, 0, 3.0]))
    assert isinstance(take[1], Camera)
    assert take[1].lens == camera.lens
