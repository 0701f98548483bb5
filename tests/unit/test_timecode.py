# SPDX-License-Identifier: Apache-2.0
"""Time code names every frame once, drop-frame too."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ex4d.media.timecode import Timecode

NTSC = Fraction(30000, 1001)
RATES = [Fraction(24), Fraction(24000, 1001), Fraction(25), Fraction(30), NTSC, Fraction(50), 2 * NTSC]


@pytest.mark.parametrize("fps", RATES)
def test_ten_minutes_of_names(fps: Fraction) -> None:
    drop = fps in (NTSC, 2 * NTSC)
    start = Timecode.parse("09:55:00:00" if not drop else "09:50:00;00", fps)
    names = [str(start.later(index)) for index in range(600 * round(fps))]
    assert len(set(names)) == len(names)
    for index, name in enumerate(names):
        assert Timecode.parse(name, fps) == start.later(index)


def test_drop_frame_keeps_the_clock() -> None:
    start = Timecode.parse("00:00:00;00", NTSC)
    assert str(start.later(1800)) == "00:01:00;02"
    assert str(start.later(17982)) == "00:10:00;00"
    assert str(start.later(107892)) == "01:00:00;00"
    assert str(Timecode.parse("01:00:59;28", NTSC).later(2)) == "01:01:00;02"
    assert str(Timecode.parse("00:00:59;58", 2 * NTSC).later(2)) == "00:01:00;04"
    # An hour by name is an hour by the clock, to 4 ms.
    assert float(107892 / NTSC) == pytest.approx(3600, abs=0.01)


def test_midnight() -> None:
    assert str(Timecode.parse("23:59:59:23", Fraction(24)).later(1)) == "00:00:00:00"
    assert str(Timecode.parse("00:00:00:00", Fraction(25)).later(-1)) == "23:59:59:24"
    assert str(Timecode.parse("23:59:59;29", NTSC).later(1)) == "00:00:00;00"
    assert str(Timecode.parse("00:00:00;00", NTSC).later(-1)) == "23:59:59;29"


@pytest.mark.parametrize("text", ["", "1:2:3:4", "24:00:00:00", "00:60:00:00", "00:00:00:30", "00:01:00;00", "x"])
def test_no_time_code(text: str) -> None:
    with pytest.raises(ValueError, match=r"time code|left out"):
        Timecode.parse(text, NTSC)
