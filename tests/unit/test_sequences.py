# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from ex4d.media.sequences import DEPTH_SUFFIXES, PLATE_SUFFIXES, find_sequence, format_ranges
from ex4d.protocol.errors import BadInputError
from ex4d.system.sequence_names import is_pattern


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()


def names(folder: Path, pattern: str = "", suffixes: tuple[str, ...] = PLATE_SUFFIXES) -> list[str]:
    return [path.name for path in find_sequence(folder / pattern, suffixes).paths]


def test_folder(tmp_path: Path) -> None:
    touch(tmp_path, "plate.1003.png", "plate.1001.png", "plate.1002.png", ".plate.1004.png", "poster.png", "notes.txt")
    found = find_sequence(tmp_path, PLATE_SUFFIXES)
    assert found.pattern == "plate.####.png"
    assert found.numbers == (1001, 1002, 1003)
    assert [path.name for path in found.paths] == ["plate.1001.png", "plate.1002.png", "plate.1003.png"]
    assert found.is_numbered
    assert found.gaps() == ()


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    touch(tmp_path, "f9.png", "f10.png", "f100.png")
    found = find_sequence(tmp_path, PLATE_SUFFIXES)
    assert found.numbers == (9, 10, 100)
    assert found.pattern == "f#.png"


def test_the_last_number_of_the_name_counts(tmp_path: Path) -> None:
    touch(tmp_path, "sh010_v2.1001.png", "sh010_v2.1002.png")
    assert find_sequence(tmp_path, PLATE_SUFFIXES).pattern == "sh010_v2.####.png"
    touch(tmp_path / "b", "0001_left.png", "0002_left.png")
    assert find_sequence(tmp_path / "b", PLATE_SUFFIXES).pattern == "####_left.png"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("p.####.png", ["p.1001.png", "p.10000.png"]),
        ("p.#.png", ["p.7.png", "p.1001.png", "p.10000.png"]),
        ("p.#####.png", ["p.10000.png"]),
        ("p.%04d.png", ["p.1001.png", "p.10000.png"]),
        ("p.%d.png", ["p.7.png", "p.1001.png", "p.10000.png"]),
        ("p.1001.png", ["p.7.png", "p.1001.png", "p.10000.png"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(tmp_path, "p.7.png", "p.1001.png", "p.10000.png", "q.1001.png", "p.1001.jpg", "p.1001.png.bak")
    assert names(tmp_path, pattern) == expected


def test_pattern_with_regular_expression_characters(tmp_path: Path) -> None:
    touch(tmp_path, "a+(b).01.png", "aab.01.png")
    assert names(tmp_path, "a+(b).##.png") == ["a+(b).01.png"]


def test_lone_image(tmp_path: Path) -> None:
    touch(tmp_path, "poster.png", "other.png")
    found = find_sequence(tmp_path / "poster.png", PLATE_SUFFIXES)
    assert (found.pattern, found.numbers, found.is_numbered) == ("poster.png", (0,), False)
    touch(tmp_path / "one", "only.jpg")
    assert names(tmp_path / "one") == ["only.jpg"]


def test_gaps_and_selection(tmp_path: Path) -> None:
    touch(tmp_path, *(f"p.{number}.png" for number in (1, 2, 5, 9)), "p.900000000000.png")
    found = find_sequence(tmp_path, PLATE_SUFFIXES)
    assert found.gaps() == (range(3, 5), range(6, 9), range(10, 900000000000))
    part = found.select(range(2, 9))
    assert part.numbers == (2, 5)
    assert [path.name for path in part.paths] == ["p.2.png", "p.5.png"]
    assert found.select(range(6, 7)).paths == ()


def test_format_ranges() -> None:
    assert format_ranges([range(3, 4)]) == "3"
    assert format_ranges([range(3, 5), range(7, 8)]) == "3-4, 7"
    many = [range(n, n + 2) for n in range(0, 40, 4)]
    assert format_ranges(many) == "0-1, 4-5, 8-9, 12-13, 16-17, 20-21 and 8 more"


def test_several_sequences_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "a.01.png", "a.02.png", "b.01.png", "a.01.jpg")
    with pytest.raises(BadInputError, match=r"holds 3 sequences: a\.##\.jpg, a\.##\.png, b\.##\.png") as caught:
        find_sequence(tmp_path, PLATE_SUFFIXES)
    assert "a.##.jpg" in caught.value.hint
    assert names(tmp_path, "a.##.png") == ["a.01.png", "a.02.png"]


def test_two_files_of_one_number(tmp_path: Path) -> None:
    touch(tmp_path, "p.1.png", "p.01.png", "p.2.png")
    with pytest.raises(BadInputError, match=r"two files for frame 1: p\.01\.png and p\.1\.png"):
        find_sequence(tmp_path, PLATE_SUFFIXES)
    assert names(tmp_path, "p.##.png") == ["p.01.png"]


def test_suffixes_restrict(tmp_path: Path) -> None:
    touch(tmp_path, "z.01.exr", "z.01.jpg", "z.02.EXR")
    assert names(tmp_path, "z.01.exr", DEPTH_SUFFIXES) == ["z.01.exr", "z.02.EXR"]
    with pytest.raises(BadInputError, match=r"not a \.exr or \.png or \.npy or \.npz file"):
        find_sequence(tmp_path / "z.01.jpg", DEPTH_SUFFIXES)
    with pytest.raises(BadInputError, match=r"not a \.png or \.jpg"):
        find_sequence(tmp_path / "z.##.psd", PLATE_SUFFIXES)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("missing", "missing does not exist"),
        ("missing.png", "does not exist"),
        ("empty", "holds no .png or .jpg"),
        ("unnumbered", "holds 2 images whose names have no frame number"),
        ("p.####.png", "No file matches"),
        ("gone/p.####.png", "No file matches"),
        ("p.##.##.png", "more than one place"),
        ("x" * 400 + ".png", "cannot be read"),
        ("nul\0.png", "null character"),
    ],
)
def test_unusable_paths(tmp_path: Path, target: str, message: str) -> None:
    touch(tmp_path / "empty", ".hidden.01.png")
    touch(tmp_path / "unnumbered", "a.png", "b.png")
    with pytest.raises(BadInputError, match=message) as caught:
        find_sequence(tmp_path / target, PLATE_SUFFIXES)
    assert caught.value.hint


