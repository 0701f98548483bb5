# SPDX-License-Identifier: Apache-2.0
"""The shot folder: what is reused, what is refused, what is never written over."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import files_below, leftovers, make_depth, make_plate, textured

from ex4d.composite import existing_takes
from ex4d.composite.take import TakeJob, find_take
from ex4d.depth import create_depth_source
from ex4d.fill import create_generator
from ex4d.jobs.takes import TakePipeline
from ex4d.media.images import write_png
from ex4d.mesh import MeshSettings
from ex4d.protocol.errors import BadInputError, TransientError
from ex4d.protocol.requests import MoveCamera, PlateRequest
from ex4d.shot.depth_plan import DepthPlan
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import Reconstruction, make_reconstruction, open_reconstruction
from ex4d.stages.cache import seal
from ex4d.system.processes import process_space
from ex4d.system.progress import Silent

not_root = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")


class Stages(Silent):
    """Remembers which stages did work."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []
        self._stage = ""

    def begin(self, stage: str, of: int | None) -> None:
        self._stage = stage

    def end(self, *, cached: bool = False) -> None:
        if not cached:
            self.ran.append(self._stage)


@dataclass
class Work:
    """A plate with known depth, and what is done to it."""

    plate: Path
    depth: Path
    root: Path

    def reconstruct(
        self, settings: MeshSettings | None = None, depth: Path | None = None, **request: Any
    ) -> tuple[Shot, Reconstruction, list[str]]:
        shot, progress = Shot(self.root), Stages()
        source = create_depth_source(str(depth or self.depth), fov_deg=50)
        plate = PlateRequest(str(request.pop("path", self.plate)), **request)
        return (
            shot,
            make_reconstruction(shot, plate, DepthPlan(source), settings or MeshSettings(), progress),
            progress.ran,
        )

    def take(self, camera: str, size: tuple[int, int] | None = None, **options: Any) -> tuple[Path, list[str]]:
        shot, reconstruction, ran = self.reconstruct()
        progress = Stages()
        pipeline = TakePipeline(shot, reconstruction, "embree", progress)
        folder = pipeline.deliver(
            pipeline.render(pipeline.camera(MoveCamera(camera, **options), size)), create_generator("preview")
        )
        return folder, ran + progress.ran


@pytest.fixture
def work(tmp_path: Path) -> Work:
    (tmp_path / "in").mkdir()
    plate = make_plate(tmp_path / "in" / "plate.mp4", 4)
    return Work(plate, make_depth(tmp_path / "in" / "depth.npz", 4), tmp_path / "shot")


ALL = ["plate", "depth", "mesh", "raster", "fill", "composite"]


def test_another_camera_reuses_plate_depth_and_mesh(work: Work) -> None:
    first, ran = work.take("orbit:10")
    assert ran == ALL
    second, ran = work.take("truck:0.1")
    assert ran == ["raster", "fill", "composite"]
    assert (first, second) == (work.root / "takes" / "v001", work.root / "takes" / "v002")
    assert files_below(first) == files_below(second)


def test_the_same_request_is_delivered_once(work: Work) -> None:
    first, _ = work.take("orbit:10")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in first.rglob("*") if path.is_file()}
    again, ran = work.take("orbit:10")
    assert (again, ran) == (first, [])
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    assert list(existing_takes(work.root / "takes")) == ["v001"]


def test_everything_that_changes_pictures_makes_another_take(work: Work) -> None:
    requests: list[dict[str, Any]] = [{}, {"size": (48, 32)}, {"pivot": "3"}, {"pivot": "0.5,0,3"}]
    folders = [work.take("orbit:10", **options)[0].name for options in requests]
    assert folders == ["v001", "v002", "v003", "v004"]
    # The same pivot in other words, and the same move.
    assert work.take("orbit:0..10", pivot="0,0,3.0")[0].name == "v003"


