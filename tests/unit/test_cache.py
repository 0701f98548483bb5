# SPDX-License-Identifier: Apache-2.0
"""Stages and their cache."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import leftovers

from ex4d.cache import DONE_FILE, Stage, StageCache, claim, content_key, is_complete, remove_leftovers, seal
from ex4d.files import TEMP_PREFIX, host_name, temporary_sibling
from ex4d.processes import process_alive
from ex4d.progress import Progress, Silent
from ex4d.protocol.errors import TransientError


class Recorder(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def begin(self, stage: str, of: int | None) -> None:
        self.told.append(("begin", stage, of))

    def end(self, *, cached: bool = False) -> None:
        self.told.append(("end", cached))


class Letters(Stage):
    """Writes its text into a file and a folder; counts its runs."""

    name = "letters"
    version = 1

    def __init__(self, text: str, action: Callable[[Path], None] = lambda out: None) -> None:
        self.text = text
        self.action = action
        self.runs = 0

    def inputs(self) -> dict[str, Any]:
        return {"text": self.text}

    def run(self, out: Path, progress: Progress) -> None:
        self.runs += 1
        assert list(out.iterdir()) == []
        (out / "deep").mkdir()
        (out / "deep" / "a.txt").write_text(self.text)
        self.action(out)
        (out / "b.txt").write_text(self.text[::-1])


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    return StageCache(tmp_path / "cache")


@pytest.fixture
def dead_pid() -> int:
    """Id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_key_is_a_hash_of_the_content() -> None:
    assert content_key({"a": 1, "b": [2, 3]}) == content_key({"b": [2, 3], "a": 1})
    assert len(content_key({})) == 16
    different = [{"a": 1}, {"a": 1.5}, {"a": "1"}, {"a": [1]}, {"b": 1}, {"a": None}, {"a": 1, "b": None}, {}]
    assert len({content_key(document) for document in different}) == len(different)
    with pytest.raises(ValueError, match="JSON"):
        content_key({"a": math.nan})


def test_the_stage_key_covers_name_version_and_inputs() -> None:
    class Other(Letters):
        name = "other"

    class Newer(Letters):
        version = 2

    keys = {stage.key() for stage in (Letters("x"), Letters("y"), Other("x"), Newer("x"))}
    assert len(keys) == 4
    assert Letters("x").key() == Letters("x").key()


def test_a_stage_runs_once(cache: StageCache) -> None:
    stage, progress = Letters("abc"), Recorder()
    folder = cache.ensure(stage, progress)
    assert folder == cache.folder(stage) == cache.root / f"letters-{stage.key()}"
    assert (folder / "deep" / "a.txt").read_text() == "abc"
    assert cache.ensure(stage, progress) == folder
    assert stage.runs == 1
    assert progress.told == [("end", False), ("begin", "letters", None), ("end", True)]
    assert cache.ensure(Letters("abd"), progress) != folder
    assert leftovers(cache.root) == []


def test_the_seal_tells_what_it_was_made_from(cache: StageCache) -> None:
    done = json.loads((cache.ensure(Letters("abc"), Silent()) / DONE_FILE).read_text())
    assert (done["stage"], done["version"], done["inputs"]) == ("letters", 1, {"text": "abc"})
    assert done["files"] == {"b.txt": 3, "deep/a.txt": 3}
    assert done["seconds"] >= 0


def damage_truncate(folder: Path) -> None:
    (folder / "deep" / "a.txt").write_text("ab")


def damage_remove(folder: Path) -> None:
    (folder / "b.txt").unlink()


def damage_unseal(folder: Path) -> None:
    (folder / DONE_FILE).unlink()


def damage_half_seal(folder: Path) -> None:
    (folder / DONE_FILE).write_bytes((folder / DONE_FILE).read_bytes()[:-20])


def damage_wrong_seal(folder: Path) -> None:
    (folder / DONE_FILE).write_text('{"files": [1, 2]}')


def damage_binary_seal(folder: Path) -> None:
    (folder / DONE_FILE).write_bytes(b"\xff\xfe\x00")


def damage_empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def damage_file_in_place(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


DAMAGES = [
    damage_truncate,
    damage_remove,
    damage_unseal,
    damage_half_seal,
    damage_wrong_seal,
    damage_binary_seal,
    damage_empty,
    damage_file_in_place,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_output_is_done_anew(cache: StageCache, damage: Callable[[Path], None]) -> None:
    stage = Letters("abc")
    folder = cache.ensure(stage, Silent())
    assert is_complete(folder)
    damage(folder)
    assert not is_complete(folder)
    assert cache.ensure(stage, Silent()) == folder
    assert stage.runs == 2
    assert is_complete(folder)
    assert (folder / "deep" / "a.txt").read_text() == "abc"
    assert [path.name for path in cache.root.iterdir()] == [folder.name]


def test_a_seal_without_files_is_complete(tmp_path: Path) -> None:
    seal(tmp_path, {})
    assert is_complete(tmp_path)
    assert not is_complete(tmp_path / "not there")


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(1), MemoryError()])
def test_an_error_in_a_stage_leaves_nothing(cache: StageCache, error: BaseException) -> None:
    def fail(out: Path) -> None:
        raise error

    with pytest.raises(type(error)):
        cache.ensure(Letters("abc", fail), Silent())
    assert list(cache.root.iterdir()) == []
    good = Letters("abc")
    cache.ensure(good, Silent())
    assert good.runs == 1


