# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting models by a button: what is said before, how it goes on, what is kept; and a real download with breaks."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from local_hub import Hub, serving
from panel_drawing import Layout, context_of
from results_factory import model_info, welcome

from ex4d.protocol.capabilities import Capabilities
from ex4d.protocol.errors import ResourceError, TransientError
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.models import MemoryNeed, ModelInfo
from ex4d.protocol.requests import DownloadRequest, ModelsRequest
from ex4d.protocol.results import ModelsResult

pytest_plugins = ["addon_fixtures"]

MODEL_PYTHON = Path(__file__).parents[2] / ".venv-model" / "bin" / "python"
REPOSITORY = "depth-anything/Video-Depth-Anything-Small"
FILE = "video_depth_anything_vits.pth"
SIZE = 12_000_000


# What is said


def test_what_is_said_before_a_download() -> None:
    from ex4d_blender.core.model_texts import needs_text, parts, sentences_before, size_text, state_text

    free = model_info("Free", size=116_000_000)
    said = " ".join(sentences_before(free))
    assert said.startswith("Free for commercial work. Licence: Apache-2.0.")
    assert "To download: about 116 MB." in said
    assert "does not know its checksums" in said
    assert "a file changed on the hub is not" in said
    assert "packages" not in said
    assert said.count("Commercial use") == 0  # the heading says it
    assert "GPU memory: not measured." in said
    needs = MemoryNeed(("fast",), 21, 6, 18), MemoryNeed(("exact",), 34, 8, 31)
    text = needs_text(replace(free, memory=needs), "exact")
    assert text == (
        "To download and on disk: about 116 MB. Commercial use: yes. GPU memory for exact: 34 GiB; from 8 GiB on with "
        "31 GiB of main memory, slower."
    )
    sold = replace(free, title="Sold", commercial="no", licence="CC-BY-NC-4.0", pinned=True, size_known=True)
    assert sentences_before(sold)[0].startswith("Not for commercial work. Licence: CC-BY-NC-4.0")
    assert "checksums" not in " ".join(sentences_before(sold))
    lacking = replace(free, missing=("torch",), extra="gpu", gated=True, size_known=True)
    said = " ".join(sentences_before(lacking))
    assert "Before that the packages" in said
    assert "B to download" in said
    assert "HF_TOKEN" in said
    begun = replace(free, state="begun", got=58_000_000, size_known=True)
    assert state_text(begun) == "paused: 50 %, 58 MB of 116 MB"
    assert "58 MB are here, 58 MB are still to come." in " ".join(sentences_before(begun))
    assert size_text(begun) == "116 MB"
    unread = replace(free, commercial="read")
    # Whatever order the backend has, those for commercial work stand first.
    assert [text for text, _ in parts([sold, unread, free])] == [
        "Free for commercial work",
        "Read its licence before commercial work",
        "Not for commercial work",
    ]


# The button


