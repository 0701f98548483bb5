# SPDX-License-Identifier: Apache-2.0
"""Log files that do not grow without bound."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ex4d.protocol.runtime import open_private

MAX_BYTES, BACKUPS = 1 << 20, 3


class _PrivateLog(RotatingFileHandler):
    """The user's alone, and never written through a link."""

    def _open(self) -> TextIOWrapper:
        descriptor = open_private(Path(self.baseFilename), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return os.fdopen(descriptor, "a", encoding="utf-8")


def start_log(path: str | Path) -> None:
    """Send all log messages of this process to a file, which is renamed at 1 MB; three former ones are kept."""
    handler = _PrivateLog(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # A full disk must not fill the terminal with tracebacks.
    logging.raiseExceptions = False
