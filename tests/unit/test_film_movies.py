# SPDX-License-Identifier: Apache-2.0
"""Movies of film people as plates: their tags, codes beyond black and white, time code, sound."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from media_factory import numbered_movie, yuv_codes, yuv_frame

from ex4d.colour.transforms import transform_of
from ex4d.media.audio import CarriedSound, check_sound
from ex4d.media.encoding import HEADROOM_16
from ex4d.media.movie_tags import log_name
from ex4d.media.mp4_tables import clean_aperture
from ex4d.plate import PlateOptions, open_plate
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.values import FrameRange
from tools.plates import chart
from tools.plates.movies import MovieKind, write_movie, ycbcr

PLATES = Path(__file__).parents[3] / "shared" / "data" / "plates"
SUFFIXES = (".mov", ".mp4", ".mxf", ".mts")
PRORES = {"profile": "3", "vendor": "apl0"}
# Beyond black and white: the 10-bit codes 1019, 980, 20, and white.
OVER = np.array([(code - 64) / 876 for code in (1019, 980, 20, 940)])


def units(path: Path, **options: Any) -> tuple[Any, list[np.ndarray]]:
    """The opened plate after reading, and its frames from 0 = black to 1 = white."""
    reader = open_plate(path, options=PlateOptions(**options))
    frames = [reader.info.truth.unit(frame.pixels) for frame in reader.frames()]
    return reader, frames


def over_movie(path: Path, bits: int, pixel_format: str) -> Path:
    picture = np.repeat(OVER.repeat(16)[None, :, None], 32, axis=0).repeat(3, axis=2)
    kind = MovieKind("ffv1", pixel_format)
    write_movie(path, [picture] * 3, kind, bits)
    return path


def shared_movies() -> list[str]:
    if not PLATES.exists():
        return []
    truth = json.loads((PLATES / "truth.json").read_text())
    return [name for name, plate in truth.items() if Path(plate["arg"]).suffix in SUFFIXES]


@pytest.mark.shared
@pytest.mark.parametrize("name", shared_movies())
def test_the_movies_of_film_people(name: str) -> None:
    truth = json.loads((PLATES / "truth.json").read_text())[name]
    log = {"colour_space": "S-Log3 S-Gamut3.Cine"} if "log" in truth else {}
    reader, frames = units(PLATES / truth["arg"], **log)
    info = reader.info
    assert len(frames) == truth["count"]
    assert (info.width, info.height) == (truth["width"], truth["height"]) or name == "two_video"
    assert info.facts.timecode == truth.get("tc")
    if truth["fps"] not in (None, "vfr"):
        assert info.fps == Fraction(truth["fps"])
    assert (info.facts.alpha == "straight") == ("alpha" in truth)
    assert (info.truth.kind == "codes") == ("hdr" in truth or "log" in truth)
    assert info.reader_version == 0 or name == "prores709_colr_only"
    assert not any("varies" in note for note in info.notes) or truth["fps"] == "vfr"
    if truth.get("centres") and not truth.get("rotated") and name != "two_video":
        centres = [centre for row in truth["centres"] for centre in row]
        # Codes of the depth, and for display pictures the rounding of swscale.
        allowed = (1.4 / 219 if info.source_bits == 8 else 1.4 / 876) + float(truth.get("codec_err") or 0)
        for (x, y), patch in zip(centres, truth["patches"], strict=True):
            wanted = np.clip(patch, 0, 1) if log else patch  # its codes are of full range
            np.testing.assert_allclose(frames[0][y, x], wanted, atol=allowed)


@pytest.mark.shared
def test_hdr10_keeps_what_it_says() -> None:
    facts = open_plate(PLATES / "hevc_hdr10.mp4").info.facts
    assert (facts.colour.primaries, facts.colour.transfer, facts.colour.matrix) == (9, 16, 9)
    assert facts.colour.hdr is not None
    assert (facts.colour.hdr.max_cll, facts.colour.hdr.max_fall) == (1000, 400)
    assert facts.colour.hdr.mastering is not None
    np.testing.assert_allclose(facts.colour.hdr.mastering, (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329))
    assert facts.colour.hdr.luminance == (0.0001, 1000)


@pytest.mark.shared
def test_the_clean_aperture_is_named() -> None:
    assert clean_aperture(PLATES / "clap.mp4") == (112, 72)
    assert clean_aperture(PLATES / "bt601.mp4") is None
    notes = " ".join(open_plate(PLATES / "clap.mp4").info.notes)
    assert "112x72" in notes
    assert "128x72" in notes


@pytest.mark.shared
def test_a_cover_is_no_second_video() -> None:
    assert not any("video streams" in note for note in open_plate(PLATES / "cover.mp4").info.notes)
    assert any("2 video streams" in note for note in open_plate(PLATES / "two_video.mov").info.notes)


@pytest.mark.parametrize(("bits", "pixel_format"), [(10, "yuv422p10le"), (10, "yuv444p10le"), (12, "yuv444p12le")])
def test_values_beyond_white_and_black_stay(tmp_path: Path, bits: int, pixel_format: str) -> None:
    reader, frames = units(over_movie(tmp_path / "a.mkv", bits, pixel_format))
    assert reader.info.truth == HEADROOM_16
    assert reader.info.bit_depth == 16
    assert any("beyond black and white is kept" in note for note in reader.info.notes)
    for frame in frames:
        np.testing.assert_allclose(frame[8, 8::16, 1], OVER, atol=2e-5)
    np.testing.assert_allclose(frames[0][8, 8::16, 0], (1.0902, 1.0457, -0.0502, 1), atol=1e-4)
    clipped, cut = units(tmp_path / "a.mkv", over_range="clip")
    assert clipped.info.truth.is_display
    np.testing.assert_allclose(cut[0][8, 8::16, 1], np.clip(OVER, 0, 1), atol=1e-3)
    assert any("it is clipped; --over-range keep" in note for note in clipped.info.notes)


def test_movies_of_8_bits_are_clipped_and_it_is_said(tmp_path: Path) -> None:
    path = over_movie(tmp_path / "a.mkv", 8, "yuv420p")
    reader, frames = units(path)
    assert reader.info.truth.is_display
    assert frames[0].max() == 1
    assert any("it is clipped; --over-range keep" in note for note in reader.info.notes)
    kept, whole = units(path, over_range="keep")
    assert kept.info.truth == HEADROOM_16
    np.testing.assert_allclose(whole[0][8, 8::16, 1], OVER.clip(max=238 / 219), atol=0.51 / 219)


@pytest.mark.parametrize(("bits", "pixel_format"), [(8, "yuv420p"), (10, "yuv422p10le")])
def test_within_black_and_white_keeping_changes_nothing(tmp_path: Path, bits: int, pixel_format: str) -> None:
    picture = np.random.default_rng(0).random((32, 64, 1)).repeat(3, axis=2)
    write_movie(tmp_path / "a.mkv", [picture] * 2, MovieKind("ffv1", pixel_format), bits)
    plain = list(open_plate(tmp_path / "a.mkv", options=PlateOptions(over_range="clip")).frames())
    reader = open_plate(tmp_path / "a.mkv", options=PlateOptions(over_range="keep"))
    assert reader.info.truth.is_display
    for frame, kept in zip(plain, reader.frames(), strict=True):
        np.testing.assert_array_equal(frame.pixels, kept.pixels)
    assert not any("beyond" in note for note in reader.info.notes)


def test_over_range_is_judged_on_the_frames_that_are_asked_for(tmp_path: Path) -> None:
    plain = np.full((32, 64, 3), 0.5)
    over = np.full((32, 64, 3), 1.05)
    write_movie(tmp_path / "a.mkv", [plain, plain, plain, over], MovieKind("ffv1", "yuv422p10le"), 10)
    assert open_plate(tmp_path / "a.mkv", frames=FrameRange(1001, 1004)).info.truth.is_display
    assert not open_plate(tmp_path / "a.mkv", frames=FrameRange(1002, 1005)).info.truth.is_display
    assert not open_plate(tmp_path / "a.mkv").info.truth.is_display


@pytest.mark.parametrize("tags", [(9, 16, 9), (9, 18, 9), (1, 1, 1)])
def test_codes_of_10_bits_return(tmp_path: Path, tags: tuple[int, int, int]) -> None:
    """From a scene-linear result of a movie, 4:4:4, its luma and chroma come back as they were."""
    low, high = (0.02, 0.98) if tags[1] != 1 else (-0.04, 1.08)
    picture = np.random.default_rng(1).uniform(low, high, (48, 64, 3))
    write_movie(tmp_path / "a.mkv", [picture], MovieKind("ffv1", "yuv444p10le", tags), 10)
    reader, frames = units(tmp_path / "a.mkv")
    assert reader.info.truth == HEADROOM_16
    planes = ycbcr(picture, 10, tags[2], False)
    transform = transform_of(reader.info.colour)
    result = transform.linear(frames[0]).astype(transform.linear_pixel_type(reader.info.source_bits))
    for values in (frames[0], transform.unit_from_linear(result.astype(np.float32))):
        for mine, theirs in zip(ycbcr(values.astype(float), 10, tags[2], False), planes, strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(("tags", "matrix", "space"), [((1, 1, 1), 1, "display"), ((9, 16, 9), 9, "codes")])
def test_tags_of_the_container_hold_where_the_frames_say_nothing(
    tmp_path: Path, tags: tuple[int, int, int], matrix: int, space: str
) -> None:
    kind = MovieKind("prores_ks", "yuv422p10le", tags, tag_frames=False, options=PRORES)
    write_movie(tmp_path / "a.mov", [chart.draw(chart.DISPLAY, k) for k in range(2)], kind, 10)
    untagged = (tmp_path / "a.mov").read_bytes().replace(bytes([*tags]), b"\2\2\2")  # of ProRes's frame header
    (tmp_path / "a.mov").write_bytes(untagged)
    with av.open(str(tmp_path / "a.mov")) as container:
        assert int(next(container.decode(video=0)).colorspace) == 2
    reader, frames = units(tmp_path / "a.mov")
    assert reader.info.colour.kind == space
    assert reader.info.facts.colour.matrix == matrix
    for (x, y), patch in zip(chart.CENTRES, chart.DISPLAY, strict=True):
        np.testing.assert_allclose(frames[0][y, x], patch, atol=0.002)
    assert not any("assumed" in note for note in reader.info.notes)


def test_untagged_prores_is_bt709_at_any_size(tmp_path: Path) -> None:
    codes = yuv_codes((204, 76.5, 51), "bt709", bits=10)
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream: Any = container.add_stream("prores_ks", rate=24, options=PRORES)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        frame = yuv_frame("yuv422p10le", codes, 64, 48)
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    reader, frames = units(tmp_path / "a.mov")
    assert any("BT.709 is assumed, as ProRes movies" in note for note in reader.info.notes)
    assert reader.info.reader_version == 1
    np.testing.assert_allclose(frames[0][20, 30], (0.8, 0.3, 0.2), atol=0.003)


def test_p3_and_bt2020_sdr_stay_display_pictures_with_their_tags(tmp_path: Path) -> None:
    for tags in ((12, 1, 1), (9, 14, 9)):
        kind = MovieKind("prores_ks", "yuv422p10le", tags, options=PRORES)
        write_movie(tmp_path / "a.mov", [chart.draw(chart.DISPLAY, 0)], kind, 10)
        info = open_plate(tmp_path / "a.mov").info
        assert info.truth.is_display
        assert (info.colour.primaries, info.colour.matrix) == (tags[0], tags[2])


def test_log_by_name_is_codes(tmp_path: Path) -> None:
    write_movie(tmp_path / "a.mov", [chart.draw(chart.DISPLAY, 0)], MovieKind("prores_ks", "yuv422p10le"), 10)
    reader = open_plate(tmp_path / "a.mov", options=PlateOptions(colour_space="ARRI LogC3 (EI800)"))
    assert reader.info.truth == HEADROOM_16
    assert reader.info.colour.space == "ARRI LogC3 (EI800)"


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"com.arri.camera.ColorGammaSxS": "LOG-C"}, "ARRI LogC3 (EI800)"),
        ({"CaptureGammaEquation": "s-log3-cine"}, "S-Log3 S-Gamut3.Cine"),
        ({"title": "LOG-C test"}, ""),
        ({}, ""),
    ],
)
def test_names_of_logs(metadata: dict[str, str], name: str) -> None:
    assert log_name(metadata) == name


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "timecode"),
    [
        ("mov", "prores_ks", Fraction(60000, 1001), "00:00:59;58"),
        ("mov", "prores_ks", Fraction(30000, 1001), "23:59:59;28"),
        ("mxf", "mpeg2video", Fraction(25), "10:00:00:00"),
        ("mp4", "libx264", Fraction(24), "01:02:03:04"),
    ],
)
def test_time_code(tmp_path: Path, suffix: str, codec: str, rate: Fraction, timecode: str) -> None:
    kind = MovieKind(
        codec, "yuv422p10le" if codec == "prores_ks" else "yuv420p", rate=rate, timecode=timecode, options={}
    )
    path = tmp_path / f"a.{suffix}"
    pictures = [np.full((144, 256, 3), 0.5)] * 3
    write_movie(path, pictures, kind, 10 if codec == "prores_ks" else 8)
    info = open_plate(path).info
    assert info.facts.timecode == timecode
    assert info.fps == rate
    assert info.clip_start == 1001


def test_xdcam(tmp_path: Path) -> None:
    kind = MovieKind("mpeg2video", "yuv422p", rate=Fraction(25), timecode="10:00:00:00", audio=48000,
                     options={"b": "50M", "g": "12"})  # fmt: skip
    write_movie(tmp_path / "a.mxf", [chart.draw(chart.DISPLAY, k, size=(256, 144)) for k in range(5)], kind, 8)
    reader, frames = units(tmp_path / "a.mxf")
    assert len(frames) == 5
    assert reader.info.facts.timecode == "10:00:00:00"
    assert any("has sound: --audio takes it" in note for note in reader.info.notes)


def test_pixel_aspect_is_told(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 2, pixel_aspect=Fraction(4, 3))
    assert open_plate(path).info.facts.pixel_aspect == Fraction(4, 3)


def test_an_edit_list_is_no_rate_that_varies(tmp_path: Path) -> None:
    """Frames that are cut away stand between those that are shown, in the order of decoding."""
    path = tmp_path / "a.mp4"
    numbered_movie(path, 24, fps=24, options={"bf": "3", "g": "24", "x264-params": "b-adapt=0"})
    data = path.read_bytes()
    at = data.index(b"elst")
    version, entries = data[at + 4], int.from_bytes(data[at + 8 : at + 12], "big")
    assert (version, entries) == (0, 1)
    start = int.from_bytes(data[at + 16 : at + 20], "big")
    scale = 12288  # ticks a second of FFmpeg's at this rate
    later = (start + 5 * scale // 24).to_bytes(4, "big")
    path.write_bytes(data[: at + 16] + later + data[at + 20 :])
    reader = open_plate(path)
    assert reader.info.variable_rate is False
    count = len(list(reader.frames()))
    assert count < 24
    assert reader.info.fps == 24
    assert not any("varies" in note for note in reader.info.notes)


@pytest.mark.parametrize("name", ["a.R3D", "a.braw", "a.ari", "a.crm", "a.cin"])
def test_camera_raw_is_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\0" * 4096)
    with pytest.raises(BadInputError, match="which is not read") as caught:
        open_plate(tmp_path / name)
    assert "ProRes" in caught.value.hint
    assert "OpenEXR" in caught.value.hint


# ---- sound -----------------------------------------------------------------------------------------------------------


def with_sound(source: Path, target: Path, first: int, count: int, rate: Fraction) -> bool:
    """Write black frames with part of a movie's sound; whether its packets were copied."""
    with av.open(str(target), "w") as container:
        stream: Any = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 36, "yuv420p"
        with CarriedSound(source, container, first / rate, count / rate) as sound:
            for index in range(count):
                frame = av.VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8))
                frame.pts, frame.time_base = index, 1 / rate
                container.mux(stream.encode(frame))
                sound.write_until((index + 1) / rate)
            container.mux(stream.encode(None))
    return sound.is_copied