def test_a_folder_is_not_a_frame(tmp_path: Path) -> None:
    touch(tmp_path, "p.01.png")
    (tmp_path / "p.02.png").mkdir()
    assert names(tmp_path) == ["p.01.png"]


FRAMES = (1001, 1002, 1003)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("sh010_{}_v02.png", "sh010_####_v02.png"),
        ("sh010.{}.1920x1080.png", "sh010.####.1920x1080.png"),
        ("sh_010_{}.png", "sh_010_####.png"),
        ("{}_sh010_4k.png", "####_sh010_4k.png"),
        ("2024_shot_f{}.png", "2024_shot_f####.png"),
        ("sh010_v{}.png", "sh010_v####.png"),
        ("plate-{}.png", "plate-####.png"),
        ("take1.5_{}_left2.png", "take1.5_####_left2.png"),
    ],
)
def test_the_number_is_where_the_files_differ(tmp_path: Path, name: str, pattern: str) -> None:
    touch(tmp_path, *(name.format(number) for number in FRAMES))
    for target in ("", name.format(1002), pattern):
        found = find_sequence(tmp_path / target, PLATE_SUFFIXES)
        assert (found.pattern, found.numbers, found.notes) == (pattern, FRAMES, ())


@pytest.mark.parametrize(
    ("name", "number", "noted"),
    [
        ("sh010_1001_v02.png", 1001, False),
        ("sh010.1001.1920x1080.png", 1001, False),
        ("sh_010_1001.png", 1001, True),
        ("v2.png", 2, False),
        ("1920x1080.png", 1080, True),
    ],
)
def test_the_number_of_a_lone_image(tmp_path: Path, name: str, number: int, noted: bool) -> None:
    touch(tmp_path, name)
    for target in ("", name):
        found = find_sequence(tmp_path / target, PLATE_SUFFIXES)
        assert found.numbers == (number,)
        assert bool(found.notes) is noted
        assert all(found.pattern in note for note in found.notes)


def test_versions_are_no_frames(tmp_path: Path) -> None:
    touch(tmp_path, "sh010_1001_v01.png", "sh010_1001_v02.png")
    with pytest.raises(BadInputError, match=r"2 sequences: sh010_####_v01\.png, sh010_####_v02\.png"):
        find_sequence(tmp_path, PLATE_SUFFIXES)
    assert names(tmp_path, "sh010_1001_v02.png") == ["sh010_1001_v02.png"]
    touch(tmp_path, "sh010_1002_v01.png", "sh010_1002_v02.png")
    assert names(tmp_path, "sh010_1001_v02.png") == ["sh010_1001_v02.png", "sh010_1002_v02.png"]


def test_shots_are_no_frames(tmp_path: Path) -> None:
    touch(tmp_path, "shot1_0001.png", "shot2_0001.png")
    with pytest.raises(BadInputError, match="holds 2 sequences"):
        find_sequence(tmp_path, PLATE_SUFFIXES)


def test_a_place_that_files_do_not_tell_is_asked_for(tmp_path: Path) -> None:
    layers = [f"render_{layer}_{frame:04d}.png" for layer in (1, 2, 3) for frame in (1, 2)]
    touch(tmp_path, *layers)
    with pytest.raises(BadInputError, match=r"2 places: render_1_####\.png, render_#_0001\.png") as caught:
        find_sequence(tmp_path / layers[0], PLATE_SUFFIXES)
    assert "render_1_####.png" in caught.value.hint
    with pytest.raises(BadInputError, match="3 sequences"):
        find_sequence(tmp_path, PLATE_SUFFIXES)
    assert names(tmp_path, "render_1_####.png") == layers[:2]
    assert names(tmp_path, "render_#_0001.png") == layers[::2]


