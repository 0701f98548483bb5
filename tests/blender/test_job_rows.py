# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs, dialogs, reports and the diagnosis: what people read."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from panel_drawing import Layout, context_of
from results_factory import model_info

from ex4d.protocol.errors import BadInputError, ErrorInfo, Ex4dError, ResourceError, UsageError
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.requests import DoctorRequest
from ex4d.protocol.results import DoctorResult, Finding, ModelsResult

pytest_plugins = ["addon_fixtures"]


@pytest.fixture
def jobs(addon: Any) -> Any:
    """The list, with jobs that nobody does."""
    yield addon.current()
    addon.current().link.client.jobs.clear()


def add(jobs: Any, title: str, **values: Any) -> str:
    job = jobs.link.client.submit(DoctorRequest(), title=title)
    change(jobs, job, **values)
    return str(job)


def change(jobs: Any, job: str, **values: Any) -> None:
    jobs.link.client.jobs[job] = replace(jobs.link.client.jobs[job], **values)
    jobs.mirror()


def titles(jobs: Any) -> list[str]:
    return [row.title for row in jobs.rows]


# Rows


def test_a_row_has_the_name_and_the_chosen_jobs_times_stand_below(jobs: Any) -> None:
    """In a sidebar of 280 pixels a row of one line has room for a name, and for little more."""
    from ex4d_blender.ui import layout, panels

    def lines() -> list[str]:
        found: list[str] = []
        context = context_of(bpy.context.scene, "VIEW_3D")
        panel = next(cls for cls in panels.CLASSES if cls.__name__ == "EX4D_PT_view3d_jobs")
        columns, layout.COLUMNS = layout.COLUMNS, 1000
        try:
            panel.draw(SimpleNamespace(layout=Layout(context, found)), context)
        finally:
            layout.COLUMNS = columns
        return found

    now = time.time()
    done = add(jobs, "Reconstruct towers", state="done", started=now - 24, finished=now)
    going = add(jobs, "Generate Take 01", state="running", stage="raster", step=3, of=49, share=0.25, eta=9.0)
    add(jobs, "Generate Take 02", state="queued")
    assert lines()[:3] == ["Reconstruct towers", "24 s", "25% Generate Take 01"]
    assert lines().count("Generate Take 02") == 1
    # The one that is being done is chosen, until another is clicked.
    assert "Generate Take 01: Rendering 3/49, 9 s left" in lines()
    bpy.context.window_manager.ex4d.active_job = 0
    clock = time.strftime("%H:%M", time.localtime(now))
    assert f"Reconstruct towers: done in 24 s, {clock}" in lines()
    assert jobs.rows[1].job == going
    assert jobs.rows[0].job == done


# Order


def test_the_list_reads_from_top_to_bottom(jobs: Any) -> None:
    first, second, third = (add(jobs, title) for title in ("One", "Two", "Three"))
    assert titles(jobs) == ["One", "Two", "Three"]
    change(jobs, first, state="done")
    change(jobs, second, state="running")
    # What the backend says of times changes no order.
    change(jobs, third, created=1.0)
    assert titles(jobs) == ["One", "Two", "Three"]
    manager = bpy.context.window_manager.ex4d
    assert [item.job for item in manager.jobs] == [first, second, third]
    # The list shows the one that is being done.
    assert manager.active_job == 1


