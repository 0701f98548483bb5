# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_factory import number_in, numbered_movie, numbered_picture

from ex4d.media.images import write_png
from ex4d.plate import FrameRange, open_plate, plate_hash
from ex4d.plate.stage import PlateStage
from ex4d.plate.store import FrameStore
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import padded_number
from ex4d.stages.cache import seal
from ex4d.system.progress import Silent


def write_sequence(folder: Path, numbers: range, name: str = "plate.{:04d}.png", dtype: type = np.uint8) -> Path:
    folder.mkdir(exist_ok=True)
    for index, number in enumerate(numbers):
        picture = numbered_picture(index).astype(dtype) * (1 if dtype == np.uint8 else 257)
        path = folder / name.format(number)
        if path.suffix == ".png":
            write_png(path, picture)
        else:
            path.write_bytes(cv2.imencode(path.suffix, picture[..., ::-1])[1].tobytes())
    return folder


@pytest.mark.parametrize(
    ("suffix", "dtype", "codec"),
    [
        (".png", np.uint8, "png"),
        (".png", np.uint16, "png"),
        (".tif", np.uint8, "tiff"),
        (".tiff", np.uint16, "tiff"),
        (".jpg", np.uint8, "jpeg"),
    ],
)
@pytest.mark.parametrize("target", ["", "plate.####{}", "plate.%04d{}", "plate.1003{}"])
def test_formats_and_ways_to_name_them(tmp_path: Path, suffix: str, dtype: type, codec: str, target: str) -> None:
    write_sequence(tmp_path, range(1001, 1009), "plate.{:04d}" + suffix, dtype)
    (tmp_path / "notes.txt").touch()
    path = tmp_path / target.format(suffix)
    reader = open_plate(path)
    info = reader.info
    assert (info.path, info.kind, info.width, info.height, info.codec) == (path, "sequence", 96, 64, codec)
    assert (info.first_frame, info.frame_count, info.fps) == (1001, 8, 24)
    assert (info.bit_depth, info.has_alpha, info.rotation) == (8 if dtype == np.uint8 else 16, False, 0)
    assert info.variable_rate is False
    assert info.notes == ("An image sequence has no frame rate: 24 fps is assumed.",)
    for _ in range(2):
        frames = list(reader.frames())
        assert [frame.number for frame in frames] == list(range(1001, 1009))
        assert [number_in(frame.pixels) for frame in frames] == list(range(8))
        assert [frame.time for frame in frames] == [Fraction(index, 24) for index in range(8)]
        assert {frame.pixels.dtype for frame in frames} == {np.dtype(dtype)}
        if codec != "jpeg":
            scale = 1 if dtype == np.uint8 else 257
            np.testing.assert_array_equal(frames[5].pixels, numbered_picture(5).astype(dtype) * scale)


def test_given_rate(tmp_path: Path) -> None:
    reader = open_plate(write_sequence(tmp_path, range(1, 4)), fps=Fraction(30000, 1001))
    assert reader.info.fps == Fraction(30000, 1001)
    assert reader.info.notes == ()
    assert [frame.time for frame in reader.frames()] == [Fraction(1001 * n, 30000) for n in range(3)]


def test_alpha(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 65535, (6, 7, 4), dtype=np.uint16)
    write_png(tmp_path / "a.1.png", noise)
    reader = open_plate(tmp_path)
    assert reader.info.has_alpha
    (frame,) = reader.frames()
    np.testing.assert_array_equal(frame.pixels, noise[..., :3])
    np.testing.assert_array_equal(frame.alpha, noise[..., 3])
    assert frame.pixels.flags.c_contiguous


def test_grey_files_become_rgb(tmp_path: Path) -> None:
    write_png(tmp_path / "a.1.png", np.full((4, 4), 77, np.uint8))
    (frame,) = open_plate(tmp_path).frames()
    assert frame.pixels.shape == (4, 4, 3)
    assert (frame.pixels == 77).all()


def test_lone_image(tmp_path: Path) -> None:
    write_png(tmp_path / "poster.png", numbered_picture(3))
    for path in (tmp_path, tmp_path / "poster.png"):
        (frame,) = open_plate(path).frames()
        assert (frame.number, frame.time, number_in(frame.pixels)) == (1001, 0, 3)
    assert open_plate(tmp_path, first_frame=5).info.first_frame == 5


def test_selection(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path, range(1001, 1021))
    reader = open_plate(folder, frames=FrameRange.parse("1005-1008"))
    assert (reader.info.first_frame, reader.info.frame_count) == (1005, 4)
    frames = list(reader.frames())
    assert [frame.number for frame in frames] == [1005, 1006, 1007, 1008]
    assert [number_in(frame.pixels) for frame in frames] == [4, 5, 6, 7]
    assert frames[0].time == 0
    assert open_plate(folder, frames=FrameRange.parse("1018-")).info.frame_count == 3


