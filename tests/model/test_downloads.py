# SPDX-License-Identifier: Apache-2.0
"""Downloads that break, are stopped, are damaged, and go on."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from local_hub import Hub, serving

from ex4d.models import downloads, fetch
from ex4d.models.downloads import BEGUN_FILE, PLAN, Begun, bytes_in, download
from ex4d.models.fetch import PART
from ex4d.models.hub import Record, Source
from ex4d.models.pins import Pin, PinnedFile
from ex4d.protocol.errors import CancelledError, Ex4dError, TransientError
from ex4d.protocol.models import DOWNLOAD_STEP_BYTES as STEP_BYTES
from ex4d.system.progress import OpenStage, Progress

SOURCE = Source("somebody/model", ("weights.bin", "config.json"), "A model")
SIZE = 3_500_000


class Watch(Progress):
    """Keeps what it hears; stops the work at a step of the download."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.expect(PLAN)
        self.notes: list[str] = []
        self.begun: list[tuple[str, int, int | None]] = []
        self.shares: list[float] = []
        self._stop_at = stop_at

    def note(self, text: str) -> None:
        self.notes.append(text)

    def on_begin(self, stage: OpenStage) -> None:
        self.begun.append((stage.name, stage.step, stage.of))

    def on_step(self, stage: OpenStage) -> None:
        self.shares.append(self.share)
        if stage.name == "download" and stage.step == self._stop_at:
            raise CancelledError


@pytest.fixture
def weights() -> bytes:
    return random.Random(0).randbytes(SIZE)


