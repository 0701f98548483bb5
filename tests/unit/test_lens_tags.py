# SPDX-License-Identifier: Apache-2.0
"""The lens of a plate: as an option, as files tell it, and which of them counts."""

from __future__ import annotations

import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenEXR
import pytest
from command import Run, make_depth, make_plate, runner, textured

from ex4d.camera import read_trajectory
from ex4d.media.headers import exif_block
from ex4d.media.lens_tags import LensTags, exr_lens, movie_lens, still_lens
from ex4d.media.stills import read_still
from ex4d.plate import open_plate
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import DepthRequest

EQUIVALENT, EXIF_IFD = 41989, 34665
KEY = "com.apple.quicktime.camera.focal_length.35mm_equivalent"


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


def exif_of(focal: int) -> bytes:
    """A block of two directories: the second has the focal length."""
    at = 8 + 2 + 12 + 4
    first = struct.pack(">IHHHIII", 8, 1, EXIF_IFD, 4, 1, at, 0)
    return b"MM\0*" + first + struct.pack(">HHHIHHI", 1, EQUIVALENT, 3, 1, focal, 0, 0)


def with_exif(path: Path, focal: int = 28, size: tuple[int, int] = (96, 64)) -> Path:
    """A still whose EXIF block tells a focal length."""
    data, exif = cv2.imencode(path.suffix, textured(0, *size)[..., ::-1])[1].tobytes(), exif_of(focal)
    if path.suffix == ".jpg":
        block = b"Exif\0\0" + exif
        path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:])
    else:
        chunk, at = b"eXIf" + exif, 8 + 25
        whole = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        path.write_bytes(data[:at] + whole + data[at:])
    return path


def with_attributes(path: Path, **attributes: Any) -> Path:
    pixels = textured(0).astype(np.float16) / 255
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **attributes}
    OpenEXR.File(header, {"RGB": pixels}).write(str(path))
    return path


def movie_with_key(path: Path, value: str, count: int = 1) -> Path:
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata[KEY] = value
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(textured(index), format="rgb24")))
        container.mux(stream.encode())
    return path


def fov_of(shot: Path) -> float:
    """Degrees over the longer side, of the reconstructed source camera."""
    key = json.loads((shot / "shot.json").read_text(encoding="utf-8"))["stages"]["depth"]
    camera = read_trajectory(shot / f"cache/depth-{key}/source_camera.json")
    return math.degrees(2 * math.atan(max(camera.width, camera.height) / 2 / camera.K[0, 0, 0]))


def test_a_focal_length_is_that_of_the_width_or_of_the_diagonal() -> None:
    # 50 mm on film 36 mm wide, by the width and by the same picture's diagonal.
    assert LensTags(50, 36).fov_deg(3000, 2000) == pytest.approx(39.5978, abs=1e-4)
    assert LensTags(50).fov_deg(3000, 2000) == pytest.approx(39.5978, abs=1e-4)
    # Upright, the longer side is the height: the sensor's width is still that of the frame's.
    assert LensTags(50, 24).fov_deg(2000, 3000) == pytest.approx(39.5978, abs=1e-4)
    assert LensTags(50).fov_deg(2000, 3000) == pytest.approx(39.5978, abs=1e-4)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_stills_tell_the_equivalent_focal_length(tmp_path: Path, suffix: str) -> None:
    path = with_exif(tmp_path / f"p.{suffix}")
    assert still_lens(path.read_bytes()) == LensTags(28)
    assert open_plate(path).info.facts.lens == LensTags(28)
    assert still_lens(with_exif(path, 0).read_bytes()) is None
    # A TIFF has the form of the block.
    assert still_lens(exif_of(35)) == LensTags(35)


