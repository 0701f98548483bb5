# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from ex4d.media.colour_tags import ColourTags
from ex4d.media.images import read_grey, read_image, read_picture, write_png
from ex4d.protocol.errors import BadInputError, TransientError

RNG = np.random.default_rng(1)


def noise(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    return RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(color_type: int, depth: int, row: bytes, width: int, extra: bytes = b"") -> bytes:
    """A PNG of one row, made by hand."""
    header = struct.pack(">IIBBBBB", width, 1, depth, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(b"\0" + row))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [3, 4])
def test_png_round_trip_is_exact(tmp_path: Path, dtype: type, channels: int) -> None:
    pixels = noise((37, 53, channels), dtype)
    write_png(tmp_path / "a.png", pixels)
    read = read_image(tmp_path / "a.png")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, pixels)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.png"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_round_trip_is_exact(tmp_path: Path, dtype: type) -> None:
    pixels = noise((8, 9), dtype)
    write_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(read_grey(tmp_path / "a.png"), pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.dstack([pixels] * 3))


def test_file_has_rgb_order(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(2, 8, bytes([10, 20, 30]), 1))
    assert read_image(tmp_path / "a.png").tolist() == [[[10, 20, 30]]]
    write_png(tmp_path / "b.png", np.array([[[10, 20, 30]]], np.uint8))
    bgr = cv2.imread(str(tmp_path / "b.png"))
    assert bgr.tolist() == [[[30, 20, 10]]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(4, 8, bytes([10, 20]), 1), [10, 10, 10, 20]),
        (png(4, 16, struct.pack(">HH", 1000, 2000), 1), [1000, 1000, 1000, 2000]),
        (png(0, 16, struct.pack(">H", 40000), 1), [40000] * 3),
        (png(0, 1, b"\x80", 1), [255] * 3),
        (png(3, 8, b"\0", 1, chunk(b"PLTE", b"\1\2\3")), [1, 2, 3]),
        (png(3, 8, b"\0", 1, chunk(b"PLTE", b"\1\2\3") + chunk(b"tRNS", b"\4")), [1, 2, 3, 4]),
        (png(3, 2, b"\xc0", 1, chunk(b"PLTE", bytes(range(12)))), [9, 10, 11]),
        (png(0, 2, b"\x40", 1), [85] * 3),
        (png(0, 4, b"\x30", 1), [51] * 3),
        (png(0, 8, b"\7", 1, chunk(b"tRNS", b"\0\7")), [7, 7, 7, 0]),
        (png(0, 4, b"\x30", 1, chunk(b"tRNS", b"\0\3")), [51, 51, 51, 0]),
        (png(0, 4, b"\x40", 1, chunk(b"tRNS", b"\0\3")), [68, 68, 68, 255]),
        (png(0, 16, b"\1\2", 1, chunk(b"tRNS", b"\1\2")), [258, 258, 258, 0]),
        (png(0, 16, b"\1\3", 1, chunk(b"tRNS", b"\1\2")), [259, 259, 259, 65535]),
        (png(2, 8, b"\1\2\3", 1, chunk(b"tRNS", b"\0\1\0\2\0\3")), [1, 2, 3, 0]),
        (png(2, 16, b"\0\1\0\2\0\3", 1, chunk(b"tRNS", b"\0\1\0\2\0\4")), [1, 2, 3, 65535]),
    ],
)
def test_unusual_png(tmp_path: Path, data: bytes, expected: list[int]) -> None:
    (tmp_path / "a.png").write_bytes(data)
    assert read_image(tmp_path / "a.png")[0, 0].tolist() == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_is_exact(tmp_path: Path, dtype: type) -> None:
    pixels = noise((20, 30, 3), dtype)
    (tmp_path / "a.tif").write_bytes(cv2.imencode(".tiff", pixels[..., ::-1])[1].tobytes())
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), pixels)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation_of_jpeg(tmp_path: Path, orientation: int, turn) -> None:
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:16, :32] = (255, 0, 0)
    stored[16:, 32:] = (0, 0, 255)
    jpeg = cv2.imencode(".jpg", stored[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HH", orientation, 0) + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])
    read = read_image(tmp_path / "a.jpg")
    expected = turn(stored)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 3


def test_names_beyond_ascii(tmp_path: Path) -> None:
    path = tmp_path / "Ünïcødé 水.png"
    pixels = noise((4, 4, 3), np.uint8)
    write_png(path, pixels)
    np.testing.assert_array_equal(read_image(path), pixels)


def test_grey_of_a_colour_file(tmp_path: Path) -> None:
    same = np.dstack([noise((4, 4), np.uint16)] * 3)
    write_png(tmp_path / "same.png", same)
    np.testing.assert_array_equal(read_grey(tmp_path / "same.png"), same[..., 0])
    write_png(tmp_path / "colour.png", noise((4, 4, 3), np.uint8))
    with pytest.raises(BadInputError, match=r"colour\.png is a colour image"):
        read_grey(tmp_path / "colour.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    data = cv2.imencode(suffix, noise((64, 64, 3), np.uint8))[1].tobytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadInputError, match=rf"cut\{suffix} is damaged"):
        read_image(path)


def test_unusable_files(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "float.tif").write_bytes(cv2.imencode(".tiff", np.ones((4, 4, 3), np.float32))[1].tobytes())
    (tmp_path / "folder.png").mkdir()
    cases = {
        "missing": "does not exist",
        "empty": "is an empty file",
        "text": "is damaged or not an image",
        "float": "holds float32 pixels",
        "folder": "cannot be read",
    }
    for stem, message in cases.items():
        path = tmp_path / ("float.tif" if stem == "float" else f"{stem}.png")
        with pytest.raises(BadInputError, match=message) as caught:
            read_image(path)
        assert path.name in caught.value.message
        assert caught.value.hint.endswith(".")


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)],
)
def test_write_refuses_other_arrays(tmp_path: Path, pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pixels have"):
        write_png(tmp_path / "a.png", pixels)
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_an_output_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="cannot be written"):
        write_png(tmp_path / "no" / "a.png", np.zeros((2, 2), np.uint8))
    assert not (tmp_path / "no").exists()