@pytest.fixture
def online(addon: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The add-on of a Blender with a window that may go online; jobs are asked for and nobody does them."""
    from ex4d_blender import installation, job_list, model_downloads

    app = SimpleNamespace(background=False, online_access=True)
    context = SimpleNamespace(scene=bpy.context.scene)
    monkeypatch.setattr(model_downloads, "bpy", SimpleNamespace(app=app, context=context))
    asked: list[Any] = []

    def submit(_scene: Any, request: Any, *, title: str, **_options: Any) -> str:
        asked.append(request)
        job = f"job{len(asked)}"
        kind = "models" if isinstance(request, ModelsRequest) else "download"
        current.link.client.jobs[job] = JobSnapshot(job, kind, title=title)
        current.mirror()
        return job

    current = job_list.current()
    monkeypatch.setattr(current, "submit", submit)
    current.link.client.welcome = welcome(Capabilities((), ()))
    yield SimpleNamespace(app=app, asked=asked, jobs=current, models=model_downloads, installation=installation)
    current.link.client.jobs.clear()
    current.link.client.welcome = None
    model_downloads.forget()


def tell(online: Any, *infos: ModelInfo) -> None:
    online.models.remember(ModelsResult(infos))


def end(online: Any, job: str, state: str) -> None:
    online.jobs.link.client.jobs[job] = replace(online.jobs.link.client.jobs[job], state=state)
    online.jobs.mirror()


def rows() -> list[str]:
    """What the table of the preferences says."""
    from ex4d_blender import model_downloads
    from ex4d_blender.model_table import draw_models

    lines: list[str] = []
    draw_models(Layout(context_of(bpy.context.scene, "VIEW_3D"), lines), model_downloads.known(), 90)
    return lines


def test_a_model_is_asked_for_shown_paused_and_gone_on_with(online: Any) -> None:
    info = model_info("Model One")
    tell(online, info)
    assert "Get" in rows()
    needs = "To download and on disk: about 116 MB. Commercial use: yes. GPU memory: not measured."
    assert needs in " ".join(rows())
    online.models.get(bpy.context.scene, info, block=False)
    assert online.asked == [DownloadRequest("model_one")]
    running = JobSnapshot(
        "job1", "download", state="running", title="Download Model One", stage="download", step=40, of=116, eta=75.0
    )
    online.jobs.link.client.jobs["job1"] = running
    online.jobs.mirror()
    assert "Downloading 40 MB of 116 MB, 1:15 min left" in rows()
    assert "Pause" in rows()
    with pytest.raises(Exception, match="is being downloaded"):
        online.models.check(info)
    online.models.follow()
    assert len(online.asked) == 1
    # Paused: the backend is asked how much there is.
    end(online, "job1", "cancelled")
    online.models.follow()
    assert online.asked[1:] == [ModelsRequest()]
    online.models.follow()
    assert len(online.asked) == 2
    tell(online, replace(info, state="begun", got=40_000_000, size_known=True))
    assert "paused: 34 %, 40 MB of 116 MB" in rows()
    assert "Resume" in rows()
    online.models.get(bpy.context.scene, info, block=False)
    assert online.asked[-1] == DownloadRequest("model_one")
    end(online, "job3", "failed")
    assert any("has failed" in line for line in rows())
    online.models.get(bpy.context.scene, info, block=False)
    end(online, "job4", "done")
    tell(online, replace(info, state="here"))
    assert "on this computer" in rows()
    assert not any("has failed" in line for line in rows())


def test_why_not(online: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    info = model_info("Model One")
    assert online.models.why_not(info) == ""
    online.app.online_access = False
    assert "may not go online" in online.models.why_not(info)
    with pytest.raises(ResourceError, match="Model One cannot be downloaded"):
        online.models.get(bpy.context.scene, info, block=False)
    online.app.online_access = True
    lacking = replace(info, missing=("moge",), extra="", install="pip install x")
    found = online.installation.found()
    monkeypatch.setattr(online.installation, "found", lambda: replace(found, foreign=False))
    assert "which the installer does not bring. Get it with: pip install x" in online.models.why_not(lacking)
    # The tests' backend is no environment of the installer's.
    monkeypatch.setattr(online.installation, "found", lambda: replace(found, foreign=True))
    assert "not of the add-on's making" in online.models.why_not(replace(lacking, extra="gpu"))
    assert online.asked == []


@pytest.mark.parametrize("failure", [None, TransientError("No.", "Yes.")])
def test_missing_packages_are_installed_first(
    online: Any, monkeypatch: pytest.MonkeyPatch, failure: TransientError | None
) -> None:
    info = replace(model_info("Model One"), missing=("torch",), extra="gpu")
    tell(online, info)
    began: list[Any] = []
    running = [False]
    plan = SimpleNamespace(check=lambda: None)
    monkeypatch.setattr(online.installation, "found", lambda: online.installation.Found("", "", foreign=False))
    monkeypatch.setattr(online.installation, "make_plan", lambda *, extra: began.append(extra) or plan)
    monkeypatch.setattr(online.installation, "start", lambda _plan: running.__setitem__(0, True))
    monkeypatch.setattr(online.installation, "is_running", lambda: running[0])
    monkeypatch.setattr(online.installation, "state", lambda: SimpleNamespace(done=True, error=failure))
    assert online.models.get(bpy.context.scene, info, block=False) is None
    assert began == ["gpu"]
    online.models.follow()
    assert "its packages are being installed" in rows()
    assert online.asked == []
    running[0] = False
    online.models.follow()
    assert online.asked == ([DownloadRequest("model_one")] if failure is None else [])
    # Once.
    online.models.follow()
    assert len(online.asked) == (failure is None)


@pytest.mark.parametrize(
    ("before", "extra", "after", "planned"),
    [
        ("CPU", "gpu", "GPU", "gpu"),
        ("GPU", "moge", "MOGE", "moge"),
        ("MOGE", "gpu", "MOGE", "moge"),
        ("CPU", None, "CPU", ""),
    ],
)
def test_a_models_packages_are_asked_for_from_now_on(
    addon: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    before: str,
    extra: str | None,
    after: str,
    planned: str,
) -> None:
    from ex4d_blender import installation, paths

    preferences: Any = paths.addon_preferences()
    preferences.wheels_folder, preferences.environment_folder = str(tmp_path), str(tmp_path / "backend")
    preferences.extra = before
    monkeypatch.setattr(installation, "bundled_wheel", lambda _folder: tmp_path / "ex4d.whl")
    plan = installation.make_plan(extra=extra)
    assert (plan.extra, preferences.extra) == (planned, after)
    assert all(path.is_file() for path in (*plan.locks(hashed=True), *plan.locks(hashed=False)))


def test_the_list_is_asked_for_where_somebody_looks(online: Any) -> None:
    online.models.follow()
    assert online.asked == []
    online.models.want()
    online.models.follow()
    online.models.follow()
    assert online.asked == [ModelsRequest()]
    end(online, "job1", "done")
    tell(online, model_info("Model One"))
    # Another backend has been started since.
    online.jobs.link.client.welcome = replace(online.jobs.link.client.welcome, pid=99)
    online.models.follow()
    assert online.asked == [ModelsRequest(), ModelsRequest()]
    # Neither is asked again and again where it cannot tell.
    end(online, "job2", "failed")
    online.models.follow()
    assert len(online.asked) == 2


def test_better_depth_opens_with_the_answer(online: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blender draws a popup once: one that opens before the answer never shows it."""
    shown: list[Any] = []
    table = SimpleNamespace(better_depth=shown.append)
    monkeypatch.setattr(online.models, "operators", SimpleNamespace(ex4d=table))
    # The context of this module has no windows to go to.
    monkeypatch.setattr(online.models.bpy.context, "temp_override", lambda **_: nullcontext(), raising=False)
    window, scene = bpy.context.window_manager.windows[0], bpy.context.scene
    for _ in range(2):
        # Pressed again while nobody has answered.
        online.models.open_when_known(scene, window)
    assert (online.asked, shown) == ([ModelsRequest()], [])
    end(online, "job1", "done")
    tell(online, model_info("Model One"))
    assert shown == ["INVOKE_DEFAULT"]
    tell(online, model_info("Model One"))
    assert len(shown) == 1
    # What nobody could answer opens nothing later.
    online.models.forget()
    online.models.open_when_known(scene, window)
    end(online, "job2", "failed")
    online.models.follow()
    tell(online, model_info("Model One"))
    assert len(shown) == 1


def test_who_sees_the_button_has_asked(online: Any) -> None:
    from ex4d_blender.ui.panels.geometry import draw_reconstruct

    draw_reconstruct(Layout(context_of(bpy.context.scene, "VIEW_3D"), []), context_of(bpy.context.scene, "VIEW_3D"))
    online.models.follow()
    assert online.asked == [ModelsRequest()]


def test_a_backend_that_cannot_tell_is_asked_once(online: Any) -> None:
    online.models.want()
    online.models.follow()
    end(online, "job1", "failed")
    for _ in range(3):
        # The preferences are drawn again.
        online.models.want()
        online.models.follow()
    assert online.asked == [ModelsRequest()]


# A real download


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Hub]]:
    """A hub on this machine, and a backend that has the packages and knows no other."""
    if not MODEL_PYTHON.is_file():
        pytest.skip("needs .venv-model, the environment with the extra gpu: scripts/test sets it up")
    folder = tmp_path_factory.mktemp("hub")
    (folder / REPOSITORY).mkdir(parents=True)
    (folder / REPOSITORY / FILE).write_bytes(random.Random(1).randbytes(SIZE))
    former = dict(os.environ)
    with serving(folder) as (handler, address):
        os.environ |= {
            "HF_ENDPOINT": address,
            "HF_HOME": str(folder / "cache"),
            "EX4D_MODELS": str(folder / "models"),
            "EX4D_BACKEND_PYTHON": str(MODEL_PYTHON),
        }
        os.environ.pop("HF_HUB_OFFLINE", None)
        yield handler
    os.environ.clear()
    os.environ.update(former)


