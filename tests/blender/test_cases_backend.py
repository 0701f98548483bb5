# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that is not there though it seems to be, or there and deaf: jobs end all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")
import addon_utils  # noqa: E402

from ex4d.protocol.requests import DoctorRequest  # noqa: E402

ADDON = "ex4d_blender"


@pytest.fixture
def runtime(tmp_path: Path, backend_python: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime folder; the backend that is started in it ends with the test."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(folder))
    yield folder
    from ex4d.protocol.runtime import lock_holder

    holder = lock_holder(folder)
    if holder is not None:
        os.kill(holder.pid, signal.SIGTERM)
        end = time.monotonic() + 20
        while holder.is_running() and time.monotonic() < end:
            time.sleep(0.05)


@pytest.fixture
def addon(runtime: Path, tmp_path: Path) -> Iterator[Any]:
    """The add-on in a saved file."""
    assert addon_utils.enable(ADDON, default_set=True) is not None
    from ex4d_blender import job_list

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "job.blend"))
    bpy.context.scene.ex4d.viewport_side = 48
    yield job_list
    addon_utils.disable(ADDON, default_set=True)


@pytest.fixture
def impatient(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits for a moment, not for half a minute."""
    from ex4d_blender.core import backend_process, client

    monkeypatch.setattr(client, "SILENCE_SECONDS", 1.5)
    monkeypatch.setattr(client, "PING_SECONDS", 0.3)
    monkeypatch.setattr(backend_process, "END_SECONDS", 0.3)


def pump(jobs: Any, done: Any, seconds: float = 60.0) -> None:
    """What the timer does where there is a window."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "nothing came of it"
        jobs.current().pump()
        time.sleep(0.02)


@pytest.mark.case("stale_handshake_pid")
def test_a_stale_handshake_whose_process_number_was_given_away(case: Path, runtime: Path, addon: Any) -> None:
    from ex4d.protocol.runtime import read_handshake

    with subprocess.Popen(["sleep", "600"]) as other:
        record = json.loads((case / "backend.json").read_text())
        (runtime / "backend.json").write_text(json.dumps({**record, "pid": other.pid}))
        (runtime / "backend.json").chmod(0o600)
        stale = read_handshake(runtime)
        assert stale is not None
        assert addon.current().link.backend_process().find() is None
        bpy.ops.ex4d.load_plate(filepath=str(case / "plate.mp4"))
        assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
        assert read_handshake(runtime) != stale
        assert other.poll() is None
        other.kill()


@pytest.mark.usefixtures("impatient")
def test_waiting_outlives_a_backend_that_hangs(addon: Any, runtime: Path, plate: Path) -> None:
    jobs = addon.current()
    link = jobs.link
    link.connect(block=True)
    deaf = link.client.handshake
    os.kill(deaf.pid, signal.SIGSTOP)
    bpy.ops.ex4d.load_plate(filepath=str(plate))
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}
    assert link.client.handshake.pid != deaf.pid
    with pytest.raises(ProcessLookupError):
        os.kill(deaf.pid, 0)


@pytest.mark.usefixtures("impatient")
def test_the_timer_replaces_a_backend_that_hangs_and_says_so(addon: Any, runtime: Path) -> None:
    from ex4d_blender import error_dialog

    jobs = addon.current()
    link = jobs.link
    link.connect(block=True)
    pump(addon, link.is_connected)
    deaf = link.client.handshake
    os.kill(deaf.pid, signal.SIGSTOP)
    job = jobs.submit(bpy.context.scene, DoctorRequest(), action="doctor", title="Diagnose", block=False)
    pump(addon, lambda: link.client.jobs[job].is_final)
    # The same job, in another backend.
    assert link.client.jobs[job].state == "done"
    assert link.client.handshake.pid != deaf.pid
    assert "did not answer" in error_dialog.shown().error.message
    assert link.doctor is not None


