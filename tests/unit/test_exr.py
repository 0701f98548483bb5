# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import OpenEXR
import pytest

from ex4d.depth.files import FileDepth
from ex4d.media.exr import read_exr_channel, unprinted, write_exr_channel
from ex4d.protocol.errors import BadInputError, TransientError

SHAPE = (5, 7)
ORDINARY = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}


def plane(value: float, dtype: type = np.float32, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.full(shape, value, dtype)


def write(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    with OpenEXR.File({**ORDINARY, **header}, channels) as file:
        file.write(str(path))
    return path


def write_parts(path: Path, **parts: dict[str, Any]) -> Path:
    made = [OpenEXR.Part(dict(ORDINARY), channels, name.replace("__", ".")) for name, channels in parts.items()]
    with OpenEXR.File(made) as file:
        file.write(str(path))
    return path


def window(x0: int, y0: int, x1: int, y1: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([x0, y0], np.int32), np.array([x1, y1], np.int32)


def test_round_trip_is_exact(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(33, 47)).astype(np.float32)
    values[0, :4] = (np.nan, np.inf, -np.inf, -0.0)
    write_exr_channel(tmp_path / "z.exr", "Z", values)
    read = read_exr_channel(tmp_path / "z.exr")
    assert read.name == "Z"
    assert read.values.dtype == np.float32
    assert read.values.tobytes() == values.tobytes()
    assert list(tmp_path.iterdir()) == [tmp_path / "z.exr"]


def test_arrays_that_are_not_contiguous(tmp_path: Path) -> None:
    values = np.arange(60, dtype=np.float32).reshape(6, 10)[::2, 1::3].T
    write_exr_channel(tmp_path / "z.exr", "Z", values)
    np.testing.assert_array_equal(read_exr_channel(tmp_path / "z.exr").values, values)


def test_file_is_zip_float_scan_lines(tmp_path: Path) -> None:
    write_exr_channel(tmp_path / "z.exr", "depth.Z", plane(3))
    with OpenEXR.File(str(tmp_path / "z.exr"), separate_channels=True) as file:
        header = file.header()
        assert header["compression"] == OpenEXR.ZIP_COMPRESSION
        assert header["type"] == OpenEXR.scanlineimage
        assert file.channels()["depth.Z"].pixels.dtype == np.float32


@pytest.mark.parametrize(("dtype", "value"), [(np.float16, 1.5), (np.float32, 1.1), (np.uint32, 70000)])
def test_sample_types(tmp_path: Path, dtype: type, value: float) -> None:
    write(tmp_path / "z.exr", {"Z": plane(value, dtype)})
    read = read_exr_channel(tmp_path / "z.exr").values
    assert read.dtype == np.float32
    assert read[2, 3] == np.float32(value)


@pytest.mark.parametrize(
    ("channels", "chosen"),
    [
        (("R", "G", "B", "A", "Z"), "Z"),
        (("R", "G", "B", "depth.Z"), "depth.Z"),
        (("R", "G", "B", "VIEWLAYER.DEPTH.Z", "ViewLayer.Normal.X", "ViewLayer.Normal.Z"), "VIEWLAYER.DEPTH.Z"),
        (("Beauty.Depth.V", "Beauty.Combined.R"), "Beauty.Depth.V"),
        (("R", "G", "B", "depth"), "depth"),
        (("ViewLayer.Depth", "R"), "ViewLayer.Depth"),
        (("Y",), "Y"),
        (("V",), "V"),
        (("Y", "A"), "Y"),
        (("Beauty.R", "Beauty.G", "Beauty.B", "ZDepth.R"), "ZDepth.R"),
        (("ViewLayer.Mist.Z", "ViewLayer.Denoising Depth.Z", "distance.Z"), "distance.Z"),
        (("Position.Y", "Position.X", "Position.Z", "a.Z"), "a.Z"),
        (("z",), "z"),
    ],
)
def test_which_channel_is_depth(tmp_path: Path, channels: tuple[str, ...], chosen: str) -> None:
    write(tmp_path / "m.exr", {name: plane(100.0 if name == chosen else 1.0) for name in channels})
    read = read_exr_channel(tmp_path / "m.exr")
    assert read.name == chosen
    assert read.values[0, 0] == 100


def test_parts_of_blender_5(tmp_path: Path) -> None:
    path = write_parts(
        tmp_path / "b.exr",
        ViewLayer__Combined={"RGBA": np.zeros((*SHAPE, 4), np.float16)},
        ViewLayer__Normal={name: plane(1) for name in "XYZ"},
        ViewLayer__Depth={"V": plane(42)},
    )
    read = read_exr_channel(path)
    assert (read.name, read.values[0, 0]) == ("ViewLayer.Depth.V", 42)


def test_part_that_repeats_its_name(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "n.exr", rgba={"R": plane(1)}, depth={"depth.Z": plane(8)})
    assert read_exr_channel(path).name == "depth.Z"


def test_depth_in_a_part_of_any_name(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "n.exr", P={name: plane(1) for name in "XYZ"}, distance={"Z": plane(8)})
    read = read_exr_channel(path)
    assert (read.name, read.values[0, 0]) == ("distance.Z", 8)


def test_a_vector_is_not_depth(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "n.exr", N={name: plane(1) for name in "XYZ"}, uv={name: plane(1) for name in "UV"})
    with pytest.raises(
        BadInputError, match=r"has no channel of depth, such as Z.*it has N\.X, N\.Y, N\.Z, uv\.U, uv\.V"
    ):
        read_exr_channel(path)


def test_a_name_can_be_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "m.exr", {"Z": plane(1), "conf.C": plane(2)})
    assert read_exr_channel(tmp_path / "m.exr", ("conf.*",)).values[0, 0] == 2


def test_data_window_inside_the_display_window(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    path = write(tmp_path / "w.exr", {"Z": values}, dataWindow=window(2, 1, 5, 3), displayWindow=window(0, 0, 9, 7))
    read = read_exr_channel(path).values
    assert read.shape == (8, 10)
    np.testing.assert_array_equal(read[1:4, 2:6], values)
    assert np.isnan(read).sum() == 80 - 12


def test_data_window_beyond_the_display_window(tmp_path: Path) -> None:
    values = np.arange(48, dtype=np.float32).reshape(6, 8)
    path = write(tmp_path / "w.exr", {"Z": values}, dataWindow=window(-2, -1, 5, 4), displayWindow=window(0, 0, 3, 3))
    np.testing.assert_array_equal(read_exr_channel(path).values, values[1:5, 2:6])


def test_data_window_apart_from_the_display_window(tmp_path: Path) -> None:
    path = write(
        tmp_path / "w.exr", {"Z": plane(1)}, dataWindow=window(20, 20, 26, 24), displayWindow=window(0, 0, 3, 3)
    )
    read = read_exr_channel(path).values
    assert read.shape == (4, 4)
    assert np.isnan(read).all()


def test_display_window_that_does_not_begin_at_zero(tmp_path: Path) -> None:
    values = np.arange(35, dtype=np.float32).reshape(SHAPE)
    path = write(
        tmp_path / "w.exr", {"Z": values}, dataWindow=window(10, 20, 16, 24), displayWindow=window(11, 20, 16, 24)
    )
    np.testing.assert_array_equal(read_exr_channel(path).values, values[:, 1:])


def test_tiles(tmp_path: Path) -> None:
    values = np.arange(50 * 70, dtype=np.float32).reshape(50, 70)
    path = write(tmp_path / "t.exr", {"Z": values}, type=OpenEXR.tiledimage, tiles=OpenEXR.TileDescription())
    np.testing.assert_array_equal(read_exr_channel(path).values, values)


def test_deep_data_is_refused(tmp_path: Path) -> None:
    samples = np.empty((2, 2), dtype=object)
    for index in np.ndindex(2, 2):
        samples[index] = np.ones(3, np.float32)
    path = write(tmp_path / "d.exr", {"Z": samples}, type=OpenEXR.deepscanline, compression=OpenEXR.ZIPS_COMPRESSION)
    with pytest.raises(BadInputError, match="holds deep data"):
        read_exr_channel(path)


def test_subsampled_channel_is_refused(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "z.exr", {"RY": plane(1, shape=(4, 4))}).read_bytes())
    sampling = data.index(b"RY\0") + len(b"RY\0") + 8  # after the type and the linearity
    data[sampling : sampling + 8] = (2).to_bytes(4, "little") * 2
    (tmp_path / "s.exr").write_bytes(data)
    with pytest.raises(BadInputError, match=r"Channel RY of .*s\.exr is subsampled"):
        read_exr_channel(tmp_path / "s.exr", ("RY",))


@pytest.mark.parametrize("share", [0.005, 0.3, 0.6, 0.9999])
def test_truncated_file(tmp_path: Path, share: float) -> None:
    values = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    write_exr_channel(tmp_path / "z.exr", "Z", values)
    data = (tmp_path / "z.exr").read_bytes()
    (tmp_path / "cut.exr").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BadInputError, match=r"cut\.exr is damaged"):
        read_exr_channel(tmp_path / "cut.exr")


def test_corrupted_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_exr_channel(tmp_path / "z.exr", "Z", np.add.outer(np.arange(256.0), np.arange(256.0)).astype(np.float32))
    data = bytearray((tmp_path / "z.exr").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    (tmp_path / "bad.exr").write_bytes(data)
    with pytest.raises(BadInputError, match=r"bad\.exr is damaged"):
        read_exr_channel(tmp_path / "bad.exr")
    assert capsys.readouterr().out == ""  # there machines read events


def test_corrupted_part_before_the_one_that_is_read(tmp_path: Path) -> None:
    """The binding leaves out the damaged part, so that the places of the others change."""
    slope = np.add.outer(np.arange(64.0), np.arange(64.0)).astype(np.float32)
    path = write_parts(tmp_path / "p.exr", first={"A": slope}, depth={"Z": slope + 1}, other={"Z": slope + 2})
    assert read_exr_channel(path).values[0, 0] == 1
    data = bytearray(path.read_bytes())
    middle = data.index(b"other") + (len(data) - data.index(b"other")) // 4
    data[middle : middle + 100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=r"p\.exr is damaged"):
        read_exr_channel(path)


def test_header_that_asks_for_too_much(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "z.exr", {"Z": plane(1)}).read_bytes())
    at = data.index(b"displayWindow\0box2i\0") + len(b"displayWindow\0box2i\0") + 4
    data[at + 8 : at + 16] = (10**6).to_bytes(4, "little") * 2
    (tmp_path / "big.exr").write_bytes(data)
    with pytest.raises(BadInputError, match="asks for more than 268435456 pixels"):
        read_exr_channel(tmp_path / "big.exr")


def test_unusable_files(tmp_path: Path) -> None:
    (tmp_path / "empty.exr").touch()
    (tmp_path / "text.exr").write_text("no picture")
    for name, message in {"missing": "does not exist", "empty": "empty file", "text": "is damaged or not"}.items():
        with pytest.raises(BadInputError, match=message):
            read_exr_channel(tmp_path / f"{name}.exr")


@pytest.mark.parametrize(
    "values", [plane(1, np.float64), np.zeros((2, 2, 3), np.float32), np.zeros((0, 3), np.float32)]
)
def test_write_refuses_other_arrays(tmp_path: Path, values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not float32"):
        write_exr_channel(tmp_path / "z.exr", "Z", values)
    assert not list(tmp_path.iterdir())


def test_output_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TransientError, match="cannot be written"):
        write_exr_channel(tmp_path / "no" / "z.exr", "Z", plane(1))

    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TransientError, match="is full"):
        write_exr_channel(tmp_path / "z.exr", "Z", plane(1))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "channels",
    [
        ("Left.Depth.Z", "Right.Depth.Z"),
        ("a.Z", "b.Z"),
        ("a.V", "b.V"),
        ("one.depth", "two.Depth"),
    ],
)
def test_of_several_depths_none_is_chosen(tmp_path: Path, channels: tuple[str, ...]) -> None:
    write(tmp_path / "m.exr", {name: plane(index) for index, name in enumerate(channels)})
    with pytest.raises(BadInputError, match=f"2 channels that could be meant: {', '.join(channels)}") as caught:
        read_exr_channel(tmp_path / "m.exr")
    assert "channel named Z" in caught.value.hint


