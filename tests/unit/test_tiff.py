# SPDX-License-Identifier: Apache-2.0
"""TIFF by its tags, against files made byte by byte and by FFmpeg."""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from tiff_factory import (
    COLOUR_MAP,
    COMPRESSION,
    EXTRA,
    FORMAT,
    ICC,
    LENGTH,
    ORIENTATION,
    PHOTOMETRIC,
    PREDICTOR,
    SAMPLES,
    SUBFILE,
    TILE_LENGTH,
    TILE_WIDTH,
    WIDTH,
    Page,
    page,
    tiff,
)

from ex4d.media.colour_tags import ColourTags
from ex4d.media.encoding import LINEAR_FLOAT, LINEAR_HALF
from ex4d.media.images import StillPicture, read_picture
from ex4d.media.stills import read_still
from ex4d.plate import open_plate
from ex4d.plate.stage import PlateStage
from ex4d.protocol.errors import BadInputError

SHAPE = (19, 37)
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"compression": 5},
    {"compression": 8},
    {"compression": 32773},
    {"compression": 5, "predictor": True},
    {"compression": 8, "predictor": True, "tile": (16, 32)},
    {"tile": (16, 16)},
    {"planar": True},
    {"planar": True, "compression": 5, "predictor": True, "tile": (16, 16)},
    {"order": ">"},
    {"order": ">", "compression": 8, "predictor": True, "planar": True},
    {"big": True, "tile": (32, 16), "order": ">"},
]


def noise(channels: int, dtype: type = np.uint8, bits: int | None = None) -> np.ndarray:
    top = np.iinfo(dtype).max if bits is None else (1 << bits) - 1
    return np.random.default_rng(channels).integers(0, top, (*SHAPE, channels), dtype=dtype, endpoint=True)


def read(folder: Path, *pages: Page, **options: Any) -> StillPicture:
    path = folder / "a.tif"
    path.write_bytes(tiff(*pages, **options))
    return read_picture(path)


def of_layout(folder: Path, samples: np.ndarray, layout: dict[str, Any], **options: Any) -> StillPicture:
    big = layout.get("big", False)
    made = page(samples, **{name: value for name, value in layout.items() if name != "big"}, **options)
    return read(folder, made, order=layout.get("order", "<"), big=big)


