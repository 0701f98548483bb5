# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests of the enabled add-on, with a backend of each file's own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import addon_utils
import bpy
import pytest

from ex4d.protocol.jobs import JobSnapshot

ADDON = "ex4d_blender"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A runtime folder; a backend that was started in it ends with the file's tests."""
    folder = tmp_path_factory.mktemp("runtime")
    former = os.environ.get("EX4D_RUNTIME_DIR")
    os.environ["EX4D_RUNTIME_DIR"] = str(folder)
    yield folder
    if former is None:
        del os.environ["EX4D_RUNTIME_DIR"]
    else:
        os.environ["EX4D_RUNTIME_DIR"] = former
    from ex4d_blender.core.client import JobClient

    from ex4d.protocol.runtime import read_handshake

    handshake = read_handshake(folder)
    if handshake is not None:
        client = JobClient("end")
        client.connect(handshake)
        client.shutdown()
        end = time.monotonic() + 10
        while time.monotonic() < end and not client.poll(50).left:
            pass
        client.disconnect()


@pytest.fixture
def addon(runtime: Path) -> Iterator[Any]:
    """The job list of the enabled add-on; nothing of it stays."""
    assert addon_utils.enable(ADDON, default_set=True) is not None
    from ex4d_blender import job_list

    yield job_list
    addon_utils.disable(ADDON, default_set=True)


def _reconstruct(plate: Path) -> None:
    bpy.context.scene.ex4d.viewport_side = 32
    bpy.ops.ex4d.load_plate(filepath=str(plate))
    assert bpy.ops.ex4d.reconstruct() == {"FINISHED"}


@pytest.fixture
def reconstruct(addon: Any) -> Callable[[Path], None]:
    """Puts a plate into the open scene, with a small mesh."""
    return _reconstruct


@pytest.fixture(scope="module")
def shot_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the .blend of ``shot`` is; the first test that needs it makes it."""
    return tmp_path_factory.mktemp("shot") / "shot.blend"


@pytest.fixture
def shot(reconstruct: Callable[[Path], None], plate: Path, shot_file: Path) -> Any:
    """The scene of a saved file with a reconstructed shot, opened anew; its folder on disk is the whole file's."""
    if shot_file.exists():
        bpy.ops.wm.open_mainfile(filepath=str(shot_file))
    else:
        bpy.ops.wm.save_as_mainfile(filepath=str(shot_file))
        reconstruct(plate)
        bpy.ops.wm.save_mainfile()
    return bpy.context.scene


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch, addon: Any) -> Iterator[Any]:
    """The module, with a backend that only writes down what it is asked for; ``jobs`` are those, by id."""
    from ex4d_blender import changes, live_preview, out_of_date

    current = addon.current()
    asked: list[str] = []
    cancelled: list[str] = []

    def submit(_jobs: Any, scene: bpy.types.Scene, _request: Any, *, data: dict[str, Any], **options: Any) -> str:
        job = f"20260101-000000-{len(asked):08d}"
        asked.append(job)
        current.expect(scene, job, options["action"], data)
        current.link.client.jobs[job] = JobSnapshot(job, "preview", state="running")
        return job

    monkeypatch.setattr(addon.JobList, "submit", submit)
    monkeypatch.setattr(type(current.link.client), "cancel", lambda _, job: cancelled.append(job))
    live_preview.forget()
    yield SimpleNamespace(
        look=live_preview.look,
        stale=out_of_date.stale,
        module=live_preview,
        asked=asked,
        cancelled=cancelled,
        jobs=current.link.client.jobs,
        current=current,
        stir=changes.stir,
    )
    live_preview.forget()
