# SPDX-License-Identifier: Apache-2.0
"""How the command line shows progress, notes, results and errors: to a person, to a log, to a machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ex4d.progress import Progress
from ex4d.protocol.errors import Ex4dError

#: Machines get at most one step event per this many seconds.
STEP_INTERVAL = 0.1


class Console(Progress, Protocol):
    """A ``Progress`` that also takes the end of a command."""

    def result(self, result: Mapping[str, Any], text: str) -> None:
        """The command's outcome, for machines and as text."""

    def error(self, error: Ex4dError) -> None:
        """The command's failure."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class JsonConsole:
    """One JSON object per line on standard output."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._stage = ""
        self._of: int | None = None
        self._step = 0
        self._started = self._last = 0.0

    def _event(self, event: str, **values: Any) -> None:
        print(json.dumps({"event": event, **values}), file=self._stream, flush=True)

    def begin(self, stage: str, of: int | None) -> None:
        """See ``Progress``."""
        self._stage, self._of, self._step = stage, of, 0
        self._started = self._last = time.monotonic()
        self._event("begin", stage=stage, of=of)

    def advance(self) -> None:
        """See ``Progress``."""
        self._step += 1
        now = time.monotonic()
        if now - self._last >= STEP_INTERVAL or self._step == self._of:
            self._last = now
            eta = (now - self._started) / self._step * (self._of - self._step) if self._of else None
            self._event(
                "step", stage=self._stage, step=self._step, of=self._of, eta=round(eta, 1) if eta is not None else None
            )

    def end(self, *, cached: bool = False) -> None:
        """See ``Progress``."""
        self._event("end", stage=self._stage, cached=cached, seconds=round(time.monotonic() - self._started, 3))

    def note(self, text: str) -> None:
        """See ``Progress``."""
        self._event("note", text=text)

    def result(self, result: Mapping[str, Any], text: str) -> None:
        """See ``Console``."""
        self._event("done", result=result)

    def error(self, error: Ex4dError) -> None:
        """See ``Console``."""
        self._event("error", kind=error.kind, message=error.message, hint=error.hint, exit_code=error.exit_code)

    def close(self) -> None:
        """See ``Console``."""


class TextConsole:
    """Results on standard output, notes and errors on standard error; a progress bar where that is a terminal."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._rich = RichConsole(file=err, highlight=False, soft_wrap=True)
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._noted: set[str] = set()
        if self._rich.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description:<10}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("eta"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[state]}"),
                console=self._rich,
            )
            self._bar.start()

    def begin(self, stage: str, of: int | None) -> None:
        """See ``Progress``."""
        if self._bar:
            self._task = self._bar.add_task(stage, total=of, state="")

    def advance(self) -> None:
        """See ``Progress``."""
        if self._bar and self._task is not None:
            self._bar.advance(self._task)

    def end(self, *, cached: bool = False) -> None:
        """See ``Progress``."""
        if self._bar and self._task is not None:
            done = max(1, int(self._bar.tasks[self._task].completed))
            self._bar.update(self._task, total=done, completed=done, state="already done" if cached else "")
            self._bar.stop_task(self._task)

    def note(self, text: str) -> None:
        """See ``Progress``."""
        if text not in self._noted:
            self._noted.add(text)
            self._rich.print(f"note: {text}", markup=False)

    def result(self, result: Mapping[str, Any], text: str) -> None:
        """See ``Console``."""
        self.close()
        print(text, file=self._out, flush=True)

    def error(self, error: Ex4dError) -> None:
        """See ``Console``."""
        self.close()
        self._rich.print(f"error: {error.message}", markup=False)
        self._rich.print(f"       {error.hint}", markup=False)

    def close(self) -> None:
        """See ``Console``."""
        if self._bar:
            self._bar.stop()
            self._bar = None


def open_console(*, as_json: bool) -> Console:
    """The console for this run."""
    return JsonConsole(sys.stdout) if as_json else TextConsole(sys.stdout, sys.stderr)