def straight(stored: np.ndarray) -> np.ndarray:
    """Divided by alpha in exact arithmetic, rounded half up."""
    white = int(np.iinfo(stored.dtype).max)
    out = stored.astype(object)
    alpha = out[..., -1:]
    divided = np.minimum((2 * out[..., :-1] * white + alpha) // (2 * np.maximum(alpha, 1)), white)
    out[..., :-1] = np.where(alpha == 0, out[..., :-1], divided)
    return out.astype(stored.dtype)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colours", [1, 3])
def test_every_layout_is_exact(tmp_path: Path, colours: int, dtype: type, layout: dict[str, Any]) -> None:
    plain = noise(colours, dtype)
    np.testing.assert_array_equal(
        of_layout(tmp_path, plain, layout).pixels, np.repeat(plain, 3 if colours == 1 else 1, axis=2)
    )
    stored = noise(colours + 1, dtype)
    rgba = np.concatenate([np.repeat(stored[..., :1], 3, axis=2), stored[..., 1:]], 2) if colours == 1 else stored
    for kind, expected in ((0, rgba), (2, rgba), (1, straight(rgba))):
        picture = of_layout(tmp_path, stored, layout, extra=(kind,))
        assert picture.pixels.dtype == dtype
        np.testing.assert_array_equal(picture.pixels, expected)
        words = {0: ["do not say"], 1: ["premultiplied"], 2: []}[kind]
        assert len(picture.notes) == len(words)
        assert all(word in note for word, note in zip(words, picture.notes, strict=True))


@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
def test_white_of_other_depths_is_the_highest_value(
    tmp_path: Path, channels: int, bits: int, tile: tuple[int, int] | None
) -> None:
    codes = noise(channels, np.uint16, bits)
    codes[0, 0] = (1 << bits) - 1
    pixels = read(tmp_path, page(codes, bits=bits, tile=tile, compression=8)).pixels
    white = 255 if bits < 8 else 65535
    assert pixels.dtype == (np.uint8 if bits < 8 else np.uint16)
    assert (pixels[0, 0] == white).all()
    expected = np.floor(codes.astype(np.float64) * white / ((1 << bits) - 1) + 0.5)
    np.testing.assert_array_equal(pixels, np.repeat(expected, 3 if channels == 1 else 1, axis=2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_zero(tmp_path: Path, dtype: type) -> None:
    codes = noise(1, dtype)
    inverted = np.iinfo(dtype).max - codes
    np.testing.assert_array_equal(read(tmp_path, page(codes, photometric=0)).pixels, np.repeat(inverted, 3, 2))
    with_alpha = noise(2, dtype)
    picture = read(tmp_path, page(with_alpha, photometric=0, extra=(2,)))
    np.testing.assert_array_equal(picture.pixels[..., 0], np.iinfo(dtype).max - with_alpha[..., 0])
    np.testing.assert_array_equal(picture.pixels[..., 3], with_alpha[..., 1])


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize(
    ("scale", "dtype", "stored"),
    [(257, np.uint8, 257), (256, np.uint8, 256), (1, np.uint8, 1), (251, np.uint16, 251)],
    ids=["bytes twice", "high bytes", "bytes alone", "16 bits"],
)
def test_palettes(tmp_path: Path, bits: int, scale: int, dtype: type, stored: int) -> None:
    codes = noise(1, np.uint8, bits)
    palette = np.random.default_rng(1).integers(1, 256, (1 << bits, 3))
    tags: dict[int, Any] = {COLOUR_MAP: ("H", (palette * stored).T.ravel().tolist())}
    pixels = read(tmp_path, page(codes, bits=bits, photometric=3, tags=tags)).pixels
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels, (palette * (1 if dtype == np.uint8 else scale))[codes[..., 0]])


TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_orientation_is_applied(tmp_path: Path, orientation: int, dtype: type) -> None:
    stored = noise(4, dtype)
    picture = read(tmp_path, page(stored, extra=(2,), tags={ORIENTATION: ("H", [orientation])}))
    np.testing.assert_array_equal(picture.pixels, TURNS[orientation](stored))
    assert any("upright" in note for note in picture.notes)


@pytest.mark.parametrize("method", ["raw", "lzw", "deflate", "packbits"])
@pytest.mark.parametrize(
    ("pix_fmt", "tolerance"),
    [("rgb24", 0), ("rgba", 0), ("gray", 0), ("ya8", 0), ("monob", 0), ("monow", 0), ("yuv444p", 3), ("yuv420p", 6)],
)
def test_files_of_ffmpeg(tmp_path: Path, pix_fmt: str, tolerance: int, method: str) -> None:
    rows, columns = np.mgrid[0:40, 0:60]
    rgb = np.stack([columns * 4, rows * 6, columns + rows], -1).astype(np.uint8)
    encoder = av.CodecContext.create("tiff", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 60, 40, pix_fmt, Fraction(1, 25)
    encoder.options = {"compression_algo": method}
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pix_fmt)
    (tmp_path / "a.tif").write_bytes(b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)]))
    pixels = read_picture(tmp_path / "a.tif").pixels
    expected = frame.to_ndarray(format="rgb24").astype(int)
    assert np.abs(pixels[..., :3].astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("tile", [None, (32, 32)])
def test_jpeg_in_tiff(tmp_path: Path, tile: tuple[int, int] | None, orientation: int) -> None:
    rows, columns = np.mgrid[0:64, 0:96]
    rgb = np.stack([columns * 2, rows * 3, columns + rows], -1).astype(np.uint8)
    made = page(rgb, tile=tile, rows=32, photometric=6, tags={530: ("H", [2, 2]), ORIENTATION: ("H", [orientation])})
    blocks = [np.frombuffer(block, np.uint8).reshape(32, -1, 3) for block in made.blocks]
    options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    made.blocks = [cv2.imencode(".jpg", block[..., ::-1], options)[1].tobytes() for block in blocks]
    made.tags[COMPRESSION] = ("H", [7])
    pixels = read(tmp_path, made).pixels
    expected = rgb if orientation == 1 else np.rot90(rgb, -1)
    assert np.abs(pixels.astype(int) - expected).mean() < 1.5


def test_colour_profiles_are_told(tmp_path: Path) -> None:
    described = b"desc" + bytes(4) + (11).to_bytes(4, "big") + b"Display P3\0"
    picture = read(tmp_path, page(noise(3), tags={ICC: ("B", described)}))
    assert picture.colour == ColourTags("TIFF", icc=described)
    assert picture.notes == ()
    assert read(tmp_path, page(noise(3))).colour == ColourTags("TIFF")


def test_channels_that_are_no_alpha_are_left_out_with_a_note(tmp_path: Path) -> None:
    stored = noise(5)
    picture = read(tmp_path, page(stored, extra=(0, 2)))
    np.testing.assert_array_equal(picture.pixels, stored[..., [0, 1, 2, 4]])
    assert any("1 extra channel" in note for note in picture.notes)
    picture = read(tmp_path, page(stored, extra=(0, 0)))
    np.testing.assert_array_equal(picture.pixels, stored[..., :3])
    assert any("2 extra channels" in note for note in picture.notes)


def test_a_thumbnail_is_no_page(tmp_path: Path) -> None:
    whole, small = page(noise(3)), page(noise(3)[::4, ::4], tags={SUBFILE: ("I", [1])})
    for pages in ((whole, small), (small, whole)):
        np.testing.assert_array_equal(read(tmp_path, *pages).pixels, noise(3))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({PHOTOMETRIC: ("H", [5]), EXTRA: ("H", [])}, "CMYK"),
        ({PHOTOMETRIC: ("H", [8])}, "CIELab"),
        ({PHOTOMETRIC: ("H", [32803])}, "raw data"),
        ({FORMAT: ("H", [3] * 3)}, "holds float16 pixels"),
        ({FORMAT: ("H", [2] * 3)}, "holds int16 pixels"),
        ({COMPRESSION: ("H", [34712])}, "TIFF's number 34712"),
        ({PREDICTOR: ("H", [3])}, "predictor"),
        ({WIDTH: ("I", [50_000]), LENGTH: ("I", [50_000])}, "of 50000x50000 pixels"),
        ({SAMPLES: ("H", [0])}, "is damaged"),
        ({WIDTH: ("I", [0])}, "is damaged"),
    ],
)
def test_what_has_no_right_value_is_refused(tmp_path: Path, tags: dict[int, Any], message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        read(tmp_path, page(noise(3, np.uint16), tags=tags))
    assert caught.value.hint


def test_tiles_much_larger_than_the_picture_are_not_unpacked(tmp_path: Path) -> None:
    samples = noise(3)
    huge: dict[int, Any] = {TILE_WIDTH: ("I", [32768]), TILE_LENGTH: ("I", [32768])}
    with pytest.raises(BadInputError, match="is damaged"):
        read(tmp_path, page(samples, tile=(32, 48), tags=huge))
    np.testing.assert_array_equal(read(tmp_path, page(samples, tile=(1024, 512), compression=8)).pixels, samples)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="holds 2 pages"):
        read(tmp_path, page(noise(3)), page(noise(3)))


