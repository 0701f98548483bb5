# SPDX-License-Identifier: Apache-2.0
"""Log files that do not grow without bound."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_BYTES, BACKUPS = 1 << 20, 3


def start_log(path: str | Path) -> None:
    """Send all log messages of this process to a file, which is renamed at 1 MB; three former ones are kept."""
    handler = RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    for former in list(root.handlers):
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # A full disk must not fill the terminal with tracebacks.
    logging.raiseExceptions = False
