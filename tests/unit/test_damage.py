# SPDX-License-Identifier: Apache-2.0
"""Files of a shot that were changed behind ex4d's back: the right pictures all the same, or an honest word."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import Outcome, Run, files_below, leftovers, make_depth, make_plate, runner

from ex4d.composite.take import TakeJob, find_take
from ex4d.jobs import run_job
from ex4d.jobs.context import JobContext
from ex4d.protocol.requests import (
    DepthRequest,
    GenerateRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
    Request,
)
from ex4d.protocol.results import result_record
from ex4d.protocol.seal import DONE_FILE
from ex4d.stages.cache import is_complete, seal
from ex4d.stages.stage_files import hashed_seal
from ex4d.system.progress import Silent

COUNT, SIZE = 3, {"width": 48, "height": 32}
#: Of a take, what its pictures are.
PICTURES = ("result/", "mask/", "confidence/", "result.mp4", "trajectory.json")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def zero_sector(path: Path) -> None:
    data = bytearray(path.read_bytes())
    start = min(512, len(data) // 2)
    data[start : start + 512] = bytes(len(data[start : start + 512]))
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flip": flip,
    "zero sector": zero_sector,
    "truncate": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "remove": Path.unlink,
}


@dataclass(frozen=True)
class Finished:
    """A plate with depth, and a shot with one take ``orbit:10``.

    Attributes:
        pictures: hashes of what takes hold, by camera.
    """

    plate: Path
    depth: Path
    root: Path
    pictures: dict[str, dict[str, str]]

    def copied(self, root: Path) -> Finished:
        shutil.copytree(self.root, root)
        return Finished(self.plate, self.depth, root, self.pictures)

    def command(self, camera: str) -> list[object]:
        options = ["--raster", "embree", "--fov", 50, "--json"]
        return ["run", self.plate, "--depth", self.depth, "--cam", camera, "--out", self.root, *options]

    def find(self, pattern: str) -> Path:
        """The one file of that pattern."""
        (path,) = self.root.glob(pattern)
        return path


def pictures_of(take: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((take / name).read_bytes()).hexdigest()
        for name in files_below(take)
        if name.startswith(PICTURES)
    }


def notes(outcome: Outcome) -> list[str]:
    return [event["text"] for event in outcome.events if event["event"] == "note"]


def take_of(outcome: Outcome) -> Path:
    return Path(outcome.result["takes"][0]["folder"])


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


@pytest.fixture(scope="module")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    from ex4d.cli import main

    folder = tmp_path_factory.mktemp("finished")
    plate = make_plate(folder / "plate.mp4", COUNT, **SIZE)
    # Long enough ago for its time to tell whether it was written to.
    os.utime(plate, (10**9, 10**9))
    shot = Finished(plate, make_depth(folder / "depth.npz", COUNT, **SIZE), folder / "shot", {})
    for camera in ("orbit:20", "orbit:10"):
        assert main([str(part) for part in shot.command(camera)]) == 0
        shot.pictures[camera] = pictures_of(shot.root / "takes" / "v001")
        if camera == "orbit:20":
            shutil.rmtree(shot.root / "takes")
            for stage in ("raster", "fill"):
                shutil.rmtree(shot.find(f"cache/{stage}-*"))
    return shot


@pytest.fixture
def finished(finished_once: Finished, tmp_path: Path) -> Finished:
    return finished_once.copied(tmp_path / "shot")


def doctor(run: Run, root: Path, code: int = 0) -> list[dict[str, object]]:
    """The parts that `ex4d doctor SHOT` lists."""
    outcome = run("doctor", root, "--json")
    assert outcome.code == code
    (event,) = [event for event in outcome.events if event["event"] == "done"]
    assert event["result"]["whole"] == (code == 0)
    return event["result"]["parts"]


PLATE = ["plate-*/frames/001002.png", "plate-*/plate.json"]
MESH = ["mesh-*/frames/001002.npz", "mesh-*/mesh.json", "mesh-*/source_camera.json"]
DEPTH = ["depth-*/depth.json", "depth-*/source_camera.json"]
RASTER = [*(f"raster-*/{name}/001002.*" for name in ("color", "mask", "z")), "raster-*/raster.json"]
RASTER = [*RASTER, "raster-*/trajectory.json"]
FILL = [*(f"fill-*/{name}/001002.png" for name in ("color", "confidence")), "fill-*/fill.json"]


@pytest.mark.parametrize("pattern", [*PLATE, *DEPTH, *MESH])
def test_a_byte_changed_in_what_a_new_camera_is_made_from(finished: Finished, run: Run, pattern: str) -> None:
    flip(finished.find(f"cache/{pattern}"))
    stage = pattern.partition("-")[0]
    outcome = run(*finished.command("orbit:20"))
    take = take_of(outcome)
    assert pictures_of(take) == finished.pictures["orbit:20"]
    assert [text for text in notes(outcome) if f"(cache/{stage}-" in text and "was damaged" in text]
    assert outcome.ran() == [stage, "raster", "fill", "composite"]
    assert leftovers(finished.root) == []
    # All is whole again.
    assert not [text for text in notes(run(*finished.command("hold"))) if "damaged" in text]


@pytest.mark.parametrize("pattern", [*RASTER, *FILL])
def test_a_byte_changed_in_what_a_take_is_made_of(finished: Finished, run: Run, pattern: str) -> None:
    shutil.rmtree(finished.root / "takes")
    flip(finished.find(f"cache/{pattern}"))
    outcome = run(*finished.command("orbit:10"))
    stage = pattern.partition("-")[0]
    assert pictures_of(take_of(outcome)) == finished.pictures["orbit:10"]
    assert outcome.ran() == [stage, "composite"]
    assert [text for text in notes(outcome) if f"(cache/{stage}-" in text]


def test_damaged_depth_that_the_mesh_needs(finished: Finished, run: Run) -> None:
    shutil.rmtree(finished.find("cache/mesh-*"))
    flip(finished.find("cache/depth-*/z/001002.npy"))
    outcome = run(*finished.command("orbit:20"))
    assert pictures_of(take_of(outcome)) == finished.pictures["orbit:20"]
    assert outcome.ran() == ["depth", "mesh", "raster", "fill", "composite"]


def test_a_damaged_stage_stays_while_it_cannot_be_made_anew(finished: Finished, run: Run) -> None:
    flip(finished.find("cache/plate-*/frames/001002.png"))
    good, data = finished.find("cache/plate-*/frames/001003.png"), finished.plate.read_bytes()
    try:
        finished.plate.write_bytes(data[: len(data) // 2])
        assert run("generate", finished.root, "--cam", "orbit:20", "--raster", "embree", "--json").code == 10
        assert good.exists()
    finally:
        finished.plate.write_bytes(data)
        os.utime(finished.plate, (10**9, 10**9))
    assert pictures_of(take_of(run(*finished.command("orbit:20")))) == finished.pictures["orbit:20"]


def test_several_damaged_stages_at_once(finished: Finished, run: Run) -> None:
    shutil.rmtree(finished.root / "takes")
    for pattern in (PLATE[0], MESH[0], RASTER[0], FILL[0]):
        flip(finished.find(f"cache/{pattern}"))
    for pattern in ("fill-*/fill.json", "raster-*/done.json"):
        finished.find(f"cache/{pattern}").unlink()
    outcome = run(*finished.command("orbit:10"))
    assert pictures_of(take_of(outcome)) == finished.pictures["orbit:10"]
    assert sorted(outcome.ran()) == sorted(["fill", "mesh", "plate", "raster", "composite"])


TAKE = [*(f"{name}/{name}.1002.png" for name in ("result", "mask", "confidence")), "result.mp4", "take.json"]
TAKE = [*TAKE, "trajectory.json", DONE_FILE]


@pytest.mark.parametrize("damage", [flip, Path.unlink])
@pytest.mark.parametrize("name", TAKE)
def test_a_damaged_take_is_kept_and_the_next_number_is_made(
    finished: Finished, run: Run, name: str, damage: Callable[[Path], None]
) -> None:
    first = finished.root / "takes" / "v001"
    damage(first / name)
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file() and path.name != DONE_FILE}
    outcome = run(*finished.command("orbit:10"))
    assert take_of(outcome).name == "v002"
    assert pictures_of(take_of(outcome)) == finished.pictures["orbit:10"]
    assert outcome.ran() == ["composite"]
    (note,) = [text for text in notes(outcome) if "damaged" in text]
    assert note.startswith(f"Take v001 was damaged ({name}); it is kept as it is")
    assert {path: path.read_bytes() for path in before} == before
    assert not is_complete(first)
    # It is told of once, and stays in the list.
    again = run(*finished.command("orbit:10"))
    assert (take_of(again).name, again.ran()) == ("v002", [])
    assert not [text for text in notes(again) if "damaged" in text]
    listed = {part["name"]: part["state"] for part in doctor(run, finished.root, 10)}
    assert (listed["takes/v001"], listed["takes/v002"]) == ("damaged", "ok")


def test_a_take_of_a_newer_version_is_refused(finished: Finished, run: Run) -> None:
    path = finished.root / "takes" / "v001" / "take.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": TakeJob.version + 1}))
    assert "take.json was made by a newer version of EX-4D" in run(*finished.command("orbit:10")).refused(10)


def test_finding_a_take_reads_little_of_the_others(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    takes = finished.root / "takes"
    key = json.loads((takes / "v001" / "take.json").read_text())["key"]
    for number in range(2, 60):
        folder = Path(shutil.copytree(takes / "v001", takes / f"v{number:03d}"))
        (folder / DONE_FILE).write_text((folder / DONE_FILE).read_text().replace(key, f"{number:016x}", 1))
    looked: list[object] = []
    stat, opened = os.stat, os.open

    def seen_stat(path: object, *args: Any, **options: Any) -> os.stat_result:
        looked.append(path)
        return stat(path, *args, **options)  # type: ignore[call-overload]

    def seen_open(path: object, *args: Any, **options: Any) -> int:
        looked.append(path)
        return opened(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", seen_stat)
    monkeypatch.setattr(os, "open", seen_open)
    assert find_take(takes, "f" * 16, Silent()) is None
    # Once, as these have come from elsewhere.
    assert [str(path) for path in looked if "/v031" in str(path)] == [str(takes / "v031" / DONE_FILE)]
    looked.clear()
    assert find_take(takes, key, Silent()) == takes / "v001"
    assert not [path for path in looked if "/v0" in str(path) and "/v001" not in str(path)]
    looked.clear()
    assert find_take(takes, "f" * 16, Silent()) is None
    assert not [path for path in looked if "/v0" in str(path)]


# The seal of a take that is not where it was looked for


def test_takes_that_vanish_while_they_are_looked_for(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody deletes by hand."""
    takes = finished.root / "takes"
    key = json.loads((takes / "v001" / "take.json").read_text())["key"]
    shutil.copytree(takes / "v001", takes / "v002")

    def vanish(path: Path) -> Any:
        if path.name == "v001":
            shutil.rmtree(path)
        return hashed_seal(path)

    monkeypatch.setattr("ex4d.composite.take.hashed_seal", vanish)
    assert find_take(takes, key, Silent()) == takes / "v002"
    assert [path.name for path in takes.glob("v*")] == ["v002"]


