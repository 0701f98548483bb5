# SPDX-License-Identifier: Apache-2.0
"""What several commands print of their results."""

from __future__ import annotations

from collections.abc import Sequence

from ex4d.commands.console import Console
from ex4d.jobs.cameras import camera_name
from ex4d.protocol.requests import GenerateRequest
from ex4d.protocol.results import GenerateResult


def report_takes(requests: Sequence[GenerateRequest], takes: Sequence[GenerateResult], console: Console) -> None:
    """Takes that were delivered, one for each request."""
    records, lines = [], []
    for request, take in zip(requests, takes, strict=True):
        camera = camera_name(request.camera)
        records.append(
            {
                "camera": camera,
                "folder": take.folder,
                "movie": take.movie,
                "generated_mean": take.generated_mean,
                "generated_max": take.generated_max,
            }
        )
        lines.append(
            f"{take.movie}  {camera}: {take.generated_mean:.0%} of the pixels are filled "
            f"(at most {take.generated_max:.0%} of a frame); {take.label}"
        )
    console.result({"takes": records}, "\n".join(lines))
