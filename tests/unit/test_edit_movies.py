# SPDX-License-Identifier: Apache-2.0
"""Movies for editing, and what all movies of a take say of themselves."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from command import make_depth, make_plate, textured
from numpy.typing import NDArray

from ex4d.jobs.context import JobContext
from ex4d.jobs.run import run
from ex4d.media.edit_movie import FORMATS, EditMovieWriter, check_edit_movie, yuv_codes
from ex4d.media.encoding import HEADROOM_16, LINEAR_HALF
from ex4d.media.images import write_png
from ex4d.media.movie import MovieLabels, MovieWriter
from ex4d.media.yuv import CodeRange, rgb_codes
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.requests import (
    DepthRequest,
    GenerateRequest,
    MoveCamera,
    OutputRequest,
    PlateRequest,
    ReconstructRequest,
    RunRequest,
)
from ex4d.protocol.results import GenerateResult
from ex4d.system.progress import Silent

SIZE = (128, 72)
PLATES = Path(__file__).parents[3] / "shared/data/plates"
NTSC = Fraction(30000, 1001)
PQ_2020 = MovieLabels(9, 16, 9, Fraction(4, 3), "01:00:59;28")
KINDS: list[Any] = list(FORMATS)


def smooth(index: int = 0) -> NDArray[np.float32]:
    """(H, W, 3) float codes from below black to above white, in large steps that survive a codec."""
    x = np.floor(np.linspace(0, 7.99, SIZE[0])) / 7 * 1.14 - 0.05
    picture = np.repeat(x[None, :], SIZE[1], axis=0)
    return np.dstack([picture, picture * 0.9, picture * 0.8 + 0.01 * index]).astype(np.float32)


def luma(frame: av.VideoFrame) -> NDArray[np.float64]:
    plane = frame.planes[0]
    rows = np.frombuffer(bytes(plane), "<u2").reshape(-1, plane.line_size // 2)
    return rows[:, : frame.width].astype(np.float64) / (1 << (frame.format.components[0].bits - 10))


@pytest.mark.parametrize("kind", KINDS)
def test_tags_time_code_and_shape_stand_in_file_and_frames(tmp_path: Path, kind: Any) -> None:
    path = tmp_path / FORMATS[kind].file
    with EditMovieWriter(path, kind, width=SIZE[0], height=SIZE[1], fps=NTSC, labels=PQ_2020) as movie:
        for index in range(5):
            movie.write(smooth(index))
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (9, 16, 9)
        assert stream.average_rate == NTSC
        assert stream.frames == 5
        assert stream.duration * stream.time_base == 5 / NTSC
        assert stream.sample_aspect_ratio == Fraction(4, 3)
        assert [other.metadata["timecode"] for other in file.streams if "timecode" in other.metadata] == [
            "01:00:59;28",
            "01:00:59;28",
        ]
        frames = list(file.decode(stream))
    assert {(frame.color_primaries, frame.color_trc, frame.colorspace) for frame in frames} == {(9, 16, 9)}
    assert {int(frame.color_range) for frame in frames} == {1}
    wanted = yuv_codes(smooth(3), 9)[0].astype(float)
    middles = np.s_[10:60, 8::16]
    assert np.abs(luma(frames[3])[middles] - wanted[middles]).max() <= 2


def test_codes_of_ten_bits_return_identical_through_halves() -> None:
    """Codes of colours somewhat beyond black and white -> colours with headroom -> halves -> the same codes."""
    rng = np.random.default_rng(0)
    frame = av.VideoFrame(64, 48, "yuv444p10le")
    codes = yuv_codes(rng.uniform(-0.05, 1.07, (48, 64, 3)), 9)
    for plane, values in zip(frame.planes, codes, strict=True):
        np.ndarray((48, plane.line_size // 2), "<u2", buffer=memoryview(plane))[:, :64] = values
    pixels, _ = rgb_codes(
        frame,
        matrix=9,
        codes=CodeRange(10, full=False),
        encoding=HEADROOM_16,
        reformatter=av.video.reformatter.VideoReformatter(),
        interpolation=av.video.reformatter.Interpolation.BICUBIC,
    )
    unit = HEADROOM_16.unit(pixels)
    assert unit.min() < -0.01
    assert unit.max() > 1.01
    for values in (unit, LINEAR_HALF.values(unit).astype(np.float32)):
        for found, wanted in zip(yuv_codes(values, 9), codes, strict=True):
            assert np.array_equal(found, wanted)


def test_chroma_lies_on_the_left_of_two_columns() -> None:
    unit = np.zeros((4, 8, 3), np.float32)
    unit[:, 4:] = (1, 0, 0)
    full, half = yuv_codes(unit, 1)[2].astype(float), yuv_codes(unit, 1, 2, 2)[2].astype(float)
    assert half.shape == (2, 4)
    expected = [full[0, 0], full[0, 0], (full[0, 3] + 3 * full[0, 4]) / 4, full[0, 6]]
    assert np.abs(half[0] - expected).max() <= 0.5
    assert yuv_codes(np.zeros((5, 7, 3)), 1, 2)[1].shape == (5, 4)


def test_alpha_of_prores_4444(tmp_path: Path) -> None:
    alpha = np.repeat(np.linspace(0, 1, SIZE[0], dtype=np.float32)[None], SIZE[1], axis=0)
    with EditMovieWriter(tmp_path / "a.mov", "prores4444", width=SIZE[0], height=SIZE[1], fps=NTSC) as movie:
        movie.write(smooth(), alpha)
    with av.open(str(tmp_path / "a.mov")) as file:
        frame = next(file.decode(video=0))
    plane = frame.planes[3]
    bits = frame.format.components[3].bits
    found = np.frombuffer(bytes(plane), "<u2").reshape(-1, plane.line_size // 2)[:, : SIZE[0]] / ((1 << bits) - 1)
    assert np.abs(found - alpha).max() < 1 / 1000


def test_values_that_are_no_numbers_stop_no_movie(tmp_path: Path) -> None:
    picture = smooth()
    picture[3, 4], picture[5, 6], picture[7, 8] = np.nan, np.inf, -np.inf
    codes = yuv_codes(picture, 1)[0]
    assert codes.min() >= 4
    assert codes.max() <= 1019


def test_odd_sides(tmp_path: Path) -> None:
    with EditMovieWriter(tmp_path / "a.mov", "prores422hq", width=97, height=63, fps=NTSC) as movie:
        movie.write(np.full((63, 97, 3), 0.5, np.float32))
    with av.open(str(tmp_path / "a.mov")) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (97, 63)
    with pytest.raises(UsageError, match="both sides must be even"):
        check_edit_movie("h265", 97, 64)
    check_edit_movie("prores4444", 97, 63)


def test_an_ordinary_movie_says_what_it_is_told(tmp_path: Path) -> None:
    labels = MovieLabels(12, 13, 1, Fraction(2), "10:00:00:00")
    with MovieWriter(tmp_path / "a.mp4", width=64, height=48, fps=Fraction(24), labels=labels) as movie:
        movie.write(np.full((48, 64, 3), 90, np.uint8))
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (12, 13, 1)
        assert stream.sample_aspect_ratio == 2
        assert stream.metadata["timecode"] == "10:00:00:00"
        frame = next(file.decode(stream))
        assert (frame.color_primaries, frame.color_trc) == (12, 13)


# ------------------------------------------------------------------------------------------------------------ of a take


def deliver(
    root: Path, plate: Path, count: int, move: str = "orbit:0", *, plate_options: dict[str, Any], **output: Any
) -> GenerateResult:
    with av.open(str(plate)) if plate.is_file() else av.open(str(next(plate.iterdir()))) as file:
        size = file.streams.video[0].width, file.streams.video[0].height
    make_depth(root / "depth.npz", count, *size)
    shot = str(root / "shot")
    reconstruct = ReconstructRequest(
        shot, PlateRequest(str(plate), **plate_options), DepthRequest(str(root / "depth.npz"), fov=50)
    )
    take = GenerateRequest(shot, MoveCamera(move), raster="embree", output=OutputRequest(**output))
    return run(RunRequest(reconstruct, (take,)), JobContext(Silent())).takes[0]


def sounding(path: Path, count: int, fps: Fraction, codec: str) -> Path:
    """A movie of ``count`` frames whose sound is a ramp, one step a sample (PCM), or a tone."""
    rate = 48000
    samples = round(count / fps * rate)
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=fps)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = file.add_stream(codec, rate=rate)
        sound.layout = "mono"
        for index in range(count):
            picture = np.ascontiguousarray(textured(index, *SIZE))
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode(None))
        for start in range(0, samples, 1024):
            at = np.arange(start, min(start + 1024, samples))
            if codec == "aac":
                values, form = np.sin(at / 20).astype(np.float32) * 0.3, "fltp"
            else:
                values, form = (at % 30000).astype(np.int16), "s16"
            frame = av.AudioFrame.from_ndarray(values[None], format=form, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))
    return path


def heard(path: Path) -> NDArray[Any]:
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def test_the_part_of_the_sound_that_goes_with_the_frames(tmp_path: Path) -> None:
    plate = sounding(tmp_path / "plate.mov", 24, NTSC, "pcm_s16le")
    take = deliver(tmp_path, plate, 6, plate_options={"frames": "1007-1012"}, movie="prores422hq", audio=True)
    samples = heard(Path(take.edit_movie))
    assert abs(len(samples) - 6 / NTSC * 48000) <= 1
    first = round(6 / NTSC * 48000)
    assert abs(int(samples[0]) - first % 30000) <= 1
    assert np.all(np.diff(samples.astype(int)) == 1)
    record = json.loads((Path(take.folder) / "take.json").read_text())
    assert record["audio"]["source"] == "plate.mov"
    assert Fraction(record["audio"]["start"]) == 6 / NTSC
    assert record["edit_movie"] == "result.mov"
    with av.open(take.movie) as file:
        assert len(file.streams.audio) == 1
        assert file.streams.video[0].frames == 6


def test_packets_of_aac_are_carried(tmp_path: Path) -> None:
    plate = sounding(tmp_path / "plate.mp4", 24, Fraction(24), "aac")
    take = deliver(tmp_path, plate, 24, plate_options={}, audio=True)
    assert abs(len(heard(Path(take.movie))) - 48000) <= 2 * 1024


def test_a_plate_without_sound_is_refused_before_any_work(tmp_path: Path) -> None:
    plate = make_plate(tmp_path / "plate.mp4", 3, width=SIZE[0], height=SIZE[1])
    with pytest.raises(BadInputError, match="has no sound"):
        deliver(tmp_path, plate, 3, plate_options={}, audio=True)
    assert not list((tmp_path / "shot").glob("cache/raster-*"))


def test_a_log_plates_movie_has_the_logs_codes(tmp_path: Path) -> None:
    """18 % grey and a ramp in S-Log3: the movie's luma is that of the codes, said in words, as no tag can."""
    space = "S-Log3 S-Gamut3.Cine"
    codes = (np.floor(np.linspace(0, 7.99, SIZE[0])) * 6500 + 7000).astype(np.uint16)
    picture = np.repeat(np.repeat(codes[None, :, None], SIZE[1], axis=0), 3, axis=2)
    (tmp_path / "plate").mkdir()
    for number in (1001, 1002):
        write_png(tmp_path / f"plate/p.{number}.png", picture)
    take = deliver(tmp_path, tmp_path / "plate", 2, plate_options={"colour_space": space}, movie="prores422hq")
    with av.open(take.edit_movie) as file:
        assert file.metadata["comment"] == f"Colour space: {space}"
        assert file.streams.video[0].codec_context.color_trc == 2
        frame = next(file.decode(video=0))
    wanted = 64 + codes / 65535 * 876
    assert np.abs(luma(frame)[36, 8::16] - wanted[8::16]).max() <= 1.5