def test_a_system_error_in_a_stage_gets_a_hint(cache: StageCache) -> None:
    def fail(out: Path) -> None:
        (out / "no" / "folder").write_text("x")

    with pytest.raises(TransientError, match=r"letters-[0-9a-f]+ cannot be written: No such file") as caught:
        cache.ensure(Letters("abc", fail), Silent())
    assert caught.value.hint
    assert list(cache.root.iterdir()) == []


def test_an_error_of_the_listener_stops_the_stage(cache: StageCache) -> None:
    class Stopper(Silent):
        def end(self, *, cached: bool = False) -> None:
            raise KeyboardInterrupt

    stage = Letters("abc")
    with pytest.raises(KeyboardInterrupt):
        cache.ensure(stage, Stopper())
    # The work itself was done.
    assert is_complete(cache.folder(stage))
    assert leftovers(cache.root) == []


def test_the_output_of_another_process_wins(cache: StageCache) -> None:
    """While a stage runs, another process finishes the same one."""

    def overtake(out: Path) -> None:
        StageCache(cache.root).ensure(winner, Silent())
        (cache.folder(winner) / "mark").touch()

    winner = Letters("abc")
    slow = Letters("abc", overtake)
    folder = cache.ensure(slow, Silent())
    assert (winner.runs, slow.runs) == (1, 1)
    assert (folder / "mark").exists()
    assert [path.name for path in cache.root.iterdir()] == [folder.name]


def test_a_finished_output_is_never_set_aside(cache: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process finishes just after this one has found nothing there."""
    stage, late = Letters("abc"), Letters("abc")
    folder = StageCache(cache.root).ensure(stage, Silent())
    (folder / "mark").touch()
    answers = iter([False])
    monkeypatch.setattr("ex4d.cache.is_complete", lambda path: next(answers, None) is None and is_complete(path))
    assert cache.ensure(late, Silent()) == folder
    assert (folder / "mark").exists()


def test_many_threads_want_the_same_stage(cache: StageCache) -> None:
    stages = [Letters("abc" * 1000) for _ in range(8)]
    barrier = threading.Barrier(len(stages))
    errors: list[BaseException] = []

    def work(stage: Letters) -> None:
        barrier.wait()
        try:
            assert (cache.ensure(stage, Silent()) / "b.txt").stat().st_size == 3000
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work, args=(stage,)) for stage in stages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [path.name for path in cache.root.iterdir()] == [cache.folder(stages[0]).name]


def test_claim(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    assert claim(tmp_path / "a", tmp_path / "final")
    assert not claim(tmp_path / "b", tmp_path / "final")
    assert (tmp_path / "final" / "file").read_text() == "a"
    assert (tmp_path / "b").exists()
    with pytest.raises(OSError, match=r"No such file|cannot find"):
        claim(tmp_path / "c", tmp_path / "other")


def left_behind(folder: Path, host: str, pid: int, name: str = "plate-0123") -> Path:
    path = folder / f"{TEMP_PREFIX}{host}-{pid}-0a1b2c3d-{name}"
    path.mkdir()
    (path / "frame.png").touch()
    return path


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path, dead_pid: int) -> None:
    left_behind(tmp_path, host_name(), dead_pid)
    file = tmp_path / f"{TEMP_PREFIX}{host_name()}-{dead_pid}-ffffffff-a-b.json"
    file.touch()
    assert remove_leftovers(tmp_path) == 2
    assert list(tmp_path.iterdir()) == []
    assert remove_leftovers(tmp_path) == 0
    assert remove_leftovers(tmp_path / "not there") == 0


def test_everything_else_is_kept(tmp_path: Path, dead_pid: int) -> None:
    kept = [
        left_behind(tmp_path, host_name(), os.getpid()),
        left_behind(tmp_path, "another_machine", dead_pid),
        left_behind(tmp_path, host_name() + "x", dead_pid),
        temporary_sibling(tmp_path / "mine"),
        tmp_path / ".tmp-of-somebody-else",
        tmp_path / ".tmp-",
        tmp_path / f"tmp-{host_name()}-{dead_pid}-0a1b2c3d-x",
    ]
    for path in kept[3:]:
        path.mkdir()
    assert remove_leftovers(tmp_path) == 0
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_live_process_of_somebody_else_counts_as_alive(tmp_path: Path, dead_pid: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    path = left_behind(tmp_path, host_name(), process.pid)
    assert process_alive(process.pid)
    assert remove_leftovers(tmp_path) == 0
    process.communicate(b"\n")
    assert not process_alive(process.pid)
    assert remove_leftovers(tmp_path) == 1
    assert not path.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells")
def test_a_process_that_nobody_collects_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout
        # Ended, and not yet asked about.
        process.stdout.read()
        end = time.monotonic() + 10
        while process_alive(process.pid):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert process.returncode is None


def test_process_alive(dead_pid: int) -> None:
    assert process_alive(os.getpid())
    assert process_alive(os.getppid())
    assert not process_alive(dead_pid)
    assert not process_alive(0)
    assert not process_alive(-1)
    assert not process_alive(10**30)
