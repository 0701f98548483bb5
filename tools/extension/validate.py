# SPDX-License-Identifier: Apache-2.0
"""Blender's own check of an extension's zip."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOOL = "scripts/addons_core/bl_pkg/cli/blender_ext.py"
_TAGS = "modules/_bpy_internal/extensions/tags.py"


@dataclass(frozen=True)
class Validator:
    """A command that takes a zip's path as its last argument.

    Attributes:
        command: without the zip.
        label: what it is, for the console.
    """

    command: tuple[str, ...]
    label: str

    def check(self, archive: Path) -> str | None:
        """What Blender finds wrong with a zip; None when it finds nothing."""
        command = [*self.command, str(archive)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        text = done.stdout.decode(errors="replace").strip()
        return None if done.returncode == 0 else text or f"it stopped with code {done.returncode} and said nothing"


def find_extension_tool(root: Path) -> Path | None:
    """``blender_ext.py`` of the newest bpy package: of this Python, or of the project's environments ``.venv-bpy-*``.

    It runs under any Python from 3.11 on, without Blender.
    """
    found = sorted(_tools(root), key=lambda path: [int(part) for part in path.parents[4].name.split(".")])
    return found[-1] if found else None


def find_validator(root: Path) -> Validator | None:
    """Blender's validator: from a bpy package, or of a ``blender`` on PATH; None where there is neither.

    Args:
        root: the project's folder.
    """
    tool = find_extension_tool(root)
    if tool is not None:
        label = f"the validator of Blender {tool.parents[4].name}"
        tags = tool.parents[3] / _TAGS
        # -I: the tool's own folder holds no module that it needs, the project's variables may.
        return Validator((sys.executable, "-I", str(tool), "validate", f"--valid-tags={tags}"), label)
    blender = shutil.which("blender")
    if blender is not None:
        return Validator((blender, "--factory-startup", "--command", "extension", "validate"), blender)
    return None


def _tools(root: Path) -> Iterator[Path]:
    spec = importlib.util.find_spec("bpy")
    if spec is not None and spec.origin is not None:
        yield from Path(spec.origin).parent.glob(f"[0-9]*/{_TOOL}")
    yield from root.glob(f".venv-bpy-*/lib/python*/site-packages/bpy/[0-9]*/{_TOOL}")
