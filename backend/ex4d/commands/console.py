# SPDX-License-Identifier: Apache-2.0
"""How the command line shows progress, notes, results and errors: to a person, to a log, to a machine."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from rich.console import Console as RichConsole
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ex4d.protocol.errors import CancelledError, Ex4dError, TransientError
from ex4d.system.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._stage = ""
        self._of: int | None = None
        self._step = 0
        self._started = self._last = 0.0

    def _event(self, event: str, **values: Any) -> None:
        try:
            _print(json.dumps({"event": event, **values}), self._stream)
        except Ex4dError:
            # The error itself can still be told there.
            self._stream = sys.stderr
            raise

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

    def check(self) -> None:
        """See ``Progress``: a signal stops a command anywhere."""

    def note(self, text: str) -> None:
        """See ``Progress``."""
        self._event("note", text=text)

    def look(self, picture: NDArray[np.uint8]) -> None:
        """See ``Progress``: lines hold no pictures."""

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

    def __init__(self, out: TextIO | None, err: TextIO | None) -> None:
        self._out, self._err = out, err
        self._rich = RichConsole(file=err, highlight=False, soft_wrap=True)
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._noted: set[str] = set()
        if err is not None and self._rich.is_terminal:
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

    def check(self) -> None:
        """See ``Progress``: a signal stops a command anywhere."""

    def note(self, text: str) -> None:
        """See ``Progress``."""
        if text not in self._noted:
            self._noted.add(text)
            if self._bar:
                self._rich.print(f"note: {text}", markup=False)
            else:
                _print(f"note: {text}", self._err)

    def look(self, picture: NDArray[np.uint8]) -> None:
        """See ``Progress``: a terminal shows no pictures."""

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
        if self._bar:
            self._bar.stop()
            self._bar = None


def open_console(*, as_json: bool) -> Console:
    """The console for this run."""
    for stream in (sys.stdout, sys.stderr):
        # A path or a sign that the terminal cannot show must not end the work.
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    return JsonConsole(sys.stdout) if as_json else TextConsole(sys.stdout, sys.stderr)
