# SPDX-License-Identifier: GPL-3.0-or-later
"""What a folder holds of the backend's environment: it is written down in the folder itself."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json

from .environment import PYTHON_VARIABLE, backend_python, environment_python, environment_root
from .environment_files import ENVIRONMENT, FORMAT, is_stamped

MARKER = "ex4d-environment.json"
STEPS = ("venv", "packages", "backend", "check")
#: Without these the backend does not start; the last one only says what this machine lacks.
_NEEDED = STEPS[:3]
_MARKER_LIMIT = 1_000_000

_MARKER_NEW = "ex4d-environment.new"


@dataclass(frozen=True)
class EnvironmentState:
    """What a folder holds.

    Attributes:
        installed: whether there is an environment of ours.
        version: of the backend in it.
        extra: "", "gpu" or "moge".
        complete: whether the installation went through to its end and its Python is there.
        usable: whether the backend can be started; it may still tell what the machine lacks.
        problem: one sentence, where it did not.
    """

    installed: bool
    version: str | None = None
    extra: str = ""
    complete: bool = False
    usable: bool = False
    problem: str = ""


def check_ours(folder: Path) -> None:
    """Raise BadInputError for a folder with somebody else's files; an empty one and none at all are fine."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise BadInputError(f"{folder} is a file.", "Choose a folder.")
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise BadInputError(f"{folder} cannot be read: {error.strerror or error}.", "Choose another folder.") from error
    inner = folder / ENVIRONMENT
    if not read_marker(folder) and not is_stamped(inner):
        if MARKER in names:
            raise BadInputError(
                f"{folder} is not an environment of ours: its {MARKER} is damaged or another program's.",
                "Choose an empty folder.",
            )
        if names - {_MARKER_NEW}:
            raise BadInputError(f"{folder} is not empty and not an environment of ours.", "Choose an empty folder.")
    if os.path.lexists(inner) and not is_stamped(inner) and not _is_empty_folder(inner):
        raise BadInputError(
            f"{inner} is not of ours, and the environment would be made there.",
            "Give it another name, or choose an empty folder.",
        )


def _is_empty_folder(path: Path) -> bool:
    # Empty: an installation was ended between making it and stamping it.
    with suppress(OSError):
        return not path.is_symlink() and path.is_dir() and not any(path.iterdir())
    return False


def read_marker(folder: Path) -> dict[str, Any]:
    """What is written down of an installation; empty where there is nothing of ours."""
    path = folder / MARKER
    try:
        if not path.is_file() or path.stat().st_size > _MARKER_LIMIT:
            return {}
        record = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get("format") == FORMAT else {}


def write_marker(folder: Path, record: dict[str, Any]) -> None:
    """Write down how far an installation is, whole or not at all."""
    temporary = folder / _MARKER_NEW
    temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    temporary.replace(folder / MARKER)


def done_steps(record: dict[str, Any]) -> list[str]:
    """Steps that need not be done again, by what is written down."""
    done = record.get("done")
    return [step for step in STEPS if step in done] if isinstance(done, list) else []


def has_python(folder: Path) -> bool:
    """Whether the environment's Python and the one that made it are there."""
    root = environment_root(folder)
    if not environment_python(root).is_file():
        return False
    with suppress(OSError, ValueError):
        # On Windows the environment's Python is a small program that starts the other one.
        home = re.search(r"^home\s*=\s*(.+)$", (root / "pyvenv.cfg").read_text(encoding="utf-8"), re.MULTILINE)
        return home is not None and Path(home[1].strip()).is_dir()
    return False


def environment_state(folder: Path) -> EnvironmentState:
    """What is installed in a folder; reads two small files."""
    record = read_marker(folder)
    if not record:
        return EnvironmentState(False, problem="No backend is installed.")
    done, version = done_steps(record), record.get("version")
    version = version if isinstance(version, str) else None
    extra = str(record.get("extra", ""))
    if "venv" in done and not has_python(folder):
        problem = "The Python that the backend was installed with is gone."
        return EnvironmentState(True, version, extra, problem=problem)
    if done != list(STEPS):
        usable = done[:3] == list(_NEEDED)
        problem = str(record.get("problem") or "The installation was not finished.")
        return EnvironmentState(True, version, extra, usable=usable, problem=problem)
    return EnvironmentState(True, version, extra, complete=True, usable=True)


def find_backend(folder: Path | None) -> tuple[Path | None, str]:
    """The Python that runs the backend, or None and one sentence on why there is none; see ``backend_python``.

    A folder that holds an environment of somebody else's making, with ``ex4d`` in it, is taken as it is.
    """
    python = backend_python(folder)
    if named := os.environ.get(PYTHON_VARIABLE):
        return python, "" if python else f"{PYTHON_VARIABLE} names {named}, which does not exist."
    if folder is None:
        return None, "No folder for the backend is chosen."
    state = environment_state(folder)
    if state.installed and not state.usable:
        return None, state.problem
    return python, "" if python else "No backend is installed."
