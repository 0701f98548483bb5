# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python of the backend and the variables that it inherits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ex4d_blender.core.environment import backend_python, clean_environment


def test_blenders_own_variables_stay_with_blender(tmp_path: Path) -> None:
    path = os.pathsep.join([str(tmp_path), "/usr/bin"])
    variables = {"PYTHONPATH": "x", "PYTHONHOME": "y", "LD_LIBRARY_PATH": "z", "PATH": path, "HTTPS_PROXY": "p"}
    out = clean_environment(variables, tmp_path)
    assert out == {"PATH": "/usr/bin", "HTTPS_PROXY": "p", "PYTHONUTF8": "1"}


def test_the_backends_python_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EX4D_BACKEND_PYTHON", sys.executable)
    assert backend_python(tmp_path) == Path(sys.executable)
    monkeypatch.setenv("EX4D_BACKEND_PYTHON", str(tmp_path / "none"))
    assert backend_python(tmp_path) is None
    monkeypatch.delenv("EX4D_BACKEND_PYTHON")
    assert backend_python(None) is None
