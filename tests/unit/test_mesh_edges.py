# SPDX-License-Identifier: Apache-2.0
"""What is drawn in place of faces that span a depth jump."""

import math

import numpy as np
import pytest

from ex4d.camera import Camera, build_take, intrinsics, parse_preset, static_trajectory
from ex4d.mesh import MeshSettings, build_mesh, far_plane, occlusion_edges
from ex4d.mesh.occlusion_edges import PIECES_PER_FACE, edge_width, local_width
from ex4d.raster import create_rasterizer

SIZE = 129
SOURCE = Camera(intrinsics(120.0, SIZE, SIZE), np.eye(4), SIZE, SIZE)
WALL, NEAR = 6.0, 3.0


def scene(columns, rows=slice(None), **settings):
    """A wall with something before it at these columns and rows; the picture is red there and green elsewhere."""
    depth = np.full((SIZE, SIZE), WALL, np.float32)
    depth[rows, columns] = NEAR
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    picture[depth == NEAR] = (200, 0, 0)
    picture[depth == WALL] = (0, 200, 0)
    return build_mesh(depth, SOURCE, far_plane(WALL, WALL), settings=MeshSettings(**settings)), picture


@pytest.fixture(scope="module", params=["opengl", "embree"])
def draw(request):
    rasterizer = create_rasterizer(request.param)[0]

    def draw(made, camera):
        with rasterizer.upload(*made) as drawn:
            return drawn.render(camera)

    yield draw
    rasterizer.close()


def moved(text):
    path = static_trajectory(SOURCE.K, SIZE, SIZE, 2)
    return build_take(parse_preset(text), path, np.array([0.0, 0.0, NEAR]))[1]


def test_width_of_a_bar_and_of_a_disc():
    bar = np.zeros((80, 200), bool)
    bar[[29, 30, 49, 50]] = True  # both sides of the rims of a bar of 20
    assert local_width(bar)[30:50, 40:160] == pytest.approx(20, rel=0.5)
    assert (local_width(bar)[[29, 50], 40:160] > 30).all(), "what is beside it is wider"
    y, x = np.mgrid[:121, :121] - 60
    r = np.hypot(x, y)
    ring = (r <= 31) & (r > 29)
    width = local_width(ring)
    assert np.median(width[r <= 29]) == pytest.approx(60, rel=0.5)
    assert (local_width(np.zeros((5, 9), bool)) >= 9).all()


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.2, 1.0])
@pytest.mark.parametrize("rings", [0.0, 3.0, 1e9])
def test_widths_beside_jumps_alone_are_those_of_the_whole_picture(
    share: float, rings: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occlusion_edges, "_RING_SHARE", rings)
    monkeypatch.setattr(occlusion_edges, "_AT_A_TIME", 1000)
    random = np.random.default_rng(7)
    for height, width in ((90, 140), (3, 200), (64, 64)):
        edge = random.random((height, width)) < share
        edge[height // 2, width // 3] = True
        pixels = random.choice(np.flatnonzero(edge), 40)
        np.testing.assert_array_equal(edge_width(edge, pixels), local_width(edge).reshape(-1)[pixels])


def test_no_width_is_asked_for() -> None:
    assert edge_width(np.zeros((5, 9), bool), np.empty(0, np.intp)).shape == (0,)


def test_every_replaced_face_has_its_pieces_and_they_tile_the_picture():
    made, _ = scene(slice(40, 70), slice(30, 90))
    pieces = made.edges
    assert len(pieces.points) == PIECES_PER_FACE * len(pieces.replaced) > 0
    surface = pieces.points[pieces.gap == 0].astype(np.float64)
    pixels = surface[..., :2] / surface[..., 2:] * 120 + SIZE / 2
    a, b = pixels[:, 1] - pixels[:, 0], pixels[:, 2] - pixels[:, 0]
    area = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
    assert np.abs(area).sum() == pytest.approx(len(pieces.replaced) / 2, rel=1e-4), "half a pixel each"
    assert (np.sign(area) == np.sign(area[0])).all(), "all show the side that faces the source camera"
    depths = np.unique(np.round(surface[..., 2], 4))
    assert depths.tolist() == [NEAR, WALL], "nothing between the two surfaces"


def test_a_wire_of_one_pixel_is_not_lost_and_hides_nothing_beside_it(draw):
    camera = moved("orbit:25,ease=linear")
    thin = draw(scene(slice(64, 65)), camera)
    red = thin.color[64, :, 0] > 100
    assert 1 <= red.sum() <= 2
    # A wire is as deep as it is wide, so that the wall is seen on both sides of it but for the strip it hid.
    holes = (thin.mask[64] == 0) & (np.abs(thin.z[64] - WALL) < 3)
    assert holes.sum() < 6
    whole = draw(scene(slice(64, 65), thickness=math.inf), camera)
    assert ((whole.mask[64] == 0) & (np.abs(whole.z[64] - WALL) < 3)).sum() > 5 * max(1, holes.sum())


def test_what_stands_behind_a_wide_thing_stays_hidden(draw):
    camera = moved("orbit:25,ease=linear")
    deep = draw(scene(slice(30, 100)), camera)
    whole = draw(scene(slice(30, 100), thickness=math.inf), camera)
    assert abs((deep.mask == 0).sum() - (whole.mask == 0).sum()) < 0.02 * (whole.mask == 0).sum()


def test_thickness_says_how_much_a_thing_hides(draw):
    camera = moved("orbit:40,ease=linear")
    holes = [(draw(scene(slice(55, 75), thickness=t), camera).mask == 0).sum() for t in (0.0, 1.0, 3.0, math.inf)]
    assert holes == sorted(holes)
    assert holes[0] < 0.9 * holes[-1]
    assert holes[1] < holes[2]


def test_colours_at_an_edge_are_those_of_one_side(draw):
    """Enlarged from the source position nothing opens, and nothing is mixed across the jump."""
    frame = draw(scene(slice(40, 70), slice(30, 90)), moved("zoom_in:3,ease=linear"))
    assert (frame.mask == 255).all()
    assert set(map(tuple, frame.color.reshape(-1, 3))) == {(200, 0, 0), (0, 200, 0)}


def test_pixels_without_depth_are_not_taken_apart():
    depth = np.full((SIZE, SIZE), WALL, np.float32)
    depth[40:60, 40:60] = np.nan
    made = build_mesh(depth, SOURCE, far_plane(WALL, WALL))
    assert len(made.edges.replaced) == 0
    assert len(made.edges.points) == 0


def test_three_surfaces_in_one_face():
    depth = np.full((SIZE, SIZE), WALL, np.float32)
    depth[:64, :64], depth[:64, 64:] = 2.0, 3.5
    made = build_mesh(depth, SOURCE, far_plane(WALL, WALL))
    pieces = made.edges
    spread = pieces.points[..., 2].max(axis=1) / pieces.points[..., 2].min(axis=1)
    assert (spread[pieces.gap == 0] <= made.settings.max_depth_ratio).all(), "no piece of surface spans a jump"