def test_a_stage_is_done_anew_when_its_inputs_change(work: Work, tmp_path: Path) -> None:
    assert work.reconstruct()[2] == ["plate", "depth", "mesh"]
    assert work.reconstruct()[2] == []
    assert work.reconstruct(MeshSettings(min_angle_deg=2))[2] == ["mesh"]
    assert work.reconstruct(depth=make_depth(tmp_path / "other.npz", 4, extrinsics=np.eye(4)[None]))[2] == [
        "depth",
        "mesh",
    ]
    assert work.reconstruct(fps="12")[2] == ["plate", "depth", "mesh"]
    assert work.reconstruct(first_frame=1)[2] == ["plate", "depth", "mesh"]
    assert work.reconstruct()[2] == []


def test_only_what_is_gone_is_done_anew(work: Work) -> None:
    _, reconstruction, _ = work.reconstruct()
    shutil.rmtree(reconstruction.depth.folder)
    assert work.reconstruct()[2] == ["depth"]
    (reconstruction.mesh.folder / "frames" / "001002.npz").write_bytes(b"")
    assert work.reconstruct()[2] == ["mesh"]


def test_other_frames_of_the_same_plate(work: Work) -> None:
    assert work.reconstruct(frames="1001-1002", depth=make_depth(work.root.parent / "2.npz", 2))[2]
    assert len(work.reconstruct()[1].frames) == 4


def test_other_frames_of_the_same_sequence(work: Work, tmp_path: Path) -> None:
    folder = tmp_path / "sequence"
    folder.mkdir()
    for index in range(4):
        write_png(folder / f"p.{1001 + index}.png", textured(index))
    short = make_depth(tmp_path / "2.npz", 2)
    assert len(work.reconstruct(path=folder, frames="1001-1002", depth=short)[1].frames) == 2
    assert len(work.reconstruct(path=folder)[1].frames) == 4


def test_a_changed_plate_is_read_anew_and_its_takes_are_new(work: Work) -> None:
    work.take("hold")
    make_plate(work.plate, 4, width=48, height=32)
    folder, ran = work.take("hold")
    assert ran == ALL
    assert folder.name == "v002"


def test_the_plate_may_move(work: Work) -> None:
    work.reconstruct()
    moved = work.plate.rename(work.plate.with_name("moved.mp4"))
    assert work.reconstruct(path=moved)[2] == []


def test_the_plate_may_go(work: Work) -> None:
    folder, _ = work.take("orbit:10")
    work.plate.unlink()
    work.depth.unlink()
    shot = Shot(work.root)
    pipeline = TakePipeline(shot, open_reconstruction(shot), "embree", Silent())
    again = pipeline.deliver(pipeline.render(pipeline.camera(MoveCamera("orbit:10"))), create_generator("preview"))
    assert again == folder


def test_another_plate_is_refused(work: Work, tmp_path: Path) -> None:
    work.reconstruct()
    before = files_below(work.root)
    other = make_plate(tmp_path / "in" / "other.mp4", 4, fps=30)
    with pytest.raises(BadInputError, match=r"is the shot of another plate \(.*plate\.mp4\)") as caught:
        work.reconstruct(path=other)
    assert caught.value.hint == "Choose another output folder for this plate."
    assert files_below(work.root) == before


GOOD = {
    "format": "ex4d-shot",
    "version": 1,
    "plate": {"path": "a", "sha256": "b", "files": []},
    "stages": {"plate": "1", "depth": "2", "mesh": "3"},
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00",
        "[" * 100_000,
        '{"format": "something else"}',
        json.dumps({**GOOD, "plate": []}),
        json.dumps({**GOOD, "plate": {"path": "a"}}),
        json.dumps({**GOOD, "plate": {"path": 1, "sha256": 2, "files": 3}}),
        json.dumps({**GOOD, "stages": None}),
        json.dumps({**GOOD, "stages": {"plate": None, "depth": 1, "mesh": []}}),
    ],
)
def test_damaged_record(work: Work, text: str) -> None:
    work.root.mkdir()
    (work.root / "shot.json").write_text(text)
    with pytest.raises(BadInputError, match=r"shot\.json is damaged or belongs to something else") as caught:
        Shot(work.root)
    assert "delete the file" in caught.value.hint
    assert (work.root / "shot.json").read_text() == text


