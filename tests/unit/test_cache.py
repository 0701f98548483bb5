# SPDX-License-Identifier: Apache-2.0
"""Stages and their cache."""

from __future__ import annotations

import errno
import hashlib
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

import ex4d
from ex4d.protocol.errors import BadInputError, CancelledError, TransientError
from ex4d.protocol.identity import linux_start_ticks
from ex4d.protocol.seal import DamagedCacheError, read_seal
from ex4d.stages.cache import DONE_FILE, StageCache, claim, is_complete, seal
from ex4d.stages.stage import Part, PartOutput, Stage, content_key
from ex4d.stages.turn import TURN_PREFIX, turn
from ex4d.stages.work_folder import WorkFolder, remove_leftovers
from ex4d.system.files import TEMP_PREFIX, host_name, temporary_sibling
from ex4d.system.processes import process_alive, process_space
from ex4d.system.progress import Progress, Silent


class Recorder(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
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

    def run(self, out: Path, progress: Progress) -> list[str]:
        self.runs += 1
        assert list(out.iterdir()) == []
        (out / "deep").mkdir()
        (out / "deep" / "a.txt").write_text(self.text)
        self.action(out)
        (out / "b.txt").write_text(self.text[::-1])
        return ["deep/a.txt", "b.txt"]


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
    assert progress.told == [("begin", "letters", None), ("end", False), ("begin", "letters", None), ("end", True)]
    assert cache.ensure(Letters("abd"), progress) != folder
    assert leftovers(cache.root) == []


def test_the_seal_tells_what_it_was_made_from(cache: StageCache) -> None:
    done = json.loads((cache.ensure(Letters("abc"), Silent()) / DONE_FILE).read_text())
    assert (done["stage"], done["version"], done["inputs"]) == ("letters", 1, {"text": "abc"})
    assert done["files"] == {"b.txt": 3, "deep/a.txt": 3}
    assert done["seconds"] >= 0
    assert done["hashes"] == {
        "b.txt": hashlib.blake2b(b"cba", digest_size=16).hexdigest(),
        "deep/a.txt": hashlib.blake2b(b"abc", digest_size=16).hexdigest(),
    }


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


def test_a_seal_without_files_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was written"):
        seal(tmp_path, {}, [])
    (tmp_path / DONE_FILE).write_text('{"files": {}}')
    assert not is_complete(tmp_path)
    assert not is_complete(tmp_path / "not there")


def test_files_that_vanish_while_a_stage_runs_are_not_sealed_without(cache: StageCache) -> None:
    stage = Letters("abc", lambda out: (out / "deep" / "a.txt").unlink())
    with pytest.raises(TransientError, match="vanished"):
        cache.ensure(stage, Silent())
    assert list(cache.root.iterdir()) == []


def flip(path: Path, place: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["b.txt", "deep/a.txt"])
def test_a_byte_changed_in_place_is_found_by_whoever_reads(cache: StageCache, name: str) -> None:
    folder = cache.ensure(Letters("abc"), Silent())
    again = StageCache(cache.root)
    again.check(folder)
    flip(folder / name)
    assert is_complete(folder)
    with pytest.raises(DamagedCacheError, match=name) as caught:
        read_seal(folder).read(name)
    assert (caught.value.folder, caught.value.name) == (folder, name)
    with pytest.raises(DamagedCacheError):
        again.check(folder)
    again.check(folder, ["other/"])


def test_a_damaged_stage_is_done_anew_once_with_a_note(cache: StageCache) -> None:
    notes: list[str] = []

    class Notes(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    stage, other = Letters("abc"), Letters("other")

    def work() -> bytes:
        cache.ensure(other, Notes())
        return read_seal(cache.ensure(stage, Notes())).read("b.txt")

    folder = cache.folder(stage)
    assert cache.heal(work, Notes()) == b"cba"
    flip(folder / "b.txt")
    assert cache.heal(work, Notes()) == b"cba"
    assert (stage.runs, other.runs) == (2, 1)
    assert notes == [f"What the shot had kept was damaged (cache/{folder.name}/b.txt) and is made anew."]
    assert [path.name for path in cache.root.iterdir() if path.name.startswith(".")] == []


def test_what_is_damaged_again_is_an_error(cache: StageCache) -> None:
    stage = Letters("abc")

    def work() -> None:
        folder = cache.ensure(stage, Silent())
        flip(folder / "b.txt")
        read_seal(folder).read("b.txt")

    with pytest.raises(TransientError, match=r"b\.txt is damaged again, just after it was made anew") as caught:
        cache.heal(work, Silent())
    assert type(caught.value) is TransientError
    assert "disk" in caught.value.hint
    assert stage.runs == 2


def test_what_another_process_has_made_anew_meanwhile_stays(cache: StageCache) -> None:
    stage = Letters("abc")
    folder, tries = cache.ensure(stage, Silent()), []

    def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            (folder / "mark").touch()
            raise DamagedCacheError(folder, "b.txt")

    cache.heal(work, Silent())
    assert (folder / "mark").exists()


def test_a_newer_seal_is_refused_and_kept(cache: StageCache) -> None:
    stage = Letters("abc")
    folder = cache.ensure(stage, Silent())
    done = json.loads((folder / DONE_FILE).read_text())
    (folder / DONE_FILE).write_text(json.dumps({**done, "seal": 3}))
    with pytest.raises(BadInputError, match=r"done\.json was made by a newer version of EX-4D"):
        cache.ensure(stage, Silent())
    assert (folder / "b.txt").exists()
    assert stage.runs == 1


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "", "deep/../../outside"])
def test_a_seal_that_names_files_elsewhere_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / DONE_FILE).write_text(json.dumps({"files": {name: 1}}))
    with pytest.raises(DamagedCacheError):
        read_seal(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, "null", '{"files": {"a": "1"}}', '{"files": {"a": 1}, "seal": 2}'])
