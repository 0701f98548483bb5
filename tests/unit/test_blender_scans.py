# SPDX-License-Identifier: GPL-3.0-or-later
"""Going through objects takes time that grows with the file: only ``scene/scan.py`` does."""

from __future__ import annotations

import ast
from pathlib import Path

import ex4d_blender
import pytest

PACKAGE = Path(ex4d_blender.__file__).parent
#: Written in Python within Blender: each goes through all objects of the file.
SLOW = {"users_collection", "users_scene", "children_recursive", "all_objects"}
ITERATING = {"list", "tuple", "set", "frozenset", "sorted", "any", "all", "enumerate", "filter", "map", "next", "len"}


def scans(source: str) -> list[int]:
    """The lines that go through objects."""
    found = []
    for node in ast.walk(ast.parse(source)):
        iterated: list[ast.expr] = []
        if isinstance(node, ast.For | ast.comprehension):
            iterated = [node.iter]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ITERATING:
            iterated = node.args
        elif isinstance(node, ast.Attribute) and node.attr in SLOW and not _of_collection(node):
            found.append(node.lineno)
        elif isinstance(node, ast.Attribute) and node.attr in ("values", "items", "keys"):
            iterated = [node.value]
        found += [item.lineno for item in iterated if isinstance(item, ast.Attribute) and _is_objects(item)]
    return sorted(set(found))


def _is_objects(node: ast.Attribute) -> bool:
    return node.attr in ("objects", "children")


def _of_collection(node: ast.Attribute) -> bool:
    """``scene.collection.children_recursive`` goes through collections."""
    return isinstance(node.value, ast.Attribute) and node.value.attr == "collection"


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("for obj in scene.objects: pass", [1]),
        ("found = [o for o in bpy.data.objects if o]", [1]),
        ("len(scene.objects)", [1]),
        ("root.children_recursive", [1]),
        ("camera.users_scene", [1]),
        ("list(root.children)", [1]),
        ("scene.objects.values()", [1]),
        ("scene.objects.get(name)", []),
        ("scene.collection.children.link(other)", []),
        ("scene.collection.children_recursive", []),
    ],
)
def test_what_goes_through_objects(source: str, lines: list[int]) -> None:
    assert scans(source) == lines


def test_one_module_goes_through_objects() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): lines
        for path in sorted(PACKAGE.rglob("*.py"))
        if (lines := scans(path.read_text(encoding="utf-8")))
    }
    assert list(found) == ["scene/scan.py"]
