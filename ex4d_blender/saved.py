# SPDX-License-Identifier: GPL-3.0-or-later
"""Saving the open .blend over what it was read from, and over nothing else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError, TransientError

from . import paths
from .core.saving import NEVER, FileStamp, saving_alone
from .core.shot_folders import same_path
from .scene.files import MAX_PATH_BYTES

#: The open file as it was when it was read or saved.
_known: tuple[Path, FileStamp] | None = None
#: The file that is being read as it was before.
_reading: tuple[Path, FileStamp] | None = None


def about_to_read(path: str) -> None:
    """Keep what a file is like before Blender reads it; without a window only: with one Blender's own rules hold."""
    global _reading  # noqa: PLW0603  one file is read at a time
    _reading = None
    if bpy.app.background and path:
        _reading = Path(path), FileStamp.of(Path(path))


def remember_read() -> None:
    """Keep what the file that was just read is like; where it changed meanwhile nobody knows which one was read."""
    global _known, _reading  # noqa: PLW0603  one file is open
    before, _reading = _reading, None
    remember()
    if (
        _known is not None
        and before is not None
        and same_path(before[0], _known[0])
        and not before[1].is_still(_known[0])
    ):
        _known = _known[0], NEVER


def remember() -> None:
    """Keep what the open file on disk is like, which has just been saved."""
    global _known  # noqa: PLW0603  one file is open
    _known = None
    if bpy.app.background and bpy.data.filepath:
        path = Path(bpy.data.filepath)
        _known = path, FileStamp.of(path)


def expected(path: Path) -> FileStamp:
    """What the file at ``path`` must still be like for saving over it."""
    return _known[1] if _known is not None and is_open(path) else FileStamp.of(path)


def is_open(path: Path) -> bool:
    """Whether a path, however it is spelt, is that of the open file."""
    return bool(bpy.data.filepath) and same_path(path, bpy.data.filepath)


def check_place(path: Path) -> None:
    """Raise BadInputError for a place that no .blend can be saved at; asked before the work, not after it."""
    problem = ""
    if path.is_dir():
        problem = "is a folder"
    elif path.exists() and not path.is_file():
        problem = "is a pipe or a device"
    elif len(os.fsencode(path)) > MAX_PATH_BYTES:
        problem = f"is longer than the {MAX_PATH_BYTES} bytes that Blender keeps of a path"
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"lies in a folder that cannot be made: {error.strerror or error}"
        else:
            # Blender writes beside the file, then renames.
            if not os.access(path.parent, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
                problem = "cannot be written"
    if problem:
        raise BadInputError(f"{path} {problem}.", "Name another file with --output.")


def save(path: Path, before: FileStamp, finished: str) -> None:
    """Save the open .blend, unless another process has written the file meanwhile.

    Args:
        path: absolute.
        before: the file as it must still be.
        finished: where the work lies that the .blend would tell of.

    Raises:
        TransientError: another process has.
    """
    name = hashlib.sha256(str(path.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    with saving_alone(paths.runtime_folder() / f"saving-{name}.lock"):
        if not before.is_still(path):
            raise TransientError(
                f"{path} was saved by another process meanwhile and is left as it is; what is done is in {finished}.",
                "Run the same command again: it takes up what is done and adds it to the file as it is now."
                if is_open(path)
                else "Run the command on that file, with --save: it takes up what is done and adds it.",
            )
        try:
            if is_open(path):
                bpy.ops.wm.save_mainfile()
            else:
                bpy.ops.wm.save_as_mainfile(filepath=str(path))
        except RuntimeError as error:
            raise TransientError(
                f"{path} cannot be saved; what is done is in {finished}. {' '.join(str(error).split())}",
                "Check permissions and free space, then run the same command again: it takes up what is done.",
            ) from error
