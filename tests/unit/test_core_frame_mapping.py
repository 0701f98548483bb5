# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's frames and the numbers of a plate's files, without Blender."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from ex4d_blender.core import frame_mapping
from ex4d_blender.core.frame_mapping import StripTiming

from ex4d.media.sequences import PLATE_SUFFIXES, find_sequence
from ex4d.protocol.errors import BadInputError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plate.1001.png", ("plate.", 1001, 4, ".png")),
        ("000007.png", ("", 7, 6, ".png")),
        ("shot2_v003_b.exr", ("shot2_v", 3, 3, "_b.exr")),
        ("plate.-0004.png", ("plate.", -4, 4, ".png")),
        ("-000004.png", ("", -4, 6, ".png")),
        ("plate-0004.png", ("plate-", 4, 4, ".png")),
        ("plate.png", None),
    ],
)
def test_a_name_is_split_at_its_last_number(name: str, expected: tuple[str, int, int, str] | None) -> None:
    assert frame_mapping.split_number(name) == expected
    if expected is not None:
        head, number, digits, tail = expected
        assert frame_mapping.numbered_name(head, number, digits, tail) == name


def test_gaps_are_refused() -> None:
    frame_mapping.check_consecutive([-1, 0, 1], "The take")
    for numbers in ([], [1, 3], [2, 1], [1, 1]):
        with pytest.raises(BadInputError, match="The take has gaps"):
            frame_mapping.check_consecutive(numbers, "The take")


def test_the_number_is_what_the_files_differ_in(tmp_path: Path) -> None:
    names = [f"v2.{number:04d}.b7.png" for number in (1, 2, 3)]
    found = frame_mapping.sequence_pattern(tmp_path / names[0], names=names)
    assert found == (tmp_path / "v2.####.b7.png", 1)
    # A lone one counts by its last.
    assert frame_mapping.sequence_pattern(tmp_path / "a.1.b2.png") == (tmp_path / "a.1.b#.png", 2)
    assert frame_mapping.sequence_pattern(tmp_path / "still.png") == (tmp_path / "still.png", None)
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "v2.0009.b7.jpg").touch()
    assert frame_mapping.sequence_numbers(tmp_path / "v2.####.b7.png") == {1, 2, 3}
    assert frame_mapping.sequence_numbers(tmp_path / "gone" / "a.####.png") == set()


@pytest.mark.parametrize(
    ("name", "others", "pattern", "number"),
    [
        ("p.-0004.png", ["p.-0003.png", "p.0001.png"], "p.####.png", -4),
        ("p.10.png", ["p.9.png", "p.-9.png"], "p.#.png", 10),
        ("p-0004.png", ["p-0005.png"], "p-####.png", 4),
        ("sh010_1001_v02.png", [], "sh010_####_v02.png", 1001),
        ("sh010.1001.1920x1080.png", [], "sh010.####.1920x1080.png", 1001),
    ],
)
def test_numbers_are_found_as_the_backend_finds_them(
    tmp_path: Path, name: str, others: list[str], pattern: str, number: int
) -> None:
    for file in (name, *others):
        (tmp_path / file).touch()
    assert frame_mapping.sequence_pattern(tmp_path / name) == (tmp_path / pattern, number)
    found = find_sequence(tmp_path / name, PLATE_SUFFIXES)
    assert (found.pattern, frame_mapping.sequence_numbers(tmp_path / pattern)) == (pattern, set(found.numbers))


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("p.####.png", range(-2, 10)),
        ("p.%04d.png", range(-2, 10)),
        ("p.$F4.png", range(-2, 10)),
        ("p.@@@@.png", range(-2, 10)),
        ("p.-####.png", range(-2, 0)),
        ("p.[0003-0005].png", range(3, 6)),
        ("p.####.png -2-1", range(-2, 2)),
        ("p.0004.png 2-3", range(2, 4)),
    ],
)
def test_patterns_mean_what_they_mean_to_the_backend(tmp_path: Path, pattern: str, numbers: range) -> None:
    for number in range(-2, 10):
        (tmp_path / frame_mapping.numbered_name("p.", number, 4, ".png")).touch()
    assert frame_mapping.is_pattern(tmp_path / pattern)
    assert frame_mapping.sequence_numbers(tmp_path / pattern) == set(numbers)
    assert set(find_sequence(tmp_path / pattern, PLATE_SUFFIXES).numbers) == set(numbers)
    stem = frame_mapping.pattern_stem(pattern).rstrip(".-")
    assert stem == ("p.0004" if pattern.startswith("p.0004") else "p")


def test_a_file_that_is_called_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "shot #2.mp4").touch()
    assert not frame_mapping.is_pattern(tmp_path / "shot #2.mp4")
    assert frame_mapping.pattern_stem("shot #2.mp4") == "shot #2"
    for name in ("shot #2.png", "shot#0001.png", "a#b.0001.png"):
        (tmp_path / name).touch()
        assert frame_mapping.sequence_pattern(tmp_path / name)[0] == tmp_path / name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1001-1049", (1001, 1049)),
        (" 7 ", (7, 7)),
        ("-5--1", (-5, -1)),
        ("3 - 4", (3, 4)),
        ("", None),
        ("all", None),
        ("1-", None),
    ],
)
def test_a_range_as_it_is_typed(text: str, expected: tuple[int, int] | None) -> None:
    assert frame_mapping.closed_range(text) == expected


