# SPDX-License-Identifier: Apache-2.0
"""The extension's zips: which files go in, and the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tools.extension.manifest import BuildError

#: Kinds of files that an extension has; anything else in its folder is there by mistake.
SUFFIXES = frozenset({".py", ".json", ".png", ".svg", ".txt", ".md"})
#: The first date that a zip can hold.
DATE = (1980, 1, 1, 0, 0, 0)


def collect_sources(package: Path, licences: Path) -> dict[str, bytes]:
    """The add-on's own files by their path in the zip: the package's at the top, licences in ``LICENSES``.

    Args:
        package: folder ``ex4d_blender``.
        licences: folder of licence texts.

    Raises:
        BuildError: the package is not an add-on, or holds a file that an extension does not have.
    """
    if not (package / "__init__.py").is_file():
        raise BuildError(f"{package} holds no add-on. Run this in a whole copy of the project.")
    out: dict[str, bytes] = {}
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if path.is_dir() or "__pycache__" in inside.parts:
            continue
        if path.suffix not in SUFFIXES or any(part.startswith(".") for part in inside.parts) or path.is_symlink():
            raise BuildError(f"{path} does not belong in the extension. Delete it.")
        out[inside.as_posix()] = path.read_bytes()
    for path in sorted(licences.glob("*.txt")):
        out[f"LICENSES/{path.name}"] = path.read_bytes()
    return out


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files: sorted by name, with fixed dates and modes, wheels as they are and the rest deflated.

    Args:
        files: path in the zip, with forward slashes, to content.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            stored = name.endswith(".whl")
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name], compresslevel=None if stored else 9)
    return buffer.getvalue()


def describe(path: Path) -> str:
    """What a zip holds, for the console: its size, and each wheel with its own."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    wheels = [entry for entry in entries if entry.filename.endswith(".whl")]
    modules = [entry for entry in entries if entry.filename.endswith(".py")]
    lines = [f"{path}  {path.stat().st_size / 1e6:.2f} MB"]
    lines.append(f"    {len(modules)} modules, {sum(entry.file_size for entry in modules) / 1e3:.0f} kB")
    lines += [f"    {entry.filename}  {entry.file_size / 1e3:.0f} kB" for entry in wheels]
    return "\n".join(lines)