# A shot whose plate is not named again


@pytest.mark.parametrize("command", ["generate", "render"])
@pytest.mark.parametrize("pattern", [PLATE[0], "depth-*/depth.json", MESH[0], MESH[1], "plate-*/done.json"])
def test_stages_are_made_anew_from_what_the_shot_remembers(
    finished: Finished, run: Run, command: str, pattern: str
) -> None:
    flip(finished.find(f"cache/{pattern}"))
    outcome = run(command, finished.root, "--cam", "orbit:20", "--raster", "embree", "--json")
    assert pattern.partition("-")[0] in outcome.ran()
    assert [text for text in notes(outcome) if "damaged" in text]
    if command == "generate":
        assert pictures_of(take_of(outcome)) == finished.pictures["orbit:20"]
    assert {part["state"] for part in doctor(run, finished.root)} == {"ok"}


def test_without_the_plate_the_user_is_told_what_to_do(finished: Finished, run: Run, tmp_path: Path) -> None:
    record = json.loads((finished.root / "shot.json").read_text())
    record = {**record, "plate": {**record["plate"], "path": str(tmp_path / "gone.mp4")}}
    record.pop("checksum")
    (finished.root / "shot.json").write_text(json.dumps(record))
    flip(finished.find(f"cache/{PLATE[0]}"))
    generate = ["generate", finished.root, "--cam", "orbit:20", "--raster", "embree", "--json"]
    for _ in range(2):
        outcome = run(*generate)
        assert "holds no reconstructed plate" in outcome.refused(10)
        assert "ex4d recon PLATE" in outcome.events[-1]["hint"]
        # What is not damaged is not lost: nothing else may have these frames.
        assert finished.find("cache/plate-*/frames/001001.png").exists()
    assert pictures_of(take_of(run(*finished.command("orbit:20")))) == finished.pictures["orbit:20"]
    # The mesh comes from what is there.
    flip(finished.find(f"cache/{MESH[0]}"))
    assert run(*generate).ran() == []
    shutil.rmtree(finished.find("cache/mesh-*"))
    assert run(*generate).ran() == ["mesh"]


