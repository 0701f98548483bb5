# SPDX-License-Identifier: Apache-2.0
"""What may lie in a runtime folder when a backend starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.requests import MoveCamera, RenderRequest
from ex4d.server.journal import Entry, Journal


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("kind", ["everybody's", "a link"])
def test_jobs_that_others_could_have_planted_are_not_run(tmp_path: Path, kind: str) -> None:
    """The runtime folder itself was never open to writers; the folder of jobs in it was."""
    run = tmp_path / "run"
    run.mkdir(mode=0o755)
    (run / "backend.log").touch()
    request = RenderRequest(str(tmp_path / "shot"), MoveCamera("orbit:10"))
    journal = Journal(run / "jobs")
    journal.write(Entry(JobSnapshot("planted", "render"), request))
    if kind == "everybody's":
        (run / "jobs").chmod(0o777)
    else:
        (run / "jobs").rename(tmp_path / "elsewhere")
        (run / "jobs").symlink_to(tmp_path / "elsewhere")
    command = [sys.executable, "-P", "-m", "ex4d", "serve", "--runtime-dir", str(run), "--idle", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 30, done.stderr
    assert "open to other users" in done.stderr
    assert json.loads(journal.path("planted").read_text())["job"]["state"] == "queued"
    assert not (run / "backend.json").exists()
