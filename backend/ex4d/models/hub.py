# SPDX-License-Identifier: Apache-2.0
"""What the hub has of a model, and knowing of files that they are whole.

``huggingface_hub`` speaks with the hub, and its settings are honoured (``HF_ENDPOINT`` for a mirror,
``HF_HUB_OFFLINE``, ``HF_TOKEN``, proxies). Which revision is taken, and what its files must be, stands in ``pins``;
what was got, from which revision and under which licence, in ``ex4d-model.json`` beside the files. ``downloads`` gets
them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from ex4d.models.pins import Pin, PinnedFile
from ex4d.protocol.errors import BadInputError, Ex4dError, TransientError
from ex4d.protocol.parsing import parse_json
from ex4d.system.progress import Progress

RECORD_FILE = "ex4d-model.json"
CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Source:
    """A repository of the hub and what of it is needed.

    Attributes:
        repository: "owner/name".
        patterns: of the files.
        what: for people.
    """

    repository: str
    patterns: tuple[str, ...]
    what: str

    @property
    def folder(self) -> str:
        """Name of the folder that the files lie in."""
        return self.repository.rpartition("/")[2]


def merged_sources(sources: Iterable[Source]) -> list[Source]:
    """One source a repository, with all that is needed of it by any."""
    merged: dict[str, Source] = {}
    for source in sources:
        known = merged.get(source.repository, source)
        patterns = tuple(dict.fromkeys((*known.patterns, *source.patterns)))
        merged[source.repository] = replace(known, patterns=patterns)
    return list(merged.values())


@dataclass(frozen=True)
class Record:
    """What lies in a folder, and where it is from.

    Attributes:
        repository, revision, licence: of the hub; the licence as the model's page states it.
        sha256: checksums of the files, by path within the folder; "" where the hub tells none.
    """

    repository: str
    revision: str
    licence: str
    sha256: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Record | None:
        """The record of a folder, None where there is none."""
        try:
            record = cls(**parse_json((folder / RECORD_FILE).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        sums = record.sha256
        whole = isinstance(sums, dict) and all(isinstance(text, str) for item in sums.items() for text in item)
        return record if whole else None


@contextmanager
def hub_errors(source: Source) -> Iterator[None]:
    """Turn what the hub's library raises in the block into an error with a hint."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except GatedRepoError as error:
        raise BadInputError(
            f"{source.repository} wants its terms accepted first.",
            "Accept them on the model's page, then set HF_TOKEN to a token of yours.",
        ) from error
    except RepositoryNotFoundError as error:
        raise BadInputError(
            f"The hub has no model {source.repository}.", "Check HF_ENDPOINT, or get the files by hand."
        ) from error
    except RevisionNotFoundError as error:
        raise BadInputError(
            f"The hub no longer has the revision of {source.repository} that this version of ex4d was made for.",
            "Install a newer ex4d, or get the files by hand.",
        ) from error
    except Ex4dError:
        raise
    except Exception as error:
        # Whatever the hub's library or its network library raises; their classes change from version to version.
        reason = " ".join(str(error).split())[:200]
        raise TransientError(
            f"{source.repository} could not be downloaded: {reason}.",
            "Try again: it goes on where it stopped. HF_ENDPOINT names a mirror.",
        ) from error


def endpoint() -> str | None:
    """The hub that ``HF_ENDPOINT`` names; None = the usual one."""
    return os.environ.get("HF_ENDPOINT") or None


def needed_files(source: Source, info: Any) -> dict[str, Any]:
    """What the hub tells of the files that are needed, by their path in the repository."""
    files = {
        file.rfilename: file
        for file in info.siblings or ()
        if any(fnmatch(file.rfilename, pattern) for pattern in source.patterns)
    }
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise BadInputError(f"{source.repository} has a file «{name}», outside its folder.", "Do not use it.")
    return files


def told_sha256(file: Any) -> str:
    """The checksum that the hub tells; "" for the small files that it keeps as text."""
    return str(getattr(file.lfs, "sha256", "") or "")


def pin_source(source: Source, progress: Progress) -> Pin:
    """The newest revision of a source on the hub, with the checksums of its files.

    The hub tells those of large files; the small ones are got and hashed.

    Raises:
        BadInputError, TransientError: see ``downloads.download``.
    """
    from huggingface_hub import HfApi, hf_hub_download

    with hub_errors(source):
        info = HfApi(endpoint=endpoint()).model_info(source.repository, files_metadata=True)
        files = needed_files(source, info)
        if not files:
            raise BadInputError(f"{source.repository} has none of the files that are needed.", "Check HF_ENDPOINT.")
        pinned = {}
        with tempfile.TemporaryDirectory(prefix="ex4d-pin-") as temporary:
            for name, file in files.items():
                sha256, size = told_sha256(file), file.size
                if not sha256 or size is None:
                    path = Path(
                        hf_hub_download(
                            source.repository, name, revision=info.sha, local_dir=temporary, endpoint=endpoint()
                        )
                    )
                    sha256, size = sha256_of(path, lambda: None), path.stat().st_size
                pinned[name] = PinnedFile(int(size), sha256)
    progress.note(f"{source.repository}: revision {info.sha}, {len(pinned)} files")
    return Pin(str(info.sha), pinned)


def sha256_of(path: Path, advance: Callable[[], None]) -> str:
    """Checksum of a file; ``advance`` is called for every 4 MiB."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                advance()
    except OSError as error:
        raise TransientError(f"{path} cannot be read: {error.strerror or error}.", "Check the disk.") from error
    return digest.hexdigest()


def recorded_folders(places: list[Path]) -> list[tuple[Path, Record]]:
    """Folders with a record, in the places and one below."""
    found = []
    for place in places:
        root = place if place.is_dir() else place.parent
        for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
            record = Record.read(folder)
            if record is not None:
                found.append((folder, record))
    return found


def wrong_files(folders: Sequence[tuple[Path, Record]], progress: Progress) -> list[str]:
    """What differs from the folders' records: sentences, none where all is well."""
    wrong = []
    with progress.stage("verify", total_chunks(folders)):
        for folder, record in folders:
            wrong += [f"{folder}: {sentence}" for sentence in _wrong_files(folder, record, progress.advance)]
    return wrong


def _wrong_files(folder: Path, record: Record, advance: Callable[[], None]) -> list[str]:
    wrong = []
    for name, expected in record.sha256.items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing.")
        elif expected and sha256_of(path, advance) != expected:
            wrong.append(f"{name} differs from the hub's checksum.")
    return wrong


def total_chunks(folders: Sequence[tuple[Path, Record]]) -> int:
    """How often ``advance`` will be called."""
    sizes: list[Any] = [
        (folder / name).stat().st_size
        for folder, record in folders
        for name, expected in record.sha256.items()
        if expected and (folder / name).is_file()
    ]
    return sum(-(-size // CHUNK_BYTES) for size in sizes)
