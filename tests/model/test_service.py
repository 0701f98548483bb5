# SPDX-License-Identifier: Apache-2.0
"""The model behind the service: real processes, real sockets, a toy model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from ex4d.protocol.capabilities import OptionValue
from ex4d.protocol.jobs import JobSnapshot
from service import Server, finish, generate_request, make_sequence, reconstruct_request, until, wait_for_stage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the helpers read /proc")

#: Seconds for a take by a toy model, 25 steps on a CPU that others use too.
MODEL_PATIENCE = 240.0


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> Iterator[Server]:
    monkeypatch.setenv("EX4D_MODELS", str(model_folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Server(tmp_path / "run")
    yield made
    made.close()


def test_a_take_by_the_model_with_looks_at_it(server: Server, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    assert client.welcome is not None
    assert client.welcome.capabilities is not None
    offered = {info.name: {option.name for option in info.options} for info in client.welcome.capabilities.generators}
    assert {"seed", "prompt"} <= offered["fast"]
    assert "prompt" not in offered["preview"]
    shot, plate = tmp_path / "shot", make_sequence(tmp_path / "plate", 1, 64, 48)
    assert finish(client, client.submit(reconstruct_request(shot, plate))).state == "done"
    options: dict[str, OptionValue] = {"seed": 5, "prompt": "a house"}
    looks: dict[str, tuple[int, ...]] = {}
    stages = set()

    def seen(snapshot: JobSnapshot) -> None:
        stages.add(snapshot.stage)
        # Only the last one stays, so a look may be gone when it is looked at.
        picture = cv2.imread(snapshot.thumbnail) if snapshot.thumbnail else None
        if picture is not None:
            looks[snapshot.thumbnail] = picture.shape

    done = finish(client, client.submit(generate_request(shot, "orbit:20", "fast", options)), seen, MODEL_PATIENCE)
    assert done.state == "done", done.error
    assert {"raster", "denoise"} <= stages
    assert looks
    assert {max(shape) for shape in looks.values()} == {320}
    assert done.thumbnail == ""
    assert not list((server.runtime / "looks-work").iterdir())
    assert done.result is not None
    assert done.result.profile == "fast"

    # The next one with another seed is quick: the model is warm, its prompt is known.
    request = generate_request(shot, "orbit:20", "fast", {**options, "seed": 6})
    other = finish(client, client.submit(request), seconds=MODEL_PATIENCE)
    assert other.state == "done"
    assert other.result is not None
    assert other.result.take != done.result.take

    # Cancelled between two steps; the worker lives and goes on.
    worker = server.worker()
    job = client.submit(generate_request(shot, "orbit:20", "fast", {**options, "seed": 7}))
    wait_for_stage(client, job, "denoise")
    client.cancel(job)
    assert finish(client, job).state == "cancelled"
    assert server.worker() == worker
    until(lambda: not list((server.runtime / "looks-work").iterdir()))


def test_a_model_that_is_not_there_is_said_before_any_work(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EX4D_MODELS", str(tmp_path / "nowhere"))
    server.start()
    client = server.client()
    shot, plate = tmp_path / "shot", make_sequence(tmp_path / "plate", 2, 64, 48)
    assert finish(client, client.submit(reconstruct_request(shot, plate))).state == "done"
    failed = finish(client, client.submit(generate_request(shot, "orbit:20", "exact")))
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.exit_code == 10
    assert "no model folder" in failed.error.message
    assert not list((shot / "cache").glob("raster-*"))


def test_two_workers_and_a_take_that_both_make(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", "cpu")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    server.start("--workers", "2")
    client = server.client()

    def all_ready() -> bool:
        client.poll(20)
        return client.welcome is not None and all(info.ready for info in client.welcome.workers)

    until(all_ready, what="for both workers")
    shot, plate = tmp_path / "shot", make_sequence(tmp_path / "plate", 1, 64, 48)
    assert finish(client, client.submit(reconstruct_request(shot, plate))).state == "done"

    def take(seed: int, **options: OptionValue) -> JobSnapshot:
        request = generate_request(shot, "orbit:20", "exact", {"steps": 2, "seed": seed, **options})
        done = finish(client, client.submit(request), seconds=MODEL_PATIENCE)
        assert done.state == "done", done.error
        return done

    # Where the model is, the next take goes, whoever has been free for longer.
    first = take(1)
    assert take(2).worker == take(3).worker == first.worker
    # On both: the other one leads, and the one that has the model lets go of it first; then the ranks go, too.
    shared = take(4, gpus=2)
    assert any("on 2 GPUs" in note for note in shared.notes)
    assert shared.worker != first.worker
    assert take(5).worker == first.worker
    log = (server.runtime / "worker.log").read_text(encoding="utf-8")
    assert log.count("let go of what was held") == 2