@pytest.mark.parametrize(
    "channels",
    [
        ("ViewLayer.Mist.Z",),
        ("ViewLayer.Denoising Depth.V",),
        ("Y", "RY", "BY"),
        ("R", "G"),
        ("A",),
        ("Position.X", "Position.Y", "Position.Z"),
        ("uv.U", "uv.V"),
        ("Y", "roughness"),
    ],
)
def test_what_is_no_depth_is_refused(tmp_path: Path, channels: tuple[str, ...]) -> None:
    write(tmp_path / "m.exr", {name: plane(index) for index, name in enumerate(channels)})
    with pytest.raises(BadInputError, match="has no channel of depth"):
        read_exr_channel(tmp_path / "m.exr")


@pytest.mark.parametrize("names", [("R", "G", "B"), ("Depth.R", "Depth.G", "Depth.B"), ("R", "G", "B", "A")])
def test_colour_counts_where_it_is_grey(tmp_path: Path, names: tuple[str, ...]) -> None:
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    values[0, 0] = np.nan
    path = write(tmp_path / "c.exr", dict.fromkeys(names, values))
    np.testing.assert_array_equal(read_exr_channel(path).values, values)
    write(path, {name: values + (1 if name.endswith("G") else 0) for name in names})
    with pytest.raises(BadInputError, match="holds a colour picture"):
        read_exr_channel(path)


