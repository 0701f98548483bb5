# SPDX-License-Identifier: Apache-2.0
"""Each package is imported where what lies above it, and what it has no use for, cannot be found. The model's own code,
which needs torch, is looked at by ``tests/model/test_model_borders.py``."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

#: Imports modules, by name or with all below them (``name.*``), where others are not to be found.
SCRIPT = """
import importlib, importlib.abc, importlib.util, pkgutil, sys
BLOCKED, WANTED = {blocked!r}, {wanted!r}
def beyond(name):
    return any(name == blocked or name.startswith(blocked + ".") for blocked in BLOCKED)
class Border(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if beyond(name):
            raise ModuleNotFoundError(f"{{name}} lies beyond the border", name=name)
sys.meta_path.insert(0, Border())
# Libraries look so for what they could use.
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if beyond(name) else find_spec(name, *rest)
for name in WANTED:
    module = importlib.import_module(name.removesuffix(".*"))
    if name.endswith(".*"):
        for found in pkgutil.walk_packages(module.__path__, module.__name__ + "."):
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                # torch brings it along only where it has CUDA.
                if (error.name or "").partition(".")[0] != "triton":
                    raise
reached = [name for name in sys.modules if beyond(name)]
assert not reached, reached
"""

TORCH = ["torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "psutil", "ftfy"]
VIDEO = ["av", "OpenEXR"]
DRAWING = ["moderngl", "embreex", "nvdiffrast"]
SERVICE = ["zmq", "ex4d.server", "ex4d.commands", "ex4d.cli"]
#: Stages from below, then what lies above them.
STAGES = ["ex4d.plate", "ex4d.depth", "ex4d.mesh", "ex4d.raster", "ex4d.fill", "ex4d.composite"]
ABOVE = ["ex4d.shot", "ex4d.jobs", *SERVICE]


def stages_but(*names: str) -> list[str]:
    """All stages that are not named."""
    return [name for name in STAGES if name.removeprefix("ex4d.") not in names]


BORDERS = {
    "the package": (["ex4d"], ["numpy", "cv2", *TORCH, *VIDEO, *DRAWING, *ABOVE, *STAGES]),
    "protocol": (
        ["ex4d.protocol.values", "ex4d.protocol.capabilities", "ex4d.protocol.errors", "ex4d.protocol.parsing"],
        ["cv2", "rich", *TORCH, *VIDEO, *DRAWING, *ABOVE, *STAGES, "ex4d.models", "ex4d.media", "ex4d.camera"],
    ),
    "camera": (
        ["ex4d.camera.*"],
        ["cv2", *TORCH, *VIDEO, *DRAWING, *ABOVE, *STAGES, "ex4d.models", "ex4d.media", "ex4d.stages"],
    ),
    "media": (["ex4d.media.*"], [*TORCH, *DRAWING, *ABOVE, *STAGES, "ex4d.models", "ex4d.stages"]),
    "plate": (["ex4d.plate.*"], [*TORCH, *DRAWING, *ABOVE, *stages_but("plate"), "ex4d.models"]),
    "depth": (["ex4d.depth"], [*TORCH, "av", *DRAWING, *ABOVE, *stages_but("depth", "plate")]),
    "mesh": (
        ["ex4d.mesh", "ex4d.mesh.stage", "ex4d.mesh.store", "ex4d.mesh.export"],
        [*TORCH, *DRAWING, *ABOVE, *stages_but("mesh", "depth", "plate"), "ex4d.models"],
    ),
    "raster": (
        ["ex4d.raster", "ex4d.raster.stage", "ex4d.raster.store"],
        [*TORCH, *DRAWING, *ABOVE, "ex4d.fill", "ex4d.composite", "ex4d.models"],
    ),
    "what is known of models": (
        [
            *("ex4d.models.file_spec", "ex4d.models.hub", "ex4d.models.locations", "ex4d.models.memory_plan"),
            *("ex4d.models.packages", "ex4d.models.pins", "ex4d.models.prefetch", "ex4d.models.wan.guidance"),
            *("ex4d.models.wan.kinds", "ex4d.models.wan.sizes"),
        ],
        ["cv2", *TORCH, *VIDEO, *DRAWING, *ABOVE, *STAGES, "ex4d.stages", "ex4d.media", "ex4d.camera"],
    ),
    "the generators' menu": (
        ["ex4d.fill.arguments", "ex4d.fill.preview.spec", "ex4d.fill.ex4d_wan.spec"],
        ["cv2", *TORCH, *VIDEO, *DRAWING, *ABOVE, *stages_but("fill"), "ex4d.stages"],
    ),
    "EX-4D's conditioning": (
        ["ex4d.fill.ex4d_wan.clip", "ex4d.fill.ex4d_wan.generator"],
        [*TORCH, *VIDEO, *DRAWING, *ABOVE, *stages_but("fill"), "ex4d.stages"],
    ),
    "the preview fill": (
        ["ex4d.fill.preview.*"],
        [*TORCH, *DRAWING, *ABOVE, "ex4d.composite", "ex4d.models.model_files", "ex4d.fill.ex4d_wan"],
    ),
}


@pytest.mark.parametrize("name", BORDERS)
def test_a_package_needs_nothing_beyond_its_border(name: str) -> None:
    wanted, blocked = BORDERS[name]
    script = SCRIPT.format(blocked=blocked, wanted=wanted)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-1500:]


def test_the_border_is_closed() -> None:
    """The blocker blocks: a package that does need something is found out."""
    script = SCRIPT.format(blocked=["ex4d.mesh"], wanted=["ex4d.fill.preview.*"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "lies beyond the border" in done.stderr


#: Folders that hold our packages, below the repository's root, and where to look for each.
ROOT = Path(__file__).parents[2]
PACKAGES = {"ex4d": ROOT / "backend", **dict.fromkeys(("ex4d_blender", "tools", "benchmarks", "research"), ROOT)}


@cache
def defined_names(path: Path) -> frozenset[str]:
    """What a module names anywhere, which is a little more than what can be imported from it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name for alias in node.names}
            case ast.ClassDef() | ast.FunctionDef():
                names.add(node.name)
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
    return frozenset(names)


def module_file(name: str) -> Path | None:
    path = PACKAGES[name.partition(".")[0]].joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def is_there(module: str, name: str) -> bool:
    file = module_file(module)
    if file is None:
        # A folder without __init__.py.
        return module_file(f"{module}.{name}") is not None
    return name in defined_names(file) or module_file(f"{module}.{name}") is not None or name.startswith("__")


def first_party_imports(path: Path) -> Iterator[tuple[str, str | None]]:
    """Module and name of each import of a module of ours, lazy ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.partition(".")[0] in PACKAGES)
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").partition(".")[0] in PACKAGES:
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("folder", ["backend/ex4d", "ex4d_blender", "scripts", "tools", "benchmarks", "research"])
def test_what_is_imported_is_there(folder: str) -> None:
    """Where something is imported when it is used, or where no test runs, too."""
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    missing = [
        f"{path.relative_to(ROOT)}: {module}" + (f", {name}" if name else "")
        for path in files
        for module, name in first_party_imports(path)
        if not (is_there(module, name) if name else module_file(module))
    ]
    assert missing == []
