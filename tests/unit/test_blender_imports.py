# SPDX-License-Identifier: GPL-3.0-or-later
"""How the modules of the extension import each other: downwards only, imports within functions counted."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = "ex4d_blender"
FOLDER = Path(__file__).parents[2] / PACKAGE
#: What Blender may load of the backend: it has neither PyAV nor OpenCV.
LIGHT = ("ex4d.protocol", "ex4d.camera", "ex4d.system")


def modules(folder: Path, package: str) -> dict[str, Path]:
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = (package, *path.relative_to(folder).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules that a module imports anywhere in it; of the package as submodules, if they are some."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for item in node.names:
                inner = f"{base}.{item.name}"
                found.add(inner if inner in known else base)
    return found


def graph(folder: Path = FOLDER, package: str = PACKAGE) -> dict[str, set[str]]:
    known = modules(folder, package)
    return {name: imported(name, path, known) & set(known) for name, path in known.items()}


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of one circle in the order of their imports; none where there is no circle."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(edges[name]):
            if found := walk(other, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in edges if (found := walk(name, []))), [])


def test_no_import_runs_in_a_circle() -> None:
    edges = graph()
    assert len(edges) > 50
    assert sum(map(len, edges.values())) > 150
    assert circle(edges) == []


def test_a_circle_of_imports_within_functions_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from . import b\n", encoding="utf-8")
    (tmp_path / "b.py").write_text("def f():\n    from .sub.c import g\n", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.py").write_text("class C:\n    def f(self):\n        from .. import a\n", encoding="utf-8")
    assert circle(graph(tmp_path, "toy")) == ["toy.a", "toy.b", "toy.sub.c", "toy.a"]


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [
        ("core", ("", "scene", "ops", "ui")),
        ("scene", ("", "ops", "ui")),
        ("ops", ("ui",)),
    ],
)
def test_parts_import_downwards(part: str, forbidden: tuple[str, ...]) -> None:
    """Core and scene know nothing of jobs, properties and panels; operators nothing of panels."""

    def part_of(name: str) -> str:
        parts = name.split(".")
        return parts[1] if len(parts) > 2 else ""

    wrong = [
        f"{name} imports {other}"
        for name, others in graph().items()
        if name.startswith(f"{PACKAGE}.{part}.")
        for other in others
        if part_of(other) in forbidden
    ]
    assert wrong == []


def test_core_needs_no_blender_and_all_only_the_light_parts_of_the_backend() -> None:
    known = modules(FOLDER, PACKAGE)
    for name, path in known.items():
        found = imported(name, path, known)
        if name.startswith(f"{PACKAGE}.core"):
            assert not {other for other in found if other.split(".")[0] in ("bpy", "mathutils", "bl_math", "gpu")}, name
        backend = {other for other in found if other.split(".")[0] == "ex4d"}
        assert all(other == "ex4d" or other.startswith(LIGHT) for other in backend), (name, backend)