def test_without_the_depth_files_the_user_is_told_what_to_do(finished: Finished, run: Run, tmp_path: Path) -> None:
    record = json.loads((finished.root / "shot.json").read_text())
    record["recipe"]["depth"]["files"]["path"] = str(tmp_path / "gone.npz")
    record.pop("checksum")
    (finished.root / "shot.json").write_text(json.dumps(record))
    flip(finished.find("cache/depth-*/depth.json"))
    error = run("generate", finished.root, "--cam", "orbit:20", "--raster", "embree", "--json").refused(10)
    assert "holds no reconstructed plate" in error
    assert "gone.npz" in error


# `ex4d doctor SHOT`


def test_the_doctor_looks_at_a_whole_shot(finished: Finished, run: Run) -> None:
    parts = doctor(run, finished.root)
    assert {str(part["name"]).partition("-")[0]: part["state"] for part in parts} == dict.fromkeys(
        ["shot.json", "takes/v001", *(f"cache/{name}" for name in ("plate", "depth", "mesh", "raster", "fill"))], "ok"
    )
    flip(finished.find(f"cache/{RASTER[2]}"))
    finished.find(f"cache/{PLATE[0]}").unlink()
    (finished.root / "cache" / ".tmp-01234567.1.5-0a1b2c3d-x").mkdir()
    done = finished.find("cache/fill-*/done.json")
    record = json.loads(done.read_text())
    done.write_text(json.dumps({name: record[name] for name in ("stage", "version", "inputs", "files")}))
    states = {str(part["name"]).partition("-")[0]: part["state"] for part in doctor(run, finished.root, 10)}
    assert (states["cache/raster"], states["cache/plate"], states["cache/fill"]) == ("damaged", "damaged", "not hashed")
    assert states["cache/.tmp"] == "in work"
    before = {path: path.read_bytes() for path in finished.root.rglob("*") if path.is_file()}
    text = run("doctor", finished.root)
    assert {path: path.read_bytes() for path in finished.root.rglob("*") if path.is_file()} == before
    assert text.code == 10
    assert "damaged     cache/plate-" in text.out
    assert "is damaged in 2 of 8 parts" in text.err


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_doctor_of_a_damaged_record(finished: Finished, run: Run, damage: str) -> None:
    DAMAGES[damage](finished.root / "shot.json")
    assert doctor(run, finished.root, 10)[0]["state"] == "damaged"


