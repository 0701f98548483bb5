# SPDX-License-Identifier: GPL-3.0-or-later
"""Shots as Blender keeps them: records, which scene frame shows what, what a take may be. Without Blender."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ex4d_blender.core import shot_rules
from ex4d_blender.core.shot_rules import LAST_FRAME, ShotTiming

from ex4d.camera import parse_preset
from ex4d.protocol.errors import BadInputError

RECORD: dict[str, Any] = {
    "shot": "/job/ex4d/street",
    "viewport": "/job/ex4d/street/cache/viewport-01",
    "source": "/job/ex4d/street/cache/mesh-01/source.json",
    "pivot": 3.0,
    "far": 12.0,
    "plate": {"fps": "24000/1001", "width": 96, "height": 64, "numbers": [1001, 1002, 1003], "sha256": "ab"},
}


def test_scene_frames_and_plate_frames() -> None:
    timing = ShotTiming(10, (1001, 1002, 1003))
    assert timing.frames == range(10, 13)
    assert timing.offset == -991
    assert [timing.number_at(frame) for frame in timing.frames] == [1001, 1002, 1003]
    assert [timing.frame_of(number) for number in timing.numbers] == [10, 11, 12]
    # Beyond the plate the count goes on.
    assert timing.number_at(0) == 991
    # Plates may begin before zero.
    assert ShotTiming(1, (-5, -4)).number_at(2) == -4


def test_chosen_frames_are_the_plates() -> None:
    timing = ShotTiming(10, (1001, 1002, 1003))
    assert timing.chosen_frames(11, 12) == ([11, 12], "1002-1003")
    assert timing.chosen_frames(10, 10) == ([10], "1001-1001")
    for first, last in ((9, 11), (11, 13), (12, 11)):
        with pytest.raises(BadInputError, match="not all within the plate's, 10-12"):
            timing.chosen_frames(first, last)


def test_a_range_is_clipped_to_the_plates_frames() -> None:
    timing = ShotTiming(10, (1001, 1002, 1003))
    assert list(timing.clipped_frames(5, 11)) == [10, 11]
    assert list(timing.clipped_frames(11, 99)) == [11, 12]
    assert list(timing.clipped_frames(0, 99)) == [10, 11, 12]
    assert not timing.clipped_frames(0, 9)
    assert not timing.clipped_frames(13, 20)


@pytest.mark.parametrize(
    ("wanted", "former", "expected"), [(None, None, 1001), (5, None, 5), (None, 7, 7), (5, 7, 5), (0, 7, 0)]
)
def test_where_a_plate_begins(wanted: int | None, former: int | None, expected: int) -> None:
    assert shot_rules.first_frame_of(wanted, former, [1001, 1002]) == expected


@pytest.mark.parametrize("wanted", [-1, LAST_FRAME - 1])
def test_a_plate_beyond_blenders_frames_is_refused(wanted: int) -> None:
    assert shot_rules.first_frame_of(LAST_FRAME - 2, None, [1, 2]) == LAST_FRAME - 2
    with pytest.raises(BadInputError, match="beyond what a Blender scene can show"):
        shot_rules.first_frame_of(wanted, None, [1, 2])


def test_a_whole_record() -> None:
    shot_rules.check_record(RECORD)


@pytest.mark.parametrize(
    "change",
    [
        {"shot": 5},
        {"viewport": None},
        {"source": None},
        {"pivot": 0},
        {"far": float("inf")},
        {"far": "far"},
        {"plate": None},
        {"plate": {**RECORD["plate"], "fps": "0"}},
        {"plate": {**RECORD["plate"], "fps": "1/0"}},
        {"plate": {**RECORD["plate"], "width": 0}},
        {"plate": {**RECORD["plate"], "numbers": []}},
        {"plate": {**RECORD["plate"], "numbers": ["1001"]}},
        {"plate": {**RECORD["plate"], "numbers": (1001,)}},
    ],
)
def test_a_record_that_lacks_something(change: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="lacks a value"):
        shot_rules.check_record({**RECORD, **change})


@pytest.mark.parametrize("text", ["{", "[1]", '{"plate": 5}', "5", "[" * 100_000, '{"shot": NaN}'])
def test_a_damaged_text_is_no_record(text: str) -> None:
    assert not shot_rules.is_whole_record(text)


def test_the_same_plate_is_known_by_its_content() -> None:
    elsewhere = {"plate": {"sha256": "ab", "path": "/other"}}
    assert shot_rules.is_same_plate(RECORD, elsewhere)
    assert not shot_rules.is_same_plate(RECORD, {"plate": {"sha256": "cd"}})
    assert not shot_rules.is_same_plate({"plate": {}}, {"plate": {}})


def test_a_moved_record_follows_with_what_lay_beside_it() -> None:
    moved = shot_rules.moved_record(RECORD, "/job/ex4d/street", Path("/new/street/cache/viewport-01"))
    assert moved["shot"] == "/new/street"
    assert moved["viewport"] == "/new/street/cache/viewport-01"
    assert moved["source"] == "/new/street/cache/mesh-01/source.json"
    assert RECORD["shot"] == "/job/ex4d/street"


def test_a_moved_record_takes_its_solve_along() -> None:
    told = {"kind": "moves", "lens": "known", "fov_deg": 54.0}
    record = {**RECORD, "source_camera": told, "solve": "/job/ex4d/street/cache/solve-01"}
    moved = shot_rules.moved_record(record, "/job/ex4d/street", Path("/new/street/cache/viewport-01"))
    assert moved["solve"] == "/new/street/cache/solve-01"
    assert shot_rules.is_whole_record(json.dumps(moved))
    assert not shot_rules.is_whole_record(json.dumps({**record, "source_camera": {**told, "kind": 5}}))
    assert not shot_rules.is_whole_record(json.dumps({**record, "solve": 5}))


def test_a_viewport_folder_alone_takes_nothing_along() -> None:
    moved = shot_rules.moved_record(RECORD, "/job/ex4d/street", Path("/new/copy"))
    assert moved == {**RECORD, "viewport": "/new/copy"}
    # A record of a folder that the viewport never lay in.
    moved = shot_rules.moved_record(RECORD, "/elsewhere", Path("/new/street/cache/viewport-01"))
    assert moved["shot"] == RECORD["shot"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({"path": "source"}, "orbit"),
        ({"path": "stabilise"}, "stabilise+orbit"),
        ({"path": "stabilise", "amount": 0.8, "level": True}, "stabilise:0.8,level+orbit"),
        ({"path": "stabilise", "seconds": 2.0}, "stabilise:2s+orbit"),
        ({"path": "lock", "level": True}, "lock+orbit"),
        ({"path": "lock", "frame": 1012}, "lock:1012+orbit"),
    ],
)
def test_a_path_of_the_menu_as_text(path: dict[str, Any], expected: str) -> None:
    text = shot_rules.on_path(shot_rules.path_text(**path), "orbit")
    assert text == expected
    parse_preset(text)


def test_how_large_a_take_can_be() -> None:
    shot_rules.check_take_size(16384, 8192)
    for size in ((16385, 16), (16384, 8193)):
        with pytest.raises(BadInputError, match=f"renders {size[0]}x{size[1]} pixels"):
            shot_rules.check_take_size(*size)


@pytest.mark.parametrize(
    ("move", "amount", "ease", "expected"),
    [
        ("orbit", None, None, "orbit"),
        ("orbit", 30.0, None, "orbit:30"),
        ("orbit", 0.25, "linear", "orbit:0.25,ease=linear"),
        ("dolly_in", None, "in_out", "dolly_in,ease=in_out"),
        ("hold", 30.0, "in", "hold,ease=in"),
        # The released EX-4D's paths take nothing else.
        ("180", 30.0, "in", "180"),
    ],
)
def test_a_move_of_the_menu_as_text(move: str, amount: float | None, ease: str | None, expected: str) -> None:
    text = shot_rules.move_text(move, amount=amount, ease=ease)
    assert text == expected
    parse_preset(text)


@pytest.mark.parametrize(
    ("numbers", "handles", "wanted", "start"),
    [
        (range(1001, 1010), (0, 0), None, 1001),
        # Scenes begin at 0: the first frame that is no handle lies at 1.
        (range(-4, 5), (0, 0), None, 1),
        (range(-4, 5), (2, 2), None, -1),
        (range(-2, 5), (2, 2), None, -2),
        (range(1001, 1010), (3, 3), -3, -3),
    ],
)
def test_scene_frame_of_plates_that_begin_early(
    numbers: range, handles: tuple[int, int], wanted: int | None, start: int
) -> None:
    assert shot_rules.first_frame_of(wanted, None, list(numbers), handles) == start


def test_handles_alone_may_lie_before_a_scene() -> None:
    with pytest.raises(BadInputError):
        shot_rules.first_frame_of(-4, None, list(range(1001, 1010)), (3, 3))