@pytest.mark.parametrize("text", ["1000-1003", "1018-1021", "1021", "5000-", "1-10"])
def test_selection_outside_the_sequence(tmp_path: Path, text: str) -> None:
    folder = write_sequence(tmp_path, range(1001, 1021))
    with pytest.raises(BadInputError, match=f"Frames {text} are not all in .* which has frames 1001-1020"):
        open_plate(folder, frames=FrameRange.parse(text))


def test_gaps(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path, range(1001, 1031))
    for number in (1003, 1010, 1011, 1012):
        (folder / f"plate.{number}.png").unlink()
    with pytest.raises(BadInputError, match=r"4 frames are missing in .*: 1003, 1010-1012\.") as caught:
        open_plate(folder)
    assert caught.value.hint.endswith("--frames; the longest is 1013-1030.")
    with pytest.raises(BadInputError, match=r"2 frames are missing in .*: 1010-1011\."):
        open_plate(folder, frames=FrameRange.parse("1004-1011"))
    with pytest.raises(BadInputError, match=r"1 frame is missing in .*: 1003\."):
        open_plate(folder, frames=FrameRange.parse("1001-1009"))
    assert open_plate(folder, frames=FrameRange.parse("1004-1009")).info.frame_count == 6
    assert open_plate(folder, frames=FrameRange.parse("1013-")).info.frame_count == 18


def test_a_far_number_is_one_gap(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path, range(1, 3), "p.{}.png")
    write_png(folder / "p.90000000000000.png", numbered_picture(0))
    with pytest.raises(BadInputError, match="3-89999999999999"):
        open_plate(folder)


def test_size_that_changes(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path, range(1, 6), "p.{}.png")
    write_png(folder / "p.3.png", numbered_picture(0, 128, 80))
    with pytest.raises(BadInputError, match=r"p\.3\.png has 128x80 pixels of 8-bit RGB, the frames before it 96x64"):
        list(open_plate(folder).frames())
    write_png(folder / "p.3.png", numbered_picture(0).astype(np.uint16))
    with pytest.raises(BadInputError, match=r"p\.3\.png has 96x64 pixels of 16-bit RGB"):
        list(open_plate(folder).frames())
    write_png(folder / "p.3.png", np.dstack([numbered_picture(0), numbered_picture(0)[..., 0]]))
    with pytest.raises(BadInputError, match=r"p\.3\.png has 96x64 pixels of 8-bit RGBA"):
        list(open_plate(folder).frames())


def test_damaged_file_in_the_middle(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path, range(1, 6), "p.{}.png")
    (folder / "p.4.png").write_bytes((folder / "p.4.png").read_bytes()[:-200])
    frames = open_plate(folder).frames()
    assert [next(frames).number for _ in range(3)] == [1, 2, 3]
    with pytest.raises(BadInputError, match=r"p\.4\.png is damaged"):
        next(frames)


def test_file_that_vanishes(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path, range(1, 4), "p.{}.png")
    reader = open_plate(folder)
    (folder / "p.2.png").unlink()
    with pytest.raises(BadInputError, match=r"p\.2\.png does not exist"):
        list(reader.frames())


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"holds no \.png or \.jpg"):
        open_plate(tmp_path)


def test_folder_of_a_movie(tmp_path: Path) -> None:
    numbered_movie(tmp_path / "a.mp4", 2)
    with pytest.raises(BadInputError, match="holds no"):
        open_plate(tmp_path)


def test_folder_named_like_a_movie(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "shot.mp4", range(1, 4))
    assert open_plate(folder).info.frame_count == 3