def values(channels: int, dtype: type) -> np.ndarray:
    """All kinds of floats: negative, above 1, 65504, denormal, -0, infinite and NaN."""
    made = np.random.default_rng(channels).normal(0.5, 2, (*SHAPE, channels)).astype(dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    made[0, :8, 0] = [65504, -0.0, np.inf, -np.inf, np.nan, tiny, -0.05, 60]
    return made


def floats_predicted(samples: np.ndarray) -> bytes:
    """Technical note 3: bytes of each row, the most significant ones first, as differences."""
    rows = []
    for row in samples:
        planes = row.astype(row.dtype.newbyteorder(">")).reshape(-1).view(np.uint8).reshape(-1, row.dtype.itemsize).T
        pixels = planes.reshape(-1, row.shape[1])
        rows.append(np.diff(pixels, axis=0, prepend=np.zeros_like(pixels[:1])).tobytes())
    return b"".join(rows)


def same_bits(read: np.ndarray, written: np.ndarray) -> None:
    assert read.dtype == written.dtype
    assert read.tobytes() == np.ascontiguousarray(written).tobytes()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if not layout.get("predictor")], ids=str)
def test_floats_are_read_to_the_bit(tmp_path: Path, layout: dict[str, Any], dtype: type) -> None:
    samples, options = values(3, dtype), dict(layout)
    big = options.pop("big", False)
    made = page(samples, tags={FORMAT: ("H", [3] * 3)}, **options)
    (tmp_path / "a.tif").write_bytes(tiff(made, order=layout.get("order", "<"), big=big))
    still = read_still(tmp_path / "a.tif")
    same_bits(still.pixels, samples)
    assert still.facts.encoding == (LINEAR_HALF if dtype == np.float16 else LINEAR_FLOAT)
    assert (still.facts.alpha, still.notes) == ("none", ())
    with pytest.raises(BadInputError, match="holds float"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_predicted_floats_are_read_to_the_bit(tmp_path: Path, channels: int, dtype: type) -> None:
    samples = values(channels, dtype)
    tags: dict[int, Any] = {FORMAT: ("H", [3] * channels), PREDICTOR: ("H", [3])}
    made = page(samples, compression=8, rows=7, extra=(1,) * (channels == 4), tags=tags)
    made.blocks = [zlib.compress(floats_predicted(samples[y : y + 7])) for y in range(0, SHAPE[0], 7)]
    (tmp_path / "a.tif").write_bytes(tiff(made))
    still = read_still(tmp_path / "a.tif")
    same_bits(still.pixels, np.repeat(samples, 3, axis=2) if channels == 1 else samples)
    assert still.facts.alpha == ("associated" if channels == 4 else "none")


def test_the_alpha_of_floats_is_associated(tmp_path: Path) -> None:
    samples = np.abs(values(4, np.float32))
    samples[0, :8, 0] = 1
    for kind, words in ((1, []), (0, ["associated"]), (2, ["multiplied by their alpha"])):
        made = page(samples, extra=(kind,), tags={FORMAT: ("H", [3] * 4)})
        (tmp_path / "a.tif").write_bytes(tiff(made))
        still = read_still(tmp_path / "a.tif")
        expected = samples.copy()
        if kind == 2:
            expected[..., :3] *= expected[..., 3:]
        same_bits(still.pixels, expected)
        assert len(still.notes) == len(words)
        assert all(word in note for word, note in zip(words, still.notes, strict=True))


def test_floats_of_other_sizes_are_refused(tmp_path: Path) -> None:
    made = page(noise(3, np.uint64), tags={FORMAT: ("H", [3] * 3)})
    (tmp_path / "a.tif").write_bytes(tiff(made))
    with pytest.raises(BadInputError, match="float64"):
        read_still(tmp_path / "a.tif")


def test_of_a_plates_pages_the_first_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(page(noise(3)), page(noise(3)[::-1])))
    still = read_still(tmp_path / "a.tif")
    np.testing.assert_array_equal(still.pixels, noise(3))
    assert still.notes == ("The files have several pages: the first is taken.",)


