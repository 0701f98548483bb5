# SPDX-License-Identifier: Apache-2.0
"""Jobs on disk, so that a backend that was killed takes up where it was."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ex4d.files import atomic_path, make_folder
from ex4d.protocol.jobs import JobSnapshot, Params, params_record, parse_params
from ex4d.protocol.wire import is_job_id

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A job as it was asked for, and where it was last."""

    snapshot: JobSnapshot
    params: Params
    blobs: tuple[bytes, ...]


class Journal:
    """One file per job in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = make_folder(folder)
        for leftover in self.folder.glob(".tmp-*"):
            with suppress(OSError):
                leftover.unlink()

    def _path(self, job: str) -> Path:
        return self.folder / f"{job}.json"

    def write(self, entry: Entry) -> None:
        """Store a job; raises TransientError where that cannot be."""
        record: dict[str, Any] = {
            "job": entry.snapshot.record(),
            "params": params_record(entry.params),
            "blobs": [base64.b64encode(blob).decode("ascii") for blob in entry.blobs],
        }
        path = self._path(entry.snapshot.id)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(record), encoding="utf-8")

    def read(self, job: str) -> Entry | None:
        """A stored job; None where there is none, or a damaged one."""
        try:
            record = json.loads(self._path(job).read_text(encoding="utf-8"))
            snapshot = JobSnapshot.from_record(record["job"])
            if snapshot.id != job:
                return None
            params = parse_params(snapshot.kind, record["params"])
            blobs = tuple(base64.b64decode(blob, validate=True) for blob in record["blobs"])
        except Exception as error:  # noqa: BLE001  whatever is in there, it is no job of ours
            if self._path(job).exists():
                log.warning("job %s cannot be read from the journal: %s", job, error)
            return None
        return Entry(snapshot, params, blobs)

    def remove(self, job: str) -> None:
        """Forget a job."""
        with suppress(OSError):
            self._path(job).unlink(missing_ok=True)

    def entries(self) -> Iterator[Entry]:
        """All stored jobs, oldest first."""
        found = [self.read(path.stem) for path in self.folder.glob("*.json") if is_job_id(path.stem)]
        yield from sorted((entry for entry in found if entry), key=lambda entry: entry.snapshot.created)
