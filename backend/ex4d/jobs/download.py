# SPDX-License-Identifier: Apache-2.0
"""A model got from the hub, or the rest of it."""

from __future__ import annotations

from ex4d.jobs.capabilities import estimator_infos
from ex4d.jobs.catalogue import find_downloadable
from ex4d.jobs.context import JobContext
from ex4d.models.downloads import PLAN, download
from ex4d.protocol.requests import DownloadRequest
from ex4d.protocol.results import DownloadResult


def run(request: DownloadRequest, context: JobContext) -> DownloadResult:
    """Get it. When it is stopped, in whatever way, what has come stays, and the same request goes on from there.

    Raises:
        UsageError: there is no such model.
        ResourceError: packages are missing that it imports.
        BadInputError, TransientError: see ``models.downloads.download``.
    """
    model = find_downloadable(request.model)
    model.require_packages()
    context.progress.expect(PLAN)
    records = download(model.folders, context.progress)
    return DownloadResult(
        model.name,
        str(model.root),
        {record.repository: record.licence for record in records},
        {record.repository: record.revision for record in records},
        estimator_infos(),
    )
