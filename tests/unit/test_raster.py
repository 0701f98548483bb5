# SPDX-License-Identifier: Apache-2.0
"""Rasterizers against hand-computed scenes and against each other."""

import dataclasses

import numpy as np
import pytest
from scenes import GROUND, SLANTED, SPHERE, cast, in_unknown_space, mesh_of, picture_at, smooth_picture, source_camera

from ex4d.camera import build_take, intrinsics, parse_preset, static_trajectory
from ex4d.camera.transforms import rigid, rotation_x, rotation_y
from ex4d.jobs.capabilities import capabilities
from ex4d.mesh import MeshSettings, build_mesh, build_released_mesh
from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.raster import create_rasterizer, select
from ex4d.raster.nvdiffrast import NvdiffrastRasterizer
from ex4d.raster.opengl import grid_strips, vertex_places
from ex4d.raster.opengl.tiles import TILE, GridTiles, windows_of

SOURCE = source_camera()
PICTURE = smooth_picture(SOURCE.width, SOURCE.height)
NAMES = ("opengl", "embree")


@pytest.fixture(scope="module", params=NAMES)
def rasterizer(request):
    try:
        made, _ = create_rasterizer(request.param)
    except ResourceError as error:
        pytest.skip(f"{request.param} does not work on this machine: {error}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def both():
    made = []
    for name in NAMES:
        try:
            made.append(create_rasterizer(name)[0])
        except ResourceError as error:
            pytest.skip(f"{name} does not work on this machine: {error}")
    yield made
    for item in made:
        item.close()


def render(rasterizer, mesh, camera, picture=PICTURE):
    with rasterizer.upload(mesh, picture) as scene:
        return scene.render(camera)


def moved(text, distance=3.0, index=-1, count=5):
    source = static_trajectory(SOURCE.K, SOURCE.width, SOURCE.height, count)
    take = build_take(parse_preset(text), source, np.array([0, 0, distance]))
    return take[range(count)[index]]


def noise(dtype=np.uint8, shape=(240, 320, 3)):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("shapes", [SLANTED, SPHERE], ids=["plane", "sphere"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_plate_comes_back_exactly_from_the_source_camera(rasterizer, shapes, dtype):
    mesh, depth = mesh_of(shapes, SOURCE)
    picture = noise(dtype)
    frame = render(rasterizer, mesh, SOURCE, picture)
    assert (frame.mask == 255).all(), "from its own position nothing is hidden, not even at the rim"
    # Round-off in the position is about 1e-5 px: nothing in 8 bits, a few codes of 65536 in 16.
    difference = np.abs(frame.color.astype(int) - picture)
    assert difference.max() <= (0 if dtype == np.uint8 else 8)
    assert frame.color.dtype == dtype
    np.testing.assert_allclose(frame.z, depth, rtol=3e-3)


def test_plate_comes_back_from_a_source_camera_anywhere_in_the_world(rasterizer):
    E = rigid(rotation_y(2.0) @ rotation_x(0.3), np.array([1000.0, -2000.0, 500.0]))
    source = dataclasses.replace(SOURCE, E=E)
    depth = cast(SPHERE, SOURCE)[0].astype(np.float32)
    mesh = build_mesh(depth, source, 8.0)
    frame = render(rasterizer, mesh, source, noise())
    assert (frame.mask == 255).all()
    np.testing.assert_array_equal(frame.color, noise())


@pytest.mark.parametrize(
    "text", ["orbit:25", "orbit:-50", "dolly_in:0.4", "crane:0.3", "zoom_in:1.7", "orbit:30,elevation=25"]
)
def test_slanted_plane(rasterizer, text):
    mesh, _ = mesh_of(SLANTED, SOURCE)
    camera = moved(text)
    frame = render(rasterizer, mesh, camera)
    z, _ = cast(SLANTED, camera)
    y, x = np.nonzero(frame.mask)
    assert len(y) > 5000
    np.testing.assert_allclose(frame.z[y, x], z[y, x], rtol=1e-4)
    points = np.linalg.inv(camera.E) @ np.stack(
        [(x + 0.5 - camera.K[0, 2]) / camera.K[0, 0] * z[y, x], (y + 0.5 - camera.K[1, 2]) / camera.K[1, 1] * z[y, x],
         z[y, x], np.ones(len(y))]
    )  # fmt: skip
    seen, _ = SOURCE.project(points[:3].T)
    expected = picture_at(seen[:, 0], seen[:, 1]) * 255
    assert np.abs(frame.color[y, x] - expected).max() <= 1.5
    # The mask is what of the plane the source camera saw: the plate's pixel centres span 0.5 to size − 0.5.
    inside_source = np.zeros(frame.mask.shape, bool)
    rows, columns = np.nonzero(np.isfinite(z))
    world = np.linalg.inv(camera.E) @ np.stack(
        [(columns + 0.5 - camera.K[0, 2]) / camera.K[0, 0] * z[rows, columns],
         (rows + 0.5 - camera.K[1, 2]) / camera.K[1, 1] * z[rows, columns], z[rows, columns], np.ones(len(rows))]
    )  # fmt: skip
    pixels, depth = SOURCE.project(world[:3].T)
    inside_source[rows, columns] = (
        (depth > 0) & (pixels >= 0.5).all(axis=1) & (pixels <= [SOURCE.width - 0.5, SOURCE.height - 0.5]).all(axis=1)
    )
    assert iou(frame.mask > 0, inside_source) > 0.995


def iou(a, b):
    return (a & b).sum() / max((a | b).sum(), 1)


@pytest.mark.parametrize("angle", [10, 30, 60, -30])
def test_sphere_before_a_plane(rasterizer, angle):
    """Valid pixels show the true surface: what the ray meets first, where the source camera sees it too."""
    mesh, depth = mesh_of(SPHERE, SOURCE, settings=MeshSettings(thickness=np.inf))
    camera = moved(f"orbit:{angle}")
    frame = render(rasterizer, mesh, camera)
    z, shape = cast(SPHERE, camera)
    valid = frame.mask > 0
    wrong = np.abs(frame.z - z) > 0.02 * z
    assert (wrong & valid).sum() < 0.004 * valid.sum()
    y, x = np.nonzero(np.isfinite(z))
    points = np.linalg.inv(camera.E) @ np.stack(
        [(x + 0.5 - camera.K[0, 2]) / camera.K[0, 0] * z[y, x], (y + 0.5 - camera.K[1, 2]) / camera.K[1, 1] * z[y, x],
         z[y, x], np.ones(len(y))]
    )  # fmt: skip
    pixels, expected_depth = SOURCE.project(points[:3].T)
    at = np.floor(pixels).astype(int)
    inside = (at >= 0).all(axis=1) & (at < [SOURCE.width, SOURCE.height]).all(axis=1) & (expected_depth > 0)
    co_visible = np.zeros(valid.shape, bool)
    co_visible[y[inside], x[inside]] = (
        np.abs(depth[at[inside, 1], at[inside, 0]] - expected_depth[inside]) < 0.03 * expected_depth[inside]
    )
    # The watertight mesh also stands for what the source camera could not look into, and hides what is behind that.
    expected = co_visible & ~in_unknown_space(camera, z, SOURCE, depth)
    assert (valid & ~expected).sum() < 0.01 * valid.sum()
    # Near the sphere's limb faces are too steep to count; from the side that is a broader rim.
    assert (expected & ~valid).sum() < (0.03 if abs(angle) <= 30 else 0.08) * expected.sum()
    assert set(np.unique(shape[valid])) == {0, 1}


AGREEMENT = [
    (SLANTED, "orbit:30"),
    (SLANTED, "orbit:80"),
    (SPHERE, "orbit:20"),
    (SPHERE, "orbit:60"),
    (SPHERE, "orbit:90"),
    (SPHERE, "dolly_in:0.78"),  # close before the sphere
    (GROUND, "dolly_in:0.9"),  # the near plane cuts faces of the ground
    (SPHERE, "zoom_out:2"),
    (SPHERE, "crane:0.6"),
]


@pytest.mark.parametrize(("shapes", "text"), AGREEMENT)
def test_rasterizers_agree(both, shapes, text):
    mesh, _ = mesh_of(shapes, SOURCE)
    camera = moved(text)
    a, b = (render(rasterizer, mesh, camera) for rasterizer in both)
    seen_a, seen_b = a.mask > 0, b.mask > 0
    assert seen_a.any()
    assert iou(seen_a, seen_b) >= 0.995
    inside = seen_a & seen_b
    assert np.abs(a.color[inside].astype(int) - b.color[inside]).max() <= 1
    # At an outline a sample may fall to either side.
    assert (np.abs(a.z[inside] / b.z[inside] - 1) > 1e-3).mean() < 1e-4
    assert (np.isnan(a.z) != np.isnan(b.z)).mean() < 0.001


@pytest.mark.parametrize("text", ["pan:180", "tilt:90"])
def test_camera_turned_away_sees_nothing(rasterizer, text):
    mesh, _ = mesh_of(SPHERE, SOURCE)
    frame = render(rasterizer, mesh, moved(text))
    assert not frame.mask.any()
    assert not frame.color.any()
    assert np.isnan(frame.z).all()


def test_camera_inside_the_scene_sees_no_false_surface(rasterizer):
    mesh, _ = mesh_of(SPHERE, SOURCE)
    frame = render(rasterizer, mesh, moved("dolly_in:1.05"))  # inside the sphere, looking at its hollow back
    z, _ = cast(SPHERE[1:], moved("dolly_in:1.05"))
    valid = frame.mask > 0
    assert (np.abs(frame.z - z)[valid] < 0.05).all()


def test_surfaces_seen_from_behind_are_holes(rasterizer):
    mesh, _ = mesh_of([SLANTED[0]], SOURCE)
    frame = render(rasterizer, mesh, moved("orbit:180", distance=4.0))
    assert not frame.mask.any()
    assert np.isfinite(frame.z).mean() > 0.3, "but something stands there"


def test_near_and_far_limits(rasterizer):
    mesh, _ = mesh_of(SPHERE, SOURCE)
    near = render(rasterizer, mesh, dataclasses.replace(SOURCE, near=3.5))
    assert np.nanmin(near.z) >= 3.5
    far = render(rasterizer, mesh, dataclasses.replace(SOURCE, far=4.0))
    assert np.nanmax(far.z) <= 4.0
    assert np.isnan(far.z[0, 0])
    assert far.mask[0, 0] == 0


def test_any_render_size(rasterizer):
    mesh, _ = mesh_of(SPHERE, SOURCE)
    whole = render(rasterizer, mesh, moved("orbit:20"))
    double = render(rasterizer, mesh, moved("orbit:20").resized(640, 480))
    assert double.mask.shape == (480, 640)
    assert abs((whole.mask > 0).mean() - (double.mask > 0).mean()) < 0.01
    odd = render(rasterizer, mesh, moved("orbit:20").resized(101, 57))
    assert odd.color.shape == (57, 101, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (3, 2), (101, 57)])
def test_frames_are_plain_arrays_at_any_size(rasterizer, size, dtype):
    """A window of the source camera's picture, down to its last pixel: the device packs four values at a time."""
    (width, height), picture = size, noise(dtype)
    mesh, depth = mesh_of(SLANTED, SOURCE)
    K = SOURCE.K.copy()
    K[:2, 2] -= 100, 80
    frame = render(rasterizer, mesh, dataclasses.replace(SOURCE, K=K, width=width, height=height), picture)
    window = np.s_[80 : 80 + height, 100 : 100 + width]
    error = np.abs(frame.color.astype(int) - picture[window])
    assert error.max() <= (0 if dtype == np.uint8 else 32), "round-off of positions, in noise of 65535"
    np.testing.assert_array_equal(frame.mask, np.full((height, width), 255))
    np.testing.assert_allclose(frame.z, depth[window], rtol=1e-5)
    for array, kind in ((frame.color, dtype), (frame.mask, np.uint8), (frame.z, np.float32)):
        assert array.dtype == kind
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_nothing_is_zero_and_nan(rasterizer):
    depth = np.full((240, 320), 3, np.float32)
    frame = render(rasterizer, build_mesh(depth, SOURCE, 5.0), dataclasses.replace(SOURCE, far=2.0), noise())
    assert np.isnan(frame.z).all()
    assert not frame.mask.any()
    assert not frame.color.any()


def test_coarse_mesh_keeps_the_plates_resolution(rasterizer):
    mesh, _ = mesh_of(SLANTED, SOURCE, settings=MeshSettings(max_grid_side=40))
    assert mesh.topology.grid == (40, 30)
    picture = noise()
    frame = render(rasterizer, mesh, SOURCE, picture)
    assert (frame.mask == 255).all()
    assert (frame.color == picture).mean() > 0.99


@pytest.mark.parametrize("size", [(2, 2), (3, 2), (2, 5), (3, 200)])
def test_tiny_plates(rasterizer, size):
    camera = dataclasses.replace(SOURCE, K=intrinsics(50, *size), width=size[0], height=size[1])
    picture = noise(shape=(size[1], size[0], 3))
    frame = render(rasterizer, build_mesh(np.full(size[::-1], 3, np.float32), camera, 5.0), camera, picture)
    np.testing.assert_array_equal(frame.color, picture)


def test_no_dark_outlines(rasterizer):
    """A bright subject before a bright wall must stay bright up to its edge, in either construction."""
    mesh, depth = mesh_of(SPHERE, SOURCE)
    white = np.full((240, 320, 3), 200, np.uint8)
    released = build_released_mesh(depth, SOURCE)
    for each in (mesh, released):
        frame = render(rasterizer, each, moved("orbit:25"), white)
        assert 0.2 < (frame.mask > 0).mean() < 1
        assert (frame.color[frame.mask > 0] == 200).all()
        assert (frame.color[frame.mask == 0] == 0).all()


def test_released_construction_agrees_between_rasterizers(both):
    depth = cast(SPHERE, SOURCE)[0].astype(np.float32)
    mesh = build_released_mesh(depth, SOURCE)
    a, b = (render(rasterizer, mesh, moved("orbit:40")) for rasterizer in both)
    assert iou(a.mask > 0, b.mask > 0) >= 0.995
    inside = (a.mask > 0) & (b.mask > 0)
    assert np.percentile(np.abs(a.color[inside].astype(int) - b.color[inside]), 99.9) <= 1


def test_released_cap_hides_the_sky_and_ours_does_not(rasterizer):
    depth = np.full((240, 320), 3.0, np.float32)
    depth[:120] = 5000.0  # sky, beyond the released border at 100
    camera = moved("orbit:5")
    ours = render(rasterizer, build_mesh(depth, SOURCE, 6000.0), camera)
    released = render(rasterizer, build_released_mesh(depth, SOURCE), camera)
    sky = np.s_[5:60, 60:260]
    assert (ours.z[sky] > 4000).all()
    assert (ours.mask[sky] == 255).all()
    assert (released.z[sky] < 200).all(), "the released cap stands before it"


def test_holes_open_with_the_parallax_not_before(rasterizer):
    """At a small move a jump is closed; the share of holes then grows steadily."""
    mesh, _ = mesh_of(SPHERE, SOURCE)
    holes = [
        (render(rasterizer, mesh, moved(f"truck:{share}")).mask == 0)[:, 20:-20].mean()
        for share in ("0", "0.00001", "0.01", "0.05", "0.1")
    ]
    assert holes[0] == 0
    assert holes[1] == 0
    assert 0 < holes[2] < holes[3] < holes[4]


def test_zoom_and_pan_open_no_holes_inside_the_frame(rasterizer):
    mesh, _ = mesh_of(SPHERE, SOURCE)
    assert (render(rasterizer, mesh, moved("zoom_in:3")).mask == 255).all()
    panned = render(rasterizer, mesh, moved("pan:10")).mask
    assert (panned[40:-40, :250] == 255).all()


def test_a_scene_renders_many_cameras_and_meshes_do_not_mix(rasterizer):
    sphere, _ = mesh_of(SPHERE, SOURCE)
    plane, _ = mesh_of(SLANTED, SOURCE)
    with rasterizer.upload(sphere, PICTURE) as first, rasterizer.upload(plane, PICTURE) as second:
        once = first.render(moved("orbit:20"))
        second.render(moved("orbit:20"))
        again = first.render(moved("orbit:20"))
    np.testing.assert_array_equal(once.mask, again.mask)
    np.testing.assert_array_equal(once.color, again.color)


def test_sequences_are_the_frames_one_by_one(rasterizer):
    """Also where meshes, pictures and sizes change on the way, and where nobody takes the rest."""
    sphere, plane = mesh_of(SPHERE, SOURCE)[0], mesh_of(SLANTED, SOURCE)[0]
    coarse = mesh_of(SPHERE, SOURCE, settings=MeshSettings(max_grid_side=100))[0]
    released = build_released_mesh(cast(SPHERE, SOURCE)[0].astype(np.float32), SOURCE)
    views = [
        (mesh, noise(dtype), moved(f"orbit:{angle}").resized(*size))
        for angle, (mesh, dtype, size) in enumerate(
            [(mesh, np.uint8, (320, 240)) for mesh in [sphere, plane] * 5]
            + [(sphere, np.uint16, (320, 240)), (coarse, np.uint8, (160, 120)), (released, np.uint8, (320, 240))]
        )
    ]
    frames = list(rasterizer.render_sequence(iter(views)))
    assert len(frames) == len(views)
    for frame, (mesh, picture, camera) in zip(frames, views, strict=True):
        alone = render(rasterizer, mesh, camera, picture)
        np.testing.assert_array_equal(frame.mask, alone.mask)
        np.testing.assert_array_equal(frame.color, alone.color)
        np.testing.assert_array_equal(frame.z, alone.z)
    assert list(rasterizer.render_sequence([])) == []
    some = rasterizer.render_sequence(iter(views))
    np.testing.assert_array_equal(next(some).color, frames[0].color)
    some.close()
    np.testing.assert_array_equal(render(rasterizer, *views[1][::2], views[1][1]).color, frames[1].color)


@pytest.mark.parametrize("size", [(2, 2), (5, 4), (7, 3), (6, 2)])
def test_strips_draw_each_face_once(size):
    """The strips' triangles, known by their last vertex as the shader knows them, are the grid's faces."""
    from ex4d.mesh.topology import grid_face_indices

    width, height = size
    faces = {}
    for parity in (0, 1):
        strip, places = grid_strips(width, height, parity), vertex_places(width, height, parity)
        for i in range(len(strip) - 2):
            triangle = strip[i : i + 3]
            if len(set(triangle.tolist())) == 3:
                row, column = divmod(int(triangle[2]), width)
                place = int(places[triangle[2]])
                first = place % 2 == 1
                assert place // 2 == parity
                quad_row = row if first else row - 1
                face = 2 * (quad_row * (width - 1) + column - 1) + (0 if first else 1)
                assert face not in faces
                faces[face] = frozenset(triangle.tolist())
    expected = {i: frozenset(face) for i, face in enumerate(grid_face_indices(width, height).tolist())}
    assert faces == expected


def test_unknown_rasterizer_is_wrong_usage():
    with pytest.raises(UsageError):
        create_rasterizer("crayon")


def test_automatic_choice_falls_back_and_says_why(monkeypatch):
    def broken():
        raise ResourceError("OpenGL is broken here.", "Mend it.")

    monkeypatch.setitem(select.RASTERIZERS, "opengl", broken)
    rasterizer, notes = create_rasterizer()
    assert rasterizer.name == "embree"
    assert notes == ("OpenGL is broken here. Mend it.",)
    monkeypatch.setitem(select.RASTERIZERS, "embree", broken)
    with pytest.raises(ResourceError, match="No rasterizer works"):
        create_rasterizer()


def test_two_rasterizers_can_be_used_by_turns():
    """Both have a context of their own, and only one can be current."""
    mesh, _ = mesh_of(SPHERE, SOURCE)
    one, other = create_rasterizer("opengl")[0], create_rasterizer("opengl")[0]
    camera = moved("orbit:20")
    with one.upload(mesh, PICTURE) as first, other.upload(mesh, PICTURE) as second:
        a = first.render(camera)
        b = second.render(moved("orbit:-20"))
        again = first.render(camera)
    assert (a.color == again.color).all()
    assert (a.color != b.color).any()
    other.close()
    with one.upload(mesh, PICTURE) as first:
        assert (first.render(camera).color == a.color).all()
    one.close()


# The OpenGL rasterizer's arrays


def test_arrays_are_filled_again_and_never_shared() -> None:
    from ex4d.raster.opengl.mesh import Scratch

    scratch = Scratch()
    first, other = scratch.take("a", 100, np.float32), scratch.take("a", 100, np.float32)
    assert not np.shares_memory(first, other)
    scratch.give_back("a", first)
    again = scratch.take("a", 90, np.float32)
    assert again.shape == (90,)
    assert np.shares_memory(again, first)
    # Under way, of another name, too small, of another type: none of these is handed out.
    scratch.give_back("a", again)
    for taken in (scratch.take("b", 10, np.float32), scratch.take("a", 1000, np.float32)):
        assert not np.shares_memory(taken, first)
    rows = scratch.rows("r", 5000, 4)
    assert rows.shape == (2, 4096, 4)
    scratch.give_back("r", rows)
    assert np.shares_memory(scratch.rows("r", 100, 4), rows)
    scratch.give_back("u", scratch.take("u", 8, np.uint8))
    assert scratch.take("u", 8, np.uint16).dtype == np.uint16


def test_the_device_is_told_the_state_of_each_face() -> None:
    from ex4d.raster.opengl.mesh import LEFT_OUT, prepare

    mesh, _ = mesh_of(SPHERE, SOURCE)
    width, height = mesh.topology.grid
    expected = mesh.surface.astype(np.uint8)
    expected[mesh.edges.replaced] = LEFT_OUT
    assert len(mesh.edges.replaced) > 100
    prepared = prepare(mesh, PICTURE)
    assert prepared.states.shape == (height + 1, width, 2)
    np.testing.assert_array_equal(prepared.states[1:height, 1:].reshape(-1), expected)


def test_the_device_is_told_corners_gaps_and_places_of_the_other_faces() -> None:
    from ex4d.raster.opengl.mesh import prepare

    mesh, _ = mesh_of(SPHERE, SOURCE)
    own, pieces = mesh.topology.faces[mesh.topology.grid_faces :], mesh.edges
    prepared = prepare(mesh, PICTURE)
    corners, gaps, places = np.split(prepared.outer_values, [prepared.first_gap, prepared.first_place])
    expected = np.concatenate([mesh.points[own].reshape(-1, 3), pieces.points.reshape(-1, 3)])
    np.testing.assert_array_equal(corners.reshape(-1, 3), expected)
    np.testing.assert_array_equal(gaps, np.concatenate([mesh.outer_gap, pieces.gap]))
    np.testing.assert_array_equal(places, pieces.plate.reshape(-1))
    assert prepared.first_plate == own.size
    released = build_released_mesh(cast(SPHERE, SOURCE)[0].astype(np.float32), SOURCE)
    prepared, own = prepare(released, PICTURE), released.topology.faces[released.topology.grid_faces :]
    places = prepared.outer_values[prepared.first_place :]
    assert prepared.first_plate == 0
    np.testing.assert_array_equal(places.reshape(-1, 2), released.topology.pixels[own.reshape(-1)])


def test_uniforms_are_set_when_they_change() -> None:
    from ex4d.raster.opengl.context import Uniforms

    calls = []

    class Uniform:
        def __init__(self, name):
            self.name = name

        def __setattr__(self, key, value):
            if key == "value":
                calls.append((self.name, value))
            else:
                super().__setattr__(key, value)

        def write(self, value):
            calls.append((self.name, value))

    uniforms = Uniforms({name: Uniform(name) for name in "abc"})
    uniforms.set({"a": 1, "b": (1.0, 2.0), "c": b"matrix"})
    uniforms.set({"a": 1, "b": (1.0, 3.0), "c": b"matrix"})
    uniforms.set({"c": b"other"})
    assert calls == [("a", 1), ("b", (1.0, 2.0)), ("c", b"matrix"), ("b", (1.0, 3.0)), ("c", b"other")]


def test_what_a_worker_offers_is_found_without_trying_nvdiffrast(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes torch and a CUDA context, for a line of a menu."""

    def tried() -> None:
        raise AssertionError

    for missing, offered in (("torch", False), (None, True)):
        monkeypatch.setattr(NvdiffrastRasterizer, "missing_package", staticmethod(lambda missing=missing: missing))
        monkeypatch.setitem(select.RASTERIZERS, "nvdiffrast", tried)
        names = [rasterizer.name for rasterizer in capabilities().rasterizers]
        assert ("nvdiffrast" in names, "embree" in names) == (offered, True)


@pytest.mark.parametrize("text", ["orbit:40", "truck:1.5", "pan:180", "orbit:100"])
@pytest.mark.parametrize("share", [0.5, 0.002, 0.0, 1.0])
def test_pixels_that_are_looked_at_are_those_of_the_whole_frame(rasterizer, text, share):
    """Also from within the scene, where parts of the grid lie beside and behind the camera."""
    mesh, camera = mesh_of(SPHERE, SOURCE)[0], moved(text)
    with rasterizer.upload(mesh, PICTURE) as scene:
        whole = scene.render(camera)
        where = np.random.default_rng(1).random(whole.mask.shape) < share
        where[:40, :30] = share > 0
        part = scene.render(camera, where=where)
        again = scene.render(camera)
    for name in ("color", "mask", "z"):
        wanted, found, after = (getattr(frame, name) for frame in (whole, part, again))
        np.testing.assert_array_equal(found[where], wanted[where])
        np.testing.assert_array_equal(after, wanted)


@pytest.mark.parametrize("size", [(2, 2), (17, 17), (18, 33), (40, 3), (70, 52)])
def test_tiles_draw_each_of_their_faces_once_in_the_strips_order(size):
    def triangles(strip):
        found = np.stack([strip[:-2], strip[1:-1], strip[2:]], axis=-1)
        found[1::2, :2] = found[1::2, 1::-1]
        distinct = (found[:, 0] != found[:, 1]) & (found[:, 1] != found[:, 2]) & (found[:, 0] != found[:, 2])
        corners = np.sort(found, axis=1)
        # Beyond the grid's edges triangles are flat: two columns of one row, or three vertices of one line.
        rows, columns = np.divmod(corners, size[0])
        flat = (np.ptp(rows, axis=1) == 0) | (np.ptp(columns, axis=1) == 0)
        return found[distinct & ~flat]

    camera = dataclasses.replace(SOURCE, width=size[0], height=size[1])
    tiles = GridTiles(build_mesh(np.full(size[::-1], 2, np.float32), camera, 9.0))
    shape = (-(-(size[1] - 1) // TILE), -(-(size[0] - 1) // TILE))
    seen = np.random.default_rng(2).random(shape) < 0.6
    for parity in (0, 1):
        whole = triangles(grid_strips(*size, parity))
        np.testing.assert_array_equal(triangles(tiles.strip(np.ones(shape, np.bool_), parity)), whole)
        row, column = whole.min(axis=1) // size[0], (whole % size[0]).min(axis=1)
        np.testing.assert_array_equal(triangles(tiles.strip(seen, parity)), whole[seen[row // TILE, column // TILE]])


def test_windows_hold_what_is_looked_at():
    where = np.zeros((100, 80), np.bool_)
    assert windows_of(where) == []
    where[3, 7:20] = where[99, 79] = True
    assert windows_of(where) == [(7, 0, 13, 32), (79, 96, 1, 4)]
    assert windows_of(None) == [None]