def test_a_seal_that_says_nothing_right_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / DONE_FILE).write_text(text)
    assert not is_complete(tmp_path)


def test_each_digit_of_a_seal_counts(cache: StageCache) -> None:
    """Any one changed character is found, or says the same."""
    folder = cache.ensure(Letters("abc"), Silent())
    data = (folder / DONE_FILE).read_bytes()
    good = read_seal(folder)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        (folder / DONE_FILE).write_bytes(changed)
        try:
            assert read_seal(folder) == good, place
        except (DamagedCacheError, BadInputError):
            continue


def test_a_seal_of_sizes_gets_hashes_at_first_use_for_good(cache: StageCache) -> None:
    folder = cache.ensure(Letters("abc"), Silent())
    done = json.loads((folder / DONE_FILE).read_text())
    earlier = {name: value for name, value in done.items() if name not in ("seal", "hashes", "checksum")}
    (folder / DONE_FILE).write_text(json.dumps(earlier))
    again = StageCache(cache.root)
    stage = Letters("abc")
    assert again.ensure(stage, Silent()) == folder
    assert stage.runs == 0
    again.check(folder)
    noted = json.loads((folder / DONE_FILE).read_text())
    assert (noted["hashes"], noted["hashed"], noted["inputs"]) == (done["hashes"], "later", done["inputs"])
    flip(folder / "b.txt")
    with pytest.raises(DamagedCacheError):
        again.check(folder)


def test_the_inputs_of_a_stage_are_found_out_once(cache: StageCache) -> None:
    class Counted(Letters):
        asked = 0

        def inputs(self) -> dict[str, Any]:
            self.asked += 1
            return super().inputs()

    stage = Counted("abc")
    cache.ensure(stage, Silent())
    cache.ensure(stage, Silent())
    assert stage.asked == 1


