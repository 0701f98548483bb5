# SPDX-License-Identifier: Apache-2.0
"""Tell what of a shot's cache may go, or let it go."""

from __future__ import annotations

from pathlib import Path

from ex4d.jobs.context import JobContext
from ex4d.protocol.requests import CleanRequest
from ex4d.protocol.results import CleanResult
from ex4d.shot.cleaning import clean, cleanable


def run(request: CleanRequest, _context: JobContext) -> CleanResult:
    """Look, and remove if that is asked for.

    Raises:
        BadInputError: the folder holds no shot.
        TransientError: the system does not let it be read or changed.
    """
    root = Path(request.shot)
    stages = tuple(cleanable(root, request.keep))
    if request.remove:
        clean(root, stages)
    return CleanResult(request.shot, request.remove, stages)