def test_the_doctor_of_no_shot(run: Run, tmp_path: Path) -> None:
    assert "holds no shot" in run("doctor", tmp_path, "--json").refused(10)


def test_a_record_with_one_digit_changed_is_refused(finished: Finished, run: Run) -> None:
    path = finished.root / "shot.json"
    record = json.loads(path.read_text())
    record["stages"]["plate"] = record["stages"]["plate"][::-1]
    path.write_text(json.dumps(record))
    assert "shot.json is damaged" in run(*finished.command("orbit:10")).refused(10)


# Folders that cannot be read


@pytest.mark.parametrize("name", ["cache", "takes"])
def test_a_folder_that_cannot_be_listed(
    finished: Finished, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    iterdir, scandir, opened = Path.iterdir, os.scandir, os.open
    closed = finished.root / name

    def refuse(path: Path) -> None:
        if path.is_relative_to(closed):
            raise PermissionError(13, "Permission denied", str(path))

    def seen(path: Path) -> Iterator[Path]:
        refuse(path)
        return iterdir(path)

    def seen_scan(path: Any = ".") -> Any:
        if isinstance(path, Path):
            refuse(path)
        return scandir(path)

    def seen_open(path: Any, *args: Any, **options: Any) -> int:
        if isinstance(path, Path):
            refuse(path)
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "iterdir", seen)
    monkeypatch.setattr(os, "scandir", seen_scan)
    monkeypatch.setattr(os, "open", seen_open)
    assert "cannot be read: Permission denied" in run(*finished.command("orbit:10")).refused(30)
    assert "cannot be read: Permission denied" in run("doctor", finished.root, "--json").refused(30)