def test_a_folder_that_may_not_be_read_is_no_damage(cache: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Letters("abc")
    folder = cache.ensure(stage, Silent())

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("ex4d.protocol.seal.read_ours", refuse)
    with pytest.raises(TransientError, match=r"cannot be read: Permission denied") as caught:
        cache.heal(lambda: cache.ensure(stage, Silent()), Silent())
    assert not isinstance(caught.value, DamagedCacheError)
    assert folder.exists()
    assert stage.runs == 1


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


def test_a_signal_that_comes_as_the_work_folder_is_made_leaves_none(
    cache: StageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.mkdir

    def stopped(path: Path, *args: Any, **options: Any) -> None:
        real(path, *args, **options)
        if path.name.startswith(TEMP_PREFIX):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", stopped)
    with pytest.raises(KeyboardInterrupt):
        cache.ensure(Letters("abc"), Recorder())
    assert list(cache.root.iterdir()) == []


def test_parts_survive_a_signal_that_comes_as_they_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = f"toy-{'0' * 16}"
    first = WorkFolder(tmp_path, label, {})
    first.open()
    (first.path / "a.txt").write_text("abc")
    first.seal_part(PartOutput(Part(0, 1), ("a.txt",), {}))
    first.give_up()

    def stopped(_self: WorkFolder) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "_take_over", stopped)
        second = WorkFolder(tmp_path, label, {})
        with pytest.raises(KeyboardInterrupt):
            second.open()
        second.give_up()
    third = WorkFolder(tmp_path, label, {})
    third.open()
    assert [output.part for output in third.done.values()] == [Part(0, 1)]
    assert (third.path / "a.txt").read_text() == "abc"


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


def without_locks(*_: object) -> bool:
    raise OSError(errno.ENOLCK, "No locks available")


def test_the_output_of_another_process_wins(cache: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a stage runs, another process finishes the same one, where neither can wait for the other."""
    monkeypatch.setattr("ex4d.stages.turn.try_lock", without_locks)

    def overtake(out: Path) -> None:
        StageCache(cache.root).ensure(winner, Silent())
        (cache.folder(winner) / "mark").touch()

    winner = Letters("abc")
    slow = Letters("abc", overtake)
    folder = cache.ensure(slow, Silent())
    assert (winner.runs, slow.runs) == (1, 1)
    assert (folder / "mark").exists()
    assert [path.name for path in cache.root.iterdir()] == [folder.name]


class Waiting(Silent):
    """Hears of waiting; may stop it."""

    def __init__(self, *, stops: bool = False) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.stops = stops

    def note(self, text: str) -> None:
        self.notes.append(text)

    def check(self) -> None:
        if self.stops and self.notes:
            raise CancelledError


def test_who_comes_second_waits_and_makes_nothing(cache: StageCache) -> None:
    begun, go = threading.Event(), threading.Event()

    def slowly(_out: Path) -> None:
        begun.set()
        assert go.wait(30)

    first, second, other = Letters("abc", slowly), Letters("abc"), Letters("xyz")
    thread = threading.Thread(target=cache.ensure, args=(first, Silent()))
    thread.start()
    assert begun.wait(30)
    # Another stage waits for nobody.
    cache.ensure(other, Silent())
    with pytest.raises(CancelledError):
        cache.ensure(second, Waiting(stops=True))
    progress = Waiting()
    threading.Timer(0.3, go.set).start()
    folder = StageCache(cache.root).ensure(second, progress)
    thread.join()
    assert (first.runs, second.runs, other.runs) == (1, 0, 1)
    assert len(progress.notes) == 1
    assert {path.name for path in cache.root.iterdir()} == {folder.name, cache.folder(other).name}


def test_a_turn_that_was_left_goes_and_one_that_is_taken_stays(cache: StageCache) -> None:
    cache.root.mkdir(parents=True)
    (cache.root / f"{TURN_PREFIX}letters-left").touch()
    with turn(cache.root, "letters-taken", Silent()):
        assert remove_leftovers(cache.root) == 0
        assert [path.name for path in cache.root.iterdir()] == [f"{TURN_PREFIX}letters-taken"]
    assert list(cache.root.iterdir()) == []


def test_who_waits_goes_on_when_the_first_one_fails_or_dies(cache: StageCache) -> None:
    stage = Letters("abc")
    code = f"""
import sys, time
from pathlib import Path
from ex4d.stages.turn import turn
from ex4d.system.progress import Silent
with turn(Path({str(cache.root)!r}), {cache.folder(stage).name!r}, Silent()):
    print("mine", flush=True)
    time.sleep(60)
"""
    cache.root.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"mine\n"
    progress = Waiting()
    threading.Timer(0.3, process.kill).start()
    folder = cache.ensure(stage, progress)
    process.wait()
    process.stdout.close()
    assert stage.runs == 1
    assert len(progress.notes) == 1
    assert [path.name for path in cache.root.iterdir()] == [folder.name]


def test_a_finished_output_is_never_set_aside(cache: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process finishes just after this one has found nothing there."""
    stage, late = Letters("abc"), Letters("abc")
    folder = StageCache(cache.root).ensure(stage, Silent())
    (folder / "mark").touch()
    answers = iter([False])
    monkeypatch.setattr("ex4d.stages.cache.is_complete", lambda path: next(answers, None) is None and is_complete(path))
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
    assert sum(stage.runs for stage in stages) == 1
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


def left_behind(folder: Path, owner: str, name: str = "plate-0123", days: float = 0) -> Path:
    """A temporary folder of that owner, last written to so many days ago."""
    path = folder / f"{TEMP_PREFIX}{owner}-0a1b2c3d-{name}"
    path.mkdir()
    (path / "frame.png").touch()
    then = time.time() - days * 24 * 3600
    for item in (path / "frame.png", path):
        os.utime(item, (then, then))
    return path


def test_leftovers_of_dead_processes_are_removed(tmp_path: Path, dead_pid: int) -> None:
    left_behind(tmp_path, f"{process_space()}.{dead_pid}.123")
    # The number was given away again.
    left_behind(tmp_path, f"{process_space()}.{os.getpid()}.123", "b")
    (tmp_path / f"{TEMP_PREFIX}{process_space()}.{dead_pid}.x-ffffffff-a-b.json").touch()
    assert remove_leftovers(tmp_path) == 3
    assert list(tmp_path.iterdir()) == []
    assert remove_leftovers(tmp_path) == 0
    assert remove_leftovers(tmp_path / "not there") == 0


def test_everything_else_is_kept(tmp_path: Path, dead_pid: int) -> None:
    kept = [
        left_behind(tmp_path, f"{process_space()}.{os.getpid()}.{linux_start_ticks(os.getpid()) or 'x'}", days=99),
        # In another container, on another machine or before a restart: nobody here can tell.
        left_behind(tmp_path, f"01234567.{dead_pid}.123", days=6),
        # Of versions that knew host and process only.
        left_behind(tmp_path, f"{host_name()}-{dead_pid}", days=6),
        left_behind(tmp_path, f"{host_name()}-{os.getpid()}", days=99),
        left_behind(tmp_path, f"another_machine-{dead_pid}", days=99),
        temporary_sibling(tmp_path / "mine"),
        tmp_path / ".tmp-of-somebody-else",
        tmp_path / ".tmp-",
        tmp_path / f"tmp-{host_name()}-{dead_pid}-0a1b2c3d-x",
    ]
    for path in kept[5:]:
        path.mkdir()
    assert remove_leftovers(tmp_path) == 0
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_what_nobody_has_touched_for_a_week_goes(tmp_path: Path, dead_pid: int) -> None:
    left_behind(tmp_path, f"01234567.{dead_pid}.123", days=8)
    left_behind(tmp_path, f"{host_name()}-{dead_pid}", days=8)
    # One file in it was written to since.
    kept = left_behind(tmp_path, f"01234567.{dead_pid}.124", days=8)
    (kept / "late.png").touch()
    os.utime(kept, (0, 0))
    assert remove_leftovers(tmp_path) == 2
    assert list(tmp_path.iterdir()) == [kept]


def test_a_live_process_of_somebody_else_counts_as_alive(tmp_path: Path) -> None:
    code = "import sys; from ex4d.system.files import temporary_sibling as t; from pathlib import Path;"
    code += "p = t(Path(sys.argv[1]));"
    code += "p.mkdir(); print(p, flush=True); input()"
    environment = {**os.environ, "PYTHONPATH": str(Path(ex4d.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "x")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True,
    )  # fmt: skip
    assert process.stdout
    path = Path(process.stdout.readline().strip())
    assert process_alive(process.pid)
    assert remove_leftovers(tmp_path) == 0
    process.communicate("\n")
    assert remove_leftovers(tmp_path) == 1
    assert not path.exists()


def _may_unshare() -> bool:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    return shutil.which("unshare") is not None and subprocess.call(command) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="process namespaces are Linux's")
def test_a_process_in_another_container_deletes_nothing(tmp_path: Path) -> None:
    if not _may_unshare():
        pytest.skip("no right to make a process namespace")
    path = temporary_sibling(tmp_path / "live")
    path.mkdir()
    code = (
        "import sys, pathlib; from ex4d.stages.work_folder import remove_leftovers as remove;"
        " print(remove(pathlib.Path(sys.argv[1])))"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(ex4d.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "0\n"
    assert path.exists()


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
