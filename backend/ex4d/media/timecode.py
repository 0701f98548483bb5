# SPDX-License-Identifier: Apache-2.0
"""SMPTE time code, ST 12-1: names of frames, counted at a whole number of frames per second.

At 29.97 and 59.94 frames per second a day's names would not fit its frames; drop-frame leaves names out (no frames):
the first two, or four, of each minute that is no multiple of ten.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

_TEXT = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;.,])(\d{2,3})")
_DROPPED = {30: 2, 60: 4}


@dataclass(frozen=True)
class Timecode:
    """The name of a frame.

    Attributes:
        number: frames since midnight, below a day's.
        base: frames that a second has by name: 24 for 23.976.
        drop: whether names are left out.
    """

    number: int
    base: int
    drop: bool = False

    @classmethod
    def parse(cls, text: str, fps: Fraction) -> Self:
        """ "hh:mm:ss:ff", or "hh:mm:ss;ff" for drop-frame, at a rate.

        Raises:
            ValueError: there is no such frame.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"«{text}» is no time code")
        hours, minutes, seconds, frames = (int(found[k]) for k in (1, 2, 3, 5))
        base, drop = round(fps), found[4] in ";,"
        if hours > 23 or minutes > 59 or seconds > 59 or frames >= base:
            raise ValueError(f"«{text}» is no time code at {base} frames per second")
        left_out = _DROPPED.get(base, 0) if drop else 0
        if left_out and minutes % 10 and seconds == 0 and frames < left_out:
            raise ValueError(f"«{text}» is left out by drop-frame")
        total = 60 * hours + minutes
        number = (60 * total + seconds) * base + frames - left_out * (total - total // 10)
        return cls(number, base, bool(left_out))

    def later(self, frames: int) -> Timecode:
        """The name of the frame so many frames later, or earlier; midnight follows the day's last frame."""
        day = 24 * 3600 * self.base - (_DROPPED[self.base] * 24 * 54 if self.drop else 0)
        return Timecode((self.number + frames) % day, self.base, self.drop)

    def __str__(self) -> str:
        number = self.number
        if self.drop:
            left_out = _DROPPED[self.base]
            minute, ten = 60 * self.base - left_out, 600 * self.base - 9 * left_out
            tens, rest = divmod(number, ten)
            # The first minute of ten has all its names.
            minutes = 0 if rest < 60 * self.base else 1 + (rest - 60 * self.base) // minute
            number += left_out * (9 * tens + minutes)
        seconds, frames = divmod(number, self.base)
        text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return f"{text}{';' if self.drop else ':'}{frames:02d}"
