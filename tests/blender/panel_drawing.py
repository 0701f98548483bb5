# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing all that the add-on draws, without a window: Blender's own layout needs one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import bpy


class Layout:
    """A layout that asks what Blender's asks: buttons whether they can be pressed, properties for their value and the
    items of their menus, lists for their rows."""

    def __init__(self, context: Any, lines: list[str]) -> None:
        self.__dict__["_context"], self.__dict__["lines"] = context, lines

    def __setattr__(self, name: str, value: Any) -> None:
        pass

    def _inner(self, *_values: Any, **_options: Any) -> Layout:
        return self

    row = column = box = split = grid_flow = _inner

    def separator(self, **_options: Any) -> None:
        pass

    def panel(self, _name: str, **_options: Any) -> tuple[Layout, Layout]:
        return self, self

    def panel_prop(self, owner: Any, name: str) -> tuple[Layout, Layout]:
        # Open or not, it is drawn: what is folded may be opened.
        getattr(owner, name)
        return self, self

    def menu(self, name: str, **_options: Any) -> None:
        getattr(bpy.types, name).draw(SimpleNamespace(layout=self), self._context)

    def label(self, *, text: str = "", **_options: Any) -> None:
        self.lines.append(text)

    def progress(self, *, text: str = "", **_options: Any) -> None:
        self.lines.append(text)

    def template_icon(self, **_options: Any) -> None:
        self.lines.append("icon")

    def operator(self, name: str, *, text: str = "", **_options: Any) -> SimpleNamespace:
        module, _, function = name.partition(".")
        getattr(getattr(bpy.ops, module), function).poll()
        self.lines += [name, text]
        return SimpleNamespace()

    def operator_menu_enum(self, name: str, prop: str, *, text: str = "", **_options: Any) -> SimpleNamespace:
        module, _, function = name.partition(".")
        assert prop in getattr(getattr(bpy.ops, module), function).get_rna_type().properties
        return self.operator(name, text=text)

    def prop(self, owner: Any, name: str, **_options: Any) -> None:
        getattr(owner, name)

    def template_list(
        self, kind: str, _id: str, owner: Any, name: str, active: Any, index: str, **_options: Any
    ) -> None:
        draw = getattr(bpy.types, kind).draw_item
        for item in getattr(owner, name):
            draw(None, self._context, self, owner, item, 0, active, index)


def context_of(scene: Any, editor: str) -> SimpleNamespace:
    """What panels read of the context of an editor."""
    window = bpy.context.window_manager.windows[0]
    return SimpleNamespace(
        scene=scene,
        window_manager=bpy.context.window_manager,
        window=window,
        workspace=window.workspace,
        preferences=bpy.context.preferences,
        space_data=SimpleNamespace(type=editor, use_local_camera=False, overlay=SimpleNamespace(show_overlays=True)),
        region=SimpleNamespace(width=1200, x=0),
        region_data=SimpleNamespace(view_perspective="CAMERA"),
        area=SimpleNamespace(regions=[]),
        active_object=None,
    )


class _Preferences:
    """The add-on's preferences with a layout, which Blender gives them only while it draws."""

    def __init__(self, found: Any, layout: Layout) -> None:
        self._found, self.layout = found, layout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)


def draw_panels(scene: Any) -> list[str]:
    """Draw the panels of both editors with their lists and menus; returns what they say, and their buttons' names."""
    from ex4d_blender.ui import panels

    lines: list[str] = []
    for panel in panels.CLASSES:
        context = context_of(scene, panel.bl_space_type)
        panel.draw(SimpleNamespace(layout=Layout(context, lines)), context)
    return lines


def draw_all(scene: Any) -> list[str]:
    """``draw_panels``, and the headers and the preferences; texts stand on one line however long."""
    from ex4d_blender.ui import layout, status_bar

    columns, layout.COLUMNS = layout.COLUMNS, 1000
    try:
        lines = draw_panels(scene)
    finally:
        layout.COLUMNS = columns
    context = context_of(scene, "VIEW_3D")
    for draw in (status_bar._draw, status_bar._draw_way_back):
        draw(SimpleNamespace(layout=Layout(context, lines)), context)
    addon = bpy.context.preferences.addons.get("ex4d_blender")
    if addon is not None and addon.preferences is not None:
        kind = type(addon.preferences)
        kind.draw(_Preferences(addon.preferences, Layout(context, lines)), context)
    return lines