def test_the_longest_run() -> None:
    assert frame_mapping.longest_run([5, 1, 2, 9, 7, 8]) == (7, 9)
    assert frame_mapping.longest_run([4]) == (4, 4)
    assert frame_mapping.longest_run([]) is None
    assert frame_mapping.unbroken_around(5, {2, 4, 5, 6, 8}) == range(4, 7)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(24000, 1001), Fraction(60000, 1001), Fraction(25), Fraction(8)])
def test_rates_as_blender_keeps_them(fps: Fraction) -> None:
    whole, base = frame_mapping.split_fps(fps)
    assert abs(whole / base / float(fps) - 1) < 1e-9
    assert frame_mapping.joined_fps(whole, base) == fps
    assert frame_mapping.exact_fps(round(float(fps), 3)) == fps


@pytest.mark.parametrize(
    ("number", "offset", "shown", "start"),
    [
        (1001, 0, range(1001, 1011), 0),
        (1001, 3, range(1004, 1011), 0),
        # The clip has no picture in its first frames.
        (1001, -3, range(1001, 1011), 3),
        # The picture that the clip names is not the first of its files.
        (1005, -2, range(1003, 1011), 0),
    ],
)
def test_what_a_clip_shows(number: int, offset: int, shown: range, start: int) -> None:
    found = frame_mapping.clip_numbers("Clip", number, range(1001, 1011), offset)
    assert found.shown == shown
    assert found.text == f"{shown[0]}-{shown[-1]}"
    assert found.offset_to_first == start
    assert found.of_frame_one == number + offset


def test_a_clip_offset_beyond_its_file_shows_nothing() -> None:
    with pytest.raises(BadInputError, match="«Clip» is offset by 10 frames, and its file has 10"):
        frame_mapping.clip_numbers("Clip", 1001, range(1001, 1011), 10)


@pytest.mark.parametrize(("value", "expected"), [("1/2", 1), ("3/2", 2), ("5/2", 3), ("-1/2", 0), ("49/100", 0)])
def test_halves_go_up(value: str, expected: int) -> None:
    assert frame_mapping.round_half_up(Fraction(value)) == expected


def test_the_speed_is_told_by_the_length() -> None:
    speed = frame_mapping.playback_speed
    assert speed(100, 100, Fraction(30), Fraction(24)) == 1
    # 100 frames at 30 in a scene of 24: Blender cuts to 80, or to the next whole frame.
    assert speed(80, 100, Fraction(30), Fraction(24)) == Fraction(30, 24)
    assert speed(81, 100, Fraction(30), Fraction(24)) == Fraction(30, 24)
    assert speed(90, 100, Fraction(30), Fraction(24)) is None
    assert speed(80, 100, None, Fraction(24)) is None


def timing(begin: int = 10, length: int = 20, left: int | None = None, right: int | None = None) -> StripTiming:
    end = begin + length
    return StripTiming(begin, end, begin if left is None else left, end if right is None else right, 20, 1.0)


@pytest.mark.parametrize(
    ("strip", "indices", "start", "held"),
    [
        (timing(), range(20), 10, 0),
        (timing(left=13, right=25), range(3, 15), 13, 0),
        # Handles drawn out hold the ends.
        (timing(left=5, right=33), range(20), 10, 8),
    ],
)
def test_what_a_strip_shows(strip: StripTiming, indices: range, start: int, held: int) -> None:
    found = frame_mapping.shown_pictures("Strip", strip, Fraction(1))
    assert (found.indices, found.scene_start) == (indices, start)
    assert [str(held) in note for note in found.notes] == ([True] if held else [])


def test_a_faster_strip_shows_more_pictures_than_it_has_frames() -> None:
    found = frame_mapping.shown_pictures("Strip", StripTiming(0, 16, 4, 12, 20, 1.0), Fraction(5, 4))
    assert found.indices == range(5, 15)
    assert "plays 1.25 frames" in found.notes[0]
    # To its end it shows all that are left, whatever its length was cut to.
    assert frame_mapping.shown_pictures("Strip", StripTiming(0, 16, 4, 16, 21, 1.0), Fraction(5, 4)).indices[-1] == 20


def test_a_strip_cut_away_shows_nothing() -> None:
    with pytest.raises(BadInputError, match="«Strip» shows none"):
        frame_mapping.shown_pictures("Strip", timing(left=40, right=45), Fraction(1))


def test_strobe_is_said() -> None:
    assert "strobe" in frame_mapping.shown_pictures("S", StripTiming(0, 4, 0, 4, 4, 2.0), Fraction(1)).notes[0]