def test_a_newer_record_is_refused(work: Work) -> None:
    work.root.mkdir()
    (work.root / "shot.json").write_text(json.dumps({**GOOD, "version": 2}))
    with pytest.raises(BadInputError, match=r"shot\.json was made by a newer version of EX-4D") as caught:
        Shot(work.root)
    assert "Update EX-4D" in caught.value.hint


def test_a_whole_record_of_a_shot_without_cache(work: Work) -> None:
    work.root.mkdir()
    (work.root / "shot.json").write_text(json.dumps(GOOD))
    with pytest.raises(BadInputError, match="holds no reconstructed plate"):
        open_reconstruction(Shot(work.root))


def test_what_the_hint_about_a_damaged_record_promises(work: Work) -> None:
    work.reconstruct()
    (work.root / "shot.json").unlink()
    assert work.reconstruct()[2] == []


def test_the_record_is_a_folder(work: Work) -> None:
    (work.root / "shot.json").mkdir(parents=True)
    with pytest.raises(BadInputError, match="damaged or belongs"):
        Shot(work.root)


@pytest.mark.parametrize("part", ["", "cache", "takes"])
def test_a_file_in_the_place_of_a_folder(work: Work, part: str) -> None:
    path = work.root / part
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("precious")
    with pytest.raises(BadInputError, match=r"is a file|cannot be made a folder"):
        work.take("hold")
    assert path.read_text() == "precious"
    assert leftovers(work.root.parent) == []


def test_a_shot_below_a_file(work: Work) -> None:
    work.root = work.plate / "shot"
    with pytest.raises(BadInputError, match="cannot be made a folder"):
        work.reconstruct()


def test_a_name_that_is_too_long(work: Work) -> None:
    work.root = work.root / ("x" * 300)
    with pytest.raises(BadInputError, match="cannot be made a folder"):
        work.reconstruct()


@not_root
def test_read_only_folder(work: Work) -> None:
    work.root.mkdir()
    work.root.chmod(0o500)
    try:
        with pytest.raises(TransientError, match="cannot be written: Permission denied") as caught:
            work.reconstruct()
        assert "permissions" in caught.value.hint
    finally:
        work.root.chmod(0o700)
    assert files_below(work.root) == []


@not_root
def test_folder_that_may_not_be_entered(work: Work) -> None:
    work.root.mkdir()
    work.root.chmod(0)
    try:
        with pytest.raises(TransientError, match="Permission denied"):
            Shot(work.root)
    finally:
        work.root.chmod(0o700)


def test_a_shot_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="nowhere holds no reconstructed plate") as caught:
        open_reconstruction(Shot(tmp_path / "nowhere"))
    assert "ex4d recon" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ([], "v001"),
        (["v001/"], "v002"),
        (["v007/"], "v008"),
        (["v002"], "v003"),
        (["v999/"], "v1000"),
        (["v1000/", "v999/"], "v1001"),
        (["v01/", "v003.old/", "x", "v-1/"], "v001"),
        (["V005/"], "v006"),
    ],
)
def test_the_next_number(work: Work, present: list[str], expected: str) -> None:
    """What stands there, unfinished or not ours, is never written over."""
    takes = work.root / "takes"
    for name in present:
        path = takes / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
            (path / "mine").write_text(name)
        else:
            path.write_text(name)
    folder, _ = work.take("hold", size=(48, 32))
    assert folder.name == expected
    for name in present:
        path = takes / name
        assert (path / "mine" if name.endswith("/") else path).read_text() == name
    assert leftovers(takes) == []


