# SPDX-License-Identifier: Apache-2.0
"""Killed, stopped, doubled and starved processes: the same command again ends with the result of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import STILL, Outcome, finish, leftovers, make_plate, start

from ex4d.composite import existing_takes
from ex4d.composite.take_index import INDEX_FILE
from ex4d.stages.cache import is_complete
from ex4d.stages.turn import TURN_PREFIX

STAGES = ["plate", "depth", "mesh", "raster", "fill", "composite"]
CAMERA = "orbit:15"
PAGE = 4096

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


def command(plate: Path, shot: Path) -> list[object]:
    return ["run", plate, "--cam", CAMERA, *STILL, "--raster", "embree", "--out", shot, "--json"]


def run(plate: Path, shot: Path) -> Outcome:
    return finish(start(*command(plate, shot)))


def delivered(take: Path) -> dict[str, Any]:
    """Everything of a take that must be the same in every run: pictures, movie and trajectory as bytes, the record."""
    parts: dict[str, Any] = {
        path.relative_to(take).as_posix(): path.read_bytes()
        for path in take.rglob("*")
        if path.is_file() and path.name not in ("take.json", "done.json")
    }
    record = json.loads((take / "take.json").read_text())
    assert record.pop("created")
    return parts | {"record": record}


class Undisturbed:
    """The result that every disturbed run is held against, and how long it took."""

    def __init__(self, folder: Path) -> None:
        self.plate, self.shot = make_plate(folder / "plate.mp4"), folder / "shot"
        began = time.monotonic()
        outcome = run(self.plate, self.shot)
        self.seconds = time.monotonic() - began
        assert outcome.ran() == STAGES
        self.takes = delivered(Path(outcome.result["takes"][0]["folder"]))
        assert len(self.takes) == 3 * 8 + 3

    def copy_stages(self, stages: list[str], shot: Path) -> None:
        """Make a shot in which these stages are done."""
        for folder in (self.shot / "cache").iterdir():
            if folder.name.split("-")[0] in stages:
                shutil.copytree(folder, shot / "cache" / folder.name)

    def pages(self, stage: str) -> int:
        """Bytes that a stage's output takes on a disk."""
        (folder,) = (
            (self.shot / "takes").glob("v*") if stage == "composite" else (self.shot / "cache").glob(f"{stage}-*")
        )
        return sum(-(-path.stat().st_size // PAGE) * PAGE for path in folder.rglob("*") if path.is_file())

    def check(self, shot: Path, outcome: Outcome) -> None:
        """Check that a shot holds this result once, and nothing half-written."""
        assert outcome.code == 0, outcome.out + outcome.err
        assert outcome.result["takes"][0]["folder"] == str(shot / "takes" / "v001")
        assert [path.name for path in (shot / "takes").glob("v*")] == ["v001"]
        assert delivered(shot / "takes" / "v001") == self.takes
        check_whole(shot)


def check_whole(shot: Path) -> None:
    """Check that nothing half-written is in a shot, under whatever name."""
    assert leftovers(shot) == []
    for folder in (shot / "cache", shot / "takes"):
        for path in folder.iterdir() if folder.is_dir() else ():
            # A signal may come between any two steps: an empty file of a lock is removed by the next run.
            is_lock = path.name.startswith(TURN_PREFIX) and path.stat().st_size == 0
            assert path.name == INDEX_FILE or is_lock or is_complete(path), path
    if (shot / "shot.json").exists():
        assert json.loads((shot / "shot.json").read_text())["format"] == "ex4d-shot"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))