@pytest.mark.usefixtures("impatient")
def test_stop_ends_a_backend_that_hangs(addon: Any, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = addon.current()
    link = jobs.link
    link.connect(block=True)
    deaf = link.client.handshake
    os.kill(deaf.pid, signal.SIGSTOP)
    monkeypatch.setattr("ex4d_blender.backend_link.STOP_SECONDS", 0.3)
    link.stop()
    assert link.backend_process().find() is None
    assert not link.client.is_open
    assert not link.starting


def test_a_backend_that_cannot_be_ended_is_an_error(
    addon: Any, runtime: Path, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import error_dialog

    jobs = addon.current()
    link = jobs.link
    link.connect(block=True)
    pump(addon, link.is_connected)
    deaf = link.client.handshake
    os.kill(deaf.pid, signal.SIGSTOP)
    # As a backend that another user, or another container, has started.
    monkeypatch.setattr("ex4d_blender.core.backend_process.lock_holder", lambda folder: None)
    monkeypatch.setattr("ex4d_blender.core.backend_process._started", [])
    job = jobs.submit(bpy.context.scene, DoctorRequest(), action="doctor", title="Diagnose", block=False)
    pump(addon, lambda: link.client.jobs[job].is_final)
    assert link.client.jobs[job].state == "cancelled"
    assert "cannot be ended" in error_dialog.shown().error.message
    os.kill(deaf.pid, signal.SIGKILL)


def test_a_backend_of_another_version_is_said_once(
    addon: Any, runtime: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    from ex4d_blender import error_dialog

    monkeypatch.setattr("ex4d_blender.backend_link.__version__", "99.0.0")
    jobs = addon.current()
    link = jobs.link
    link.connect(block=True)
    pump(addon, lambda: error_dialog.shown() is not None)
    assert "99.0.0" in error_dialog.shown().error.message
    assert "Install" in error_dialog.shown().error.hint
    error_dialog.clear()
    for _ in range(5):
        jobs.pump()
    assert error_dialog.shown() is None
    # Where nothing is shown it is a note of the next job.
    link.told_version = ""
    notes = [jobs.wait(link.client.submit(DoctorRequest())).notes for _ in range(2)]
    assert [any("99.0.0" in note for note in each) for each in notes] == [True, False]


def test_a_backend_of_the_former_protocol_is_said_and_can_be_replaced(
    addon: Any, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import backend_link

    link = addon.current().link
    link.connect(block=True)
    former = link.client.handshake
    link.client.disconnect()
    with monkeypatch.context() as patch:
        # As if the extension had been updated: the backend that runs is one of before.
        patch.setattr(backend_link, "PROTOCOL", "ex4d/3")
        with pytest.raises(RuntimeError, match="The backend speaks ex4d/2, the extension ex4d/3") as caught:
            bpy.ops.ex4d.diagnose()
        assert "Install the backend again" in str(caught.value)
        assert len(bpy.context.scene.ex4d.pending) == 0
        # Installing ends it first; it cannot be asked to.
        link.stop()
        assert link.backend_process().find() is None
    link.connect(block=True)
    assert link.client.handshake.pid != former.pid


def test_a_backend_of_the_former_protocol_is_shown_and_stopped(
    addon: Any, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import backend_link
    from panel_drawing import draw_all

    link = addon.current().link
    link.connect(block=True)
    link.client.disconnect()
    monkeypatch.setattr(backend_link, "PROTOCOL", "ex4d/3")
    assert not bpy.ops.ex4d.stop_backend.poll()
    with pytest.raises(RuntimeError, match="The backend speaks ex4d/2"):
        bpy.ops.ex4d.start_backend()
    link.follow()
    lines = draw_all(bpy.context.scene)
    assert any("A backend of another version runs" in line for line in lines)
    assert any("The backend speaks ex4d/2, the extension ex4d/3" in line for line in lines)
    assert bpy.ops.ex4d.stop_backend() == {"FINISHED"}
    assert link.backend_process().find() is None
    assert not bpy.ops.ex4d.stop_backend.poll()
    assert any("The backend does not run" in line for line in draw_all(bpy.context.scene))


def test_a_backend_of_another_protocol_that_has_ended_by_itself_is_no_longer_shown(
    addon: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import backend_link

    link = addon.current().link
    link.connect(block=True)
    pid = link.client.handshake.pid
    link.client.disconnect()
    with monkeypatch.context() as patch:
        patch.setattr(backend_link, "PROTOCOL", "ex4d/3")
        with pytest.raises(RuntimeError, match="The backend speaks ex4d/2"):
            bpy.ops.ex4d.start_backend()
    assert link.refused.pid == pid
    os.kill(pid, signal.SIGTERM)
    pump(addon, lambda: link.refused is None)


def test_an_own_folder_that_cannot_be_private_is_not_used(
    addon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import paths

    monkeypatch.delenv("EX4D_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "xdg"))
    shared = tmp_path / "extension" / "runtime"
    monkeypatch.setattr(paths, "user_folder", lambda name: tmp_path / "extension" / name)
    assert paths.runtime_folder() == shared
    paths._private_or_default.cache_clear()
    (shared / "planted").touch()
    shared.chmod(0o777)
    assert paths.runtime_folder() == tmp_path / "xdg" / "ex4d"
    # Who has named one is asked instead.
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(shared))
    assert paths.runtime_folder() == shared
