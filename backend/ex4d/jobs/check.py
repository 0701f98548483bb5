# SPDX-License-Identifier: Apache-2.0
"""Is a shot's folder whole? Every sealed file is read and compared; nothing is changed."""

from __future__ import annotations

from pathlib import Path

from ex4d.jobs.context import JobContext
from ex4d.protocol.requests import CheckRequest
from ex4d.protocol.results import CheckResult
from ex4d.shot.check import check_shot


def run(request: CheckRequest, _context: JobContext) -> CheckResult:
    """Look at it.

    Raises:
        BadInputError: the folder holds no shot.
        TransientError: the system does not let it be read.
    """
    parts = tuple(check_shot(Path(request.shot)))
    whole = not any(part.state in ("damaged", "missing") for part in parts)
    return CheckResult(request.shot, whole, parts)