def test_a_job_that_is_asked_for_again_stays_in_its_row(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.backend_link import BackendLink

    monkeypatch.setattr(BackendLink, "connect", lambda *_, **__: None)
    first, second, third = (add(jobs, title) for title in ("One", "Two", "Three"))
    assert jobs.retry(second) is None
    change(jobs, first, state="done")
    jobs.expect(bpy.context.scene, second, "nothing", {})
    change(jobs, second, state="failed", error=ErrorInfo())
    again = jobs.retry(second)
    assert titles(jobs) == ["One", "Two", "Three"]
    assert [row.job for row in jobs.rows] == [first, again, third]
    assert [row.state for row in jobs.rows] == ["done", "queued", "queued"]
    assert second not in jobs.link.client.jobs
    # The same scene waits for it.
    assert jobs.waiting[again].scene == bpy.context.scene.session_uid
    change(jobs, again, state="cancelled")
    assert [row.job for row in jobs.rows][1] == again


def test_only_the_last_of_many_ended_jobs_are_shown_and_all_that_wait(jobs: Any, addon: Any) -> None:
    waiting = add(jobs, "Waiting")
    for number in range(addon.SHOWN_JOBS + 5):
        add(jobs, f"Ended {number}", state="done")
    assert jobs.rows[0].job == waiting
    assert titles(jobs)[1:] == [f"Ended {number}" for number in range(5, addon.SHOWN_JOBS + 5)]


def test_times_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.core import texts

    monkeypatch.setattr(time, "localtime", time.gmtime)
    job = JobSnapshot("job", "generate", created=3600.0)
    assert texts.job_state(job) == "waiting since 01:00"
    done = replace(job, state="done", started=3700.0, finished=3825.0)
    assert texts.job_state(done) == "done in 2:05 min, 01:03"
    assert texts.job_state(replace(done, state="failed")) == "failed, 01:03"
    assert texts.job_state(replace(done, state="cancelled")) == "cancelled, 01:03"
    assert texts.job_state(replace(done, kind="download", state="cancelled")) == "paused, 01:03"
    running = replace(job, state="running", stage="fill", step=3, of=25)
    assert texts.job_state(running) == "Filling 3/25"
    assert texts.job_state(replace(running, worker=0, gpus=(1,))) == "Filling 3/25 (GPU 1)"
    assert texts.job_state(replace(running, worker=0, gpus=(0, 1))) == "Filling 3/25 (GPUs 0, 1)"
    assert texts.job_state(replace(running, worker=1)) == "Filling 3/25 (worker 1)"
    # One that was cancelled before it was sent has no times.
    assert texts.job_state(JobSnapshot("job", "generate", state="cancelled")) == "cancelled"


# Errors


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (BadInputError("«Cube» is not a camera.", "Choose a camera."), "status bar"),
        (UsageError("There is no take.", "Add one."), "status bar"),
        (BadInputError("A sentence that is long. " * 10, "What to do."), "dialog"),
        (ResourceError("There is no backend.", "Install it."), "dialog"),
    ],
)
def test_a_wrong_click_is_said_in_the_status_bar(
    addon: Any, monkeypatch: pytest.MonkeyPatch, error: Ex4dError, where: str
) -> None:
    from ex4d_blender.ops import common

    shown: list[Any] = []
    monkeypatch.setattr(common, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
    monkeypatch.setattr("ex4d_blender.error_dialog.show_error", lambda *values, **_: shown.append(values[0]))
    reports: list[tuple[set[str], str]] = []
    operator = SimpleNamespace(bl_idname="x", report=lambda kind, text: reports.append((kind, text)))

    def action() -> set[str]:
        raise error

    assert common.run_reporting(operator, SimpleNamespace(window=None), action) == {"CANCELLED"}
    if where == "dialog":
        assert (shown, reports) == ([error], [])
    else:
        # A report of an error would open a popup.
        assert (shown, reports) == ([], [({"WARNING"}, f"{error.message} {error.hint}")])


class _Dialog(Layout):
    """A layout that keeps the buttons of its popup."""

    def template_popup_confirm(self, name: str, *, text: str, cancel_text: str) -> None:
        self.operator(name, text=text)
        self.lines.append(f"cancel: {cancel_text}")


def dialog() -> tuple[list[str], dict[str, Any]]:
    """What the error dialog says, and how it is opened."""
    from ex4d_blender.ops.errors import EX4D_OT_show_error

    opened: dict[str, Any] = {}
    context = context_of(bpy.context.scene, "VIEW_3D")
    context.window_manager = SimpleNamespace(
        ex4d=bpy.context.window_manager.ex4d,
        invoke_props_dialog=lambda _operator, **options: opened.update(options) or {"RUNNING_MODAL"},
    )
    lines: list[str] = []
    operator = SimpleNamespace(layout=_Dialog(context, lines), bl_label=EX4D_OT_show_error.bl_label)
    EX4D_OT_show_error.invoke(operator, context, None)
    EX4D_OT_show_error.draw(operator, context)
    return lines, opened


def test_the_error_dialog_has_a_title_and_ok_and_says_a_sentence_once(addon: Any) -> None:
    from ex4d_blender import error_dialog

    error_dialog.show_error(ResourceError("There is no room.", "Free some."))
    lines, opened = dialog()
    assert opened["title"] == "EX-4D Error"
    assert sum("There is no room." in line for line in lines) == 1
    assert sum("Free some." in line for line in lines) == 1
    assert lines[-3:] == ["ex4d.close_error", "OK", "cancel: "]
    assert len(bpy.context.window_manager.ex4d.error_lines) == 0
    # The copied text has all of it.
    assert "There is no room." in error_dialog.error_text("")
    error_dialog.show_error(ResourceError("There is no room.", "Free some."), "Traceback\nLine 1")
    dialog()
    assert [line.name for line in bpy.context.window_manager.ex4d.error_lines] == ["Traceback", "Line 1"]
    error_dialog.clear()


# Diagnosis

FOUND = DoctorResult(
    True,
    "embree",
    (
        Finding("depth", "depth_pro", True, "ready", "", "apple-amlr, research only, no commercial use"),
        Finding("machine", "ex4d", True, "ex4d 1 on Python (/home/somebody/x)"),
        Finding("depth", "moge", False, "MoGe-2 needs packages.", "Install them.", "MIT", "MoGe-2", "moge"),
        Finding("depth", "small", True, "a small network", "", "MIT"),
        Finding("odd", "thing", True, "fine"),
    ),
)


def test_the_diagnosis_is_a_table(addon: Any) -> None:
    from ex4d_blender import model_downloads
    from ex4d_blender.core.diagnosis_texts import is_restricted, rows
    from ex4d_blender.ui.diagnosis import _icon, draw_diagnosis

    assert [(area, [one.name for one in found]) for area, found in rows(FOUND)] == [
        ("machine", ["ex4d"]),
        ("depth", ["depth_pro", "small", "moge"]),
        ("odd", ["thing"]),
    ]
    icons = {finding.name: _icon(finding) for finding in FOUND.findings}
    # What may not be sold stands out; what does not work is no danger.
    assert icons == {"depth_pro": "ERROR", "ex4d": "CHECKMARK", "moge": "X", "small": "CHECKMARK", "thing": "CHECKMARK"}
    assert is_restricted(replace(FOUND.findings[0], licence="CC-BY-NC-4.0, no commercial use"))
    lines: list[str] = []
    draw_diagnosis(Layout(context_of(bpy.context.scene, "VIEW_3D"), lines), FOUND, 90)
    for text in ("This Computer", "Depth", "Odd", "MoGe-2", "a small network. Licence: MIT.", "Install them."):
        assert text in lines
    # What a button gets is got by that button.
    model_downloads.remember(ModelsResult((model_info("MoGe-2", name="moge"),)))
    lines.clear()
    draw_diagnosis(Layout(context_of(bpy.context.scene, "VIEW_3D"), lines), FOUND, 90)
    assert "Get MoGe-2 in the list of models above." in lines
    assert "Install them." not in lines
    model_downloads.forget()


def test_the_diagnosis_is_copied_without_the_users_name(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.core.diagnosis_texts import as_text

    monkeypatch.setenv("HOME", "/home/somebody")
    text = as_text(FOUND, "EX-4D 1 in Blender 2")
    assert text.splitlines()[0] == "EX-4D 1 in Blender 2"
    assert "somebody" not in text
    assert "  - MoGe-2: MoGe-2 needs packages. [MIT]\n      Install them." in text
    assert not bpy.ops.ex4d.copy_diagnosis.poll()
    addon.current().link.doctor = FOUND
    assert bpy.ops.ex4d.copy_diagnosis() == {"FINISHED"}
    addon.current().link.doctor = None
