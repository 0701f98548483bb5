# SPDX-License-Identifier: Apache-2.0
"""A job's progress as its worker and the terminal tell it: the bar never runs backwards."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from command import make_depth, make_plate

from ex4d.cli import build_parser
from ex4d.commands.console import Console, TextConsole
from ex4d.fill import create_generator, generator_infos
from ex4d.fill.ex4d_wan.generator import PROGRESS_PARTS
from ex4d.jobs.plans import DOCTOR, EXPORT, RECONSTRUCT, RENDER, VIEWPORT, take_plan
from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.stage_names import STAGE_NAMES, stage_name
from ex4d.server.progress import MAX_NOTE, MAX_NOTES, JobProgress
from ex4d.system.progress import OpenStage, PlannedStage, Silent, steps

GENERATOR_NAMES = [info.name for info in generator_infos()]
TAKE = (PlannedStage("raster", 1.0), PlannedStage("fill", 6.0), PlannedStage("composite", 1.0))


class Listener:
    """Keeps the job's state as clients see it."""

    def __init__(self, plan: tuple[PlannedStage, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        # Every step is told.
        monkeypatch.setattr("ex4d.server.progress.REPORT_SECONDS", 0.0)
        self.snapshot = JobSnapshot("a", "generate", state="running")
        self.seen: list[tuple[str, float]] = []
        self.progress = JobProgress(self._changed, lambda: False)
        self.progress.expect(plan)

    def _changed(self, values: dict[str, Any]) -> None:
        self.snapshot = self.snapshot.updated(values)
        self.seen.append((self.snapshot.stage, self.snapshot.fraction))

    def stage(self, name: str, count: int | None = None) -> None:
        with self.progress.stage(name, count):
            for _ in range(count or 0):
                self.progress.advance()

    def shares(self) -> list[float]:
        return [share for _, share in self.seen]


def test_each_stage_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(TAKE, monkeypatch)
    for stage in TAKE:
        listener.stage(stage.name, 2)
    assert listener.shares() == pytest.approx([0, 0.5 / 8, 1 / 8, 1 / 8, 4 / 8, 7 / 8, 7 / 8, 7.5 / 8, 1], abs=1e-5)
    assert (listener.snapshot.stage_index, listener.snapshot.stage_count) == (2, 3)


def test_a_model_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are begun and ended inside the stage."""
    listener = Listener(TAKE, monkeypatch)
    listener.stage("raster", 4)
    with listener.progress.stage("fill", None, PROGRESS_PARTS):
        for part in PROGRESS_PARTS:
            listener.stage(part, 4 if part in ("read", "denoise", "decode") else None)
        assert listener.progress.share == pytest.approx(7 / 8)
    listener.stage("composite", 4)
    shares = listener.shares()
    assert shares == sorted(shares)
    first = dict(reversed(listener.seen))
    assert first["read"] == pytest.approx(1 / 8)
    assert first["denoise"] == pytest.approx((1 + 6 * 0.2) / 8)
    assert first["composite"] == pytest.approx(7 / 8)
    assert shares[-1] == 1.0


def test_a_part_that_is_left_open_ends_with_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(TAKE, monkeypatch)
    with listener.progress.stage("fill", None, PROGRESS_PARTS):
        listener.progress.begin("decode", 3)
    assert listener.progress.share == pytest.approx(7 / 8)
    listener.stage("composite", 1)
    assert listener.progress.share == 1.0


def test_what_is_there_already_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(TAKE, monkeypatch)
    for stage in ("raster", "fill"):
        listener.progress.begin(stage, None)
        listener.progress.end(cached=True)
    listener.progress.begin("composite", 10)
    assert listener.snapshot.fraction == pytest.approx(7 / 8)


def test_stages_that_are_not_told_of_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener((*RECONSTRUCT, *TAKE), monkeypatch)
    whole = sum(stage.weight for stage in (*RECONSTRUCT, *TAKE))
    listener.progress.begin("raster", 4)
    assert listener.snapshot.fraction == pytest.approx((whole - 8) / whole, abs=1e-5)


def test_several_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(3 * TAKE, monkeypatch)
    for take in range(3):
        for stage in TAKE:
            listener.stage(stage.name, 2)
        assert listener.progress.share == pytest.approx((take + 1) / 3)
    assert listener.shares() == sorted(listener.shares())


def test_nothing_sets_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(TAKE, monkeypatch)
    listener.stage("raster", 3)
    listener.stage("denoise", 3)
    listener.stage("fill", 3)
    # More steps than were promised, stages and ends out of order, parts that nobody has heard of.
    listener.stage("raster", 3)
    listener.progress.end()
    listener.progress.advance()
    with listener.progress.stage("composite", 2):
        listener.stage("polish", 3)
        for _ in range(5):
            listener.progress.advance()
    shares = listener.shares()
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0


def test_work_that_is_done_again_goes_on_where_the_bar_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file is met in the last stage: the job begins anew."""
    listener = Listener(TAKE, monkeypatch)
    listener.stage("raster", 2)

    def meet_damage() -> None:
        with listener.progress.stage("fill", 2):
            listener.progress.advance()
            listener.progress.begin("read", 7)
            raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        meet_damage()
    before = listener.progress.share
    listener.stage("raster", 2)
    assert listener.progress.share == before
    listener.stage("fill", 2)
    listener.stage("composite", 2)
    assert listener.shares() == sorted(listener.shares())
    assert listener.shares()[-1] == 1.0


def test_steps_are_counted_after_each_item() -> None:
    progress = Silent()
    progress.expect([PlannedStage("mesh")])
    with progress.stage("mesh", 4):
        assert [progress.share for _ in steps(progress, range(4))] == [0, 0.25, 0.5, 0.75]
        assert progress.share == 1.0


def test_the_terminals_bar_of_the_whole_job_only_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = TextConsole(io.StringIO(), io.StringIO())
    bars = list(told_bars(console))
    assert [name for name, _ in bars[-1]] == ["Rendering", "Filling", "Reading take", "Denoising", "Compositing", "All"]
    shares = [dict(bar)["All"] for bar in bars]
    assert shares == sorted(shares, key=lambda share: int(share[:-1]))
    assert shares[-1] == "100%"


class Shares(Console):
    """Keeps how much of the whole was done at the end of each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[tuple[str, float]] = []

    def on_end(self, stage: OpenStage, *, cached: bool) -> None:
        self.ends.append((stage.name, self.share))

    def result(self, result: Mapping[str, Any], text: str) -> None:
        pass

    def error(self, error: Ex4dError) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_reconstruction_with_its_exports_has_one_bar(tmp_path: Path) -> None:
    """They are two jobs."""
    plate, depth = make_plate(tmp_path / "plate.mp4", 3), make_depth(tmp_path / "depth.npz", 3)
    given = [str(plate), "--depth", str(depth), "--out", str(tmp_path / "shot"), "--cam", "orbit:20", "--save_mesh"]
    args, console = build_parser("recon").parse_args(["recon", *given, "--raster", "embree"]), Shares()
    args.execute(args, console)
    whole = sum(stage.weight for stage in (*RECONSTRUCT, *RENDER, *EXPORT))
    done = [sum(stage.weight for stage in RECONSTRUCT[:count]) / whole for count in range(1, len(RECONSTRUCT) + 1)]
    shares = [*done, done[-1], done[-1] + RENDER[0].weight / whole, 1.0]
    assert [name for name, _ in console.ends] == ["plate", "depth", "mesh", "mesh.ply", "raster", "export"]
    assert [share for _, share in console.ends] == pytest.approx(shares)


def told_bars(console: TextConsole) -> Iterator[list[tuple[str, str]]]:
    """The bars after each step of a job: name and what is done."""

    def shown() -> list[tuple[str, str]]:
        assert console._bars is not None
        return [(task.description, task.fields["done"]) for task in console._bars.tasks]

    console.expect(TAKE)
    for stage in TAKE:
        parts = {"read": 0.25, "denoise": 0.75} if stage.name == "fill" else {}
        with console.stage(stage.name, None if parts else 3, parts):
            for part in parts or [None]:
                if part:
                    console.begin(part, 3)
                for _ in range(3):
                    yield shown()
                    console.advance()
                if part:
                    console.end()
    yield shown()
    console.close()


def test_every_stage_and_part_has_a_name_for_people() -> None:
    plans = (*RECONSTRUCT, *VIEWPORT, *RENDER, *DOCTOR, *EXPORT)
    generators = [create_generator(name) for name in GENERATOR_NAMES]
    names = {stage.name for stage in (*plans, *(stage for generator in generators for stage in take_plan(generator)))}
    names |= {part for generator in generators for part in generator.progress_parts}
    assert names <= STAGE_NAMES.keys()
    assert all(name[0].isupper() for name in STAGE_NAMES.values())
    assert stage_name("denoise") == "Denoising"
    assert stage_name("of a newer backend") == "of a newer backend"


@pytest.mark.parametrize("name", GENERATOR_NAMES)
def test_the_parts_make_a_whole(name: str) -> None:
    parts = create_generator(name).progress_parts
    assert not parts or sum(parts.values()) == pytest.approx(1)


def test_time_is_told_only_while_steps_tell_it() -> None:
    stage = OpenStage("solve", of=4, weight=1.0, started=100.0, found=1, step=1)
    assert stage.eta(110.0) is None
    stage.step = 3
    assert stage.eta(120.0) == 10.0
    # All its steps are done and it goes on: nobody knows how long.
    stage.step = 4
    assert stage.eta(130.0) is None


def test_notes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(RENDER, monkeypatch)
    for index in range(2 * MAX_NOTES):
        listener.progress.note(f"{index}: " + "x" * 5000)
    assert len(listener.snapshot.notes) == MAX_NOTES
    assert all(len(note) == MAX_NOTE for note in listener.snapshot.notes)
