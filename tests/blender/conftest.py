# SPDX-License-Identifier: GPL-3.0-or-later
"""For the tests that need Blender as a Python module (``pip install bpy``)."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Not installed where only bpy is.
if importlib.util.find_spec("ex4d") is None:
    sys.path[:0] = [str(Path(__file__).parents[2] / "backend")]

_STATUS = pytest.StashKey[int]()
HAS_BPY = importlib.util.find_spec("bpy") is not None


class _WithoutBlender(pytest.Module):
    def collect(self) -> Any:
        pytest.skip("needs Blender as a Python module: pip install bpy", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip each file of this folder with a sentence where there is no bpy, before its imports fail."""
    return None if HAS_BPY else _WithoutBlender.from_parent(parent, path=module_path)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how it went, for ``pytest_unconfigure``."""
    session.config.stash[_STATUS] = exitstatus


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave at once: the module of Blender 4.2 crashes at its end when any property ever had a Python callback."""
    if "bpy" in sys.modules and sys.modules["bpy"].app.version < (4, 5):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(_STATUS, 1))


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


@pytest.fixture(scope="session")
def backend_python() -> str:
    """The Python of the backend, which has its packages; Blender's own has not."""
    python = os.environ.get("EX4D_BACKEND_PYTHON", "")
    if not python:
        pytest.skip("needs a Python with the backend: EX4D_BACKEND_PYTHON=…/.venv/bin/python, as scripts/test sets it")
    return python


@pytest.fixture(scope="session")
def plate(tmp_path_factory: pytest.TempPathFactory, backend_python: str) -> Path:
    """A movie of six small frames, made by the backend's Python."""
    path = tmp_path_factory.mktemp("plate") / "plate.mp4"
    code = (
        "import sys, numpy as np; from fractions import Fraction; from pathlib import Path;"
        "from ex4d.media.movie import MovieWriter;"
        "y, x = np.mgrid[:64, :96]; back = np.stack([x * 2, y * 3, 128 + 0 * x], -1).astype(np.uint8)\n"
        "with MovieWriter(Path(sys.argv[1]), width=96, height=64, fps=Fraction(24)) as movie:\n"
        "    for i in range(6):\n"
        "        picture = back.copy(); picture[20:44, 10 + 8 * i : 34 + 8 * i] = (220, 60, 40); movie.write(picture)"
    )
    subprocess.run([backend_python, "-I", "-c", code, str(path)], check=True)
    return path
