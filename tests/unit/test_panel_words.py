# SPDX-License-Identifier: Apache-2.0
"""Buttons of the panels say what they do: without a word there are only those whose icon says it in all of Blender."""

from __future__ import annotations

import ast
from pathlib import Path

import ex4d_blender

UI = Path(ex4d_blender.__file__).parent / "ui"
#: Close or stop, open a folder, remove from a list or for good, pick, what happened, once more.
KNOWN = {"X", "FILE_FOLDER", "REMOVE", "TRASH", "EYEDROPPER", "QUESTION", "FILE_REFRESH"}


def wordless(tree: ast.AST) -> list[str]:
    """The icons of buttons and ticks that have no text."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        given = {item.arg: item.value for item in node.keywords}
        text, icon = given.get("text"), given.get("icon")
        is_wordless = isinstance(text, ast.Constant) and text.value == ""
        if node.func.attr in ("operator", "prop") and is_wordless and isinstance(icon, ast.Constant):
            found.append(str(icon.value))
    return found


def test_buttons_without_words_have_icons_that_everybody_knows() -> None:
    icons = {path.name: set(wordless(ast.parse(path.read_text("utf-8")))) - KNOWN for path in UI.rglob("*.py")}
    assert {name: found for name, found in icons.items() if found} == {}


def test_the_scan_finds_them() -> None:
    assert wordless(ast.parse('row.operator("a.b", text="", icon="KEYINGSET").c = 1')) == ["KEYINGSET"]
    assert wordless(ast.parse('row.operator("a.b", icon="KEYINGSET")')) == []