@pytest.mark.parametrize("name", ["p.1001.exr", "p.####.exr"])
def test_damaged_exr_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x76\x2f\x31\x01")
    with pytest.raises(BadInputError, match="is damaged"):
        open_plate(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_unreadable_files(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path / "a", range(1, 3))
    (folder / "plate.0001.png").chmod(0)
    with pytest.raises(BadInputError, match="cannot be read: Permission denied"):
        open_plate(folder)
    folder.chmod(0)
    try:
        with pytest.raises(BadInputError, match="cannot be read: Permission denied"):
            open_plate(folder)
    finally:
        folder.chmod(0o700)


def test_8k_frame(tmp_path: Path) -> None:
    picture = np.zeros((4320, 7680, 3), np.uint8)
    picture[-1, -1] = 250
    write_png(tmp_path / "p.1.png", picture)
    (frame,) = open_plate(tmp_path).frames()
    assert frame.pixels.shape == (4320, 7680, 3)
    assert (frame.pixels[-1, -1] == 250).all()


def test_hash_covers_names_and_contents(tmp_path: Path) -> None:
    folder = write_sequence(tmp_path, range(1, 5), "p.{}.png")
    first = plate_hash(folder)
    assert first == plate_hash(folder / "p.#.png") == plate_hash(folder / "p.2.png") == plate_hash(open_plate(folder))
    lines = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())
    )
    assert first == hashlib.sha256(lines.encode()).hexdigest()
    selected = plate_hash(open_plate(folder, frames=FrameRange(2, 4)))
    assert selected != first
    (folder / "p.4.png").rename(folder / "p.5.png")
    assert plate_hash(folder) != first
    (folder / "p.5.png").rename(folder / "p.4.png")
    assert plate_hash(folder) == first
    write_png(folder / "p.4.png", numbered_picture(99))
    assert plate_hash(folder) != first
    assert plate_hash(open_plate(folder, frames=FrameRange(2, 4))) == selected


@pytest.mark.skipif(sys.platform == "win32", reason="has no resource module")
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    for number in range(150):
        write_png(tmp_path / f"p.{number}.png", numbered_picture(number, 256, 256))
    script = """
import resource, sys
from pathlib import Path
from ex4d.plate import open_plate, plate_hash
peaks = []
plate_hash(Path(sys.argv[1]))
for frame in open_plate(Path(sys.argv[1])).frames():
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
unit = 1 if sys.platform == "darwin" else 1024
print(len(peaks), (peaks[-1] - peaks[20]) * unit)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    count, growth = map(int, done.stdout.split())
    assert count == 150
    # 130 frames kept would be 25 MB
    assert growth < 4e6


@pytest.mark.parametrize("padding", [4, 1])
def test_frames_below_zero_are_frames(tmp_path: Path, padding: int) -> None:
    for index, number in enumerate(range(-4, 5)):
        write_png(tmp_path / f"p.{padded_number(number, padding)}.png", numbered_picture(index))
    for path in (tmp_path, tmp_path / f"p.{'#' * padding}.png"):
        reader = open_plate(path)
        assert (reader.info.first_frame, reader.info.frame_count) == (-4, 9)
        assert [(frame.number, number_in(frame.pixels)) for frame in reader.frames()] == [
            (number, number + 4) for number in range(-4, 5)
        ]
    frames = list(open_plate(tmp_path, frames=FrameRange.parse("-2--1")).frames())
    assert [(frame.number, number_in(frame.pixels)) for frame in frames] == [(-2, 2), (-1, 3)]
    with pytest.raises(BadInputError, match="which has frames -4-4"):
        open_plate(tmp_path, frames=FrameRange.parse("-5-3"))


def test_a_lone_image_that_once_had_another_number_has_another_key(tmp_path: Path) -> None:
    for name, version in (("sh010.1001.png", 0), ("sh010_1001_v02.png", 2), ("plate.png", 0)):
        write_png(tmp_path / name, numbered_picture(1))
        assert open_plate(tmp_path / name).info.reader_version == version
        assert open_plate(tmp_path / name).info.first_frame == 1001
        (tmp_path / name).unlink()


def test_notes_on_any_file_are_in_the_record(tmp_path: Path) -> None:
    write_sequence(tmp_path / "p", range(1, 4))
    add_chunk(
        tmp_path / "p/plate.0003.png", b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    )
    stage = PlateStage("hash", {}, open_plate(tmp_path / "p", fps=Fraction(25)))
    (tmp_path / "out").mkdir()
    seal(tmp_path / "out", {}, stage.run(tmp_path / "out", Silent()))
    assert any("turned upright" in note for note in FrameStore.open(tmp_path / "out").notes)


def add_chunk(path: Path, kind: bytes, data: bytes) -> None:
    """Behind the header of a PNG."""
    png = path.read_bytes()
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(png[:33] + chunk + png[33:])


def test_tags_that_mean_another_space_within_a_sequence_are_refused(tmp_path: Path) -> None:
    write_sequence(tmp_path / "p", range(1, 4))
    add_chunk(tmp_path / "p/plate.0002.png", b"sRGB", b"\0")
    assert len(list(open_plate(tmp_path / "p").frames())) == 3
    add_chunk(tmp_path / "p/plate.0003.png", b"gAMA", struct.pack(">I", 100000))
    with pytest.raises(BadInputError, match=r"plate\.0003\.png has another colour space"):
        list(open_plate(tmp_path / "p").frames())
