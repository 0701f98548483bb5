# SPDX-License-Identifier: Apache-2.0
"""Jobs on disk, so that a backend that was killed takes up where it was.

A job has a record, ``NAME.json``, and a file for each of its blobs, ``NAME.N.blob``. NAME is a hash of the job's id:
file systems that take «a» and «A» for one name, or keep names such as «CON» for devices, have no say in what a job may
be called. Records of former versions are named by the id and hold their blobs as Base64, or hold a request of
``ex4d/1``: they are read, and written as they are now.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.jobs import JobSnapshot
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.requests import Request, parse_request, request_record
from ex4d.protocol.runtime import check_own_folder, open_private
from ex4d.protocol.wire import MAX_BLOB_BYTES, MAX_BLOBS
from ex4d.server.former_requests import former_request
from ex4d.system.files import atomic_path, make_folder

log = logging.getLogger(__name__)

#: A record: a former one held four blobs of 64 MB as Base64.
MAX_RECORD_BYTES = 512 << 20
#: Later jobs count on from there; a number of thousands of digits could not even be written.
MAX_ORDER = 1 << 62
#: The end of the name of a record that could not be read.
DAMAGED = ".damaged"


@dataclass(frozen=True)
class Entry:
    """A job as it was asked for, and where it was last.

    Attributes:
        snapshot: where it was.
        request: what was asked for; its blobs stand in it empty.
        blob_count: how many blobs came with it.
        order: jobs are begun in the order of these numbers.
        client: who asked for it.
    """

    snapshot: JobSnapshot
    request: Request
    blob_count: int = 0
    order: int = 0
    client: str = ""


def _own_bytes(path: Path, limit: int) -> bytes:
    """The content of a file of this user's: what somebody else has put here, or linked to, is no job.

    Raises:
        OSError: it is not, or cannot be read, or is longer than ``limit``.
    """
    with os.fdopen(open_private(path, os.O_RDONLY), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, "too long")
    return data


class Journal:
    """Records of jobs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open()
        for leftover in self.folder.glob(".tmp-*"):
            with suppress(OSError):
                leftover.unlink()
        #: Records of former versions that could not be written anew.
        self._former: dict[str, Path] = {}

    def _open(self) -> None:
        """Make the folder, or check a present one: who can write there can have jobs run in the user's name."""
        check_own_folder(self.folder)
        make_folder(self.folder)

    def path(self, job: str) -> Path:
        """Where a job's record is."""
        return self.folder / f"{_name(job)}.json"

    def _blob_path(self, job: str, index: int) -> Path:
        return self.folder / f"{_name(job)}.{index}.blob"

    def write(self, entry: Entry, blobs: tuple[bytes, ...] = ()) -> int:
        """Store a job; returns the length of its record, bytes. An ended job's blobs are of no more use and go.

        Args:
            entry: the job.
            blobs: its blobs, where they are not in the journal yet.

        Raises:
            TransientError: it cannot be written.
        """
        job = entry.snapshot.id
        text = json.dumps(
            {
                "job": entry.snapshot.record(),
                "request": request_record(entry.request)[0],
                "blob_count": entry.blob_count,
                "order": entry.order,
                "client": entry.client,
            },
            allow_nan=False,
        )
        # The system's cleaner of temporary folders may have been here.
        self._open()
        try:
            for index, blob in enumerate(blobs):
                with atomic_path(self._blob_path(job, index)) as temporary:
                    temporary.write_bytes(blob)
            with atomic_path(self.path(job)) as temporary:
                temporary.write_text(text, encoding="utf-8")
        except Ex4dError:
            if blobs:
                self._remove_blobs(entry)
            raise
        if entry.snapshot.is_final:
            self._remove_blobs(entry)
        if job in self._former:
            with suppress(OSError):
                self._former.pop(job).unlink(missing_ok=True)
        return len(text)

    def holds(self, entry: Entry) -> bool:
        """Whether a job's record and blobs are there."""
        paths = [self.path(entry.snapshot.id), *self._blob_paths(entry)]
        return all(path.is_file() for path in paths)

    def blobs(self, entry: Entry) -> tuple[bytes, ...] | None:
        """The blobs of a job; None where they are gone."""
        try:
            return tuple(_own_bytes(path, MAX_BLOB_BYTES) for path in self._blob_paths(entry))
        except OSError:
            return None

    def blob_bytes(self, entry: Entry) -> int:
        """Bytes of a job's blobs that are there."""
        return sum(path.stat().st_size for path in self._blob_paths(entry) if path.is_file())

    def remove(self, entry: Entry) -> None:
        """Forget a job."""
        with suppress(OSError):
            self.path(entry.snapshot.id).unlink(missing_ok=True)
        self._remove_blobs(entry)

    def _blob_paths(self, entry: Entry) -> list[Path]:
        return [self._blob_path(entry.snapshot.id, index) for index in range(entry.blob_count)]

    def _remove_blobs(self, entry: Entry) -> None:
        for path in self._blob_paths(entry):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def entries(self) -> list[tuple[Entry, tuple[bytes, ...]]]:
        """All stored jobs, in their order, with those blobs that are not in the journal as it is now. A record that
        cannot be read is set aside: it must not stand in the way of a backend's start, nor be lost."""
        found: dict[str, tuple[Entry, tuple[bytes, ...]]] = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                entry, blobs = self._read(path)
            except Exception as error:  # noqa: BLE001  whatever is in there, it is no job of ours
                log.warning("%s cannot be read and is set aside: %s", path, str(error)[:500])
                with suppress(OSError):
                    path.replace(path.with_name(path.name + DAMAGED))
                continue
            # A crash between writing a former record anew and removing it has left both.
            if entry.snapshot.id not in found or path == self.path(entry.snapshot.id):
                found[entry.snapshot.id] = entry, blobs
        named = {_name(job) for job in found}
        for path in self.folder.glob("*.blob"):
            if path.name.partition(".")[0] not in named:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        # Former records have no order of their own, and came first.
        return sorted(found.values(), key=lambda item: (item[0].order, item[0].snapshot.created))

    def _read(self, path: Path) -> tuple[Entry, tuple[bytes, ...]]:
        record = parse_json(_own_bytes(path, MAX_RECORD_BYTES))
        if "blobs" in record:
            count = len(record["blobs"])
        else:
            count = record["blob_count"]
        if type(count) is not int or not 0 <= count <= MAX_BLOBS:
            raise ValueError("its number of blobs is none")
        told = dict(record["job"])
        if "params" in record:
            told["kind"], request = former_request(told["kind"], record["params"], count)
        else:
            request = parse_request(told["kind"], record["request"], (b"",) * count)
        snapshot = JobSnapshot.from_record(told)
        if path.stem == snapshot.id and "blobs" in record:
            blobs = tuple(base64.b64decode(blob, validate=True) for blob in record["blobs"])
            return self._renewed(path, Entry(snapshot, request, len(blobs)), blobs)
        if path != self.path(snapshot.id):
            raise ValueError(f"it is not the record of {snapshot.id}")
        order, client = record["order"], record["client"]
        if type(order) is not int or not 0 <= order <= MAX_ORDER or not isinstance(client, str):
            raise ValueError("its order or its client is none")
        return Entry(snapshot, request, count, order, client), ()

    def _renewed(self, path: Path, entry: Entry, blobs: tuple[bytes, ...]) -> tuple[Entry, tuple[bytes, ...]]:
        """A former record's job, written as it is now."""
        try:
            self.write(entry, blobs)
        except Ex4dError as error:
            log.warning("%s cannot be written anew: %s", path, error)
            self._former[entry.snapshot.id] = path
            return entry, blobs
        with suppress(OSError):
            path.unlink()
        return entry, ()


def _name(job: str) -> str:
    return hashlib.sha256(job.encode()).hexdigest()[:32]
