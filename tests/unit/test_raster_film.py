# SPDX-License-Identifier: Apache-2.0
"""Film plates through the rasterizers: halves, floats, 16 bits and alpha, to the bit where a pixel is met."""

import dataclasses
import hashlib

import numpy as np
import pytest
from scenes import GROUND, SLANTED, SPHERE, mesh_of, source_camera
from test_raster import SOURCE, moved, rasterizer, render  # noqa: F401  a fixture of this module too

from ex4d.mesh import MeshSettings, build_released_mesh
from ex4d.raster.sampling import mix, sample_plate

BITS = {np.uint8: np.uint8, np.uint16: np.uint16, np.float16: np.uint16, np.float32: np.uint32}
TYPES = list(BITS)


def film_picture(dtype, channels=3, size=(SOURCE.height, SOURCE.width), finite=False):
    """Noise over all that the type holds: for floats over 20 stops, with negatives, tiny numbers, −0, inf and NaN."""
    random = np.random.default_rng(5)
    shape = (*size, channels)
    if np.dtype(dtype).kind == "u":
        return random.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    values = np.exp2(random.uniform(-14, 6, shape)) * np.where(random.random(shape) < 0.1, -1, 1)
    picture = values.astype(dtype)
    if not finite:
        special = np.array([np.inf, -np.inf, np.nan, -0.0, 6e-8, -6e-8, 65504, 0.0]).astype(dtype)
        at = random.random(shape) < 0.01
        picture[at] = special[random.integers(0, len(special), int(at.sum()))]
        # NaN with a payload, quiet and signalling ones.
        bits = picture.view(BITS[dtype])
        bits[7, 9, 0] = 0x7E55 if dtype == np.float16 else 0x7FC5_5555
        bits[9, 7, 1] = 0xFD01 if dtype == np.float16 else 0xFF80_0001
    return picture


def values_of(frame):
    """Colour and alpha as one array."""
    return frame.color if frame.alpha is None else np.concatenate([frame.color, frame.alpha[..., None]], axis=-1)


def assert_same_bits(found, expected):
    assert found.dtype == expected.dtype
    bits = BITS[expected.dtype.type]
    wrong = np.ascontiguousarray(found).view(bits) != np.ascontiguousarray(expected).view(bits)
    assert not wrong.any(), f"{wrong.mean():.2%} of the values differ"


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shapes", [SLANTED, SPHERE], ids=["plane", "sphere"])
def test_plate_comes_back_to_the_bit_from_the_source_camera(rasterizer, shapes, dtype, channels):  # noqa: F811
    picture = film_picture(dtype, channels)
    frame = render(rasterizer, mesh_of(shapes, SOURCE)[0], SOURCE, picture)
    assert (frame.mask == 255).all()
    assert (frame.alpha is None) == (channels == 3)
    assert_same_bits(values_of(frame), picture)


@pytest.mark.parametrize(("width", "dtype"), [(640, np.float16), (1920, np.uint16), (4096, np.float16)])
def test_plates_of_film_sizes_come_back_to_the_bit(rasterizer, width, dtype):  # noqa: F811
    """Fewer rows than columns: round-off grows with the width, and time with both."""
    camera = source_camera(width, 96, width * 0.9)
    picture = film_picture(dtype, size=(96, width))
    mesh, _ = mesh_of(SLANTED, camera, settings=MeshSettings(max_grid_side=width))
    frame = render(rasterizer, mesh, camera, picture)
    assert (frame.mask == 255).all()
    assert_same_bits(frame.color, picture)


def sampled_exactly(picture, at):
    """float64 values at plate positions (N, 2), and whether all three pixels are finite."""
    height, width = picture.shape[:2]
    p = np.clip(at.astype(np.float64) - 0.5, 0, (width - 1, height - 1))
    base = np.minimum(np.floor(p).astype(int), (width - 2, height - 2))
    f = p - base
    second = f.sum(axis=1) > 1
    x, y = base.T
    near = np.where(second[:, None], picture[y + 1, x + 1], picture[y, x]).astype(float)
    across = np.where(second[:, None], picture[y + 1, x], picture[y, x + 1]).astype(float)
    down = np.where(second[:, None], picture[y, x + 1], picture[y + 1, x]).astype(float)
    g = np.where(second[:, None], 1 - f, f)
    return near + g[:, :1] * (across - near) + g[:, 1:] * (down - near), np.abs(np.stack([near, across, down])).max(0)