@pytest.mark.parametrize("text", ["1/0", "1e99999999", "x", None])
def test_a_rate_that_is_none(finished: Finished, run: Run, text: str | None) -> None:
    """Sealed so: no hash can tell."""
    folder = finished.find("cache/plate-*")
    record = json.loads((folder / "plate.json").read_text())
    (folder / "plate.json").write_text(json.dumps({**record, "fps": text}))
    done = json.loads((folder / DONE_FILE).read_text())
    seal(folder, {name: done[name] for name in ("stage", "version", "inputs")}, done["files"])
    outcome = run(*finished.command("orbit:20"))
    assert pictures_of(take_of(outcome)) == finished.pictures["orbit:20"]


# A shot that an earlier version has made


def current(root: Path) -> dict[str, str]:
    """The keys of a shot's stages."""
    keys: dict[str, str] = json.loads((root / "shot.json").read_text())["stages"]
    return keys


def test_an_earlier_shot_is_reused(earlier_job: Path, run: Run) -> None:
    root = earlier_job / "ex4d" / "plate"
    plate = earlier_job / "plate.mp4"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".json"}
    outcome = run("run", plate, "--cam", "orbit:10", "--out", root, "--raster", "opengl", "--json")
    assert (take_of(outcome).name, outcome.ran()) == ("v003", [])
    outcome = run("run", plate, "--cam", "orbit:5", "--out", root, "--raster", "opengl", "--json")
    assert (take_of(outcome).name, outcome.ran()) == ("v004", ["raster", "fill", "composite"])
    assert {path: path.read_bytes() for path in before} == before
    assert not [text for text in notes(outcome) if "damaged" in text]
    # What was used has hashes now.
    states = {str(part["name"]): part["state"] for part in doctor(run, root)}
    assert {states[f"cache/{name}-{key}"] for name, key in current(root).items()} == {"ok"}
    assert (states["takes/v001"], states["takes/v003"]) == ("not hashed", "ok")
    assert states["shot.json"] == "ok"


def test_an_earlier_shot_that_was_damaged_before_it_was_hashed(earlier_job: Path, run: Run) -> None:
    """PNG, npz and JSON tell by themselves."""
    root, plate = earlier_job / "ex4d" / "plate", earlier_job / "plate.mp4"
    stages = {name: root / "cache" / f"{name}-{key}" for name, key in current(root).items()}
    flip(stages["plate"] / "frames" / "001003.png")
    flip(stages["mesh"] / "frames" / "001004.npz")
    flip(root / "takes" / "v003" / "result" / "result.1005.png")
    outcome = run("run", plate, "--cam", "orbit:10", "--out", root, "--raster", "opengl", "--json")
    assert take_of(outcome).name == "v004"
    assert {"plate", "mesh", "composite"} <= set(outcome.ran())
    # A shot that remembers no recipe learns it from its seals while they are there.
    flip(stages["depth"] / "depth.json")
    outcome = run("generate", root, "--cam", "orbit:10", "--raster", "opengl", "--json")
    assert outcome.ran() == ["depth"]


# What the service hands out without reading it


@dataclass
class Jobs:
    """Three jobs of the service on one shot."""

    shot: Finished

    def reconstruct(self) -> dict[str, Any]:
        plate = PlateRequest(str(self.shot.plate))
        depth = DepthRequest(source=str(self.shot.depth), fov=50.0)
        return self._run(ReconstructRequest(str(self.shot.root), plate, depth, viewport_side=16))

    def render(self, *, preview: bool = False) -> dict[str, Any]:
        kind = PreviewRequest if preview else RenderRequest
        return self._run(kind(str(self.shot.root), MoveCamera("orbit:10"), raster="embree"))

    def generate(self) -> dict[str, Any]:
        return self._run(GenerateRequest(str(self.shot.root), MoveCamera("orbit:10"), raster="embree"))

    def _run(self, request: Request) -> dict[str, Any]:
        self.notes: list[str] = []

        class Notes(Silent):
            def note(_, text: str) -> None:  # noqa: N805
                self.notes.append(text)

        return result_record(run_job(request, JobContext(Notes())))

    def healed(self) -> bool:
        return any("was damaged" in text for text in self.notes)


