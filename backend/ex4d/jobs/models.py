# SPDX-License-Identifier: Apache-2.0
"""Which models can be downloaded, and which are here."""

from __future__ import annotations

from ex4d.jobs.catalogue import downloadables
from ex4d.jobs.context import JobContext
from ex4d.protocol.requests import ModelsRequest
from ex4d.protocol.results import ModelsResult


def run(_request: ModelsRequest, context: JobContext) -> ModelsResult:
    """Look at the disk."""
    context.progress.check()
    return ModelsResult(tuple(model.info() for model in downloadables()))
