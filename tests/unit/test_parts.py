# SPDX-License-Identifier: Apache-2.0
"""Stages in parts: what was finished when one is killed is not done again, and nothing of the result tells."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from command import STILL, leftovers, make_depth, make_plate, runner

from ex4d.camera import intrinsics, static_trajectory
from ex4d.composite import TakeJob
from ex4d.depth.stage import DepthStage
from ex4d.fill import create_generator
from ex4d.fill.stage import FillStage
from ex4d.jobs.source_camera import KEPT_STILL
from ex4d.media.encoding import DISPLAY_8, truth_of
from ex4d.mesh import MeshSettings
from ex4d.mesh.stage import MeshStage
from ex4d.mesh.viewport import ViewportStage
from ex4d.plate.stage import PlateStage
from ex4d.protocol.errors import CancelledError
from ex4d.protocol.seal import DONE_FILE, read_seal
from ex4d.raster.stage import RasterStage
from ex4d.stages import stage as stages
from ex4d.stages.cache import StageCache, is_complete
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.stages.work_folder import PARTS_FOLDER, has_parts, remove_leftovers
from ex4d.system.progress import Progress, Silent

#: Parts of a quarter of their length, so that a fourth of the frames has as many of them.
PART_FRAMES = 8
FRAMES = 50
KILLED_AT = FRAMES * 7 // 10
CAMERA = ["--cam", "orbit:10", "--raster", "embree", "--json"]

#: What does the work on one frame, of each stage.
SEAMS = {
    "plate": "ex4d.plate.stage:write_png",
    "mesh": "ex4d.mesh.stage:build_mesh",
    "raster": "ex4d.raster.stage:RasterStage._load",
    "fill": "ex4d.fill.preview.generator:PreviewFrames.fill",
    "composite": "ex4d.composite.pixels:ResultPictures.read",
}

#: Runs ``ex4d`` with each call of a seam written to a file, and ends without a word at a given call.
COUNTING = """
import importlib, os, signal, sys, threading

module, name = sys.argv[1].split(":")
place, limit, arguments = sys.argv[2], int(sys.argv[3]), sys.argv[5:]
importlib.import_module("ex4d.stages.stage").PART_FRAMES = int(sys.argv[4])
holder = importlib.import_module(module)
while "." in name:
    first, _, name = name.partition(".")
    holder = getattr(holder, first)
work, lock, calls = getattr(holder, name), threading.Lock(), 0

def counted(*args, **options):
    global calls
    with lock:
        calls += 1
        with open(place, "a") as file:
            file.write("x")
        if calls == limit:
            os.kill(os.getpid(), signal.SIGKILL)
    return work(*args, **options)

setattr(holder, name, counted)
from ex4d.cli import main
sys.exit(main(arguments))
"""


def sealed(folder: Path) -> dict[str, Any]:
    """What done.json says, but for times."""
    done = json.loads((folder / DONE_FILE).read_text())
    assert set(done["files"]) | {DONE_FILE} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    return {name: value for name, value in done.items() if name not in ("seconds", "checksum")}


def delivered(take: Path) -> dict[str, Any]:
    """A take's seal and record, but for times."""
    done = sealed(take)
    record = json.loads((take / "take.json").read_text())
    del record["created"]
    for kind in ("files", "hashes"):
        del done[kind]["take.json"]
    return done | {"record": record}