def content(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in files_below(root) if not name.endswith(DONE_FILE)}


VIEWPORT = [*(f"viewport-*/{name}.npy" for name in ("quads", "edges", "uv")), "viewport-*/mesh.pc2"]
VIEWPORT = [*VIEWPORT, "viewport-*/valid/001002.png", "viewport-*/viewport.json", "viewport-*/done.json"]


@pytest.mark.parametrize("pattern", [*VIEWPORT, PLATE[0]])
def test_a_reconstruction_mends_what_blender_shows(finished: Finished, pattern: str) -> None:
    jobs = Jobs(finished)
    folders = [Path(jobs.reconstruct()["viewport"]), finished.find("cache/plate-*")]
    good = [content(folder) for folder in folders]
    flip(finished.find(f"cache/{pattern}"))
    assert Path(jobs.reconstruct()["viewport"]) == folders[0]
    assert jobs.healed()
    assert [content(folder) for folder in folders] == good
    jobs.reconstruct()
    assert not jobs.healed()


@pytest.mark.parametrize("job", ["render", "generate"])
@pytest.mark.parametrize("pattern", RASTER[:2])
def test_pictures_of_a_render_are_whole(finished: Finished, job: str, pattern: str) -> None:
    jobs = Jobs(finished)
    folder = finished.find("cache/raster-*")
    good = content(folder)
    flip(finished.find(f"cache/{pattern}"))
    result = getattr(jobs, job)()
    assert Path(result["color"]).parent == folder
    assert jobs.healed()
    assert content(folder).keys() == good.keys()
    assert all(content(folder)[name] == good[name] for name in good if name.endswith(".png"))
    if job == "generate":
        assert (result["take"], result["reused"]) == ("v001", True)


@pytest.mark.parametrize("name", ["color/001002.png", "mask/001002.png", "preview.json", "done.json"])
def test_a_preview_is_whole(finished: Finished, name: str) -> None:
    jobs = Jobs(finished)
    folder = Path(jobs.render(preview=True)["folder"])
    good = content(folder)
    flip(folder / name)
    assert Path(jobs.render(preview=True)["folder"]) == folder
    assert jobs.healed()
    assert content(folder) == good


def test_a_damaged_take_is_no_result_of_the_service(finished: Finished) -> None:
    flip(finished.root / "takes" / "v001" / "result" / "result.1002.png")
    jobs = Jobs(finished)
    result = jobs.generate()
    assert (result["take"], result["reused"]) == ("v002", False)
    assert jobs.healed()
    assert pictures_of(Path(result["folder"])) == finished.pictures["orbit:10"]


# Counts


@pytest.mark.long
def test_every_file_of_a_shot_damaged_in_every_way(finished_once: Finished, run: Run, tmp_path: Path) -> None:
    """Right pictures with exit code 0, or a refusal that says how to go on and after which it does go on."""
    runs = refused = healed = 0
    names = files_below(finished_once.root)
    for name in names:
        for damage in DAMAGES.values():
            shot = finished_once.copied(tmp_path / "shot")
            damage(shot.root / name)
            for camera in ("orbit:10", "orbit:20"):
                runs += 1
                outcome = run(*shot.command(camera))
                if name == "shot.json" and outcome.code == 10:
                    refused += 1
                    assert "delete the file" in outcome.events[-1]["hint"]
                    (shot.root / name).unlink()
                    outcome = run(*shot.command(camera))
                assert pictures_of(take_of(outcome)) == shot.pictures[camera], name
                healed += any("damaged" in text for text in notes(outcome))
            # Once more from the cache alone: what is whole by now stays so.
            shutil.rmtree(shot.root / "takes")
            runs += 1
            outcome = run(*shot.command("orbit:10"))
            assert pictures_of(take_of(outcome)) == shot.pictures["orbit:10"], name
            shutil.rmtree(shot.root)
    print(f"{len(names)} files x {len(DAMAGES)} damages: {runs} runs, {healed} healed with a note, {refused} refused")
