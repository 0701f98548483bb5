# SPDX-License-Identifier: Apache-2.0
"""How the command line shows progress, notes, results and errors: to a person, to a log, to a machine."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console as RichConsole
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ex4d.protocol.errors import CancelledError, Ex4dError, TransientError
from ex4d.protocol.stage_names import stage_name
from ex4d.system.progress import OpenStage, PlannedStage, Progress

#: Machines get at most one step event per this many seconds.
STEP_INTERVAL = 0.1


def _print(text: str, stream: TextIO | None) -> None:
    """Print a line at once; a process without a console has no streams.

    Raises:
        CancelledError: nobody reads the stream any more.
        TransientError: it cannot be written.
    """
    if stream is None:
        return
    try:
        print(text, file=stream, flush=True)
    except OSError as error:
        raise _output_lost(error, stream) from error


def _output_lost(error: OSError, stream: TextIO) -> Ex4dError:
    # What the stream still holds would make Python complain when it ends.
    with suppress(OSError, ValueError), Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
    # Windows says EINVAL of a closed pipe.
    if isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL:
        return CancelledError(CancelledError.TERMINATED)
    return TransientError(
        f"The output of this command cannot be written: {error.strerror or error}.", "Send it elsewhere."
    )


class Console(Progress, ABC):
    """A ``Progress`` that also takes the end of a command."""

    @abstractmethod
    def result(self, result: Mapping[str, Any], text: str) -> None:
        """The command's outcome, for machines and as text."""

    @abstractmethod
    def error(self, error: Ex4dError) -> None:
        """The command's failure."""

    @abstractmethod
    def close(self) -> None:
        """Leave the terminal as it was."""


class JsonConsole(Console):
    """One JSON object per line on standard output."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream
        self._last = 0.0

    def _event(self, event: str, **values: Any) -> None:
        try:
            _print(json.dumps({"event": event, **values}), self._stream)
        except Ex4dError:
            # The error itself can still be told there.
            self._stream = sys.stderr
            raise

    def on_begin(self, stage: OpenStage) -> None:
        """See ``Progress``."""
        self._last = time.monotonic()
        self._event("begin", stage=stage.name, of=stage.of)

    def on_step(self, stage: OpenStage) -> None:
        """See ``Progress``."""
        now = time.monotonic()
        if now - self._last >= STEP_INTERVAL or stage.step == stage.of:
            self._last = now
            self._event("step", stage=stage.name, step=stage.step, of=stage.of, eta=stage.eta(now))

    def on_end(self, stage: OpenStage, *, cached: bool) -> None:
        """See ``Progress``."""
        self._event("end", stage=stage.name, cached=cached, seconds=round(time.monotonic() - stage.started, 3))

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


class TextConsole(Console):
    """Results on standard output, notes and errors on standard error; progress bars where that is a terminal: one for
    each stage, and below them one for the whole job."""

    def __init__(self, out: TextIO | None, err: TextIO | None) -> None:
        super().__init__()
        self._out, self._err = out, err
        self._rich = RichConsole(file=err, highlight=False, soft_wrap=True)
        self._bars: RichProgress | None = None
        #: Of what is open, the innermost last.
        self._tasks: list[TaskID] = []
        self._job: TaskID | None = None
        self._noted: set[str] = set()
        if err is not None and self._rich.is_terminal:
            self._bars = RichProgress(
                TextColumn("{task.description:<16}"),
                BarColumn(),
                TextColumn("{task.fields[done]:>9}"),
                TimeElapsedColumn(),
                TextColumn("eta"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[state]}"),
                console=self._rich,
            )
            self._bars.start()

    def expect(self, plan: Iterable[PlannedStage]) -> None:
        """See ``Progress``."""
        super().expect(plan)
        self._show_job()

    def on_begin(self, stage: OpenStage) -> None:
        """See ``Progress``."""
        if self._bars:
            done = f"0/{stage.of}" if stage.of else ""
            self._tasks.append(self._bars.add_task(stage_name(stage.name), total=stage.of, done=done, state=""))
            self._show_job()

    def on_step(self, stage: OpenStage) -> None:
        """See ``Progress``."""
        if self._bars and self._tasks:
            done = f"{stage.step}/{stage.of}" if stage.of else str(stage.step)
            self._bars.update(self._tasks[-1], completed=stage.step, done=done)
            self._show_job()

    def on_end(self, stage: OpenStage, *, cached: bool) -> None:
        """See ``Progress``."""
        if self._bars and self._tasks:
            task, count = self._tasks.pop(), max(1, stage.step)
            self._bars.update(task, total=count, completed=count, state="already done" if cached else "")
            self._bars.stop_task(task)
            self._show_job()

    def _show_job(self) -> None:
        """The bar of the whole job, which is always the last one."""
        if not self._bars or len(self.plan) < 2:
            return
        share = self.share
        completed, done = round(share * 1000), f"{share:.0%}"
        if self._job is not None:
            if self._bars.tasks[-1].id == self._job:
                self._bars.update(self._job, completed=completed, done=done)
                return
            self._bars.remove_task(self._job)
        self._job = self._bars.add_task("All", total=1000, completed=completed, done=done, state="")

    def note(self, text: str) -> None:
        """See ``Progress``."""
        if text not in self._noted:
            self._noted.add(text)
            if self._bars:
                self._rich.print(f"note: {text}", markup=False)
            else:
                _print(f"note: {text}", self._err)

    def result(self, result: Mapping[str, Any], text: str) -> None:
        """See ``Console``."""
        self.close()
        _print(text, self._out)

    def error(self, error: Ex4dError) -> None:
        """See ``Console``."""
        self.close()
        _print(f"error: {error.message}\n       {error.hint}", self._err)

    def close(self) -> None:
        """See ``Console``."""
        if self._bars:
            self._bars.stop()
            self._bars = None


def open_console(*, as_json: bool) -> Console:
    """The console for this run."""
    for stream in (sys.stdout, sys.stderr):
        # A path or a sign that the terminal cannot show must not end the work.
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    return JsonConsole(sys.stdout) if as_json else TextConsole(sys.stdout, sys.stderr)
