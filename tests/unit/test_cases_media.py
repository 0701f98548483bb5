# SPDX-License-Identifier: Apache-2.0
"""Plates and pictures of the cases in tests/cases: the right values, or a refusal where there are none."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ex4d.media.exr import read_exr_channel
from ex4d.media.images import read_image, read_picture
from ex4d.plate import open_plate
from ex4d.protocol.errors import BadInputError


@pytest.mark.case("exr_denoising_depth")
def test_the_denoisers_depth_is_not_the_depth(case: Path) -> None:
    read = [read_exr_channel(case / f"{name}.exr") for name in ("blender4_multilayer", "blender5_multipart")]
    assert [channel.name for channel in read] == ["ViewLayer.Depth.Z", "ViewLayer.Depth.V"]
    assert [float(channel.values[12, 16]) for channel in read] == [5, 5]


@pytest.mark.case("exr_colour_as_depth")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plate_rgb", "holds a colour picture"),
        ("rgb_and_mist", "has no channel of depth"),
        ("rgb_and_Pz", "has no channel of depth"),
        ("combined_and_normal_multipart", "has no channel of depth"),
    ],
)
def test_colour_is_not_depth(case: Path, name: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message) as caught:
        read_exr_channel(case / f"{name}.exr")
    assert "channel named Z" in caught.value.hint


@pytest.mark.case("exr_colour_as_depth")
def test_one_value_in_three_channels_is_depth(case: Path) -> None:
    assert read_exr_channel(case / "grey_as_rgb.exr").values[12, 16] == 3


@pytest.mark.case("tiff_straight_alpha8")
def test_straight_alpha_of_a_tiff_is_straight(case: Path) -> None:
    picture = read_picture(case / "straight.tif")
    np.testing.assert_array_equal(picture.pixels, read_image(case / "straight.png"))
    assert picture.notes == ()


@pytest.mark.case("tiff_planar16")
def test_planes_of_a_tiff_are_no_pixels(case: Path) -> None:
    np.testing.assert_array_equal(read_image(case / "planar.tif"), read_image(case / "contiguous.tif"))


@pytest.mark.case("tiff_associated_alpha")
def test_associated_alpha_becomes_straight(case: Path) -> None:
    reader = open_plate(case / "seq")
    assert any("premultiplied" in note for note in reader.info.notes)
    frame = next(iter(reader.frames()))
    assert frame.alpha is not None
    colour, alpha = frame.pixels[16, 20].astype(int), int(frame.alpha[16, 20])
    assert abs(colour - [27756, 33667, 15420]).max() <= 2  # a step of the stored colour is two of the straight one
    assert alpha == pytest.approx(65535 / 2, abs=2)


@pytest.mark.case("seq_number_after_frame")
@pytest.mark.parametrize(
    "name", ["a/sh010_1001_v02.png", "a", "a/sh010_####_v02.png", "b/sh010.1001.1920x1080.png", "b"]
)
def test_the_number_of_the_frame_is_not_that_of_the_version(case: Path, name: str) -> None:
    assert [frame.number for frame in open_plate(case / name).frames()] == [1001, 1002, 1003]


@pytest.mark.case("ts_joined")
def test_a_joined_recording_is_read_to_its_end(case: Path) -> None:
    reader = open_plate(case / "joined.ts")
    frames = list(reader.frames())
    assert [frame.number for frame in frames] == list(range(1001, 1049))
    assert [frame.time for frame in frames] == [Fraction(index, 24) for index in range(48)]
    assert any("start anew 1 time," in note for note in reader.info.notes)
    np.testing.assert_array_equal(frames[3].pixels, frames[27].pixels)
    assert reader.info.frame_count == 48


@pytest.mark.case("memory_limit")
@pytest.mark.skipif(sys.platform == "win32", reason="has no ulimit")
@pytest.mark.parametrize("kib", [1_400_000, 900_000, 250_000])
def test_little_memory_is_no_damaged_file(case: Path, kib: int, tmp_path: Path) -> None:
    arguments = ["run", case / "plate.mp4", "--depth", "prior", "--cam", "orbit:8", "--out", tmp_path / "shot"]
    limited = ["bash", "-c", f'ulimit -v {kib}; exec "$0" "$@"', sys.executable, "-m", "ex4d", *map(str, arguments)]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 20, done.stderr
    assert "memory" in done.stderr