@pytest.mark.parametrize("dtype", [np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("text", ["orbit:12", "dolly_in:0.3"])
def test_moved_view_shows_the_plate_at_the_positions_it_names(rasterizer, dtype, text):  # noqa: F811
    picture = film_picture(dtype, finite=True)
    mesh, _ = mesh_of(SPHERE, SOURCE)
    with rasterizer.upload(mesh, picture) as scene:
        frame = scene.render(moved(text), positions=True)
        plain = scene.render(moved(text))
    assert plain.plate is None
    assert_same_bits(plain.color, frame.color)
    seen = frame.mask > 0
    assert np.isnan(frame.plate[~seen]).all()
    assert not frame.color[~seen].any()
    at = frame.plate[seen]
    expected, size = sampled_exactly(picture, at)
    error = np.abs(frame.color[seen] - expected) / size
    # Positions are float32: 2e-5 px here, times the noise's full height from pixel to pixel.
    assert np.quantile(error, 0.999) <= 1e-3
    snapped = (at % 1 == 0.5).all(axis=1)
    x, y = (at[snapped] - 0.5).astype(int).T
    assert_same_bits(frame.color[seen][snapped], picture[y, x])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_inf_and_nan_stay_with_their_pixels(rasterizer, dtype):  # noqa: F811
    picture = np.ones((SOURCE.height, SOURCE.width, 3), dtype)
    wrong = np.zeros(picture.shape[:2], bool)
    wrong[60:180:20, 40:280:20] = True
    picture[wrong] = np.nan
    picture[60, 40:280:40] = np.inf
    mesh, _ = mesh_of(SLANTED, SOURCE)
    for camera in (SOURCE, moved("orbit:10")):
        with rasterizer.upload(mesh, picture) as scene:
            frame = scene.render(camera, positions=True)
        seen = frame.mask > 0
        x, y = np.moveaxis(np.where(seen[..., None], frame.plate, 0.5) - 0.5, -1, 0)
        columns, rows = np.nonzero(wrong)[::-1]
        distance = np.full(seen.shape, np.inf)
        for column, row in zip(columns, rows, strict=True):
            distance = np.minimum(distance, np.maximum(np.abs(x - column), np.abs(y - row)))
        spread = seen & ~np.isfinite(frame.color).all(axis=-1)
        assert spread.sum() >= wrong.sum() / 2
        assert distance[spread].max() < 1, "only where a pixel is a neighbour of the position"
        assert (frame.color[seen & ~spread] == 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_straight_alpha_leaves_no_fringe(rasterizer, dtype):  # noqa: F811
    """What is transparent has a colour that must not be seen beside what is not."""
    white = np.iinfo(dtype).max
    picture = np.zeros((SOURCE.height, SOURCE.width, 4), dtype)
    ramp = np.clip((np.arange(SOURCE.width) - 120) / 80, 0, 1)
    picture[..., 3] = np.rint(ramp * white)
    picture[..., 0] = np.where(ramp > 0, white // 2, white)
    picture[..., 1] = white // 3
    mesh, _ = mesh_of(SLANTED, SOURCE)
    with rasterizer.upload(mesh, picture) as scene:
        frame = scene.render(moved("orbit:15"), positions=True)
    seen = frame.mask > 0
    expected = np.clip((frame.plate[seen][:, 0] - 0.5 - 120) / 80, 0, 1) * white
    # Linear between pixels of whole codes; the ramp has two corners.
    inside = (expected > 0.02 * white) & (expected < 0.98 * white)
    assert inside.sum() > 3000
    assert np.abs(frame.alpha[seen][inside] - expected[inside]).max() <= max(1, white / 255)
    color = frame.color[seen]
    assert np.abs(color[inside].astype(int) - [white // 2, white // 3, 0]).max() <= 1
    assert (color[expected == 0][:, 0] >= white // 2).all()
    assert np.abs(color[:, 1].astype(int) - white // 3).max() <= 1, "also where nothing is opaque"


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_associated_alpha_is_sampled_as_it_is(rasterizer, dtype):  # noqa: F811
    alpha = np.linspace(0, 1, SOURCE.width)[None, :, None] * np.ones((SOURCE.height, 1, 1))
    picture = np.concatenate([alpha * [4.0, 0.5, -0.02], alpha], axis=-1).astype(dtype)
    mesh, _ = mesh_of(SLANTED, SOURCE)
    frame = render(rasterizer, mesh, moved("orbit:15"), picture)
    seen = frame.mask > 0
    np.testing.assert_allclose(
        frame.color[seen].astype(float), frame.alpha[seen][:, None] * np.array([4.0, 0.5, -0.02]), rtol=2e-3, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.float16])
def test_released_construction(rasterizer, dtype):  # noqa: F811
    depth = np.full((SOURCE.height, SOURCE.width), 4.0, np.float32)
    depth[80:160, 100:200] = 2.0
    mesh = build_released_mesh(depth, SOURCE)
    picture = film_picture(dtype, 4)
    # There the vertices lie half a pixel beside the pixels' centres.
    K = SOURCE.K + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    with rasterizer.upload(mesh, picture) as scene:
        frame = scene.render(dataclasses.replace(SOURCE, K=K), positions=True)
    seen = frame.mask > 0
    assert seen.mean() > 0.95
    # The centres of the outermost pixels lie on the rim, where a face of the frame around may be drawn as well.
    seen[[0, -1]], seen[:, [0, -1]] = False, False
    y, x = np.nonzero(seen)
    np.testing.assert_array_equal(frame.plate[seen], np.stack([x, y], axis=-1) + 0.5)
    assert_same_bits(values_of(frame)[seen], picture[seen])


@pytest.mark.parametrize("name", ["opengl", "embree"])
def test_sequences_of_changing_kinds(request, name):
    from ex4d.raster import create_rasterizer

    made, _ = create_rasterizer(name)
    mesh, _ = mesh_of(GROUND, SOURCE)
    pictures = [film_picture(dtype, channels) for dtype in TYPES for channels in (3, 4)]
    frames = list(made.render_sequence(((mesh, picture, SOURCE) for picture in pictures), positions=True))
    for picture, frame in zip(pictures, frames, strict=True):
        assert_same_bits(values_of(frame)[frame.mask > 0], picture[frame.mask > 0])
        assert frame.plate.shape == (240, 320, 2)
    made.close()


def test_mixing_skips_what_has_no_weight():
    texels = np.array([[[1.0], [np.inf], [np.nan]]], np.float32).repeat(3, axis=2)
    np.testing.assert_array_equal(mix(texels, np.array([[1.0, 0.0, -1e-9]])), [[1, 1, 1]])
    assert np.isinf(mix(texels, np.array([[0.5, 0.5, 0.0]]))).all()
    assert np.isnan(mix(texels, np.array([[0.25, 0.5, 0.25]]))).all()


@pytest.mark.parametrize("seed", range(3))
def test_samples_lie_between_their_pixels(seed):
    """Any finite halves, any positions: never beyond the pixels around, never rounded past the largest half."""
    random = np.random.default_rng(seed)
    picture = random.integers(0, 0x7C00, (9, 11, 3), dtype=np.uint16).view(np.float16)
    at = random.uniform(-2, 13, (500, 2))
    values, looked = sample_plate(picture, at)
    assert np.isfinite(values).all()
    x, y = np.floor(np.clip(looked - 0.5, 0, (10, 8))).astype(int).T
    corners = np.stack([picture[np.minimum(y + j, 8), np.minimum(x + i, 10)] for j in (0, 1) for i in (0, 1)])
    assert (values <= corners.max(axis=0)).all()
    assert (values >= corners.min(axis=0)).all()


@pytest.mark.parametrize(("name", "expected"), [("embree", "7e22eef3a90d")])
def test_ordinary_plates_are_drawn_as_ever(name, expected):
    """What 8-bit plates without alpha looked like before film plates came, by hash."""
    from ex4d.raster import create_rasterizer

    mesh, _ = mesh_of(SLANTED, SOURCE)
    picture = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8, endpoint=True)
    frame = render(create_rasterizer(name)[0], mesh, moved("orbit:20"), picture)
    whole = frame.color.tobytes() + frame.mask.tobytes() + frame.z.tobytes()
    assert hashlib.sha256(whole).hexdigest()[:12] == expected
