# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backend's own Python lives, and the variables that a process of it may inherit."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .environment_files import ENVIRONMENT, has_earlier_layout, is_stamped

#: Names a Python that has ``ex4d`` installed; goes before the preferences' folder. For studios and tests.
PYTHON_VARIABLE = "EX4D_BACKEND_PYTHON"


def environment_python(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def environment_root(folder: Path) -> Path:
    """The virtual environment of a chosen folder; earlier versions made the folder itself one."""
    inner = folder / ENVIRONMENT
    return folder if has_earlier_layout(folder) and not is_stamped(inner) else inner


def backend_python(folder: Path | None) -> Path | None:
    """The Python that runs the backend: ``EX4D_BACKEND_PYTHON``, or that of the environment in ``folder``; None where
    neither exists."""
    named = os.environ.get(PYTHON_VARIABLE)
    python = Path(named) if named else environment_python(environment_root(folder)) if folder else None
    return python if python is not None and python.is_file() else None


def clean_environment(variables: Mapping[str, str], blender_folder: Path | None) -> dict[str, str]:
    """Variables for a process of the backend's own Python.

    Blender's own PYTHON* and library paths would make it load Blender's modules; on Windows Blender's folder in PATH
    makes it load Blender's DLLs.
    """
    out = {
        name: value
        for name, value in variables.items()
        if not name.startswith(("PYTHON", "CONDA", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "__PYVENV_LAUNCHER__"))
    }
    if blender_folder is not None and "PATH" in out:
        parts = out["PATH"].split(os.pathsep)
        out["PATH"] = os.pathsep.join(part for part in parts if not part or Path(part) != blender_folder)
    # The backend's text output is UTF-8 on every system.
    return {**out, "PYTHONUTF8": "1"}
