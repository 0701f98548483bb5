# SPDX-License-Identifier: GPL-3.0-or-later
"""For the tests that need Blender as a Python module (``pip install bpy``)."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
# Not installed: the extension always, ``ex4d`` where only bpy is.
sys.path[:0] = [str(REPOSITORY)]
if importlib.util.find_spec("ex4d") is None:
    sys.path[:0] = [str(REPOSITORY / "backend")]

HAS_BPY = importlib.util.find_spec("bpy") is not None


class _WithoutBlender(pytest.Module):
    def collect(self) -> Any:
        pytest.skip("needs Blender as a Python module: pip install bpy", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip each file of this folder with a sentence where there is no bpy, before its imports fail."""
    return None if HAS_BPY else _WithoutBlender.from_parent(parent, path=module_path)


@pytest.fixture(autouse=True)
def empty_file() -> Iterator[None]:
    """Each test starts with an empty .blend and factory settings; add-ons stay registered."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    yield
    bpy.context.preferences.filepaths.use_relative_paths = True


@pytest.fixture
def scene() -> Any:
    """The empty file's scene."""
    import bpy

    return bpy.context.scene
