# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import PATCHES, number_in, numbered_picture, yuv_codes

from ex4d.media import movie
from ex4d.media.movie import MovieWriter, h264_encoder
from ex4d.media.movie_reader import MovieReader
from ex4d.protocol.errors import BadInputError, TransientError

FPS = Fraction(30)


def patch_picture(rgb: tuple[int, int, int], width: int = 64, height: int = 48, dtype: type = np.uint8) -> np.ndarray:
    scale = 1 if dtype == np.uint8 else 257
    return np.broadcast_to(np.array(rgb, dtype) * scale, (height, width, 3)).astype(dtype)


def write(path: Path, pictures: list[np.ndarray], fps: Fraction = FPS, **options: int) -> str:
    height, width = pictures[0].shape[:2]
    with MovieWriter(path, width=width, height=height, fps=fps, **options) as writer:
        for picture in pictures:
            writer.write(picture)
    return writer.codec


@pytest.fixture(params=["libx264", "mpeg4"])
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "mpeg4":
        monkeypatch.setattr(movie, "H264_ENCODERS", ())
    elif h264_encoder() != "libx264":
        pytest.skip("this build of FFmpeg has no libx264")
    return request.param


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_codes_are_bt709_limited(tmp_path: Path, codec: str, dtype: type) -> None:
    assert write(tmp_path / "a.mp4", [patch_picture(rgb, dtype=dtype) for rgb in PATCHES], crf=1) == codec
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        frames = list(container.decode(stream))
    assert len(frames) == len(PATCHES)
    for rgb, frame in zip(PATCHES, frames, strict=True):
        assert frame.format.name == "yuv420p"
        codes = [
            np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[: plane.height, : plane.width]
            for plane in frame.planes
        ]
        error = [
            np.abs(code.astype(int) - want).max() for code, want in zip(codes, yuv_codes(rgb, "bt709"), strict=True)
        ]
        assert max(error) <= (1 if codec == "libx264" else 2), rgb


def test_own_reader_gives_the_colours_back(tmp_path: Path, codec: str) -> None:
    write(tmp_path / "a.mp4", [patch_picture(rgb) for rgb in PATCHES], crf=1)
    reader = MovieReader(tmp_path / "a.mp4")
    assert reader.facts.assumed_matrix is None
    for rgb, frame in zip(PATCHES, reader.frames(), strict=True):
        assert np.abs(frame.pixels.astype(int) - rgb).max() <= 3, rgb


def test_grey(tmp_path: Path) -> None:
    levels = (0, 60, 128, 255)
    write(tmp_path / "a.mp4", [np.full((48, 64), level, np.uint8) for level in levels], crf=1)
    for level, frame in zip(levels, MovieReader(tmp_path / "a.mp4").frames(), strict=True):
        assert np.abs(frame.pixels.astype(int) - level).max() <= 1


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (3, 5), (1, 1)])
def test_odd_sizes_are_exact(tmp_path: Path, codec: str, size: tuple[int, int]) -> None:
    width, height = size
    colour = np.broadcast_to(np.array((200, 40, 90), np.uint8), (height, width, 3))
    write(tmp_path / "a.mp4", [colour] * 3, crf=1)
    reader = MovieReader(tmp_path / "a.mp4")
    assert (reader.facts.width, reader.facts.height) == size
    for frame in reader.frames():
        assert np.abs(frame.pixels.astype(int) - colour).max() <= 3


