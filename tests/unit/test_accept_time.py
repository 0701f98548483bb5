# SPDX-License-Identifier: Apache-2.0
"""Time code, rates, sound and names of files, from plates to takes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import pytest
from film_takes import PLATES, Refused, exr_moment, needs_plates, rate_of, shoot, shoot_or_refuse, timecode_of
from numpy.typing import NDArray

from tools.plates import chart, stills
from tools.plates.movies import MovieKind, write_movie

NTSC = Fraction(30000, 1001)
COUNT = 9
GREY = np.full((144, 256, 3), 0.5)


def names(start: str, fps: Fraction, count: int = COUNT) -> list[str]:
    """Time codes by counting, one frame at a time, as a clock with frames does it."""
    hours, minutes, seconds, frames = (int(part) for part in start.replace(";", ":").split(":"))
    drop, base, found = ";" in start, round(fps), []
    for _ in range(count):
        found.append(f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if drop else ':'}{frames:02d}")
        frames += 1
        if frames == base:
            frames, seconds = 0, seconds + 1
        if seconds == 60:
            seconds, minutes = 0, minutes + 1
            if drop and minutes % 10:
                frames = base // 15
        if minutes == 60:
            minutes, hours = 0, (hours + 1) % 24
    return found


def exr_plate(folder: Path, start: str, fps: Fraction) -> Path:
    folder.mkdir()
    for index, name in enumerate(names(start, fps)):
        parts = [int(part) for part in name.replace(";", ":").split(":")]
        moment = stills.timecode(*parts, ";" in name) if round(fps) <= 30 else None
        if moment is None:  # pairs of frames
            moment = OpenEXR.TimeCode(*parts[:3], parts[3] // 2, int(";" in name), 0, parts[3] % 2, *[0] * 11)
        attributes = {"timeCode": moment, "framesPerSecond": fps}
        pixels = chart.draw(chart.LINEAR, index).astype(np.float16)
        stills.write_exr(folder / f"p.{1001 + index}.exr", {"": pixels}, colorInteropID="lin_ap1_scene", **attributes)
    return folder


def dpx_plate(folder: Path, start: str, fps: Fraction) -> Path:
    folder.mkdir()
    for index, name in enumerate(names(start, fps)):
        codes = np.rint(chart.draw(chart.DISPLAY, index) * 1023).astype(np.uint16)
        bcd = int(name.replace(":", ""), 16)
        stills.write_dpx(folder / f"p.{1001 + index}.dpx", codes, frame=index, timecode_bcd=bcd, transfer=3, rate=fps)
    return folder


def movie(path: Path, start: str, fps: Fraction) -> Path:
    """HLG, so that the results are EXR files."""
    deep = path.suffix == ".mov"
    kind = MovieKind(
        "prores_ks" if deep else "mpeg2video", "yuv422p10le" if deep else "yuv422p", (9, 18, 9), rate=fps,
        timecode=start,
    )  # fmt: skip
    write_movie(path, [GREY] * COUNT, kind, 10 if deep else 8)
    return path


@pytest.mark.parametrize(
    ("kind", "start", "fps"),
    [
        ("mov", "01:00:59;25", NTSC),
        ("mov", "23:59:59;57", 2 * NTSC),
        ("mov", "23:59:59:20", Fraction(24)),
        ("mxf", "09:59:59:22", Fraction(25)),
        ("mxf", "23:59:59:22", Fraction(25)),
        ("dpx", "23:59:59:20", Fraction(24)),
        ("exr", "23:59:59:20", Fraction(24000, 1001)),
        ("exr", "00:09:59;25", NTSC),
        ("exr", "00:00:59;57", 2 * NTSC),
        ("exr", "23:59:59:47", Fraction(50)),
    ],
)
def test_each_frame_of_a_result_has_its_time_code(tmp_path: Path, kind: str, start: str, fps: Fraction) -> None:
    options: tuple[str, ...] = ()
    if kind == "exr":
        plate = exr_plate(tmp_path / "plate", start, fps)
    elif kind == "dpx":
        plate, options = dpx_plate(tmp_path / "plate", start, fps), ("--colour-space", "ARRI LogC3 (EI800)")
    else:
        plate = movie(tmp_path / f"plate.{kind}", start, fps)
    size = (256, 144) if plate.is_file() else (128, 72)
    take = shoot(tmp_path, plate, *options, "--movie", "prores422hq", count=COUNT, size=size)
    assert [exr_moment(take.header(number)) for number in take.numbers] == names(start, fps)
    assert {take.header(number)["framesPerSecond"] for number in take.numbers} == {fps}
    for file in ("result.mp4", "result.mov"):
        assert timecode_of(take.folder / file) == start
        assert rate_of(take.folder / file) == fps
    # A part of the clip begins later.
    part = shoot(tmp_path / "part", plate, *options, "--frames", "1004-1006", count=3, size=size)
    assert [exr_moment(part.header(number)) for number in part.numbers] == names(start, fps)[3:6]
    assert timecode_of(part.folder / "result.mp4") == names(start, fps)[3]


def sounding(path: Path, fps: Fraction, count: int) -> Path:
    write_movie(path, [GREY[:72, :128]] * count, MovieKind("libx264", "yuv420p", rate=fps, audio=48000), 8)
    return path


def heard(path: Path) -> NDArray[Any]:
    with av.open(str(path)) as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(24000, 1001), NTSC, 2 * NTSC])
def test_the_sound_of_a_take_is_that_of_its_frames(tmp_path: Path, fps: Fraction) -> None:
    plate = sounding(tmp_path / "plate.mov", fps, 12)
    options = ("--frames", "1004-1009", "--movie", "prores4444", "--audio")
    take = shoot(tmp_path, plate, *options, count=6)
    whole, part = heard(plate), heard(take.folder / "result.mov")
    assert abs(len(part) - 6 / fps * 48000) <= 1
    start = round(3 / fps * 48000)
    assert np.array_equal(part, whole[start : start + len(part)])
    assert rate_of(take.folder / "result.mov") == rate_of(take.folder / "result.mp4") == fps


def test_the_packets_of_aac_are_those_of_the_frames(tmp_path: Path) -> None:
    plate = sounding(tmp_path / "plate.mp4", Fraction(24), 24)
    for options, count in (((), 24), (("--frames", "1007-1018"), 12)):
        take = shoot(tmp_path, plate, *options, "--audio", count=count)
        with av.open(str(take.folder / "result.mp4")) as file:
            packets = [packet for packet in file.demux(file.streams.audio[0]) if packet.size]
            assert file.streams.audio[0].codec_context.name == "aac"
        assert abs(len(packets) * 1024 - count / 24 * 48000) <= 1024


@pytest.mark.shared
@needs_plates
@pytest.mark.parametrize("pattern", ["", "p.####.png", "p.%04d.png", "p.$F4.png", "p.@@@@.png", "p.[-4-4].png"])
def test_negative_numbers_by_every_name(tmp_path: Path, pattern: str) -> None:
    take = shoot(tmp_path, PLATES / "neg" / pattern, count=9)
    assert take.numbers == list(range(-4, 5))


@pytest.mark.shared
@needs_plates
def test_a_folder_of_two_formats_names_both_and_takes_either(tmp_path: Path) -> None:
    refused = shoot_or_refuse(tmp_path, PLATES / "exr_and_jpg", count=9)
    assert isinstance(refused, Refused)
    assert refused.code == 10
    assert "p.####.exr, p.####.jpg" in refused.message
    take = shoot(tmp_path, PLATES / "exr_and_jpg/p.####.exr", "--colour-space", "ACEScg", count=9)
    assert take.result(take.numbers[0]).dtype == np.float16
    small = shoot(tmp_path / "small", PLATES / "exr_and_jpg/p.####.jpg", count=9, size=(64, 36))
    assert small.result(small.numbers[0]).shape == (36, 64, 3)


def test_an_edit_list_is_no_rate_that_varies(tmp_path: Path) -> None:
    """Pictures are cut away at the beginning by the edit list of a clip whose frames are not stored in order."""
    path = tmp_path / "a.mp4"
    options = {"bf": "3", "g": "24", "x264-params": "b-adapt=0"}
    write_movie(path, [GREY[:72, :128]] * 16, MovieKind("libx264", "yuv420p", options=options), 8)
    data = path.read_bytes()
    at = data.index(b"elst") + 16
    later = (int.from_bytes(data[at : at + 4], "big") + 5 * 12288 // 24).to_bytes(4, "big")
    path.write_bytes(data[:at] + later + data[at + 4 :])
    with av.open(str(path)) as file:
        count = sum(1 for _ in file.decode(video=0))
    assert count < 16
    take = shoot(tmp_path, path, count=count)
    assert "varies" not in take.notes
    assert Fraction(take.record["fps"]) == rate_of(take.folder / "result.mp4") == 24
