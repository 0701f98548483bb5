# SPDX-License-Identifier: GPL-3.0-or-later
"""No text of the panels is cut in a sidebar as wide as Blender makes it, in English and in German."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import pytest
from ex4d_blender import localisation
from ex4d_blender.scene.wipe_pictures import Side
from ex4d_blender.translations import LANGUAGES
from panel_drawing import context_of
from panel_widths import MARGINS, NAMES, TABS, UNIT, Measuring, overflows, text_width
from test_compare_strips import edit_of, edited, press  # noqa: F401  fixtures
from test_drawing import addon, busy  # noqa: F401  fixtures

from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.stage_names import STAGE_NAMES

#: Of Blender's sidebars at scale 1.
SIDEBAR = 280


@pytest.fixture(params=["en", "de"])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """How Blender would translate what it shows, with an interface in that language."""
    table = LANGUAGES.get(request.param)
    monkeypatch.setattr(localisation, "current", lambda: table)
    return table.of if table is not None else str


def test_what_is_measured_is_what_blender_gives() -> None:
    """The measure itself: a row of buttons shares its width by their natural widths, a form gives names two fifths."""
    context = context_of(bpy.context.scene, "VIEW_3D")
    found: list[Any] = []
    layout = Measuring(context, str)
    layout.label(text="short")
    row = layout.row()
    row.label(text="A word that is long enough", icon="INFO")
    row.label(text="Another one that is too")
    layout.look(236, found)
    assert [item.text for item in found] == ["A word that is long enough", "Another one that is too"]
    wide = text_width("A word that is long enough") + text_width("Another one that is too")
    found.clear()
    layout.look(wide + 100, found)
    assert found == []
    form = Measuring(context, str)
    form.use_property_split = True
    form.prop(bpy.context.scene.render, "resolution_percentage", text="A rather long name of it")
    form.look(236, found)
    assert [(item.text, item.has) for item in found] == [("A rather long name of it", NAMES * 236)]
    # What has no text is as wide as its icon.
    icons = Measuring(context, str)
    icons.row().label(icon="INFO")
    assert icons.natural == UNIT


def test_nothing_is_cut_where_there_is_everything(busy: bpy.types.Scene, language: Callable[[str], str]) -> None:  # noqa: F811
    assert list(map(str, overflows(busy, context_of, language, SIDEBAR))) == []


@pytest.mark.usefixtures("addon")
def test_nothing_is_cut_in_a_new_scene(scene: bpy.types.Scene, language: Callable[[str], str]) -> None:
    assert list(map(str, overflows(scene, context_of, language, SIDEBAR))) == []


def test_nothing_is_cut_while_takes_are_compared(
    edited: bpy.types.Scene,  # noqa: F811
    language: Callable[[str], str],
) -> None:
    from ex4d_blender import wipe

    press(edited, "PLATE")
    sides = Side("v002", {}), Side("Plate", {})
    wipe.begin(wipe.Wipe(edited.session_uid, edited.ex4d.takes[0].uid, sides))

    def context(scene: bpy.types.Scene, editor: str) -> Any:
        found = context_of(scene, editor)
        found.sequencer_scene = edit_of(scene)
        return found

    found = overflows(edited, context, language, SIDEBAR)
    wipe.end()
    assert list(map(str, found)) == []


@pytest.mark.usefixtures("addon")
def test_every_stage_has_room_in_the_bar_of_a_job(scene: bpy.types.Scene, language: Callable[[str], str]) -> None:
    from ex4d_blender import job_list
    from ex4d_blender.ui.layout import draw_progress

    current, found = job_list.current(), []
    for stage in STAGE_NAMES:
        known = JobSnapshot("j", "generate", state="running", stage=stage, step=100, of=149, eta=605.0)
        current.link.client.jobs = {"j": known}
        current.mirror()
        layout = Measuring(context_of(scene, "VIEW_3D"), language)
        draw_progress(layout, "generate")
        layout.look(SIDEBAR - TABS - MARGINS, found)
    current.link.client.jobs = {}
    assert list(map(str, found)) == []
