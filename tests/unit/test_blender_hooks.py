# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender calls is measured where it is handed to Blender: only ``scene/hooks.py`` hands anything in."""

from __future__ import annotations

import ast
from pathlib import Path

import ex4d_blender
import pytest

PACKAGE = Path(ex4d_blender.__file__).parent
REGISTERING = {
    "register_class",
    "unregister_class",
    "register_tool",
    "draw_handler_add",
    "draw_handler_remove",
    "draw_cursor_add",
    "subscribe_rna",
    "popup_menu",
    "popover",
    "timers",
    "msgbus",
}


def registrations(source: str) -> list[int]:
    """The lines in which something is handed to Blender to be called, or taken back."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Attribute):
            continue
        owner = ast.unparse(node.value)
        is_menu = node.attr in ("append", "prepend", "remove") and owner.startswith(("bpy.types.", "getattr(bpy.types"))
        if node.attr in REGISTERING or is_menu or (node.attr == "handlers" and owner == "bpy.app"):
            found.append(node.lineno)
    return sorted(set(found))


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("bpy.utils.register_class(cls)", [1]),
        ("bpy.app.timers.register(look)", [1]),
        ("bpy.app.handlers.load_post.append(look)", [1]),
        ("getattr(bpy.app.handlers, name)", [1]),
        ("bpy.types.SpaceView3D.draw_handler_add(draw, (), 'WINDOW', 'POST_PIXEL')", [1]),
        ("bpy.msgbus.subscribe_rna(key=key, owner=owner, args=(), notify=look)", [1]),
        ("bpy.types.VIEW3D_MT_object.append(draw)", [1]),
        ("getattr(bpy.types, name).prepend(draw)", [1]),
        ("context.window_manager.popup_menu(draw)", [1]),
        ("found.append(bpy.types.Object)", []),
        ("from bpy.app.handlers import persistent", []),
    ],
)
def test_what_hands_something_to_blender(source: str, lines: list[int]) -> None:
    assert registrations(source) == lines


def test_one_module_hands_things_to_blender() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): lines
        for path in sorted(PACKAGE.rglob("*.py"))
        if (lines := registrations(path.read_text(encoding="utf-8")))
    }
    assert list(found) == ["scene/hooks.py"], found