@pytest.mark.parametrize(
    ("channels", "version"),
    [
        (("Z",), 0),
        (("ViewLayer.Depth.Z", "ViewLayer.Combined.R"), 0),
        (("R", "G", "B"), 0),
        (("ViewLayer.Denoising Depth.Z", "ViewLayer.Depth.Z"), 1),
    ],
)
def test_only_files_that_are_read_otherwise_have_another_key(
    tmp_path: Path, channels: tuple[str, ...], version: int
) -> None:
    path = write(tmp_path / "d.0001.exr", {name: plane(3) for name in channels})
    assert FileDepth(path).inputs().get("reader", 0) == version
    write(path, {name: plane(index) for index, name in enumerate("RGB")})
    with pytest.raises(BadInputError, match="colour picture"):
        FileDepth(path).inputs()


def test_all_channels_of_all_parts_count(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "z.exr", {name: plane(1) for name in ("Z", "a", "b")}).read_bytes())
    for name in (b"dataWindow", b"displayWindow"):
        at = data.index(name + b"\0box2i\0") + len(name) + len(b"\0box2i\0") + 4
        data[at + 8 : at + 16] = (16383).to_bytes(4, "little") * 2
    (tmp_path / "big.exr").write_bytes(data)
    with pytest.raises(BadInputError, match=r"unpacks to 3\.2 GB"):
        read_exr_channel(tmp_path / "big.exr")


def test_readers_do_not_wait_for_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that is printed while any of them reads is seen, and all of it afterwards."""
    stdout, together = sys.stdout, Barrier(2, timeout=20)

    def read(_: int) -> bool:
        with unprinted():
            together.wait()  # both are inside
            print("a warning")
            together.wait()
            return sys.stdout is not stdout

    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(read, range(2)))
    assert sys.stdout is stdout
    print("an event")
    assert capsys.readouterr().out == "an event\n"
    with pytest.raises(ValueError, match="damaged"), unprinted():
        raise ValueError("damaged")
    assert sys.stdout is stdout
