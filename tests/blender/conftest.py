# SPDX-License-Identifier: GPL-3.0-or-later
"""For the tests that need Blender as a module (``pip install bpy``)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

try:
    import bpy
except ImportError:
    bpy = None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without bpy the files cannot even be imported; ``test_blender_missing`` below says so."""
    return None


if bpy is None:
    collect_ignore_glob = ["test_*.py"]
