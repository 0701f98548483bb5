# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring the calls that Blender makes: all of them, by name, and nothing unless it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import bpy
import pytest
from addon_fixtures import ADDON, runtime  # noqa: F401
from panel_drawing import draw_panels

import addon_utils  # isort: skip  Blender brings it


@pytest.fixture
def table(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:  # noqa: F811
    """The add-on, enabled while calls are measured; the file that they are written to."""
    path = tmp_path / "times.txt"
    monkeypatch.setenv("EX4D_BLENDER_TIMES", str(path))
    assert addon_utils.enable(ADDON, default_set=True) is not None
    yield path
    addon_utils.disable(ADDON, default_set=True)


def own_methods(cls: type) -> dict[str, Any]:
    """The methods of a class that the add-on wrote itself and that Blender may know, by name."""
    found: dict[str, Any] = {}
    for owner in reversed(cls.__mro__):
        if owner.__module__.startswith(ADDON):
            found |= {name: value for name, value in vars(owner).items() if name in KNOWN}
    return found


#: What Blender's documentation names as called by it, of all kinds of classes.
KNOWN = {
    *("poll", "execute", "check", "invoke", "modal", "draw", "cancel", "description"),
    *("draw_header", "draw_header_preset", "draw_item", "draw_filter", "filter_items"),
    *("draw_select", "test_select", "setup", "exit", "select_refresh"),
    *("setup_keymap", "refresh", "draw_prepare", "invoke_prepare", "poll_drop"),
}


def test_all_methods_that_blender_calls_are_measured(table: Path) -> None:
    from ex4d_blender import registration
    from ex4d_blender.core import call_times

    missed = [
        f"{cls.__name__}.{name}"
        for cls in registration.CLASSES
        for name, method in own_methods(cls).items()
        if not call_times.is_timed(getattr(method, "__func__", method))
    ]
    assert missed == []
    operators = [cls for cls in registration.CLASSES if issubclass(cls, bpy.types.Operator)]
    assert len(operators) > 30
    assert all("execute" in own_methods(cls) or "invoke" in own_methods(cls) for cls in operators)


def test_all_callbacks_of_properties_are_measured(table: Path) -> None:
    from ex4d_blender import registration
    from ex4d_blender.core import call_times

    found = {}
    for cls in registration.CLASSES:
        for owner in cls.__mro__:
            for name, written in vars(owner).get("__annotations__", {}).items():
                for keyword, value in getattr(written, "keywords", {}).items():
                    if isinstance(value, FunctionType):
                        found[f"{cls.__name__}.{name} {keyword}"] = call_times.is_timed(value)
    assert len(found) > 15
    # Also those of a module that postpones its annotations.
    assert "EX4D_PG_scene.open_plate get" in found
    assert [name for name, timed in found.items() if not timed] == []


def test_timer_handlers_drawing_and_results_are_measured(table: Path) -> None:
    from ex4d_blender import handlers, job_list, timer
    from ex4d_blender.core import call_times
    from ex4d_blender.ui import menu_entries, status_bar

    for event, function in handlers._HANDLERS:
        known = getattr(bpy.app.handlers, event, None)
        if known is not None:
            assert call_times.timed(function) in known
            assert function not in known
    for name, draw in (*menu_entries._ENTRIES, ("STATUSBAR_HT_header", status_bar._draw)):
        drawing: Any = getattr(bpy.types, name).draw
        assert call_times.timed(draw) in drawing._draw_funcs, name
    assert bpy.app.timers.is_registered(call_times.timed(timer._tick))
    assert all(map(call_times.is_timed, [*timer._steps, *job_list.current().handlers.values()]))


def test_calls_are_counted_and_written_when_the_addon_is_switched_off(table: Path) -> None:
    from ex4d_blender.core import call_times

    scene = bpy.context.scene
    before = call_times.calls()
    scene.frame_set(7)
    scene.frame_set(8)
    scene.ex4d.active_take = 0
    draw_panels(scene)
    with pytest.raises(RuntimeError):
        bpy.ops.ex4d.add_take_camera()
    found = call_times.calls()

    def new(name: str) -> int:
        return found[name].count - (before[name].count if name in before else 0)

    assert new("handlers._frame_change_post") == 2
    assert new("EX4D_PG_scene.active_take.update") == 1
    assert new("EX4D_OT_add_take_camera.poll") == 1
    assert any(name.endswith(".draw") for name in found)
    assert all(item.total >= item.longest >= 0 and item.busy >= 0 for item in found.values())
    addon_utils.disable(ADDON, default_set=True)
    lines = table.read_text().splitlines()
    assert any(
        line.split()[:2] == ["handlers._frame_change_post", str(found["handlers._frame_change_post"].count)]
        for line in lines
    )
    longest = [float(line.removeprefix("!").split()[2]) for line in lines[1:]]
    assert longest == sorted(longest, reverse=True)
    assert len(longest) > 10


def test_without_the_variable_blender_gets_the_functions_themselves(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ex4d_blender import handlers, registration
    from ex4d_blender.core import call_times

    def measuring() -> list[str]:
        return [
            f"{cls.__name__}.{name}"
            for cls in registration.CLASSES
            for name, method in own_methods(cls).items()
            if getattr(method, "__func__", method).__code__.co_filename == call_times.__file__
        ]

    assert len(measuring()) > 100
    addon_utils.disable(ADDON, default_set=True)
    monkeypatch.delenv("EX4D_BLENDER_TIMES")
    addon_utils.enable(ADDON, default_set=True)
    assert measuring() == []
    assert handlers._frame_change_post in bpy.app.handlers.frame_change_post
    bpy.context.scene.frame_set(9)
    assert call_times.calls() == {}


def test_calls_of_other_threads_and_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ex4d_blender.core import call_times

    monkeypatch.setenv("EX4D_BLENDER_TIMES", str(tmp_path / "times.txt"))

    def fails(value: int) -> int:
        return 1 // value

    assert call_times.timed(fails) is fails
    assert call_times.begin()
    measured: Callable[[int], int] = call_times.timed(fails, "fails")
    assert call_times.timed(fails, "fails") is measured
    assert measured(1) == 1
    with pytest.raises(ZeroDivisionError):
        measured(0)
    thread = threading.Thread(target=measured, args=(1,))
    thread.start()
    thread.join()
    assert call_times.calls()["fails"].count == 2
    call_times.end()
    assert call_times.calls() == {}
    assert (tmp_path / "times.txt").read_text().splitlines()[1].split()[:2] == ["fails", "2"]


@pytest.mark.parametrize(("seconds", "marks"), [(0.2, 0), (0.3, 1)])
def test_long_calls_are_marked(seconds: float, marks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.core import call_times

    monkeypatch.setattr(call_times, "_calls", {"slow": call_times.Calls()})
    call_times._calls["slow"].add(seconds, 0.1)
    assert call_times.table().count("!") == marks
