# SPDX-License-Identifier: Apache-2.0
"""A take is found again without opening the others, and the index that tells where is never believed against them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ex4d.composite import take_index
from ex4d.composite.take import find_take
from ex4d.composite.take_index import INDEX_FILE, remember
from ex4d.protocol.seal import DONE_FILE
from ex4d.stages.cache import seal
from ex4d.system.progress import Silent

Opened = list[str]


def key_of(number: int) -> str:
    return f"{number:016x}"


def make_take(root: Path, number: int, key: str | None = None) -> Path:
    folder = root / f"v{number:03d}"
    folder.mkdir(parents=True)
    (folder / "result.png").write_bytes(b"a picture")
    seal(folder, {"stage": "take", "key": key or key_of(number)}, ["result.png"])
    return folder


@contextmanager
def opened_below(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Files below a folder that are opened meanwhile, by name."""
    found: Opened = []
    really = os.open

    def seen(path: Any, *args: Any, **options: Any) -> int:
        if isinstance(path, str | Path) and root in Path(path).parents:
            found.append(Path(path).relative_to(root).as_posix())
        return really(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", seen)
        yield found


@pytest.mark.parametrize("wanted", ["the last one", "none"])
def test_as_many_files_are_opened_among_200_takes_as_among_10(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    opened: list[Opened] = []
    for count in (10, 200):
        root = tmp_path / str(count)
        for number in range(1, count + 1):
            make_take(root, number)
        # An older shot has no index: each take is looked at once.
        with opened_below(root, monkeypatch) as at_first:
            find_take(root, key_of(999), Silent())
        assert sum(name.endswith(DONE_FILE) for name in at_first) == count
        key, found = (key_of(count), root / f"v{count:03d}") if wanted == "the last one" else (key_of(999), None)
        with opened_below(root, monkeypatch) as names:
            assert find_take(root, key, Silent()) == found
        opened.append([name.replace(f"v{count:03d}", "v") for name in names])
    assert opened[0] == opened[1]
    assert len(opened[1]) <= 8


def test_a_new_take_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        remember(make_take(tmp_path, number), key_of(number))
    with opened_below(tmp_path, monkeypatch) as names:
        assert find_take(tmp_path, key_of(2), Silent()) == tmp_path / "v002"
    assert not [name for name in names if name.startswith("v001")]


def _without_index(root: Path) -> None:
    (root / INDEX_FILE).unlink()


def _text(text: str) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        (root / INDEX_FILE).write_text(text)

    return write


def _wrong_key(root: Path) -> None:
    document = json.loads((root / INDEX_FILE).read_text())
    document["takes"]["v001"][0] = key_of(2)
    (root / INDEX_FILE).write_text(json.dumps(document))


@pytest.mark.parametrize(
    "harm",
    [
        _without_index,
        _text(""),
        _text("[]"),
        _text('{"version": 99, "takes": {}}'),
        _text('{"version": 1, "takes": {"../v001": ["0000000000000002", 1], "v002": [3], "v003": "x"}}'),
        _wrong_key,
    ],
)
def test_a_damaged_index_costs_nothing_but_time(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    for number in (1, 2):
        remember(make_take(tmp_path, number), key_of(number))
    harm(tmp_path)
    assert find_take(tmp_path, key_of(2), Silent()) == tmp_path / "v002"


def test_takes_that_come_go_and_change_places_are_noticed(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        remember(make_take(tmp_path, number), key_of(number))
    shutil.rmtree(tmp_path / "v001")
    assert find_take(tmp_path, key_of(1), Silent()) is None
    make_take(tmp_path, 7, key_of(70))
    assert find_take(tmp_path, key_of(70), Silent()) == tmp_path / "v007"
    (tmp_path / "v002").rename(tmp_path / "v008")
    (tmp_path / "v003").rename(tmp_path / "v002")
    assert find_take(tmp_path, key_of(2), Silent()) == tmp_path / "v008"
    assert find_take(tmp_path, key_of(3), Silent()) == tmp_path / "v002"
    assert sorted(json.loads((tmp_path / INDEX_FILE).read_text())["takes"]) == ["v002", "v007", "v008"]


def test_a_folder_that_becomes_a_take_later_is_found(tmp_path: Path) -> None:
    (tmp_path / "v001").mkdir()
    assert find_take(tmp_path, key_of(1), Silent()) is None
    shutil.rmtree(tmp_path / "v001")
    make_take(tmp_path / "elsewhere", 1)
    shutil.copytree(tmp_path / "elsewhere" / "v001", tmp_path / "v001")
    assert find_take(tmp_path, key_of(1), Silent()) == tmp_path / "v001"


def test_what_another_process_has_written_over_is_looked_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both read the index, then both write it: the first one's entry is lost, its take is not."""
    read = take_index._read
    before = read(tmp_path)
    monkeypatch.setattr(take_index, "_read", lambda _: before)
    for number in (1, 2):
        remember(make_take(tmp_path, number), key_of(number))
    monkeypatch.setattr(take_index, "_read", read)
    assert list(read(tmp_path)) == ["v002"]
    for number in (1, 2):
        assert find_take(tmp_path, key_of(number), Silent()) == tmp_path / f"v00{number}"