def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TransientError, match="is full"):
        write_png(tmp_path / "a.png", np.zeros((2, 2), np.uint8))
    assert not list(tmp_path.iterdir())


def profile(name: str) -> bytes:
    """An ICC profile with nothing but a name."""
    text = name.encode("utf-16-be")
    described = b"mluc" + bytes(4) + struct.pack(">IIHHII", 1, 12, 0, 0, len(text), 28) + text
    return bytes(128) + struct.pack(">I4sII", 1, b"desc", 144, len(described)) + described


SRGB_POINTS = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)


@pytest.mark.parametrize(
    ("chunks", "tags"),
    [
        (chunk(b"gAMA", struct.pack(">I", 45455)), ColourTags("PNG", gamma=100000 / 45455)),
        (chunk(b"gAMA", struct.pack(">I", 100000)), ColourTags("PNG", gamma=1.0)),
        (
            chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sRGB", b"\0"),
            ColourTags("PNG", gamma=1.0, is_srgb=True),
        ),
        (
            chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
            ColourTags("PNG", chromaticities=SRGB_POINTS),
        ),
        (chunk(b"cICP", bytes([9, 16, 0, 1])), ColourTags("PNG", primaries=9, transfer=16, matrix=0)),
        (chunk(b"cICP", bytes([2, 18, 2, 1])), ColourTags("PNG", transfer=18)),
        (chunk(b"iCCP", b"x\0\0" + zlib.compress(profile("P3"))), ColourTags("PNG", icc=profile("P3"))),
        (chunk(b"iCCP", b"x\0\0broken"), ColourTags("PNG", icc=b"")),
        (b"", ColourTags("PNG")),
    ],
)
def test_colour_tags_of_a_png(tmp_path: Path, chunks: bytes, tags: ColourTags) -> None:
    (tmp_path / "a.png").write_bytes(png(2, 8, bytes([10, 20, 30]), 1, chunks))
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.tolist() == [[[10, 20, 30]]]
    assert picture.colour == tags
    assert picture.notes == ()


def test_limited_range_of_a_png_is_noted(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(2, 8, bytes([10, 20, 30]), 1, chunk(b"cICP", bytes([1, 1, 0, 0]))))
    assert "limited range" in read_picture(tmp_path / "a.png").notes[0]


