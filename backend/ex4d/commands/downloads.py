# SPDX-License-Identifier: Apache-2.0
"""What is printed of models that were downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ex4d.commands.console import Console
from ex4d.models.hub import Record


def report_downloads(folder: Path, records: Sequence[Record], console: Console) -> None:
    """Models that were got from the hub into a folder."""
    lines = [f"{one.repository}: licence {one.licence}, revision {one.revision[:12]}" for one in records]
    licences = {one.repository: one.licence for one in records}
    console.result({"folder": str(folder), "licences": licences}, "\n".join([f"{folder}", *lines]))
