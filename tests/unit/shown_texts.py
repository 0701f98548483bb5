# SPDX-License-Identifier: Apache-2.0
"""The texts of the add-on's source that a person may read, as keys of a translation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ex4d_blender.core.translation import PLACE

#: Arguments by name, and operators' attributes, whose texts Blender shows.
SHOWN_NAMES = {"name", "description", "text", "title", "message", "confirm_text", "label"}
SHOWN_ATTRIBUTES = {"bl_label", "bl_description", "asks"}
#: Functions whose texts are shown, or that make texts of errors, by the last part of their name.
SHOWN_CALLS = re.compile(
    r"report|poll_message_set|draw_text|localised|section|.*Error|_Setting|_panel|_Step|_draw_fact"
)
#: Functions whose texts nobody reads in Blender: logs, expressions, options of the command line.
SILENT_CALLS = {
    "debug",
    "info",
    "warning",
    "error",
    "exception",
    "add_argument",
    "add_parser",
    "compile",
    "cast",
    "sub",
}
SILENT_OWNERS = {"log", "re", "bpy.props"}
_LETTERS = re.compile(r"[^\W\d_]{2}")


def key_of(node: ast.AST) -> str | None:
    """A literal as a key: values of an f-string become ``PLACE``; None of other nodes."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else PLACE for part in node.values)
    return None


def _docstrings(tree: ast.AST) -> set[int]:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    }


def _silent(tree: ast.AST) -> set[int]:
    """Literals that are no texts, or that nobody reads in Blender."""
    out = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for part in node.values:
                # Its own literals belong to its key; those of its values are texts of their own.
                inner = [part] if isinstance(part, ast.Constant) else ast.walk(part.format_spec or ast.Pass())
                out.update(id(item) for item in inner)
        elif isinstance(node, ast.Call):
            function = node.func
            owner = getattr(getattr(function, "value", None), "id", "")
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if owner in SILENT_OWNERS or (name in SILENT_CALLS and owner != "self"):
                out.update(id(item) for item in ast.walk(node))
    return out


def _is_text(key: str | None) -> bool:
    return key is not None and _LETTERS.search(key.replace(PLACE, "")) is not None


def _words(node: ast.expr) -> Iterator[str]:
    """The keys of a shown expression: all of its literals but those of comparisons and subscripts."""
    if isinstance(node, ast.Compare | ast.Subscript | ast.Attribute):
        return
    key = key_of(node)
    if key is not None:
        yield key
        return
    children = [node.body, node.orelse] if isinstance(node, ast.IfExp) else list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Call):
        children = []
    for child in children:
        if isinstance(child, ast.expr):
            yield from _words(child)


def texts(source: str) -> set[str]:
    """Keys of the texts in a module: those of places that are shown, and everything with a space that may be."""
    tree = ast.parse(source)
    silent = _silent(tree)
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        key = key_of(node)
        if key is not None and " " in key:
            found.add(key)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            shown = [word.value for word in node.keywords if word.arg in SHOWN_NAMES]
            shown += node.args if SHOWN_CALLS.fullmatch(name) else []
            for value in shown:
                found.update(word for word in _words(value) if word[:1].isupper() and not word.isupper())
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in SHOWN_ATTRIBUTES:
                found.update(_words(node.value))
            elif isinstance(node.value, ast.List | ast.Tuple):
                found.update(_labels(node.value))
    return {key for key in found if _is_text(key)}


def _labels(items: ast.List | ast.Tuple) -> Iterator[str]:
    """Labels and tooltips of a menu that is written out: (identifier, label, tooltip, ...) each."""
    for item in items.elts:
        if isinstance(item, ast.Tuple) and len(item.elts) >= 3:
            yield from (key for key in map(key_of, item.elts[1:3]) if key is not None)


def texts_of(folder: Path, *, leave: tuple[str, ...]) -> dict[str, str]:
    """Keys of a package, each with the first module that has it.

    Args:
        folder: of the package.
        leave: beginnings of paths of modules that show nothing.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if not name.startswith(leave):
            for key in sorted(texts(path.read_text(encoding="utf-8"))):
                found.setdefault(key, name)
    return found
