# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels and preferences say of an installation: missing, stopped, complete."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

bpy = pytest.importorskip("bpy")
import addon_utils  # noqa: E402

from ex4d.protocol.errors import CancelledError, ResourceError, TransientError  # noqa: E402

ADDON = "ex4d_blender"
OURS = {"format": "ex4d-environment", "extra": "", "version": "0.1.0"}


class Layout:
    """Takes note of what is drawn, in its order, as words."""

    def __init__(self, drawn: list[str] | None = None) -> None:
        self.drawn: list[str] = [] if drawn is None else drawn

    def label(self, *, text: str = "", **_: object) -> None:
        self.drawn.append(text)

    def operator(self, name: str, **_: object) -> Any:
        self.drawn.append(name)
        return SimpleNamespace()

    def prop(self, _data: object, name: str, **_: object) -> None:
        self.drawn.append(name)

    def progress(self, *, text: str = "", **_: object) -> None:
        self.drawn.append(text)

    def template_list(self, *_: object, **__: object) -> None:
        self.drawn.append("list")

    def box(self, **_: object) -> Layout:
        return Layout(self.drawn)

    row = column = box


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The add-on with a folder of its own for the backend, where nothing is installed."""
    monkeypatch.delenv("EX4D_BACKEND_PYTHON", raising=False)
    monkeypatch.setenv("EX4D_RUNTIME_DIR", str(tmp_path / "run"))
    assert addon_utils.enable(ADDON, default_set=True) is not None
    from ex4d_blender import installation as module
    from ex4d_blender import paths

    preferences = paths.addon_preferences()
    preferences.environment_folder = str(tmp_path / "backend")
    (tmp_path / "backend").mkdir()
    yield module
    preferences.environment_folder = ""
    module._installer = module._state = module._found = None
    addon_utils.disable(ADDON, default_set=True)


def drawn_preferences() -> list[str]:
    from ex4d_blender import paths, preferences

    drawer = preferences.EX4D_AP_preferences
    real, layout = paths.addon_preferences(), Layout()

    class Drawn:
        def __getattr__(self, name: str) -> Any:
            found = drawer.__dict__.get(name)
            return found.__get__(self) if callable(found) else getattr(real, name)

    drawn: Any = Drawn()
    drawn.layout = layout
    drawer.draw(drawn, None)
    return layout.drawn


def drawn_sidebar() -> str:
    from ex4d_blender import disk_watch
    from ex4d_blender.ui import layout as layouts

    # The timer's look at the disk; panels draw what it has seen.
    disk_watch.forget()
    disk_watch.look(time.monotonic())
    layout = Layout()
    layouts.needs_backend(layout)
    return " ".join(layout.drawn)


def leave(folder: Path, *done: str, python: bool = True, **facts: object) -> None:
    """What a stopped installation leaves."""
    (folder / "ex4d-environment.json").write_text(json.dumps({**OURS, "done": done, **facts}), encoding="utf-8")
    environment = folder / "environment"
    (environment / "bin").mkdir(parents=True, exist_ok=True)
    (environment / "ex4d-environment.json").write_text(json.dumps(OURS), encoding="utf-8")
    (environment / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n", encoding="utf-8")
    if python:
        (environment / "bin" / "python").touch()


def test_where_nothing_is_installed_installing_comes_first(installation: Any) -> None:
    drawn = drawn_preferences()
    assert drawn[0] == "No backend is installed."
    assert drawn.index("ex4d.install_backend") < drawn.index("ex4d.start_backend") < drawn.index("models_folder")
    # Three fields that need no answer are folded away, and nothing promises that a job starts it.
    assert not {"environment_folder", "wheels_folder", "base_python"} & set(drawn)
    assert "The backend does not run; the first job starts it." not in drawn
    assert not bpy.ops.ex4d.start_backend.poll()
    assert "No backend is installed." in drawn_sidebar()
    from ex4d_blender import paths

    paths.addon_preferences().show_advanced = True
    assert {"environment_folder", "wheels_folder", "base_python"} < set(drawn_preferences())
    paths.addon_preferences().show_advanced = False


@pytest.mark.parametrize("done", [(), ("venv",), ("venv", "packages")])
def test_an_unfinished_installation_is_no_backend(installation: Any, tmp_path: Path, done: tuple[str, ...]) -> None:
    from ex4d_blender import backend_link

    leave(tmp_path / "backend", *done)
    assert installation.missing() == "The installation was not finished."
    # A sidebar is narrow: it has lines.
    assert drawn_sidebar().startswith("The installation was not finished.")
    assert drawn_preferences()[0] == "The installation was not finished."
    assert not bpy.ops.ex4d.start_backend.poll()
    with pytest.raises(ResourceError, match="The installation was not finished") as caught:
        backend_link.current().connect(block=True)
    assert "Install Backend" in caught.value.hint


def test_what_the_machine_lacks_does_not_keep_the_backend_from_starting(installation: Any, tmp_path: Path) -> None:
    leave(tmp_path / "backend", "venv", "packages", "backend", problem="No rasterizer.")
    assert installation.missing() == ""
    assert installation.found().installed == "No rasterizer."
    assert bpy.ops.ex4d.start_backend.poll()


def test_a_complete_one_says_so(installation: Any, tmp_path: Path) -> None:
    leave(tmp_path / "backend", "venv", "packages", "backend", "check", extra="gpu")
    assert drawn_sidebar() == ""
    drawn = drawn_preferences()
    assert "Backend 0.1.0 is installed with its GPU packages." in drawn
    assert drawn.index("ex4d.start_backend") < drawn.index("ex4d.install_backend")
    leave(tmp_path / "backend", "venv", "packages", "backend", "check", python=False)
    (tmp_path / "backend" / "environment" / "bin" / "python").unlink()
    assert "is gone" in installation.missing()


def test_an_environment_of_a_studios_own_is_taken(installation: Any, tmp_path: Path) -> None:
    from ex4d_blender import backend_link

    (tmp_path / "backend" / "bin").mkdir()
    (tmp_path / "backend" / "bin" / "python").touch()
    (tmp_path / "backend" / "pyvenv.cfg").touch()
    assert installation.missing() == ""
    assert backend_link.current().backend_process().python == tmp_path / "backend" / "bin" / "python"


def test_drawing_reads_no_disk(installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []
    real: Callable[[], Any] = installation._installed
    monkeypatch.setattr(installation, "_installed", lambda: looks.append(time.monotonic()) or real())
    # As with a window: there the timer looks, and panels show what it has seen.
    monkeypatch.setattr(installation, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
    installation.look()
    for _ in range(50):
        drawn_sidebar()
        drawn_preferences()
    assert len(looks) == 1
    for _ in range(50):
        installation.pump()
    assert len(looks) == 1
    monkeypatch.setattr(installation, "LOOK_SECONDS", 0.0)
    installation.pump()
    assert len(looks) == 2


@pytest.mark.parametrize(
    ("error", "reported"), [(CancelledError(), 0), (TransientError("The disk is full.", "Free some."), 1), (None, 0)]
)
def test_who_has_stopped_it_is_shown_no_error(
    installation: Any, monkeypatch: pytest.MonkeyPatch, error: Exception | None, reported: int
) -> None:
    from ex4d_blender.core.installer import InstallState

    dialogs: list[object] = []
    monkeypatch.setattr("ex4d_blender.error_dialog.show_error", lambda *arguments, **_: dialogs.append(arguments))
    ended = InstallState("Checking", 3, 4, "", True, error)
    installation._installer = SimpleNamespace(poll=lambda: ended, tail=lambda _: ["a line"], cancel=lambda: None)
    installation._state, installation._polled = None, -1.0
    assert installation.missing() == "The backend is being installed."
    installation.pump()
    assert len(dialogs) == reported
    assert not installation.is_running()
    assert installation.missing() == "No backend is installed."


def test_a_running_installation_draws_when_it_says_something_and_four_times_a_second_at_most(
    installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender.core.installer import InstallState

    clock, lines, drawn = [0.0], ["first"], []
    monkeypatch.setattr(installation, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr("ex4d_blender.panel_updates.nudge", lambda: drawn.append(clock[0]))
    running = InstallState("Installing packages", 1, 4, "", False, None)
    installation._installer = SimpleNamespace(poll=lambda: running, tail=lambda _: list(lines), cancel=lambda: None)
    installation._state, installation._polled = None, -1.0
    for tick in range(20):
        clock[0] = tick / 10
        installation.pump()
    assert drawn == [0.0]
    for tick in range(20, 40):
        clock[0] = tick / 10
        lines.append(f"line {tick}")
        installation.pump()
    assert len(drawn) - 1 <= 2.0 / installation.POLL_SECONDS
    assert bpy.context.window_manager.ex4d.install_lines[1].name == "line 20"
