# SPDX-License-Identifier: Apache-2.0
"""Getting the model from the hub, and knowing afterwards that it is whole.

``huggingface_hub`` does the work: downloads go on where they stopped, and its settings are honoured (``HF_ENDPOINT``
for a mirror, ``HF_HUB_OFFLINE``, ``HF_TOKEN``, proxies). Which revision is taken, and what its files must be, stands in
``pins``; what was got, from which revision and under which licence, in ``ex4d-model.json`` beside the files.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from ex4d.models.pins import Pin, PinnedFile, read_pins
from ex4d.protocol.errors import BadInputError, Ex4dError, TransientError
from ex4d.protocol.parsing import parse_json
from ex4d.system.files import atomic_write, make_folder, writing
from ex4d.system.progress import Progress

RECORD_FILE = "ex4d-model.json"
_CHUNK = 1 << 22


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
def _hub_errors(source: Source) -> Iterator[None]:
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
            "Run the same command again: it goes on where it stopped. HF_ENDPOINT names a mirror.",
        ) from error


def _needed_files(source: Source, info: Any) -> dict[str, Any]:
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


def _told_sha256(file: Any) -> str:
    """The checksum that the hub tells; "" for the small files that it keeps as text."""
    return str(getattr(file.lfs, "sha256", "") or "")


def download(source: Source, folder: Path, progress: Progress, pins: dict[str, Pin] | None = None) -> Record:
    """Get a source's files into a folder; those that are whole already are not got again.

    The files are compared with the checksums of the pinned revision, or of the hub where there is none; what differs is
    removed.

    Args:
        source: what.
        folder: of the source alone.
        progress: is told what comes, how large it is and under which licence.
        pins: revisions by repository; None = those of the package.

    Raises:
        BadInputError: the hub does not have it, wants its terms accepted, or has other files than those pinned.
        TransientError: the network or the disk failed; or a file arrived damaged.
    """
    from huggingface_hub import HfApi, snapshot_download

    pin = (read_pins() if pins is None else pins).get(source.repository)
    with _hub_errors(source):
        info = HfApi().model_info(source.repository, revision=pin.revision if pin else None, files_metadata=True)
        files = _needed_files(source, info)
        size = sum(file.size or 0 for file in files.values()) / 1e9
        licence = str(getattr(info.card_data, "license", None) or "not stated on the model's page")
        progress.note(f"{source.what}, {source.repository}: {len(files)} files, {size:.1f} GB, licence: {licence}")
        if pin is None:
            progress.note(
                f"{source.repository} is not pinned: the newest revision is taken; its hashes are what the hub says."
            )
            sums = {name: _told_sha256(file) for name, file in files.items()}
        else:
            _check_offer(source, files, pin)
            sums = {name: file.sha256 for name, file in _pinned_files(source, pin).items()}
        with writing(folder):
            make_folder(folder)
        snapshot_download(
            source.repository, revision=info.sha, local_dir=str(folder), allow_patterns=list(source.patterns)
        )
    record = Record(source.repository, str(info.sha), licence, sums)
    _remove_damaged(source, folder, record, progress)
    atomic_write(folder / RECORD_FILE, (json.dumps(asdict(record), indent=1) + "\n").encode())
    return record


def _pinned_files(source: Source, pin: Pin) -> dict[str, PinnedFile]:
    """Those that the source needs: another one may need more of the repository."""
    return {name: file for name, file in pin.files.items() if any(fnmatch(name, one) for one in source.patterns)}


def _check_offer(source: Source, files: dict[str, Any], pin: Pin) -> None:
    """Compare what the hub has with the pins, before tens of gigabytes are got."""
    for name, pinned in _pinned_files(source, pin).items():
        offered = files.get(name)
        if offered is None:
            raise BadInputError(
                f"The hub has no {name} in {source.repository}, which this version of ex4d needs.",
                "Look whether HF_ENDPOINT names a whole mirror, or get the file by hand.",
            )
        told = _told_sha256(offered)
        if (told and told != pinned.sha256) or (offered.size is not None and offered.size != pinned.size):
            raise BadInputError(
                f"{name} of {source.repository} is not the file on the hub that this version of ex4d was made for.",
                "Look whether HF_ENDPOINT names a mirror that can be trusted; do not use the file.",
            )
    foreign = sorted(files.keys() - pin.files.keys())
    if foreign:
        raise BadInputError(
            f"{source.repository} has a file {foreign[0]} on the hub that this version of ex4d does not know.",
            "Look whether HF_ENDPOINT names a mirror that can be trusted.",
        )


def _remove_damaged(source: Source, folder: Path, record: Record, progress: Progress) -> None:
    """Compare what has come with its checksums and remove what differs.

    Raises:
        TransientError: something differs.
    """
    progress.begin("verify", _total_chunks([(folder, record)]))
    damaged = []
    for name, expected in record.sha256.items():
        path = folder / name
        if expected and path.is_file() and sha256_of(path, progress.advance) != expected:
            damaged.append(name)
            with writing(path):
                path.unlink()
    progress.end()
    if damaged:
        raise TransientError(
            f"{', '.join(damaged)} of {source.repository} arrived damaged and was removed: its checksum differs.",
            "Run the same command again; if that gives the same, look whether HF_ENDPOINT names a good mirror.",
        )


def pin_source(source: Source, progress: Progress) -> Pin:
    """The newest revision of a source on the hub, with the checksums of its files.

    The hub tells those of large files; the small ones are got and hashed.

    Raises:
        BadInputError, TransientError: see ``download``.
    """
    from huggingface_hub import HfApi, hf_hub_download

    with _hub_errors(source):
        info = HfApi().model_info(source.repository, files_metadata=True)
        files = _needed_files(source, info)
        if not files:
            raise BadInputError(f"{source.repository} has none of the files that are needed.", "Check HF_ENDPOINT.")
        pinned = {}
        with tempfile.TemporaryDirectory(prefix="ex4d-pin-") as temporary:
            for name, file in files.items():
                sha256, size = _told_sha256(file), file.size
                if not sha256 or size is None:
                    path = Path(hf_hub_download(source.repository, name, revision=info.sha, local_dir=temporary))
                    sha256, size = sha256_of(path, lambda: None), path.stat().st_size
                pinned[name] = PinnedFile(int(size), sha256)
    progress.note(f"{source.repository}: revision {info.sha}, {len(pinned)} files")
    return Pin(str(info.sha), pinned)


def sha256_of(path: Path, advance: Callable[[], None]) -> str:
    """Checksum of a file; ``advance`` is called for every 4 MiB."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
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
    with progress.stage("verify", _total_chunks(folders)):
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


def _total_chunks(folders: Sequence[tuple[Path, Record]]) -> int:
    """How often ``advance`` will be called."""
    sizes: list[Any] = [
        (folder / name).stat().st_size
        for folder, record in folders
        for name, expected in record.sha256.items()
        if expected and (folder / name).is_file()
    ]
    return sum(-(-size // _CHUNK) for size in sizes)
