# SPDX-License-Identifier: Apache-2.0
"""Getting the model from the hub, and knowing afterwards that it is whole.

``huggingface_hub`` does the work: downloads go on where they stopped, and its settings are honoured (``HF_ENDPOINT``
for a mirror, ``HF_HUB_OFFLINE``, ``HF_TOKEN``, proxies). What was got, from which revision and under which licence,
stands in ``ex4d-model.json`` beside the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ex4d.files import atomic_write, make_folder, writing
from ex4d.protocol.errors import BadInputError, Ex4dError, TransientError

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


SOURCES = (
    Source(
        "Wan-AI/Wan2.1-I2V-14B-480P",
        (
            "config.json",
            "diffusion_pytorch_model*.safetensors",
            "Wan2.1_VAE.pth",
            "models_t5_umt5-xxl-enc-bf16.pth",
            "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth",
            "google/umt5-xxl/*",
            "LICENSE*",
        ),
        "Wan 2.1 image-to-video 14B",
    ),
    Source("yihouxiang/EX-4D", ("*ex4d.ckpt", "LICENSE*"), "the EX-4D adapter"),
)


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
            return cls(**json.loads((folder / RECORD_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@contextmanager
def _hub_errors(source: Source) -> Iterator[None]:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

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
    except Ex4dError:
        raise
    except Exception as error:
        # Whatever the hub's library or its network library raises; their classes change from version to version.
        reason = " ".join(str(error).split())[:200]
        raise TransientError(
            f"{source.repository} could not be downloaded: {reason}.",
            "Run the same command again: it goes on where it stopped. HF_ENDPOINT names a mirror.",
        ) from error


def download(source: Source, folder: Path, tell: Callable[[str], None]) -> Record:
    """Get a source's files into a folder; those that are whole already are not got again.

    Args:
        source: what.
        folder: of the source alone.
        tell: is told what comes, how large it is and under which licence.

    Raises:
        BadInputError: the hub does not have it, or wants its terms accepted.
        TransientError: the network or the disk failed; or a file arrived damaged.
    """
    from huggingface_hub import HfApi, snapshot_download

    with _hub_errors(source):
        info = HfApi().model_info(source.repository, files_metadata=True)
        files = {
            file.rfilename: file
            for file in info.siblings or ()
            if any(fnmatch(file.rfilename, pattern) for pattern in source.patterns)
        }
        size = sum(file.size or 0 for file in files.values()) / 1e9
        licence = str(getattr(info.card_data, "license", None) or "not stated on the model's page")
        tell(f"{source.what}, {source.repository}: {len(files)} files, {size:.1f} GB, licence: {licence}")
        with writing(folder):
            make_folder(folder)
        snapshot_download(
            source.repository, revision=info.sha, local_dir=str(folder), allow_patterns=list(source.patterns)
        )
    sums = {name: str(getattr(file.lfs, "sha256", "") or "") for name, file in files.items()}
    record = Record(source.repository, str(info.sha), licence, sums)
    atomic_write(folder / RECORD_FILE, (json.dumps(asdict(record), indent=1) + "\n").encode())
    return record


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


def wrong_files(folder: Path, record: Record, advance: Callable[[], None]) -> list[str]:
    """What differs from the record: sentences, none where all is well."""
    wrong = []
    for name, expected in record.sha256.items():
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name} is missing.")
        elif expected and sha256_of(path, advance) != expected:
            wrong.append(f"{name} differs from the hub's checksum.")
    return wrong


def total_chunks(folders: list[tuple[Path, Record]]) -> int:
    """How often ``advance`` will be called."""
    sizes: list[Any] = [
        (folder / name).stat().st_size
        for folder, record in folders
        for name, expected in record.sha256.items()
        if expected and (folder / name).is_file()
    ]
    return sum(-(-size // _CHUNK) for size in sizes)
