# SPDX-License-Identifier: Apache-2.0
"""What several commands print of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ex4d.commands.console import Console
from ex4d.jobs.cameras import camera_name
from ex4d.protocol.parse_dataclass import to_record
from ex4d.protocol.requests import GenerateRequest
from ex4d.protocol.results import GenerateResult, ReconstructResult, RunResult


def report_run(requests: Sequence[GenerateRequest], result: RunResult, console: Console) -> None:
    """A plate that was reconstructed, and its takes, one for each request."""
    _report(requests, result.takes, console, {"source_camera": source_camera_record(result.reconstruction)})


def report_takes(requests: Sequence[GenerateRequest], takes: Sequence[GenerateResult], console: Console) -> None:
    """Takes that were delivered, one for each request."""
    _report(requests, takes, console, {})


def source_camera_record(result: ReconstructResult) -> dict[str, Any] | None:
    """What was found of the source camera, for machines; people read its headline among the notes."""
    found = result.source_camera
    return None if found is None else dict(to_record(found))


def _report(
    requests: Sequence[GenerateRequest], takes: Sequence[GenerateResult], console: Console, more: Mapping[str, Any]
) -> None:
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
    console.result({"takes": records, **more}, "\n".join(lines))