@pytest.mark.parametrize(("density", "aspect"), [((1000, 2000), 2), ((2834, 2835), 1), ((4000, 3000), 0.75)])
def test_pixel_aspect_of_a_png(tmp_path: Path, density: tuple[int, int], aspect: float) -> None:
    physical = chunk(b"pHYs", struct.pack(">IIB", *density, 0))
    (tmp_path / "a.png").write_bytes(png(2, 8, bytes([10, 20, 30]), 1, physical))
    assert read_picture(tmp_path / "a.png").pixel_aspect == aspect


EXIF = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"


def test_orientation_of_a_png_is_applied(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(2, 8, bytes(range(6)), 2, chunk(b"eXIf", EXIF)))
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.tolist() == [[[3, 4, 5], [0, 1, 2]]]
    assert (len(picture.notes), picture.reader_version) == (1, 1)


def test_an_animation_is_refused_with_the_way_to_read_it(tmp_path: Path) -> None:
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 1, 1, 0, 0, 1, 24, 0, 0))
    (tmp_path / "a.png").write_bytes(png(2, 8, b"abc", 1, chunk(b"acTL", struct.pack(">II", 2, 0)) + control))
    with pytest.raises(BadInputError, match="animation of 2 frames") as caught:
        read_image(tmp_path / "a.png")
    assert "a.apng" in caught.value.hint


def jpeg(**changes: int) -> bytes:
    """A grey or colour JPEG whose frame header is changed: bits, height, width, components."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    frame = data.index(b"\xff\xc0") + 4
    for name, (at, size) in {"bits": (0, 1), "height": (1, 2), "width": (3, 2), "components": (5, 1)}.items():
        if name in changes:
            data[frame + at : frame + at + size] = changes[name].to_bytes(size, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (jpeg(bits=12), "a JPEG of 12 bits"),
        (jpeg(components=4), "JPEG that is CMYK"),
        (jpeg(components=2), "of 2 channels"),
        (jpeg(width=65500, height=65500), "65500x65500 pixels"),
        (jpeg(height=0), "is damaged"),
        (png(2, 8, b"", 100_000), "is damaged"),
        (png(2, 8, b"", 200_000_000), "200000000x1 pixels; 160 million"),
        (cv2.imencode(".webp", np.zeros((4, 4, 3), np.uint8))[1].tobytes(), "not an image of a known format"),
    ],
    ids=["12 bits", "CMYK", "2 channels", "large JPEG", "no height", "short", "wide PNG", "WebP"],
)
def test_what_is_refused_by_its_header(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadInputError, match=message) as caught:
        read_image(tmp_path / "a.png")
    assert caught.value.hint


def test_colour_tags_of_a_jpeg(tmp_path: Path) -> None:
    plain = jpeg()
    content = b"ICC_PROFILE\0\1\1" + profile("Display P3")
    segment = b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content
    (tmp_path / "a.jpg").write_bytes(plain[:2] + segment + plain[2:])
    assert read_picture(tmp_path / "a.jpg").colour == ColourTags("JPEG", icc=profile("Display P3"))
    # Three directories, each with one entry: to the EXIF one, from there to the interoperability one, its rule R03.
    exif = b"MM\0*\0\0\0\x08"
    for tag, kind, count, value in ((34665, 4, 1, 26), (40965, 4, 1, 44)):
        exif += struct.pack(">HHHIII", 1, tag, kind, count, value, 0)
    exif += struct.pack(">HHHI4sI", 1, 1, 2, 4, b"R03\0", 0)
    content = b"Exif\0\0" + exif
    segment = b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content
    (tmp_path / "a.jpg").write_bytes(plain[:2] + segment + plain[2:])
    assert read_picture(tmp_path / "a.jpg").colour == ColourTags("JPEG", name="Adobe RGB (1998)")
    (tmp_path / "a.jpg").write_bytes(plain)
    assert read_picture(tmp_path / "a.jpg").colour == ColourTags("JPEG")


def test_a_profile_in_pieces_is_put_together_by_their_numbers(tmp_path: Path) -> None:
    plain, whole = jpeg(), profile("Display P3")
    pieces = [b"ICC_PROFILE\0" + bytes([n, 2]) + part for n, part in ((2, whole[60:]), (1, whole[:60]))]
    segments = b"".join(b"\xff\xe2" + struct.pack(">H", len(piece) + 2) + piece for piece in pieces)
    (tmp_path / "a.jpg").write_bytes(plain[:2] + segments + plain[2:])
    assert read_picture(tmp_path / "a.jpg").colour.icc == whole
