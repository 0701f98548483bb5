# SPDX-License-Identifier: Apache-2.0
"""Log files that do not grow without bound."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ex4d.protocol.runtime import open_private

MAX_BYTES, BACKUPS = 1 << 20, 3
#: Lines of one kind in so many seconds; whoever sends nonsense without end must not push out what somebody needs.
MAX_LINES, SECONDS = 100, 60.0


class RateLimit(logging.Filter):
    """Lets ``MAX_LINES`` lines of each kind (logger and text, without what is filled in) pass in ``SECONDS``; the first
    one after that tells how many did not."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        kind, now = (record.name, str(record.msg)[:100]), self._clock()
        since, count = self._kinds.get(kind, (now, 0))
        if now - since > SECONDS:
            if count > MAX_LINES:
                record.msg = f"{record.msg} ({count - MAX_LINES} more of these were left out)"
            since, count = now, 0
        # Texts are few; should somebody have put what changes into them, the oldest are forgotten.
        self._kinds.pop(kind, None)
        self._kinds[kind] = (since, count + 1)
        if len(self._kinds) > MAX_LINES:
            del self._kinds[next(iter(self._kinds))]
        return count < MAX_LINES


class _PrivateLog(RotatingFileHandler):
    """The user's alone, and never written through a link."""

    def _open(self) -> TextIOWrapper:
        descriptor = open_private(Path(self.baseFilename), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return os.fdopen(descriptor, "a", encoding="utf-8")


def start_log(path: str | Path) -> None:
    """Send all log messages of this process to a file, which is renamed at 1 MB; three former ones are kept. Lines of
    one kind that come in masses are not all written."""
    handler = _PrivateLog(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(RateLimit())
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # A full disk must not fill the terminal with tracebacks.
    logging.raiseExceptions = False
