# SPDX-License-Identifier: Apache-2.0
"""What is printed of models that were downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ex4d.commands.console import Console
from ex4d.models.hub import Record


def report_downloads(folder: Path, records: Mapping[str, Record], console: Console) -> None:
    """Models that were got from the hub into a folder, by their repository."""
    lines = [f"{name}: licence {record.licence}, revision {record.revision[:12]}" for name, record in records.items()]
    licences = {name: record.licence for name, record in records.items()}
    console.result({"folder": str(folder), "licences": licences}, "\n".join([f"{folder}", *lines]))