@pytest.fixture
def hub(weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    folder = tmp_path / "hub" / SOURCE.repository
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_bytes(weights)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serving(tmp_path / "hub") as (handler, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        handler.text = {"config.json"}
        yield handler


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob(f"*{PART}"))


def check_whole(folder: Path, weights: bytes) -> None:
    assert (folder / "weights.bin").read_bytes() == weights
    record = Record.read(folder)
    assert record is not None
    assert record.sha256["weights.bin"] == hashlib.sha256(weights).hexdigest()
    assert record.licence == "apache-2.0"
    assert not (folder / BEGUN_FILE).exists()
    assert parts(folder) == []


def test_size_and_licence_are_said_and_the_share_grows(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    watch = Watch()
    download([(SOURCE, tmp_path / "m")], watch)
    check_whole(tmp_path / "m", weights)
    assert watch.notes[0] == "A model, somebody/model: 2 files, 4 MB, licence: apache-2.0"
    assert "is not pinned" in watch.notes[1]
    assert watch.begun[-1] == ("download", 0, 4)
    assert watch.shares == sorted(watch.shares)
    assert watch.share == 1.0


def test_a_line_that_breaks_twice_is_gone_on_with(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    hub.breaks = {"weights.bin": [1_000_000, 700_000]}
    watch = Watch()
    download([(SOURCE, tmp_path / "m")], watch)
    check_whole(tmp_path / "m", weights)
    assert hub.ranges == ["weights.bin 1000000", "weights.bin 1700000"]
    assert watch.shares == sorted(watch.shares)


def test_a_stopped_download_goes_on_in_a_process_that_knows_nothing(
    hub: type[Hub], weights: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    with pytest.raises(CancelledError):
        download([(SOURCE, folder)], Watch(stop_at=2))
    (part,) = parts(folder)
    there = part.stat().st_size
    assert 2 * STEP_BYTES <= there < SIZE
    assert not (folder / "weights.bin").exists()
    assert Record.read(folder) is None
    # What a panel shows after a restart.
    begun = Begun.read(folder)
    assert begun is not None
    assert begun.total == SIZE + 2
    assert bytes_in(folder) == there + 2
    hub.asked.clear()
    watch = Watch()
    download([(SOURCE, folder)], watch)
    check_whole(folder, weights)
    assert hub.asked == ["weights.bin"]
    assert hub.ranges == [f"weights.bin {there}"]
    assert watch.begun[-1] == ("download", (there + 2) // STEP_BYTES, 4)


def test_what_was_there_before_tells_nothing_of_the_time_left() -> None:
    assert OpenStage("download", 100, 1.0, 0.0, step=60, found=60).eta(10.0) is None
    assert OpenStage("download", 100, 1.0, 0.0, step=70, found=60).eta(10.0) == 30.0


def test_a_server_without_ranges_begins_again(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    hub.breaks, hub.ranges_known = {"weights.bin": [2_000_000]}, False
    watch = Watch()
    download([(SOURCE, tmp_path / "m")], watch)
    check_whole(tmp_path / "m", weights)
    assert hub.asked.count("weights.bin") == 2
    assert hub.ranges == []
    # Steps that are told are not told again, and the bar does not go back.
    assert len(watch.shares) == SIZE // STEP_BYTES


def test_a_wrong_hash_is_no_model_and_the_rest_comes(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    hub.changed = {"weights.bin"}
    with pytest.raises(TransientError, match=r"weights\.bin of somebody/model arrived damaged and was removed"):
        download([(SOURCE, folder)], Watch())
    assert not (folder / "weights.bin").exists()
    assert parts(folder) == []
    assert Record.read(folder) is None
    assert (folder / "config.json").exists()
    hub.changed = set()
    hub.asked.clear()
    download([(SOURCE, folder)], Watch())
    check_whole(folder, weights)
    assert hub.asked == ["weights.bin"]


def test_a_beginning_that_was_damaged_on_the_disk_is_found(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    with pytest.raises(CancelledError):
        download([(SOURCE, folder)], Watch(stop_at=1))
    (part,) = parts(folder)
    part.write_bytes(bytes(part.stat().st_size))
    with pytest.raises(TransientError, match="arrived damaged"):
        download([(SOURCE, folder)], Watch())
    download([(SOURCE, folder)], Watch())
    check_whole(folder, weights)


def test_another_revision_is_not_joined_to_the_beginning_of_this_one(
    hub: type[Hub], weights: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    with pytest.raises(CancelledError):
        download([(SOURCE, folder)], Watch(stop_at=1))
    other = weights[::-1]
    (hub.root / SOURCE.repository / "weights.bin").write_bytes(other)
    hub.revision = "d" * 40
    hub.ranges.clear()
    download([(SOURCE, folder)], Watch())
    check_whole(folder, other)
    assert hub.ranges == []


def test_a_file_that_is_gone_is_said_and_the_beginning_stays(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    hub.broken = {"weights.bin"}
    with pytest.raises(TransientError, match=r"weights\.bin could not be downloaded: the server answers 404"):
        download([(SOURCE, folder)], Watch())
    # It was asked once: that answer is final.
    assert hub.asked.count("weights.bin") == 1
    assert (folder / "config.json").exists()


def test_a_busy_server_is_asked_again_and_a_broken_one_not_for_ever(
    hub: type[Hub], weights: bytes, tmp_path: Path
) -> None:
    hub.answers = {"weights.bin": [503, 429, 500]}
    download([(SOURCE, tmp_path / "m")], Watch())
    check_whole(tmp_path / "m", weights)
    hub.answers = {"weights.bin": [503] * 10}
    with pytest.raises(TransientError, match="the server answers 503") as caught:
        download([(SOURCE, tmp_path / "other")], Watch())
    assert "goes on from there" in caught.value.hint
    assert len(hub.answers["weights.bin"]) == 10 - 1 - len(fetch.PAUSES)


def test_a_disk_that_is_too_small_is_said_before_anything_comes(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _path: SimpleNamespace(free=50_000_000))
    with pytest.raises(TransientError, match=r"0\.1 GB free, and 0\.0 GB are still to come"):
        download([(SOURCE, tmp_path / "m")], Watch())
    assert hub.asked == []


def test_a_disk_that_fills_keeps_what_has_come(
    hub: type[Hub], weights: bytes, tmp_path: Path, small_disk: Path
) -> None:
    folder = small_disk / "m"
    with pytest.raises(TransientError, match="is full"):
        download([(SOURCE, folder)], Watch())
    (part,) = parts(folder)
    assert 0 < part.stat().st_size < SIZE
    (small_disk / "ballast").unlink()
    hub.asked.clear()
    download([(SOURCE, folder)], Watch())
    check_whole(folder, weights)
    assert len(hub.ranges) == 1


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that takes 2 MB until its ballast is gone: writing more fails as on a full disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "ballast").touch()
    real = Path.open

    def limited(path: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        file = real(path, mode, *arguments, **options)  # type: ignore[call-overload]
        if "a" in mode and disk in path.parents and (disk / "ballast").exists():
            return _Full(file)
        return file

    monkeypatch.setattr(Path, "open", limited)
    yield disk
    shutil.rmtree(disk)


class _Full:
    """A file on a disk that is full after 2 MB."""

    def __init__(self, file: object) -> None:
        self._file, self._left = file, 2_000_000

    def write(self, data: bytes) -> int:
        self._left -= len(data)
        if self._left < 0:
            raise OSError(28, "No space left on device")
        return self._file.write(data)  # type: ignore[attr-defined]

    def __enter__(self) -> _Full:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # type: ignore[attr-defined]


def test_files_that_are_there_are_compared_and_got_anew_where_they_differ(
    hub: type[Hub], weights: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    download([(SOURCE, folder)], Watch())
    (folder / "weights.bin").write_bytes(b"x" + weights[1:])
    watch = Watch()
    download([(SOURCE, folder)], watch)
    check_whole(folder, weights)
    assert any("was not the file on the hub" in note for note in watch.notes)
    hub.asked.clear()
    download([(SOURCE, folder)], Watch())
    assert hub.asked == []


def test_pinned_files_are_compared_with_the_pins(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    text = b"{}"
    pins = {
        SOURCE.repository: Pin(
            "c" * 40,
            {
                "weights.bin": PinnedFile(SIZE, hashlib.sha256(weights).hexdigest()),
                "config.json": PinnedFile(2, hashlib.sha256(text).hexdigest()),
            },
        )
    }
    watch = Watch()
    download([(SOURCE, tmp_path / "m")], watch, pins)
    check_whole(tmp_path / "m", weights)
    assert not any("not pinned" in note for note in watch.notes)
    # The hub tells no checksum of this one.
    (hub.root / SOURCE.repository / "config.json").write_bytes(b"[]")
    with pytest.raises(TransientError, match=r"config\.json of somebody/model arrived damaged"):
        download([(SOURCE, tmp_path / "other")], Watch(), pins)


def test_a_damaged_note_of_a_begun_download_counts_as_none(hub: type[Hub], weights: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    for text in ("{", "[]", json.dumps({"revision": 1, "total": "x", "done": []})):
        (folder / BEGUN_FILE).write_text(text, encoding="utf-8")
        assert Begun.read(folder) is None
    download([(SOURCE, folder)], Watch())
    check_whole(folder, weights)


def test_a_folder_that_cannot_be_written_to(hub: type[Hub], tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file", encoding="utf-8")
    with pytest.raises(Ex4dError, match="cannot be made a folder"):
        download([(SOURCE, tmp_path / "m")], Watch())
