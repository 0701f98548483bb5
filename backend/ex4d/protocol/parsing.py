# SPDX-License-Identifier: Apache-2.0
"""Numbers and JSON that come from outside, read so that no text can hang, exhaust or surprise the program."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any, NoReturn

_FRACTION = re.compile(r"-?[0-9]{1,18}(\.[0-9]{0,18}|/[0-9]{1,18})?")


def fraction_from(value: object) -> Fraction:
    """An exact number from ``24``, ``"23.976"`` or ``"24000/1001"``.

    ``Fraction`` itself takes exponents and would compute for days over «1e999999999», deaf to signals.

    Raises:
        ValueError: it is none of these, or divided by zero.
    """
    if isinstance(value, Fraction):
        return value
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _FRACTION.fullmatch(text):
        raise ValueError(f"{str(value)[:40]!r} is no number")
    try:
        return Fraction(text)
    except ZeroDivisionError:
        raise ValueError(f"{text} divides by zero") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def parse_json(data: bytes | str) -> Any:
    """A JSON document; bytes may be UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        ValueError: it is none: damaged, NaN or Infinity in it, or nested too deeply.
    """
    try:
        if isinstance(data, str):
            # A mark that was decoded along with the text.
            data = data.removeprefix("\ufeff")
        return json.loads(data, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