@pytest.fixture
def connected(hub: type[Hub], addon: Any) -> Iterator[Any]:
    system = bpy.context.preferences.system
    former, system.use_online_access = system.use_online_access, True
    assert bpy.ops.ex4d.list_models() == {"FINISHED"}
    yield addon.current()
    system.use_online_access = former


def known(name: str = "video_depth_anything") -> ModelInfo:
    from ex4d_blender import model_downloads

    info = model_downloads.find(name)
    assert info is not None
    return info


def pump(done: Callable[[], bool], seconds: float = 60.0) -> None:
    """What the timer does where there is a window."""
    from ex4d_blender import job_list, model_downloads

    last = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < last, "nothing came of it"
        job_list.current().pump()
        model_downloads.follow()
        time.sleep(0.02)


def test_a_download_is_paused_and_goes_on_after_a_restart(hub: type[Hub], connected: Any) -> None:
    from ex4d_blender import backend_link, model_downloads

    info = known()
    assert (info.state, info.missing, info.commercial) == ("absent", (), "yes")
    part = Path(info.folder) / "Video-Depth-Anything-Small"
    hub.slow = {FILE: 0.02}
    job = model_downloads.get(bpy.context.scene, info, block=False)
    assert job is not None
    client = connected.link.client
    pump(lambda: client.jobs[job].stage == "download" and client.jobs[job].step >= 3)
    assert model_downloads.job_of(info) is not None
    bpy.ops.ex4d.cancel_job(job=job)
    pump(lambda: client.jobs[job].is_final and known().state == "begun")
    assert client.jobs[job].state == "cancelled"
    assert 3_000_000 <= known().got < SIZE
    assert not (part / FILE).exists()
    # Blender and its backend are started anew.
    backend_link.current().stop()
    model_downloads.forget()
    hub.slow, hub.breaks = {}, {FILE: [1_000_000]}
    hub.ranges.clear()
    assert bpy.ops.ex4d.list_models() == {"FINISHED"}
    there = known().got
    assert (known().state, known().size, known().size_known) == ("begun", SIZE, True)
    assert bpy.ops.ex4d.get_model(model=info.name) == {"FINISHED"}
    # From there, and once more after the line broke.
    assert hub.ranges == [f"{FILE} {there}", f"{FILE} {there + 1_000_000}"]
    whole = hashlib.sha256((part / FILE).read_bytes()).hexdigest()
    assert whole == hashlib.sha256((hub.root / REPOSITORY / FILE).read_bytes()).hexdigest()
    pump(lambda: known().state == "here")


def test_a_wrong_hash_and_a_file_that_is_gone_are_said(hub: type[Hub], connected: Any) -> None:
    name = "depth_anything"
    folder = hub.root / "depth-anything" / "Depth-Anything-V2-Small-hf"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(bytes(2_000_000))
    hub.changed = {"model.safetensors"}
    with pytest.raises(RuntimeError, match="arrived damaged and was removed"):
        bpy.ops.ex4d.get_model(model=name)
    hub.changed, hub.broken = set(), {"model.safetensors"}
    with pytest.raises(RuntimeError, match="the server answers 404"):
        bpy.ops.ex4d.get_model(model=name)
    hub.broken = set()
    with pytest.raises(RuntimeError, match="The hub has no model apple/DepthPro-hf"):
        bpy.ops.ex4d.get_model(model="depth_pro")
    pump(lambda: known(name).state == "begun")
    assert bpy.ops.ex4d.get_model(model=name) == {"FINISHED"}
    pump(lambda: known(name).state == "here")
