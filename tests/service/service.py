# SPDX-License-Identifier: Apache-2.0
"""Real backends, real sockets, small plates."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ex4d_blender.core.client import JobClient

from ex4d.protocol import wire
from ex4d.protocol.capabilities import OptionValue
from ex4d.protocol.jobs import JobSnapshot, new_job_id
from ex4d.protocol.requests import (
    FillRequest,
    GenerateRequest,
    MoveCamera,
    PlateRequest,
    PreviewRequest,
    ReconstructRequest,
    RenderRequest,
)
from ex4d.protocol.runtime import Handshake, read_handshake
from ex4d.system.processes import process_alive

PATIENCE = 60.0


def until(condition: Callable[[], Any], seconds: float = PATIENCE, what: str = "") -> Any:
    """The condition's first true value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {seconds} s in vain {what}")


def make_sequence(folder: Path, count: int, width: int = 96, height: int = 64) -> Path:
    """Pictures of a square that moves over a texture."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    back = cv2.GaussianBlur(rng.integers(0, 255, (height, width, 3), np.uint8), (0, 0), 3)
    for index in range(count):
        picture = back.copy()
        left = 5 + index * max(1, (width - 30) // count)
        picture[height // 3 : 2 * height // 3, left : left + 20] = (40, 90, 220)
        cv2.imwrite(str(folder / f"plate.{1001 + index}.png"), picture)
    return folder


def process_group(pid: int) -> list[int]:
    """A process's children, by /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def open_files(pid: int) -> int:
    """File descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Server:
    """One runtime folder and the backends that run in it, one after the other."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        self.process: subprocess.Popen[str] | None = None
        self.clients: list[JobClient] = []
        self.workers: set[int] = set()

    def start(self, *options: str) -> Handshake:
        """Start a backend; returns its handshake."""
        command = [sys.executable, "-m", "ex4d", "serve", "--runtime-dir", str(self.runtime), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        pid = self.process.pid

        def up() -> Handshake | None:
            assert self.process is not None
            assert self.process.poll() is None, self.process.communicate()
            handshake = read_handshake(self.runtime)
            return handshake if handshake is not None and handshake.pid == pid else None

        return until(up, what="for the handshake")

    @property
    def handshake(self) -> Handshake:
        """How to reach it."""
        found = read_handshake(self.runtime)
        assert found is not None
        return found

    @property
    def pid(self) -> int:
        """Of the front."""
        assert self.process is not None
        return self.process.pid

    def worker(self) -> int:
        """The process id of the worker; waits until there is one."""
        found = until(lambda: process_group(self.pid), what="for a worker")[0]
        self.workers.add(found)
        return found

    def client(self, name: str = "test") -> JobClient:
        """A connected client; the worker is ready."""
        client = JobClient(name)
        client.connect(self.handshake)
        self.clients.append(client)

        def ready() -> bool:
            client.poll(20)
            return client.welcome is not None and client.welcome.ready

        until(ready, what="for the worker")
        self.worker()
        return client

    def kill(self) -> None:
        """SIGKILL the front."""
        assert self.process is not None
        self.workers.update(process_group(self.pid))
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End in good order; returns the exit code."""
        assert self.process is not None
        self.workers.update(process_group(self.pid))
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def close(self) -> None:
        """End whatever is left, and see that nothing is."""
        for client in self.clients:
            client.disconnect()
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for pid in self.workers:
            until(lambda pid=pid: not process_alive(pid), 20, f"for worker {pid} to end")


def finish(
    client: JobClient, job: str, on_change: Callable[[JobSnapshot], None] = lambda _: None, seconds: float = PATIENCE
) -> JobSnapshot:
    """Wait for a job's end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for snapshot in client.poll(50).jobs.values():
            if snapshot.id == job:
                on_change(snapshot)
        if client.jobs[job].is_final:
            return client.jobs[job]
    raise AssertionError(f"job {client.jobs[job]} did not end")


def wait_for_stage(client: JobClient, job: str, stage: str) -> JobSnapshot:
    """Wait until a job is in a stage."""

    def there() -> JobSnapshot | None:
        client.poll(5)
        snapshot = client.jobs[job]
        assert not snapshot.is_final, f"{snapshot.state} {snapshot.error} before {stage}"
        return snapshot if snapshot.stage == stage else None

    return until(there, what=f"for stage {stage}")


def reconstruct_request(shot: Path, plate: Path, viewport_side: int = 64) -> ReconstructRequest:
    """A plate's reconstruction, without a look at its camera."""
    return ReconstructRequest(str(shot), PlateRequest(str(plate)), viewport_side=viewport_side, source_camera="still")


def render_request(shot: Path, move: str, frames: str | None = None) -> RenderRequest:
    """A take's render."""
    return RenderRequest(str(shot), MoveCamera(move), frames=frames)


def preview_request(shot: Path, move: str) -> PreviewRequest:
    """A take's preview."""
    return PreviewRequest(str(shot), MoveCamera(move))


def generate_request(
    shot: Path, move: str, generator: str = "preview", options: dict[str, OptionValue] | None = None, **changes: Any
) -> GenerateRequest:
    """A take."""
    return GenerateRequest(str(shot), MoveCamera(move), fill=FillRequest(generator, options or {}), **changes)


def submit_record(client: JobClient, kind: str, record: dict[str, Any], blobs: tuple[bytes, ...] = ()) -> str:
    """Ask for what the classes of requests would not let anybody ask for."""
    job = new_job_id()
    client.jobs[job] = JobSnapshot(job, kind)
    client._send(wire.Message("submit", job, {"kind": kind, "request": record, "title": ""}, blobs))
    return job


def leftovers(root: Path) -> list[str]:
    """Temporary files below a folder."""
    return [path.name for path in root.rglob(".tmp-*")]