def wait_for(process: subprocess.Popen[str], wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Read events until the wanted one."""
    assert process.stdout is not None
    for line in process.stdout:
        if wanted(json.loads(line)):
            return
    pytest.fail(f"the process ended first: {process.communicate()}")


def final_names(shot: Path) -> set[str]:
    return {path.name.split("-")[0] for path in (shot / "cache").glob("[!.]*")} | set(existing_takes(shot / "takes"))


def test_two_runs_give_the_same_bytes(undisturbed: Undisturbed, tmp_path: Path) -> None:
    undisturbed.check(tmp_path / "shot", run(undisturbed.plate, tmp_path / "shot"))


def test_killed_at_every_stage_boundary(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """One shot; each run is killed a boundary later than the one before, and does nothing that was done before."""
    shot = tmp_path / "shot"
    seals: dict[Path, int] = {}
    for done, (stage, event) in enumerate((stage, event) for stage in STAGES for event in ("begin", "end")):
        process = start(*command(undisturbed.plate, shot))
        wait_for(process, lambda e, at=(event, stage): (e["event"], e.get("stage")) == at)
        process.kill()
        killed = finish(process)
        if (stage, event) != (STAGES[-1], "end"):  # nothing is left to do then, so the kill may come late
            assert killed.code not in (0, 30)
            assert '"done"' not in killed.out
        finished = STAGES[: (done + 1) // 2]
        assert final_names(shot) >= {"v001" if name == "composite" else name for name in finished}
        seals = {path: path.stat().st_mtime_ns for path in shot.glob("*/*/done.json")} | seals
    assert len(seals) == len(STAGES)
    again = run(undisturbed.plate, shot)
    assert again.ran() == []
    assert {path: path.stat().st_mtime_ns for path in seals} == seals
    undisturbed.check(shot, again)


def test_killed_at_random_moments_again_and_again(undisturbed: Undisturbed, tmp_path: Path) -> None:
    chance = random.Random(os.environ.get("EX4D_KILL_SEED", "1"))
    shot = tmp_path / "shot"
    for _ in range(6):
        process = start(*command(undisturbed.plate, shot))
        time.sleep(chance.uniform(0.3, 1) * undisturbed.seconds)
        process.kill()
        finish(process)
        assert len(existing_takes(shot / "takes")) <= 1
    undisturbed.check(shot, run(undisturbed.plate, shot))


def test_killed_while_it_exports(undisturbed: Undisturbed, tmp_path: Path) -> None:
    shot = tmp_path / "shot"
    arguments = ["recon", undisturbed.plate, "--cam", CAMERA, "--raster", "embree", "--out", shot, "--json"]
    process = start(*arguments, "--save_mesh", "ply,pc2,npz")
    wait_for(process, lambda e: (e["event"], e.get("stage")) == ("begin", "export"))
    process.kill()
    finish(process)
    assert finish(start(*arguments, "--save_mesh", "ply,pc2,npz")).code == 0
    check_whole(shot)
    names = {path.name for path in shot.iterdir() if path.is_file()}
    slug = "orbit_15"
    assert names == {
        f"color_{slug}.mp4", f"mask_{slug}.mp4", f"camera_{slug}.npz", f"camera_{slug}.json", "shot.json",
        "DW-Mesh.ply", "DW-Mesh.pc2", "DW-Mesh.npz",
    }  # fmt: skip


def test_two_processes_on_one_shot(undisturbed: Undisturbed, tmp_path: Path) -> None:
    shot = tmp_path / "shot"
    processes = [start(*command(undisturbed.plate, shot)) for _ in range(2)]
    for outcome in [finish(process) for process in processes]:
        undisturbed.check(shot, outcome)


def test_two_processes_repair_one_damaged_shot(undisturbed: Undisturbed, tmp_path: Path) -> None:
    shot = tmp_path / "shot"
    run(undisturbed.plate, shot)
    shutil.rmtree(shot / "takes")
    for folder in (shot / "cache").iterdir():
        (folder / "done.json").unlink()
    processes = [start(*command(undisturbed.plate, shot)) for _ in range(2)]
    for outcome in [finish(process) for process in processes]:
        undisturbed.check(shot, outcome)


@posix_only
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("as_json", [True, False])
def test_stopped(undisturbed: Undisturbed, tmp_path: Path, number: signal.Signals, code: int, as_json: bool) -> None:
    for share in (0.1, 0.5, 0.75):
        shot = tmp_path / str(share)
        process = start(*command(undisturbed.plate, shot)[: None if as_json else -1])
        time.sleep(share * undisturbed.seconds)
        process.send_signal(number)
        stopped = finish(process, timeout=10)
        if stopped.code == 0:  # it was done before
            assert existing_takes(shot / "takes")
            continue
        assert stopped.code == code, stopped
        assert "Traceback" not in stopped.err
        if "error: Cancelled." not in stopped.err.splitlines():
            assert as_json
            assert stopped.refused(code) == "Cancelled."
        check_whole(shot)


@posix_only
@pytest.mark.parametrize("stage", STAGES)
def test_stopped_in_each_stage(undisturbed: Undisturbed, tmp_path: Path, stage: str) -> None:
    shot = tmp_path / "shot"
    process = start(*command(undisturbed.plate, shot))
    wait_for(process, lambda e: (e["event"], e.get("stage")) == ("begin", stage))
    process.terminate()
    out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (143, "")
    assert json.loads(out.splitlines()[-1])["kind"] == "cancelled"
    check_whole(shot)
    assert not existing_takes(shot / "takes")


@posix_only
def test_an_ignored_interrupt_stays_ignored(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """A shell starts background jobs so; Ctrl-C is for the one in front."""
    shot = tmp_path / "shot"
    process = start(*command(undisturbed.plate, shot), preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    wait_for(process, lambda e: e.get("stage") == "mesh")
    process.send_signal(signal.SIGINT)
    finish(process)
    assert process.returncode == 0


@posix_only
@pytest.mark.parametrize("as_json", [True, False])
def test_nobody_reads_the_output(undisturbed: Undisturbed, tmp_path: Path, as_json: bool) -> None:
    shot = tmp_path / "shot"
    process = start(*command(undisturbed.plate, shot)[: None if as_json else -1])
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 143
    assert "Traceback" not in error
    assert "Exception ignored" not in error
    check_whole(shot)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("as_json", [True, False])
def test_the_output_goes_to_a_full_disk(undisturbed: Undisturbed, tmp_path: Path, as_json: bool) -> None:
    shot = tmp_path / "shot"
    with Path("/dev/full").open("w") as full:
        outcome = finish(start(*command(undisturbed.plate, shot)[: None if as_json else -1], stdout=full))
    assert outcome.code == 30
    assert "The output of this command cannot be written: No space left on device." in outcome.err
    assert "Traceback" not in outcome.err
    check_whole(shot)


def refused_for_space(outcome: Outcome, folder: Path) -> bool:
    """Whether a run was refused; it must be in the right words."""
    if outcome.code == 0:
        return False
    message = outcome.refused(30)
    assert str(folder) in message
    assert message.endswith((" is full.", "allows no file of that size."))
    return True


@posix_only
@pytest.mark.parametrize("kilobytes", [2, 12, 30, 100])
def test_files_may_not_grow(undisturbed: Undisturbed, tmp_path: Path, kilobytes: int) -> None:
    import resource

    shot = tmp_path / "shot"
    limit = kilobytes * 1024
    process = start(
        *command(undisturbed.plate, shot),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)),
    )
    refused = refused_for_space(finish(process), shot)
    assert refused or kilobytes == 100
    check_whole(shot)
    undisturbed.check(shot, run(undisturbed.plate, shot))


SmallDisk = tuple[Path, Callable[[int], None]]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A folder on a disk of its own, and a function that sets the size of that disk in bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk (tmpfs) can only be mounted by root on Linux")

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    try:
        yield folder, resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk(undisturbed: Undisturbed, small_disk: SmallDisk, stage: str) -> None:
    """Each stage meets a disk that has half the space it needs; some is made and the same command goes on."""
    folder, resize = small_disk
    shot = folder / "shot"
    finished = STAGES[: STAGES.index(stage)]
    undisturbed.copy_stages(finished, shot)
    resize(shutil.disk_usage(folder).used + undisturbed.pages(stage) // 2)
    refused = run(undisturbed.plate, shot)
    assert refused_for_space(refused, folder)
    assert [e["stage"] for e in refused.events if e["event"] == "begin"][-1] == stage
    check_whole(shot)
    resize(1 << 24)
    again = run(undisturbed.plate, shot)
    assert again.ran() == STAGES[STAGES.index(stage) :]
    undisturbed.check(shot, again)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_place_where_nobody_can_write(undisturbed: Undisturbed) -> None:
    assert run(undisturbed.plate, Path("/proc/ex4d")).refused(30).startswith("/proc/ex4d cannot be written: ")