def test_stills_without_a_word_or_with_a_damaged_one(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.jpg"), textured(0))
    assert exif_block((tmp_path / "p.jpg").read_bytes()) == b""
    assert still_lens((tmp_path / "p.jpg").read_bytes()) is None
    data = with_exif(tmp_path / "q.jpg").read_bytes()
    at = data.index(b"Exif\0\0") + 6
    assert still_lens(data[: at + 4] + b"\xff\xff\xff\xff" + data[at + 8 :]) is None


def test_exr_files_tell_focal_length_and_sensor(tmp_path: Path) -> None:
    whole = {"sensorOverallDimensions": np.array([24.0, 16.0], np.float32)}
    assert exr_lens({**whole, "nominalFocalLength": 36.0}) == LensTags(36, 24)
    more = {**whole, "nominalFocalLength": 36.0, "pinholeFocalLength": 30.0, "effectiveFocalLength": 32.0}
    assert exr_lens(more) == LensTags(30, 24)
    # What was read of the sensor counts, not all of it.
    part = {"sensorPhotositePitch": 5.0, "sensorAcquisitionRectangle": ((100, 0), (2499, 1599))}
    assert exr_lens({**more, **part}) == LensTags(30, 12)
    for missing in (whole, {"nominalFocalLength": 36.0}, {**whole, "nominalFocalLength": 0.0}):
        assert exr_lens(missing) is None
    corners = np.array([100, 0], np.int32), np.array([2499, 1599], np.int32)
    acquired: dict[str, Any] = {"sensorPhotositePitch": 5.0, "sensorAcquisitionRectangle": corners}
    path = with_attributes(tmp_path / "p.exr", **more, **acquired)
    assert read_still(path).facts.lens == LensTags(30, 12)


def test_movies_tell_the_equivalent_focal_length(tmp_path: Path) -> None:
    assert open_plate(movie_with_key(tmp_path / "p.mov", "26")).info.facts.lens == LensTags(26)
    assert open_plate(movie_with_key(tmp_path / "q.mov", "wide")).info.facts.lens is None
    assert movie_lens(({}, {KEY: "24.5"})) == LensTags(24.5)


def test_an_option_goes_before_what_files_tell_and_that_before_the_assumption(command: Run, tmp_path: Path) -> None:
    path = with_exif(tmp_path / "p.jpg")

    def fov(name: str, *options: Any) -> tuple[float, str]:
        done = command("recon", path, "--out", tmp_path / name, "--json", *options)
        assert done.code == 0, done.out + done.err
        return fov_of(tmp_path / name), done.out

    told, said = fov("told")
    assert told == pytest.approx(LensTags(28).fov_deg(96, 64))
    assert "The plate's files tell the lens: 28 mm, 35 mm equivalent, a field of view of 65.5" in said
    assert "is assumed. Give it with --fov" not in said
    for name, options in {"fov": ["--fov", 40], "lens": ["--focal", 49.455, "--sensor", 36]}.items():
        given, said = fov(name, *options)
        assert given == pytest.approx(40, abs=1e-3)
        assert "tell the lens" not in said
    # The released construction knows one lens alone.
    _, said = fov("released", "--compat", "ex4d")
    assert "tell the lens" not in said
    plain = tmp_path / "plain.png"
    cv2.imwrite(str(plain), textured(0))
    path = plain
    assumed, said = fov("assumed")
    assert assumed == pytest.approx(54.2, abs=0.1)
    assert "is assumed. Give it with --fov" in said


def test_a_lens_of_millimetres_is_one_for_depth_files_too(command: Run, tmp_path: Path) -> None:
    plate, depth = make_plate(tmp_path / "p.mp4", 2), make_depth(tmp_path / "d.npz", 2)
    options = ["--depth", depth, "--focal", 50, "--sensor", 36, "--out", tmp_path / "s", "--json"]
    assert command("recon", plate, *options).code == 0
    assert fov_of(tmp_path / "s") == pytest.approx(LensTags(50, 36).fov_deg(96, 64))


def test_a_plate_that_stands_still_takes_the_lens_that_its_files_tell(command: Run, tmp_path: Path) -> None:
    first = with_exif(tmp_path / "p.1.jpg", 40)
    for number in (2, 3, 4):
        (tmp_path / f"p.{number}.jpg").write_bytes(first.read_bytes())
    done = command("recon", tmp_path / "p.#.jpg", "--out", tmp_path / "s", "--json")
    assert done.ran() == ["plate", "solve", "depth", "mesh"]
    camera = done.result["source_camera"]
    assert (camera["kind"], camera["lens"]) == ("still", "not observable")
    assert camera["fov_deg"] == pytest.approx(LensTags(40).fov_deg(96, 64), abs=0.01)
    assert fov_of(tmp_path / "s") == pytest.approx(LensTags(40).fov_deg(96, 64))


@pytest.mark.parametrize(
    "options",
    [
        {"focal_mm": 50},
        {"sensor_mm": 36},
        {"focal_mm": 50, "sensor_mm": 36, "fov": 40},
        {"focal_mm": 0, "sensor_mm": 36},
        {"focal_mm": 50, "sensor_mm": math.inf},
        {"focal_mm": 1, "sensor_mm": 1000},
    ],
)
def test_lenses_that_cannot_be(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        DepthRequest(**options)
