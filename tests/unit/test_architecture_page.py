# SPDX-License-Identifier: Apache-2.0
"""docs/ARCHITECTURE.md names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
STOPS = re.findall(r"^\| \d+ \| `([\w/]+\.py):\d+` `(\w+)`", PAGE, re.M)
#: All functions that the page names with their lines.
NAMED = re.findall(r"`([\w/]+\.py):\d+` `(\w+)`", PAGE)


@pytest.mark.parametrize(("file", "function"), NAMED)
def test_each_stop_of_a_way_is_a_function(file: str, function: str) -> None:
    source = (ROOT / "backend" / "ex4d" / file).read_text(encoding="utf-8")
    assert re.search(rf"^ *def {function}\(", source, re.M)


def test_the_way_has_at_most_22_stops() -> None:
    assert 15 <= len(STOPS) <= 22


def test_every_file_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:[\w-]+/)+(?:[\w-]+\.\w+)?)`|(docs/[\w.-]+\.md)|\]\((images/[\w.]+)\)", PAGE))
    paths = {next(part for part in found if part) for found in named} - {"fill/NAME/"}
    places = (ROOT, ROOT / "backend" / "ex4d", ROOT / "ex4d_blender", ROOT / "docs")
    missing = [path for path in paths if not any((place / path).exists() for place in places)]
    assert [path for path in missing if "NAME" not in path] == []