def test_a_part_gone_on_from_goes_into_the_movie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ex4d.stages.stage.PART_FRAMES", 4)
    plate = make_plate(tmp_path / "plate.mp4", 8, width=SIZE[0], height=SIZE[1])
    take = deliver(tmp_path, plate, 8, "truck:0.2", plate_options={}, movie="prores422hq")
    whole = [luma(frame) for frame in av.open(take.edit_movie).decode(video=0)]
    second = tmp_path / "second"
    second.mkdir()
    count, write = 0, EditMovieWriter.write

    def failing(self: EditMovieWriter, *args: Any) -> None:
        nonlocal count
        count += 1
        if count == 7:
            raise KeyboardInterrupt
        write(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(EditMovieWriter, "write", failing)
        with pytest.raises(KeyboardInterrupt):
            deliver(second, plate, 8, "truck:0.2", plate_options={}, movie="prores422hq")
    again = deliver(second, plate, 8, "truck:0.2", plate_options={}, movie="prores422hq")
    found = [luma(frame) for frame in av.open(again.edit_movie).decode(video=0)]
    assert len(found) == 8
    assert all(np.array_equal(a, b) for a, b in zip(found, whole, strict=True))


@pytest.mark.shared
@pytest.mark.skipif(not PLATES.exists(), reason="needs the film plates in ../shared/data, which are not there")
@pytest.mark.parametrize(
    ("name", "tags"),
    [("tc_df.mov", (1, 1)), ("prores709_colr.mov", (1, 1)), ("hevc_hdr10.mp4", (9, 16)), ("p3d65.mov", (12, 1))],
)
def test_movies_go_out_as_they_came_in(tmp_path: Path, name: str, tags: tuple[int, int]) -> None:
    plate = PLATES / name
    with av.open(str(plate)) as file:
        stream = file.streams.video[0]
        count = sum(1 for _ in file.decode(stream))
        timecode = next((s.metadata["timecode"] for s in file.streams if "timecode" in s.metadata), None)
        rate = stream.average_rate
    take = deliver(tmp_path, plate, count, plate_options={}, movie="prores422hq")
    with av.open(take.edit_movie) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.color_primaries, context.color_trc) == tags
        assert stream.average_rate == rate
        assert stream.frames == count
        assert stream.metadata.get("timecode") == timecode