@pytest.mark.parametrize("target", ["", "p.####.png", "p.-0002.png", "p.0000.png"])
def test_a_minus_is_a_sign(tmp_path: Path, target: str) -> None:
    touch(tmp_path, "p.-0002.png", "p.-0001.png", "p.0000.png", "p.0001.png")
    found = find_sequence(tmp_path / target, PLATE_SUFFIXES)
    assert (found.pattern, found.numbers) == ("p.####.png", (-2, -1, 0, 1))
    assert [path.name for path in found.paths] == ["p.-0002.png", "p.-0001.png", "p.0000.png", "p.0001.png"]


def test_a_minus_in_a_pattern_is_a_sign(tmp_path: Path) -> None:
    touch(tmp_path, "p.-0002.png", "p.-0001.png", "p.0000.png")
    assert find_sequence(tmp_path / "p.-####.png", PLATE_SUFFIXES).numbers == (-2, -1)


NUMBERS = [f"p.{number:04d}.png" for number in range(1001, 1010)]


@pytest.mark.parametrize(
    ("pattern", "first", "last"),
    [
        ("p.$F4.png", 1001, 1009),
        ("p.$F.png", 1001, 1009),
        ("p.@@@@.png", 1001, 1009),
        ("p.@.png", 1001, 1009),
        ("p.[1001-1009].png", 1001, 1009),
        ("p.[1003-1005].png", 1003, 1005),
        ("p.####.png 1001-1009", 1001, 1009),
        ("p.%04d.png 1002-1003", 1002, 1003),
        ("p.1004.png 1002-1003", 1002, 1003),
    ],
)
def test_habits_of_other_programs(tmp_path: Path, pattern: str, first: int, last: int) -> None:
    touch(tmp_path, *NUMBERS, "q.1001.png")
    assert names(tmp_path, pattern) == [f"p.{number}.png" for number in range(first, last + 1)]
    assert is_pattern(pattern) or pattern.startswith("p.1004.png")


@pytest.mark.parametrize("pattern", ["p.[-0002-0001].png", "p.[-2-1].png", "p.####.png -2-1"])
def test_ranges_may_be_negative(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "p.-0003.png", "p.-0002.png", "p.-0001.png", "p.0000.png", "p.0001.png", "p.0002.png")
    assert find_sequence(tmp_path / pattern, PLATE_SUFFIXES).numbers == (-2, -1, 0, 1)


def test_negative_numbers_without_padding(tmp_path: Path) -> None:
    touch(tmp_path, *(f"p.{number}.png" for number in range(-4, 5)))
    found = find_sequence(tmp_path, PLATE_SUFFIXES)
    assert found.numbers == tuple(range(-4, 5))
    assert found.pattern == "p.#.png"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("p.[1001-1020].png", "asks for the frames 1001 to 1020; the files have 1001 to 1009"),
        ("p.####.png 900-1002", "asks for the frames 900 to 1002"),
        ("p.####.png 1005-1002", "runs backwards"),
        ("p.[1005-1002].png", "runs backwards"),
    ],
)
def test_ranges_that_are_not_there(tmp_path: Path, pattern: str, message: str) -> None:
    touch(tmp_path, *NUMBERS)
    with pytest.raises(BadInputError, match=message):
        find_sequence(tmp_path / pattern, PLATE_SUFFIXES)


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    touch(tmp_path, "poster [1-2].png", "poster@2x.png")
    assert names(tmp_path, "poster [1-2].png") == ["poster [1-2].png"]
    assert not is_pattern("poster@2x.png")


def test_a_folder_of_several_formats_is_refused_with_the_choice(tmp_path: Path) -> None:
    touch(tmp_path, *NUMBERS, *(name.replace(".png", ".exr") for name in NUMBERS), ".DS_Store", "._p.1001.exr")
    with pytest.raises(BadInputError, match=r"2 sequences: p\.####\.exr, p\.####\.png") as caught:
        find_sequence(tmp_path, PLATE_SUFFIXES)
    assert "p.####.exr" in caught.value.hint
    assert len(names(tmp_path, "p.####.exr")) == 9


@pytest.mark.parametrize("target", ["", "a.1001.dng", "a.####.dng"])
def test_camera_raw_is_refused_by_name(tmp_path: Path, target: str) -> None:
    touch(tmp_path, "a.1001.dng", "a.1002.dng")
    with pytest.raises(BadInputError, match="camera raw, which is not read"):
        find_sequence(tmp_path / target, PLATE_SUFFIXES)
