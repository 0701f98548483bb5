# SPDX-License-Identifier: Apache-2.0
"""A run's figures: one JSON line each in log.jsonl, and tensorboard's files where it is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ex4d.system.files import atomic_write, make_folder, writing


def read_log(run: Path) -> list[dict[str, Any]]:
    """All lines of a run's log; a last one that a killed run left unfinished is dropped."""
    path = run / "log.jsonl"
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


class RunLog:
    """Writes them.

    Args:
        run: the run's folder.
        step: steps that were done; what an earlier, killed run logged after them is dropped.
    """

    def __init__(self, run: Path, step: int) -> None:
        self._path = make_folder(run) / "log.jsonl"
        kept = [line for line in read_log(run) if line["step"] <= step]
        atomic_write(self._path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1)

    @property
    def has_tensorboard(self) -> bool:
        """Whether tensorboard is installed."""
        return self._writer is not None

    def write(self, step: int, **figures: float) -> None:
        """Figures of a step."""
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **figures}) + "\n")
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(name.replace("_", "/", 1), value, step)

    def close(self) -> None:
        """Finish tensorboard's file."""
        if self._writer is not None:
            self._writer.close()
