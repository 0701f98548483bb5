# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators share: errors that are read, jobs that block only where there is no window."""

from __future__ import annotations

import logging
import traceback
from abc import abstractmethod
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Literal

import bpy

from ex4d.protocol.errors import BadInputError, Ex4dError, InternalError, UsageError

from .. import error_dialog, job_list, timer
from ..localisation import localised
from ..scene import shot as shots
from ..scene.data import scene_of

log = logging.getLogger(__name__)

#: The status bar shows so much of a report.
STATUS_CHARACTERS = 140

#: What an operator returns.
OperatorResult = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]

Execute = Callable[[Any, bpy.types.Context], OperatorResult]


def run_reporting(operator: Any, context: bpy.types.Context, action: Callable[[], OperatorResult]) -> OperatorResult:
    """Do an operator's work and show its errors: a wrong click in the status bar, others in the dialog, in the window
    where it was called. In background mode they are raised: Blender makes a RuntimeError of a report."""
    # The work may close the window.
    details, window = "", context.window
    try:
        return action()
    except Ex4dError as failure:
        error = failure
    except Exception as failure:
        log.exception("%s fails", operator.bl_idname)
        error, details = InternalError(failure), traceback.format_exc()
    if bpy.app.background:
        operator.report({"ERROR"}, localised(f"{error.message} {error.hint}"))
    elif is_wrong_click(error):
        # A report of an error would open a popup of its own.
        operator.report({"WARNING"}, localised(f"{error.message} {error.hint}"))
    else:
        error_dialog.show_error(error, details, window=window)
    return {"CANCELLED"}


def is_wrong_click(error: Ex4dError) -> bool:
    """Whether an error says that a button was pressed where it has nothing to work on, in words that the status bar has
    room for: that is no reason to open a dialog."""
    short = len(error.message) + len(error.hint) < STATUS_CHARACTERS
    return isinstance(error, UsageError | BadInputError) and short


def report_errors(
    execute: Callable[[Any, bpy.types.Context], OperatorResult],
) -> Callable[[Any, bpy.types.Context], OperatorResult]:
    """Decorate an operator's ``execute``, see ``run_reporting``. Blender counts arguments, so they are spelt out."""

    @wraps(execute)
    def wrapper(self: Any, context: bpy.types.Context) -> OperatorResult:
        return run_reporting(self, context, lambda: execute(self, context))

    return wrapper


def has_shot(cls: Any, context: bpy.types.Context) -> bool:
    """A poll: the scene has a reconstructed shot."""
    try:
        known = shots.known(scene_of(context))
        known.check()
        if known.shots:
            return True
        if not known.instances:
            cls.poll_message_set(localised("Load a plate and reconstruct it first"))
            return False
        error: Ex4dError = known.no_shot_error()
    except Ex4dError as found:
        error = found
    cls.poll_message_set(localised(f"{error.message} {error.hint}"))
    return False


class WithShot:
    """An operator that needs a shot and nothing else."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Whether the scene has a shot."""
        return has_shot(cls, context)


class JobOperator:
    """An operator that asks the backend for something.

    Called from the UI the operator ends at once and the result comes by itself; called from a script or without a
    window it waits for the result.
    """

    @abstractmethod
    def begin(self, context: bpy.types.Context, *, block: bool) -> str:
        """Submit the job; returns its id."""

    @report_errors
    def execute(self, context: bpy.types.Context) -> OperatorResult:
        """Blocks."""
        job = self.begin(context, block=True)
        job_list.current().wait(job)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> OperatorResult:
        """Submits and lets the timer do the rest."""
        if bpy.app.background:
            return self.execute(context)
        return run_reporting(self, context, lambda: self._submit(context))

    def report_notes(self, notes: Iterable[str]) -> None:
        """Show what should be known of the job although it can be done."""
        operator: Any = self
        for note in notes:
            operator.report({"INFO"}, localised(note))

    def _submit(self, context: bpy.types.Context) -> OperatorResult:
        self.begin(context, block=False)
        timer.wake()
        return {"FINISHED"}
