# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the command line, checked as they are read."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path


def number_in(low: float, high: float) -> Callable[[str], float]:
    """A number of the command line, from ``low`` to ``high``: what the .blend's property takes."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"«{text}» is no number from {low:g} to {high:g}")
        return value

    return parse


def whole_in(low: int, high: int) -> Callable[[str], int]:
    """A whole number of the command line, as ``number_in``."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"«{text}» is no whole number from {low} to {high}")
        return int(text)

    return parse


def filled_text(text: str) -> str:
    """A name that is given: an empty one is a script's variable that was never set, not the choice of the .blend."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return text


def file_path(text: str) -> Path:
    """A path that is given: an empty one would mean the current folder."""
    return Path(filled_text(text))