def samples_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


@pytest.fixture(scope="module")
def sounding(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sound")
    pictures = [np.full((36, 64, 3), 0.5)] * 48
    for suffix, rate in (("mov", Fraction(30000, 1001)), ("mp4", Fraction(24))):
        write_movie(folder / f"a.{suffix}", pictures, MovieKind("libx264", "yuv420p", audio=48000, rate=rate), 8)
    return {suffix: folder / f"a.{suffix}" for suffix in ("mov", "mp4")}


@pytest.mark.parametrize(("first", "count"), [(0, 48), (7, 13), (47, 1)])
def test_samples_of_pcm_are_cut_where_the_frames_are(
    tmp_path: Path, sounding: dict[str, Path], first: int, count: int
) -> None:
    rate = Fraction(30000, 1001)
    assert not with_sound(sounding["mov"], tmp_path / "b.mov", first, count, rate)
    whole, part = samples_of(sounding["mov"]), samples_of(tmp_path / "b.mov")
    start = round(first / rate * 48000)
    assert abs(len(part) - count / rate * 48000) <= 1
    np.testing.assert_array_equal(part, whole[start : start + len(part)])


@pytest.mark.parametrize("suffix", ["mov", "mp4"])
@pytest.mark.parametrize(("first", "count"), [(0, 48), (7, 13)])
def test_packets_of_aac_are_copied(
    tmp_path: Path, sounding: dict[str, Path], suffix: str, first: int, count: int
) -> None:
    assert with_sound(sounding["mp4"], tmp_path / f"b.{suffix}", first, count, Fraction(24))
    with av.open(str(tmp_path / f"b.{suffix}")) as container:
        stream = container.streams.audio[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert stream.codec_context.name == "aac"
        assert abs(len(packets) * 1024 - count / 24 * 48000) <= 1024
    with av.open(str(sounding["mp4"])) as container:
        source = [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]
    assert [bytes(packet) for packet in packets] == [data for data in source if data in {bytes(p) for p in packets}]
    skipped = source.index(bytes(packets[0]))
    assert abs(skipped * 1024 - 1024 - first / 24 * 48000) <= 1024  # the first packet is the encoder's own delay


def test_pcm_becomes_aac_in_mp4(tmp_path: Path, sounding: dict[str, Path]) -> None:
    assert not with_sound(sounding["mov"], tmp_path / "b.mp4", 7, 13, Fraction(30000, 1001))
    assert abs(len(samples_of(tmp_path / "b.mp4")) - 13 * 1001 / 30000 * 48000) <= 1024


def sound_movie(path: Path, channels: int, rate: int = 48000, layout: str = "", codec: str = "pcm_s16le") -> Path:
    """A movie with 1 s of sound; without a layout's name its channels are only counted, as in MXF."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mpeg4", rate=24)
        video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        sound: Any = container.add_stream(codec, rate=rate)
        sound.layout = layout = layout or f"{channels} channels"
        for index in range(24):
            frame = av.VideoFrame.from_ndarray(np.zeros((36, 64, 3), np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        ramp = np.repeat(np.arange(rate) % 1000, channels).astype(np.int16)[None]
        samples = av.AudioFrame.from_ndarray(ramp, format="s16", layout=layout)
        samples.sample_rate, samples.pts = rate, 0
        container.mux(sound.encode(samples))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8])
def test_channels_that_are_only_counted(tmp_path: Path, channels: int) -> None:
    path = sound_movie(tmp_path / "a.mkv", channels)
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.layout.name == f"{channels} channels" or channels < 3
    check_sound(path)
    for suffix in ("mov", "mp4"):
        with_sound(path, tmp_path / f"b.{suffix}", 0, 12, Fraction(24))
        with av.open(str(tmp_path / f"b.{suffix}")) as container:
            stream = container.streams.audio[0]
            assert stream.codec_context.channels == channels
            assert stream.duration is not None
            assert abs(stream.duration * stream.time_base - Fraction(1, 2)) <= Fraction(1024, 48000)


def test_eight_planes_of_sound(tmp_path: Path) -> None:
    """FLAC is decoded to a plane for each channel."""
    path = sound_movie(tmp_path / "a.mkv", 8, layout="7.1", codec="flac")
    with_sound(path, tmp_path / "b.mov", 0, 12, Fraction(24))
    with av.open(str(tmp_path / "b.mov")) as container:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert (samples[::8] == samples.reshape(-1, 8).T).all()
    np.testing.assert_array_equal(samples[::8] // (samples.max() // 999), np.arange(24000) % 1000)


@pytest.mark.parametrize(("channels", "rate"), [(2, 192000), (10, 48000)])
def test_sound_that_no_mp4_holds_is_refused(tmp_path: Path, channels: int, rate: int) -> None:
    with pytest.raises(BadInputError, match="AAC"):
        check_sound(sound_movie(tmp_path / "a.mkv", channels, rate))


def test_a_movie_without_sound(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 2)
    with av.open(str(tmp_path / "b.mov"), "w") as container, pytest.raises(BadInputError, match="has no sound"):
        CarriedSound(path, container, Fraction(0), Fraction(1))