def test_premultiplied_codes_come_back_within_two(tmp_path: Path) -> None:
    """Where alpha is above 0.02."""
    rng = np.random.default_rng(5)
    straight, alpha = rng.random((*SHAPE, 3)), rng.random((*SHAPE, 1))
    stored = np.rint(np.concatenate([straight * alpha, alpha], 2) * 65535).astype(np.uint16)
    (tmp_path / "a.tif").write_bytes(tiff(page(stored, extra=(1,))))
    still = read_still(tmp_path / "a.tif")
    exact = stored[..., :3] / np.maximum(stored[..., 3:], 1).astype(float) * 65535
    seen = alpha[..., 0] > 0.02
    assert np.abs(still.pixels[..., :3] - np.minimum(exact, 65535))[seen].max() <= 2
    assert still.facts.alpha == "straight"


@pytest.mark.parametrize(("orientation", "aspect"), [(1, 2), (6, 0.5)])
def test_pixel_aspect_of_a_tiff(tmp_path: Path, orientation: int, aspect: float) -> None:
    tags: dict[int, Any] = {282: ("R", struct.pack("<II", 100, 1)), 283: ("R", struct.pack("<II", 200, 1))}
    made = page(noise(3), tags=tags | {ORIENTATION: ("H", [orientation])})
    assert read(tmp_path, made).pixel_aspect == aspect


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("options", [{"extra": (2,)}, {"extra": (2,), "tile": (16, 16), "compression": 5}])
def test_any_cut_or_flip_is_read_or_refused(tmp_path: Path, options: dict[str, Any], big: bool) -> None:
    whole = tiff(page(noise(4), **options), big=big)
    random = np.random.default_rng(3)
    for _ in range(150):
        data = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for at in random.integers(0, len(data), 3):
            data[at] = random.integers(256)
        (tmp_path / "a.tif").write_bytes(data)
        try:
            pixels = read_picture(tmp_path / "a.tif").pixels
        except BadInputError as error:
            assert error.hint  # noqa: PT017
        else:
            assert pixels.dtype in (np.uint8, np.uint16)


def test_only_kinds_that_are_read_otherwise_have_another_key(tmp_path: Path) -> None:
    rgba, rgba16 = noise(4), noise(4, np.uint16)
    same = [
        page(noise(3)),
        page(noise(3, np.uint16), compression=5),
        page(rgba, extra=(0,)),
        page(rgba16, extra=(2,)),
        page(noise(3), planar=True),
        page(noise(3), tags={ORIENTATION: ("H", [6])}),
        page(noise(1), photometric=0),
    ]
    other = [
        page(rgba, extra=(2,)),
        page(rgba, extra=(1,)),
        page(rgba16, extra=(1,)),
        page(noise(3, np.uint16), planar=True),
        page(noise(1, np.uint16), photometric=0),
        page(noise(2), extra=(2,)),
        page(noise(3, np.uint16, 12), bits=12),
    ]
    path = tmp_path / "p.0001.tif"
    for pages, changed in ((same, False), (other, True)):
        for made in pages:
            path.write_bytes(tiff(made))
            former = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
            picture = read_picture(path)
            now = picture.pixels[..., 0] if former.ndim == 2 else picture.pixels
            if former.ndim == 3:
                former = cv2.cvtColor(former, cv2.COLOR_BGR2RGB if former.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)
            is_same = now.shape == former.shape and former.ndim == (3 if made.tags[SAMPLES][1][0] > 1 else 2)
            assert (is_same and np.array_equal(now, former)) is not changed
            inputs = PlateStage("hash", {}, open_plate(path)).inputs()
            assert inputs == {"source": "hash", "selection": {}} | ({"reader": 1} if changed else {})
