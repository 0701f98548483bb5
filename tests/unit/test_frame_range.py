# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from ex4d.plate import FrameRange
from ex4d.protocol.errors import UsageError
from ex4d.protocol.values import padded_number


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("1001-1049", 1001, 1050),
        ("1001", 1001, 1002),
        ("1001-", 1001, None),
        ("0-0", 0, 1),
        (" 7 - 9 ", 7, 10),
        ("0001-0010", 1, 11),
        ("-4-4", -4, 5),
        ("-4--1", -4, 0),
        (" -4 - -1 ", -4, 0),
        ("-5", -5, -4),
        ("-5-", -5, None),
    ],
)
def test_parse(text: str, start: int, stop: int | None) -> None:
    assert FrameRange.parse(text) == FrameRange(start, stop)


@pytest.mark.parametrize(
    "text",
    ["", "-", "--5", "-5---3", "a", "1001-1049-1050", "1..5", "1001-x", "\u0661\u0660-\u0662\u0660", "1.5", "9" * 30],
)
def test_bad_text(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        FrameRange.parse(text)
    assert "1001-1049" in caught.value.hint


def test_backwards_text_offers_the_right_one() -> None:
    with pytest.raises(UsageError, match="1049-1001 runs backwards") as caught:
        FrameRange.parse("1049-1001")
    assert "1001-1049" in caught.value.hint


@pytest.mark.parametrize("text", ["1001-1049", "1001", "1001-", "-4-4", "-4--1", "-4", "-4-"])
def test_text_round_trip(text: str) -> None:
    assert str(FrameRange.parse(text)) == text


def test_contains_is_half_open() -> None:
    closed = FrameRange(1001, 1003)
    assert [number in closed for number in range(1000, 1005)] == [False, True, True, False, False]
    assert 10**9 in FrameRange(5)
    assert 4 not in FrameRange(5)


@pytest.mark.parametrize(("start", "stop"), [(5, 5), (5, 4), (-1, -1), (-1, -4)])
def test_empty_ranges_cannot_be_made(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="is empty"):
        FrameRange(start, stop)


@pytest.mark.parametrize(("number", "text"), [(7, "0007"), (12345, "12345"), (-4, "-0004"), (-12345, "-12345")])
def test_the_sign_counts_for_no_digit(number: int, text: str) -> None:
    assert padded_number(number, 4) == text
