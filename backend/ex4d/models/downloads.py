# SPDX-License-Identifier: Apache-2.0
"""Getting models: what the hub offers is compared with the pins first, and every file with its checksum before it takes
its name. A download that was stopped goes on where it was; how far it is stands in ``ex4d-download.json``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ex4d.models.fetch import PART, DamagedError, RemoteFile, fetch
from ex4d.models.hub import (
    CHUNK_BYTES,
    RECORD_FILE,
    Record,
    Source,
    endpoint,
    hub_errors,
    needed_files,
    sha256_of,
    told_sha256,
)
from ex4d.models.pins import Pin, PinnedFile, pinned_files, read_pins
from ex4d.protocol.errors import BadInputError, TransientError
from ex4d.protocol.models import DOWNLOAD_STEP_BYTES as STEP_BYTES
from ex4d.protocol.parsing import parse_json
from ex4d.system.files import atomic_write, make_folder, writing
from ex4d.system.progress import PlannedStage, Progress

BEGUN_FILE = "ex4d-download.json"
#: What is left free on the disk.
SPARE_BYTES = 100_000_000

#: The stages of a download.
PLAN = (PlannedStage("verify", 0.1), PlannedStage("download", 1.0))


@dataclass
class Begun:
    """A download that has not come to its end, as it stands beside the files.

    Attributes:
        revision: of the hub.
        total: bytes of all files.
        done: checksums of the files that have come and were compared, by path; "" where nobody tells them.
    """

    revision: str
    total: int
    done: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Begun | None:
        """Of a folder; None where nothing was begun, or it has ended."""
        try:
            begun = cls(**parse_json((folder / BEGUN_FILE).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        whole = isinstance(begun.revision, str) and isinstance(begun.total, int) and isinstance(begun.done, dict)
        return begun if whole else None

    def write(self, folder: Path) -> None:
        """Write it down, whole or not at all."""
        atomic_write(folder / BEGUN_FILE, (json.dumps(asdict(self), indent=1) + "\n").encode())


def bytes_in(folder: Path) -> int:
    """How much of a download lies in a folder, whole files and begun ones."""
    if not folder.is_dir():
        return 0
    own = (BEGUN_FILE, RECORD_FILE)
    paths = (path for path in folder.rglob("*") if path.name not in own and not path.name.startswith("."))
    return sum(path.stat().st_size for path in paths if path.is_file())


@dataclass(frozen=True)
class _Offer:
    """What comes of a source.

    Attributes:
        source, folder: what, and where to.
        record: as it will stand beside the files.
        files: in the order in which they are got.
    """

    source: Source
    folder: Path
    record: Record
    files: tuple[RemoteFile, ...]

    @property
    def total(self) -> int:
        return sum(file.size for file in self.files)


class _Meter:
    """Bytes as steps of a stage; a server that begins again takes none back."""

    def __init__(self, progress: Progress, total: int, there: int) -> None:
        self._progress, self._bytes = progress, there
        self._told = there // STEP_BYTES
        progress.begin("download", max(-(-total // STEP_BYTES), 1), found=self._told)

    def add(self, count: int) -> None:
        self._bytes += count
        while (self._told + 1) * STEP_BYTES <= self._bytes:
            self._told += 1
            self._progress.advance()


def download(
    wanted: Sequence[tuple[Source, Path]], progress: Progress, pins: Mapping[str, Pin] | None = None
) -> list[Record]:
    """Get sources' files, each into a folder of its own; those that are whole already are not got again.

    Every file is compared with its checksum in the pinned revision, or on the hub where there is none; what differs is
    removed. What has come of a file stays when the download is stopped, in whatever way.

    Args:
        wanted: sources, and their folders.
        progress: is told what comes, how large it is and under which licence; may stop it.
        pins: revisions by repository; None = those of the package.

    Raises:
        BadInputError: the hub does not have it, wants its terms accepted, or has other files than those pinned.
        TransientError: the network or the disk failed or is too small; or a file arrived damaged.
    """
    table = read_pins() if pins is None else pins
    offers = [_ask(source, folder, table.get(source.repository), progress) for source, folder in wanted]
    _remove_wrong(offers, progress)
    there = sum(file.bytes_there(offer.folder) for offer in offers for file in offer.files)
    total = sum(offer.total for offer in offers)
    for offer in offers:
        make_folder(offer.folder)
    _check_room(offers[0].folder, total - there)
    meter = _Meter(progress, total, there)
    for offer in offers:
        _get(offer, progress, meter)
    progress.end()
    return [offer.record for offer in offers]


def _ask(source: Source, folder: Path, pin: Pin | None, progress: Progress) -> _Offer:
    """What the hub has of a source."""
    from huggingface_hub import HfApi, hf_hub_url

    with hub_errors(source):
        api = HfApi(endpoint=endpoint())
        info = api.model_info(source.repository, revision=pin.revision if pin else None, files_metadata=True)
        found = needed_files(source, info)
        licence = str(getattr(info.card_data, "license", None) or "not stated on the model's page")
        if pin is not None:
            _check_offer(source, {name: (file.size, told_sha256(file)) for name, file in found.items()}, pin)
            expected = pinned_files(pin, source.patterns)
        else:
            expected = {name: PinnedFile(int(file.size or 0), told_sha256(file)) for name, file in found.items()}
        if not expected:
            raise BadInputError(f"{source.repository} has none of the files that are needed.", "Check HF_ENDPOINT.")
        revision = str(info.sha)
        files = tuple(
            RemoteFile(
                name,
                hf_hub_url(source.repository, name, revision=revision, endpoint=endpoint()),
                file.size,
                file.sha256,
                revision,
            )
            for name, file in expected.items()
        )
    sums = {name: file.sha256 for name, file in expected.items()}
    offer = _Offer(source, folder, Record(source.repository, revision, licence, sums), files)
    size = f"{offer.total / 1e9:.1f} GB" if offer.total >= 1e8 else f"{offer.total / 1e6:.0f} MB"
    progress.note(f"{source.what}, {source.repository}: {len(files)} files, {size}, licence: {licence}")
    if pin is None:
        progress.note(
            f"{source.repository} is not pinned: the newest revision is taken; its hashes are what the hub says."
        )
    return offer


def _check_offer(source: Source, offered: Mapping[str, tuple[int | None, str]], pin: Pin) -> None:
    """Compare what the hub has, sizes and checksums by path, with the pins, before tens of gigabytes are got."""
    for name, pinned in pinned_files(pin, source.patterns).items():
        if name not in offered:
            raise BadInputError(
                f"The hub has no {name} in {source.repository}, which this version of ex4d needs.",
                "Look whether HF_ENDPOINT names a whole mirror, or get the file by hand.",
            )
        size, told = offered[name]
        if (told and told != pinned.sha256) or (size is not None and size != pinned.size):
            raise BadInputError(
                f"{name} of {source.repository} is not the file on the hub that this version of ex4d was made for.",
                "Look whether HF_ENDPOINT names a mirror that can be trusted; do not use the file.",
            )
    foreign = sorted(offered.keys() - pin.files.keys())
    if foreign:
        raise BadInputError(
            f"{source.repository} has a file {foreign[0]} on the hub that this version of ex4d does not know.",
            "Look whether HF_ENDPOINT names a mirror that can be trusted.",
        )


def _remove_wrong(offers: Sequence[_Offer], progress: Progress) -> None:
    """Remove files that are there and are not what the hub has. One that this download has compared already is not read
    again."""
    unsure: list[tuple[Path, str]] = []
    for offer in offers:
        begun = Begun.read(offer.folder)
        done = begun.done if begun is not None and begun.revision == offer.record.revision else {}
        for file in offer.files:
            path = file.target(offer.folder)
            if not path.is_file():
                continue
            if path.stat().st_size != file.size:
                with writing(path):
                    path.unlink()
            elif file.sha256 and done.get(file.name) != file.sha256:
                unsure.append((path, file.sha256))
    with progress.stage("verify", sum(-(-path.stat().st_size // CHUNK_BYTES) for path, _ in unsure)):
        for path, expected in unsure:
            if sha256_of(path, progress.advance) != expected:
                progress.note(f"{path} was not the file on the hub; it is got anew.")
                with writing(path):
                    path.unlink()


def _check_room(folder: Path, needed: int) -> None:
    """Raise TransientError where the disk is too small for what is still to come."""
    with writing(folder):
        free = shutil.disk_usage(folder).free
    if needed and needed + SPARE_BYTES > free:
        raise TransientError(
            f"The disk that holds {folder} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are still to come.",
            "Free some space, or choose a folder for models on another disk; what has come is kept.",
        )


def _get(offer: _Offer, progress: Progress, meter: _Meter) -> None:
    """Get what is missing of one source, and write down what it is."""
    from huggingface_hub.utils import build_hf_headers, get_session

    former = Begun.read(offer.folder)
    done = former.done if former is not None and former.revision == offer.record.revision else {}
    begun = Begun(offer.record.revision, offer.total, dict(done))
    begun.write(offer.folder)
    damaged = []
    with hub_errors(offer.source):
        session, headers = get_session(), build_hf_headers()
        for file in offer.files:
            if not file.target(offer.folder).is_file():
                try:
                    fetch(file, offer.folder, session=session, headers=headers, advance=meter.add, check=progress.check)
                except DamagedError:
                    # The others are got all the same: the next try has this one left.
                    damaged.append(file.name)
                    continue
            begun.done[file.name] = file.sha256
            begun.write(offer.folder)
    if damaged:
        raise TransientError(
            f"{', '.join(damaged)} of {offer.source.repository} arrived damaged and was removed: its checksum differs.",
            "Try again; if that gives the same, look whether HF_ENDPOINT names a good mirror.",
        )
    atomic_write(offer.folder / RECORD_FILE, (json.dumps(asdict(offer.record), indent=1) + "\n").encode())
    with writing(offer.folder):
        (offer.folder / BEGUN_FILE).unlink(missing_ok=True)
        for part in offer.folder.rglob(f"*{PART}"):
            part.unlink(missing_ok=True)
