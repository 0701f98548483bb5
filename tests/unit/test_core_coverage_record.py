# SPDX-License-Identifier: Apache-2.0
"""How much of a take's frames was seen, counted a few frames at a time."""

from __future__ import annotations

from ex4d_blender.core import coverage_record


def test_some_frames_leave_what_is_known_of_the_others() -> None:
    whole = coverage_record.merged("", (1001, 1002, 1003), (0.9, 0.8, 0.7), (0.0, 0.1, 0.2))
    assert coverage_record.parsed(whole) == ((1001, 1002, 1003), (0.9, 0.8, 0.7), (0.0, 0.1, 0.2))
    part = coverage_record.merged(whole, (1002,), (0.5,), (0.3,))
    assert coverage_record.parsed(part) == ((1001, 1002, 1003), (0.9, 0.5, 0.7), (0.0, 0.3, 0.2))
    # A full take does not count what no frame has in its view; that of the move holds.
    assert coverage_record.parsed(coverage_record.merged(part, (1003,), (0.6,))) == (
        (1001, 1002, 1003),
        (0.9, 0.5, 0.6),
        (0.0, 0.3, 0.2),
    )


def test_frames_of_which_less_is_known_are_added_without_it() -> None:
    some = coverage_record.merged("", (1005,), (0.4,), (0.1,))
    assert coverage_record.parsed(coverage_record.merged(some, (1001, 1002), (0.9, 0.8))) == (
        (1001, 1002, 1005),
        (0.9, 0.8, 0.4),
        (),
    )


def test_a_damaged_record_is_no_record() -> None:
    for text in ("{", "[]", '{"numbers": [1], "coverage": [2]}'):
        assert coverage_record.parse(coverage_record.merged(text, (7,), (0.5,))) == ((7,), (0.5,))