def test_a_damaged_take_is_kept_and_delivered_anew(work: Work) -> None:
    first, _ = work.take("hold")
    (first / "result.mp4").write_bytes(b"touched by hand")
    second, ran = work.take("hold")
    assert (second.name, ran) == ("v002", ["composite"])
    assert (first / "result.mp4").read_bytes() == b"touched by hand"
    assert list(existing_takes(work.root / "takes")) == ["v002"]


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_take_whose_record_is_unreadable_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "v001").mkdir()
    (tmp_path / "v001" / "take.json").write_text(text)
    seal(tmp_path / "v001", {}, ["take.json"])
    assert list(existing_takes(tmp_path)) == ["v001"]
    assert find_take(tmp_path, "key", Silent()) is None


def test_takes_are_listed_by_number(tmp_path: Path) -> None:
    for name in ("v1000", "v002", "v999"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "take.json").touch()
        seal(tmp_path / name, {}, ["take.json"])
    assert list(existing_takes(tmp_path)) == ["v002", "v999", "v1000"]
    assert existing_takes(tmp_path / "nowhere") == {}


@dataclass
class Ready:
    """The finished stages before the composite."""

    shot: Shot
    job: TakeJob


@pytest.fixture
def ready(work: Work, monkeypatch: pytest.MonkeyPatch) -> Ready:
    """A take that has everything but its composite, as a killed process leaves it."""
    jobs = []
    ensure = TakeJob.ensure
    delivered = work.root.parent / "delivered"
    delivered.mkdir()
    (delivered / "take.json").write_text('{"notes": []}')
    with monkeypatch.context() as patch:
        patch.setattr(TakeJob, "ensure", lambda job, progress: jobs.append(job) or delivered)
        work.take("orbit:10")
    assert TakeJob.ensure is ensure
    return Ready(Shot(work.root), jobs[0])


def test_two_deliveries_at_once_make_one_take(ready: Ready) -> None:
    barrier, folders = threading.Barrier(3), []

    class Together(Silent):
        def begin(self, stage: str, of: int | None) -> None:
            barrier.wait(30)

    threads = [threading.Thread(target=lambda: folders.append(ready.job.ensure(Together()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [ready.shot.takes / "v001"] * 3
    assert [path.name for path in ready.shot.takes.glob("v*")] == ["v001"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_failed_delivery_leaves_nothing(ready: Ready, error: type[BaseException]) -> None:
    class Failing(Silent):
        def advance(self) -> None:
            raise error

    with pytest.raises(error):
        ready.job.ensure(Failing())
    assert list(ready.shot.takes.iterdir()) == []
    assert ready.job.ensure(Silent()).name == "v001"


def test_the_sidecar(work: Work) -> None:
    folder, _ = work.take("orbit:10", pivot="3")
    record = json.loads((folder / "take.json").read_text())
    assert record["plate"]["path"] == str(work.plate)
    assert len(record["plate"]["sha256"]) == 64
    assert (record["plate"]["frames"], record["plate"]["count"], record["fps"]) == ("1001-1004", 4, "25")
    assert record["camera"] == {"preset": "orbit:10", "pivot": [0, 0, 3], "follow": True}
    assert [frame["frame"] for frame in record["frames"]] == [1001, 1002, 1003, 1004]
    shares = [frame["generated"] for frame in record["frames"]]
    assert record["generated_max"] == max(shares)
    assert record["generated_mean"] == pytest.approx(sum(shares) / 4, abs=1e-6)
    assert shares[0] < shares[-1]
    assert (record["fill"]["name"], record["fill"]["generative_model"]) == ("preview", False)
    assert record["raster"]["name"] == "embree"
    assert {"ex4d", "numpy", "python"} <= record["versions"].keys()


def test_leftovers_in_all_folders_of_a_shot_are_removed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.take("hold")
    theirs, ours = ".tmp-01234567.1.5-0a1b2c3d-x", f".tmp-{process_space()}.1.x-0a1b2c3d-x"
    for folder in (work.root, work.root / "cache", work.root / "takes"):
        (folder / theirs).mkdir()
        (folder / ours).mkdir()
    monkeypatch.setattr("ex4d.system.files.process_alive", lambda pid: False)
    Shot(work.root)
    assert sorted(leftovers(work.root)) == [theirs, f"cache/{theirs}", f"takes/{theirs}"]
