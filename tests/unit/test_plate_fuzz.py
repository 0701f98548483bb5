# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes a file has, reading it gives frames or an error with a hint, soon."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_factory import numbered_movie, numbered_picture

from ex4d.media.exr import read_exr_channel, write_exr_channel
from ex4d.media.images import read_grey, read_image, write_png
from ex4d.media.stills import read_still
from ex4d.plate import open_plate, plate_hash
from ex4d.protocol.errors import Ex4dError
from tools.plates.stills import write_dpx, write_exr, write_tiff

SECONDS = 60.0

FUZZ = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Damage of a kind that disks, networks and people do: overwritten, removed, repeated, cut off."""
    kind = draw(st.sampled_from(("overwrite", "remove", "repeat", "cut", "flip")))
    where = draw(st.floats(0, 1))
    length = draw(st.integers(1, 64))
    noise = draw(st.binary(min_size=1, max_size=64))

    def mutate(data: bytes) -> bytes:
        at = int(where * (len(data) - 1))
        if kind == "overwrite":
            return data[:at] + noise + data[at + len(noise) :]
        if kind == "remove":
            return data[:at] + data[at + length :]
        if kind == "repeat":
            return data[: at + length] + data[at:]
        if kind == "cut":
            return data[:at]
        return data[:at] + bytes([data[at] ^ (1 << length % 8)]) + data[at + 1 :]

    return mutate


def read_plate(path: Path) -> None:
    for frame in open_plate(path).frames():
        assert frame.pixels.ndim == 3
        assert frame.pixels.shape[2] == 3
        assert frame.pixels.dtype in (np.uint8, np.uint16)


def read_or_refuse(read: Callable[[Path], object], path: Path) -> None:
    begin = time.monotonic()
    refusal = None
    try:
        read(path)
    except Ex4dError as error:
        refusal = error
    assert time.monotonic() - begin < SECONDS
    assert refusal is None or (refusal.message.endswith(".") and refusal.hint.endswith("."))


MOVIES = {
    "a.mp4": {},
    "fast.mp4": {"container_options": {"movflags": "+faststart"}},
    "fragments.mp4": {"container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "a.mkv": {"codec": "ffv1"},
    "a.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "a.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "a.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "a.mpg": {"codec": "mpeg2video"},
    "a.ts": {},
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("clips")
    return {name: numbered_movie(folder / name, 12, **options).read_bytes() for name, options in MOVIES.items()}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("images")
    picture = numbered_picture(77)
    write_png(folder / "a.png", picture)
    write_png(folder / "deep.png", picture.astype(np.uint16) * 257)
    for name in ("a.jpg", "a.tif"):
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, picture)[1].tobytes())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


FILM = {
    "scanline.exr": {"compression": OpenEXR.ZIP_COMPRESSION},
    "tiled.exr": {"kind": "tiled", "compression": OpenEXR.PIZ_COMPRESSION},
    "lossy.exr": {"compression": OpenEXR.DWAA_COMPRESSION},
    "plain.exr": {"compression": OpenEXR.NO_COMPRESSION, "window": (-2, -1), "display": (30, 20)},
    "parts.exr": {"multipart": True},
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("film")
    picture = numbered_picture(77)
    for name, options in FILM.items():
        layers = {"": (picture / 255).astype(np.float16), "diffuse": (picture / 99).astype(np.float32)}
        write_exr(folder / name, layers, colorInteropID="lin_ap1_scene", **options)
    write_dpx(folder / "big.dpx", picture.astype(np.uint16) * 4)
    write_dpx(folder / "little.dpx", picture.astype(np.uint16) * 257, bits=16, order="<")
    write_tiff(folder / "float.tif", (picture / 255).astype(np.float32))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", [*FILM, "big.dpx", "little.dpx", "float.tif"])
@FUZZ
@given(first=mutations(), second=mutations())
def test_mutated_film_pictures(
    tmp_path: Path,
    film: dict[str, bytes],
    capfd: pytest.CaptureFixture[str],
    name: str,
    first: Callable[[bytes], bytes],
    second: Callable[[bytes], bytes],
) -> None:
    (tmp_path / name).write_bytes(second(first(film[name]) or b"\0"))
    read_or_refuse(read_still, tmp_path / name)
    assert capfd.readouterr().out == ""


@FUZZ
@given(
    data=st.binary(max_size=4096),
    name=st.sampled_from(("a.mp4", "a.mkv", "a.png", "a.tif", "a.jpg", "a", "a.exr", "a.dpx")),
)
def test_random_bytes(tmp_path: Path, data: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    read_or_refuse(read_plate, path)
    read_or_refuse(read_exr_channel, path)
    read_or_refuse(read_grey, path)
    read_or_refuse(read_still, path)
    assert len(plate_hash(path)) == 64


@pytest.mark.parametrize("name", MOVIES)
@FUZZ
@given(first=mutations(), second=mutations())
def test_mutated_movies(
    tmp_path: Path,
    clips: dict[str, bytes],
    name: str,
    first: Callable[[bytes], bytes],
    second: Callable[[bytes], bytes],
) -> None:
    (tmp_path / name).write_bytes(second(first(clips[name]) or b"\0"))
    read_or_refuse(read_plate, tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "deep.png", "a.jpg", "a.tif"])
@FUZZ
@given(first=mutations(), second=mutations())
def test_mutated_images(
    tmp_path: Path,
    images: dict[str, bytes],
    name: str,
    first: Callable[[bytes], bytes],
    second: Callable[[bytes], bytes],
) -> None:
    (tmp_path / name).write_bytes(second(first(images[name]) or b"\0"))
    read_or_refuse(read_image, tmp_path / name)
    read_or_refuse(read_plate, tmp_path / name)


@FUZZ
@given(first=mutations(), second=mutations())
def test_mutated_exr(tmp_path: Path, first: Callable[[bytes], bytes], second: Callable[[bytes], bytes]) -> None:
    whole = tmp_path / "whole.exr"
    if not whole.exists():
        write_exr_channel(whole, "Z", np.add.outer(np.arange(40.0), np.arange(60.0)).astype(np.float32))
    (tmp_path / "a.exr").write_bytes(second(first(whole.read_bytes()) or b"\0"))
    read_or_refuse(read_exr_channel, tmp_path / "a.exr")
