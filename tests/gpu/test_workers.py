# SPDX-License-Identifier: Apache-2.0
"""A worker on each GPU of a host: jobs side by side, each drawn on its own."""

import pytest

from ex4d.system.machine import gpus
from service import Server, finish, make_sequence, reconstruct_request, render_request, until

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(len(gpus()) < 2, reason="this machine has fewer than two GPUs"),
]


def test_jobs_on_two_gpus_at_once(tmp_path):
    server = Server(tmp_path / "run")
    try:
        server.start("--gpus", "2")
        client = server.client()

        def all_ready():
            client.poll(20)
            return all(worker.ready for worker in client.welcome.workers)

        until(all_ready, 120)
        assert [worker.gpu for worker in client.welcome.workers] == [0, 1]
        plate = make_sequence(tmp_path / "plate", 30, 320, 240)
        shots = [tmp_path / name for name in ("one", "two")]
        for snapshot in [finish(client, client.submit(reconstruct_request(shot, plate))) for shot in shots]:
            assert snapshot.state == "done", snapshot.error
        jobs = [client.submit(render_request(shot, "orbit:20")) for shot in shots]
        done = [finish(client, job) for job in jobs]
        assert [snapshot.state for snapshot in done] == ["done", "done"], [snapshot.error for snapshot in done]
        assert {snapshot.gpus for snapshot in done} == {(0,), (1,)}
        first, second = (snapshot.result for snapshot in done)
        assert first.coverage == pytest.approx(second.coverage, abs=1e-4)
    finally:
        server.close()
