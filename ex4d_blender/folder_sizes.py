# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the folders of shots are, counted on a thread of its own: a walk over thousands of files takes its time."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from . import job_list, panel_updates
from .scene import sequencer
from .scene import shot as shots
from .scene.data import windows

#: Bytes by folder, as last counted.
_sizes: dict[str, int] = {}
#: Folders that are known no more, or not yet; one is counted at a time.
_counted: set[str] = set()
_thread: threading.Thread | None = None
_ended = 0


def size(folder: str) -> int | None:
    """Bytes of a shot's folder as last counted, None before it ever was."""
    return _sizes.get(folder)


def look() -> None:
    """Count the folders of the shots that windows show, again after each job; called by the timer."""
    global _thread, _ended  # noqa: PLW0603  one count at a time
    if _thread is not None and _thread.is_alive():
        return
    panel_updates.show("folder_sizes", tuple(sorted(_sizes.items())))
    ended = sum(row.state in ("done", "failed", "cancelled") for row in job_list.current().rows)
    if ended != _ended:
        _ended = ended
        _counted.clear()
    for window in windows():
        if window.scene is None:
            continue
        for shot in shots.known(sequencer.scene_of_edit(window.scene) or window.scene).shots:
            if shot.folder not in _counted:
                _counted.add(shot.folder)
                _thread = threading.Thread(target=_count, args=(shot.folder,), daemon=True, name="EX-4D folder size")
                _thread.start()
                return


def is_counting() -> bool:
    """Whether a count is under way, whose result is to be shown."""
    return _thread is not None and _thread.is_alive()


def forget() -> None:
    """Count anew: a folder was changed, or another file is open."""
    _counted.clear()


def _count(folder: str) -> None:
    _sizes[folder] = bytes_in(folder)


def bytes_in(folder: str) -> int:
    """The size of all files below a folder; what goes meanwhile, or can't be read, counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += Path(place, name).lstat().st_size
    return total