@pytest.mark.parametrize(
    "fps", [Fraction(24), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25, 2), Fraction(1)]
)
def test_constant_rate_is_exact(tmp_path: Path, codec: str, fps: Fraction) -> None:
    write(tmp_path / "a.mp4", [numbered_picture(index) for index in range(20)], fps)
    reader = MovieReader(tmp_path / "a.mp4")
    assert reader.facts.fps == fps
    frames = list(reader.frames())
    assert [number_in(frame.pixels) for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == [index / fps for index in range(20)]


def test_times_of_a_variable_rate(tmp_path: Path, codec: str) -> None:
    times = [Fraction(0), Fraction(1, 30), Fraction(1, 10), Fraction(111, 1000), Fraction(1, 4), Fraction(3, 2)]
    with MovieWriter(tmp_path / "a.mp4", width=96, height=64, fps=Fraction(24000, 1001)) as writer:
        for index, time in enumerate(times):
            writer.write(numbered_picture(index), time)
    frames = list(MovieReader(tmp_path / "a.mp4").frames())
    assert [number_in(frame.pixels) for frame in frames] == list(range(len(times)))
    unit = Fraction(1, 90000 if codec == "libx264" else 60000)
    assert all(abs(frame.time - time) <= unit / 2 for frame, time in zip(frames, times, strict=True))
    assert frames[1].time == Fraction(1, 30)


def test_header_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", [numbered_picture(0)] * 3)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (128, 96)])
def test_same_frames_same_bytes(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures = [numbered_picture(index, *size) for index in range(40)]
    contents = set()
    for turn in range(8):
        write(tmp_path / f"{turn}.mp4", pictures)
        contents.add((tmp_path / f"{turn}.mp4").read_bytes())
    assert len(contents) == 1


def test_crf_sets_the_quality(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    write(tmp_path / "good.mp4", [noise] * 3, crf=4)
    write(tmp_path / "poor.mp4", [noise] * 3, crf=40)
    assert (tmp_path / "good.mp4").stat().st_size > 3 * (tmp_path / "poor.mp4").stat().st_size


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with MovieWriter(path, width=96, height=64, fps=FPS) as writer:
        writer.write(numbered_picture(0))
        assert not path.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def write_and_raise(path: Path, count: int, error: BaseException) -> None:
    with MovieWriter(path, width=96, height=64, fps=FPS) as writer:
        for index in range(count):
            writer.write(numbered_picture(index))
        raise error


@pytest.mark.parametrize("count", [0, 1, 60])
def test_an_exception_leaves_nothing(tmp_path: Path, count: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(tmp_path / "a.mp4", count, KeyboardInterrupt())
    assert not list(tmp_path.iterdir())


def test_an_exception_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(ValueError, match="boom"):
        write_and_raise(tmp_path / "a.mp4", 5, ValueError("boom"))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_a_writer_that_is_never_entered_makes_no_file(tmp_path: Path) -> None:
    writer = MovieWriter(tmp_path / "a.mp4", width=96, height=64, fps=FPS)
    with pytest.raises(ValueError, match="not open"):
        writer.write(numbered_picture(0))
    del writer
    assert not list(tmp_path.iterdir())


def test_no_frames(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no frames"), MovieWriter(tmp_path / "a.mp4", width=96, height=64, fps=FPS):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((64, 95, 3), np.uint8),
        np.zeros((64, 96, 4), np.uint8),
        np.zeros((64, 96, 3), np.float32),
        np.zeros((64, 96), np.uint16),
        np.zeros((64, 96, 1), np.uint8),
    ],
)
def test_wrong_frames(tmp_path: Path, pixels: np.ndarray) -> None:
    with (
        pytest.raises(ValueError, match="not RGB of 64x96"),
        MovieWriter(tmp_path / "a.mp4", width=96, height=64, fps=FPS) as writer,
    ):
        writer.write(pixels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([Fraction(0), Fraction(0)], "not after"),
        ([Fraction(1), Fraction(1, 2)], "not after"),
        ([Fraction(0), None], "only some"),
        ([None, Fraction(1)], "only some"),
    ],
)
def test_wrong_times(tmp_path: Path, times: list[Fraction | None], message: str) -> None:
    with MovieWriter(tmp_path / "a.mp4", width=96, height=64, fps=FPS) as writer:
        writer.write(numbered_picture(0), times[0])
        with pytest.raises(ValueError, match=message):
            writer.write(numbered_picture(0), times[1])


@pytest.mark.parametrize(("width", "height", "fps"), [(0, 4, FPS), (4, -1, FPS), (4, 4, Fraction(0))])
def test_wrong_format(tmp_path: Path, width: int, height: int, fps: Fraction) -> None:
    with pytest.raises(ValueError, match="a movie of"):
        MovieWriter(tmp_path / "a.mp4", width=width, height=height, fps=fps)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="cannot be written"):
        write(tmp_path / "no" / "a.mp4", [numbered_picture(0)])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize("share", [0.2, 0.98], ids=["while writing", "while closing"])
def test_a_disk_that_takes_no_more(tmp_path: Path, share: float) -> None:
    script = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from ex4d.media.movie import MovieWriter
from ex4d.protocol.errors import TransientError
noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with MovieWriter(path, width=128, height=128, fps=Fraction(30), crf=1) as writer:
        for index in range(8):
            writer.write(np.roll(noise, 7 * index, 1))
    print(path.stat().st_size)
except TransientError as error:
    print(error.message)
"""

    def run(name: str, limit: int) -> str:
        command = [sys.executable, "-c", script, str(tmp_path / name), str(limit)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    size = int(run("whole.mp4", 10**9))
    assert "cut.mp4 cannot be written: the disk or the account allows no file of that size." in run(
        "cut.mp4", int(size * share)
    )
    assert [file.name for file in tmp_path.iterdir()] == ["whole.mp4"]


def test_encoder_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert h264_encoder() in movie.H264_ENCODERS
    monkeypatch.setattr(movie, "H264_ENCODERS", ("no_such_encoder", "mpeg2video"))
    assert h264_encoder() == "mpeg2video"
    monkeypatch.setattr(movie, "H264_ENCODERS", ())
    assert h264_encoder() is None
