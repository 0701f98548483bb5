# SPDX-License-Identifier: Apache-2.0
"""The jobs: what command line, service and Python programs can have done. One module for each, named like the job:
``run(request, context) -> result``, with the data classes of ``ex4d.protocol``.

Their modules are imported when they are run, so that who only asks for them stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import FreeMemoryRequest, Request, job_name

if TYPE_CHECKING:
    from ex4d.jobs.context import JobContext
    from ex4d.protocol.results import Result


def run_job(request: Request, context: JobContext) -> Result:
    """Do what is asked for.

    Raises:
        Ex4dError: it cannot be done; whatever the context's progress raises.
    """
    if isinstance(request, FreeMemoryRequest):
        raise UsageError("Only a running backend can free its memory.", "Ask the backend itself.")
    result: Result = import_module(f"{__name__}.{job_name(request)}").run(request, context)
    return result