class Whole:
    """A shot of six parts that was made without a break, and its plate and depth."""

    def __init__(self, folder: Path) -> None:
        self.plate = make_plate(folder / "plate.mp4", FRAMES)
        self.depth = make_depth(folder / "depth.npz", FRAMES)
        self.shot = folder / "shot"
        self.run(self.shot, "mesh")

    def run(self, shot: Path, stage: str, limit: int = 0, plate: Path | None = None) -> tuple[int, int]:
        """Exit code of a run, and how often it did that stage's work."""
        count = shot.with_name(f"{shot.name}-count")
        count.unlink(missing_ok=True)
        command = [sys.executable, "-c", COUNTING, SEAMS[stage], str(count), str(limit), str(PART_FRAMES)]
        command += ["run", str(plate or self.plate), "--depth", str(self.depth), "--out", str(shot), *CAMERA]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stdout + done.stderr
        return done.returncode, count.stat().st_size if count.exists() else 0

    def copy_stages(self, stages: Sequence[str], shot: Path) -> None:
        """A shot in which these stages are done."""
        for folder in (self.shot / "cache").iterdir():
            if folder.name.split("-")[0] in stages:
                shutil.copytree(folder, shot / "cache" / folder.name)

    def check(self, shot: Path) -> None:
        """Compare a shot with this one, to the bit."""
        assert leftovers(shot) == []
        assert not list(shot.rglob(PARTS_FOLDER))
        ours, theirs = (sorted(path.name for path in (root / "cache").iterdir()) for root in (self.shot, shot))
        assert theirs == ours
        for name in ours:
            assert sealed(shot / "cache" / name) == sealed(self.shot / "cache" / name)
            assert read_seal(shot / "cache" / name).damaged() == []
        assert delivered(shot / "takes" / "v001") == delivered(self.shot / "takes" / "v001")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole(tmp_path_factory.mktemp("whole"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("stage", list(SEAMS))
def test_killed_at_seventy_percent(whole: Whole, tmp_path: Path, stage: str) -> None:
    """At most one part of the 35 frames that were done is done again."""
    order, shot = ["plate", "depth", "mesh", "raster", "fill", "composite"], tmp_path / "shot"
    whole.copy_stages(order[: order.index(stage)], shot)
    code, _ = whole.run(shot, stage, KILLED_AT)
    assert code == -signal.SIGKILL
    (left,) = [path for path in shot.glob("*/.tmp-*") if has_parts(path)]
    code, again = whole.run(shot, stage)
    assert code == 0
    assert FRAMES - KILLED_AT < again <= FRAMES - KILLED_AT + PART_FRAMES
    assert not left.exists()
    whole.check(shot)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_again_and_again(whole: Whole, tmp_path: Path) -> None:
    shot, counts = tmp_path / "shot", []
    whole.copy_stages(["plate", "depth"], shot)
    while whole.run(shot, "mesh", 12)[0] and len(counts) < 20:
        counts.append(len(list(shot.glob(f"cache/.tmp-*/{PARTS_FOLDER}/*"))))
    assert counts == [1, 2, 3, 4, 5]
    whole.check(shot)


def test_a_plate_whose_length_only_decoding_tells(whole: Whole, tmp_path: Path) -> None:
    """Its parts have no end."""
    plate = make_plate(tmp_path / "plate.mkv", FRAMES)
    code, count = whole.run(tmp_path / "whole", "plate", plate=plate)
    assert (code, count) == (0, FRAMES)
    if sys.platform == "win32":
        return
    shot = tmp_path / "shot"
    code, _ = whole.run(shot, "plate", KILLED_AT, plate=plate)
    assert code == -signal.SIGKILL
    code, again = whole.run(shot, "plate", plate=plate)
    assert code == 0
    assert again <= FRAMES - KILLED_AT + PART_FRAMES
    for path in (tmp_path / "whole" / "cache").iterdir():
        assert sealed(shot / "cache" / path.name) == sealed(path)


def test_parts_leave_no_trace_in_earlier_shots(
    earlier_job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Eight frames in parts of three are stored under the names, and with the pixels, that 0f2baa4 gave them."""
    monkeypatch.setattr(stages, "PART_FRAMES", 3)
    assert len(list(parts_of(8))) == 3
    earlier, shot = earlier_job / "ex4d" / "plate", tmp_path / "shot"
    for name in ("depth", "raster", "fill"):
        for folder in earlier.glob(f"cache/{name}-*"):
            shutil.copytree(folder, shot / "cache" / folder.name)
    arguments = ["run", earlier_job / "plate.mp4", "--cam", "orbit:10", "--raster", "opengl", "--out", shot, "--json"]
    outcome = runner(capfd)(*arguments, *STILL)
    assert outcome.ran() == ["plate", "mesh", "composite"]
    for name in ("plate", "mesh"):
        (folder,) = (shot / "cache").glob(f"{name}-*")
        theirs = earlier / "cache" / folder.name
        assert sorted(sealed(folder)["files"]) == sorted(json.loads((theirs / DONE_FILE).read_text())["files"])
        assert sealed(folder)["inputs"] == json.loads((theirs / DONE_FILE).read_text())["inputs"]
        for path in folder.glob("frames/*"):
            assert same_content(path, theirs / "frames" / path.name), path
        mine, before = (json.loads((each / f"{name}.json").read_text()) for each in (folder, theirs))
        if name == "plate":
            # What was clipped without a word then is said now.
            mine["notes"] = [note for note in mine["notes"] if not note.startswith("Luma goes beyond")]
        assert mine == before
    take, theirs = shot / "takes" / "v001", earlier / "takes" / "v003"
    for path in take.glob("*/*.png"):
        assert same_content(path, theirs / path.relative_to(take)), path
    records = [json.loads((folder / "take.json").read_text()) for folder in (take, theirs)]
    assert records[0]["key"] == records[1]["key"]
    told = {name for frame in records[1]["frames"] for name in frame}
    assert [{name: frame[name] for name in told} for frame in records[0]["frames"]] == records[1]["frames"]


def test_an_earlier_shot_is_found_as_it_was(earlier_job: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its camera stood still when 0f2baa4 made it, and nobody asks for more: all of it is there already."""
    arguments = ["run", earlier_job / "plate.mp4", "--cam", "orbit:10", "--raster", "opengl", "--json"]
    outcome = runner(capfd)(*arguments, "--out", earlier_job / "ex4d" / "plate")
    assert [take["folder"] for take in outcome.result["takes"]] == [str(earlier_job / "ex4d/plate/takes/v003")]
    assert outcome.ran() == []
    assert outcome.result["source_camera"] is None
    notes = [event["text"] for event in outcome.events if event["event"] == "note"]
    assert KEPT_STILL in notes


def same_content(ours: Path, theirs: Path) -> bool:
    """Whether two pictures or archives hold the same values."""
    if ours.suffix == ".png":
        return np.array_equal(*(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (ours, theirs)))
    with np.load(ours) as a, np.load(theirs) as b:
        return set(a.files) == set(b.files) and all(np.array_equal(a[name], b[name]) for name in a.files)


# The runner ------------------------------------------------------------------------------------------------------


class Squares(PartedStage):
    """A file for each of 10 frames, and one of all; stops before the frame ``until``."""

    name = "squares"
    version = 1

    def __init__(self, until: int = 10, error: type[BaseException] = CancelledError, **means: Any) -> None:
        self.until, self.error, self._means = until, error, means
        self.worked: list[int] = []
        self.closed = 0

    def inputs(self) -> dict[str, Any]:
        return {"count": 10}

    def steps(self) -> int:
        return 10

    def parts(self) -> Iterable[Part]:
        return [Part(start, min(start + 4, 10)) for start in (0, 4, 8)]

    def means(self) -> dict[str, Any]:
        return self._means

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        for part in parts:
            for index in range(part.start, part.stop):
                if index == self.until:
                    raise self.error
                self.worked.append(index)
                (out / f"{index}.txt").write_text(str(index**2))
                progress.advance()
            yield PartOutput(
                part, tuple(f"{i}.txt" for i in range(part.start, part.stop)), {"sum": sum(range(part.stop))}
            )

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        (out / "sums.json").write_text(json.dumps([output.record["sum"] for output in done]))
        return ["sums.json"]

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def cache(tmp_path: Path) -> StageCache:
    return StageCache(tmp_path / "cache")


def interrupted(cache: StageCache, until: int = 9, **options: Any) -> Path:
    """The work folder that a stage leaves which is stopped there."""
    stage = Squares(until, **options)
    with pytest.raises(stage.error):
        cache.ensure(stage, Silent())
    assert stage.closed == 1
    (left,) = cache.root.iterdir()
    return left


def check_squares(cache: StageCache) -> None:
    (folder,) = cache.root.iterdir()
    assert is_complete(folder)
    assert read_seal(folder).damaged() == []
    assert [(folder / f"{index}.txt").read_text() for index in range(10)] == [str(index**2) for index in range(10)]
    assert json.loads((folder / "sums.json").read_text()) == [6, 28, 45]
    assert list(sealed(folder)["files"]) == [*sorted(f"{index}.txt" for index in range(10)), "sums.json"]


@pytest.mark.parametrize("error", [CancelledError, KeyboardInterrupt, OSError, MemoryError])
def test_what_was_finished_when_the_work_stops_is_kept(cache: StageCache, error: type[BaseException]) -> None:
    """In the same process too, which lives on: the backend's."""
    stage = Squares(9, error)
    with pytest.raises(Exception if error is OSError else error):
        cache.ensure(stage, Silent())
    (left,) = cache.root.iterdir()
    # The ninth frame is of no finished part.
    assert sorted(path.name for path in left.glob("*.txt")) == [f"{index}.txt" for index in range(8)]
    again = Squares()
    cache.ensure(again, Silent())
    assert again.worked == [8, 9]
    check_squares(cache)


def test_work_without_a_finished_part_leaves_nothing(cache: StageCache) -> None:
    with pytest.raises(CancelledError):
        cache.ensure(Squares(3), Silent())
    assert list(cache.root.iterdir()) == []


def test_the_bar_goes_on_where_it_was(cache: StageCache) -> None:
    shares: list[float] = []

    class Listener(Silent):
        def on_step(self, stage: Any) -> None:
            shares.append(stage.step / stage.of)

    interrupted(cache)
    cache.ensure(Squares(), Listener())
    assert shares == [index / 10 for index in range(1, 11)]


@pytest.mark.parametrize("name", ["0.txt", "3.txt"])
def test_a_damaged_part_is_done_again(cache: StageCache, name: str) -> None:
    left = interrupted(cache)
    (left / name).write_text("x")
    again = Squares()
    cache.ensure(again, Silent())
    assert again.worked == [0, 1, 2, 3, 8, 9]
    check_squares(cache)


def test_a_part_with_a_damaged_seal_is_done_again(cache: StageCache) -> None:
    left = interrupted(cache)
    seal = left / PARTS_FOLDER / "000004-000008" / DONE_FILE
    seal.write_text(seal.read_text().replace('"sum": 28', '"sum": 27'))
    (left / PARTS_FOLDER / "000000-000004" / DONE_FILE).write_text("{")
    again = Squares()
    cache.ensure(again, Silent())
    assert again.worked == list(range(10))
    check_squares(cache)


def test_parts_made_by_other_means_are_not_gone_on_from(cache: StageCache) -> None:
    interrupted(cache, device="one")
    again = Squares(device="another")
    cache.ensure(again, Silent())
    assert again.worked == list(range(10))
    check_squares(cache)


def test_parts_of_another_version_of_the_program_are_not_gone_on_from(
    cache: StageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(cache)
    monkeypatch.setattr("ex4d.stages.work_folder.__version__", "99")
    again = Squares()
    cache.ensure(again, Silent())
    assert again.worked == list(range(10))


def test_parts_of_another_key_or_version_of_the_stage_are_removed(cache: StageCache) -> None:
    interrupted(cache)

    class Newer(Squares):
        version = 2

    newer = Newer()
    folder = cache.ensure(newer, Silent())
    assert newer.worked == list(range(10))
    assert list(cache.root.iterdir()) == [folder]


def test_parts_of_a_living_process_are_left_alone(cache: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a second one of this process, where neither can wait for the other: while the first is at work, its folder
    is nobody else's."""

    def without_locks(*_: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("ex4d.stages.turn.try_lock", without_locks)
    second = Squares()

    class First(Squares):
        def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
            StageCache(cache.root).ensure(second, Silent())
            return super().finish(out, done)

    first = First()
    cache.ensure(first, Silent())
    assert first.worked == second.worked == list(range(10))
    check_squares(cache)


def test_parts_stay_when_a_shot_is_opened_and_go_after_a_week(cache: StageCache) -> None:
    left = interrupted(cache)
    assert remove_leftovers(cache.root) == 0
    assert left.exists()
    long_ago = left.stat().st_mtime - 8 * 24 * 3600
    for path in (left, *left.rglob("*")):
        os.utime(path, (long_ago, long_ago))
    assert remove_leftovers(cache.root) == 1
    assert list(cache.root.iterdir()) == []


def test_a_stage_of_one_part_is_sealed_as_a_whole(cache: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ex4d.stages.work_folder.WorkFolder.seal_part", None)

    class Single(Squares):
        def parts(self) -> Iterable[Part]:
            return (Part(0, 10),)

    cache.ensure(Single(), Silent())
    with pytest.raises(CancelledError):
        StageCache(cache.root.parent / "other").ensure(Single(9), Silent())
    assert list((cache.root.parent / "other").iterdir()) == []


def test_files_of_parts_are_hashed_once(cache: StageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    import ex4d.stages.work_folder as module

    hashed: list[str] = []
    file_hash = module.file_hash
    monkeypatch.setattr(module, "file_hash", lambda path: hashed.append(path.name) or file_hash(path))
    cache.ensure(Squares(), Silent())
    assert sorted(hashed) == [*(f"{index}.txt" for index in range(10)), "sums.json"]


def test_parts_cover_all_frames_once() -> None:
    for count in (1, 2, 31, 32, 47, 48, 64, 200, 1001):
        parts = list(parts_of(count))
        assert [index for part in parts for index in range(part.start, part.stop)] == list(range(count))
        assert all(len(part) == stages.PART_FRAMES for part in parts[:-1])
        assert len(parts[-1]) < 1.5 * stages.PART_FRAMES


def test_keys_are_what_they_were() -> None:
    """Of shots that 0f2baa4 made."""
    camera = static_trajectory(intrinsics(500.0, 64, 32), 64, 32, 2)
    selection = {"frames": None, "fps": None, "first_frame": 1001}
    small = SimpleNamespace(name="small", inputs=lambda: {"version": 1, "fov_deg": None, "weights": "w"})
    plate, depth, mesh, raster, fill = (letter * 16 for letter in "pdmrf")

    def reader(version: int) -> Any:
        square = SimpleNamespace(pixel_aspect=1)
        return SimpleNamespace(info=SimpleNamespace(reader_version=version, truth=truth_of(DISPLAY_8), facts=square))

    nothing: Any = None
    plain: Any = SimpleNamespace(has_alpha=False, numbers=(1001, 1002))
    untold: Any = SimpleNamespace(measured=None)
    keys = {
        PlateStage("ab" * 32, selection, reader(0)).key(): "48a6d575961e799a",
        PlateStage("ab" * 32, selection, reader(2)).key(): "78eae7f2b3f43c64",
        DepthStage(plate, nothing, small).key(): "686ca2495a82b950",  # type: ignore[arg-type]
        MeshStage(plate, depth, plain, untold, MeshSettings()).key(): "bc01db7a13cdb014",
        ViewportStage(plate, mesh, plain, nothing, Path("x"), 512).key(): "ab62700c557809fa",
        RasterStage(plate, mesh, plain, nothing, camera, "opengl", nothing).key(): "d5343e680e716782",
        FillStage(raster, nothing, create_generator("preview")).key(): "3c00241bf4e3423c",
        TakeJob(Path("x"), nothing, nothing, nothing, fill, {}).key(): "7e4425cb8a9cce11",
    }
    assert list(keys) == list(keys.values())
