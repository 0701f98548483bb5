# SPDX-License-Identifier: GPL-3.0-or-later
"""Which folder is whose shot, and copies that are whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from ex4d_blender.core import shot_folders
from ex4d_blender.core.saving import FileStamp, saving_alone
from ex4d_blender.core.shot_folders import base_folder, copy_shot, is_plate_of, plate_of, shot_folder_for

from ex4d.plate import plate_hash
from ex4d.protocol.errors import BadInputError, TransientError


def write_shot(folder: Path, plate: Path, sha256: str, files: list[Path]) -> None:
    folder.mkdir(parents=True)
    stamp = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    record = {"format": "ex4d-shot", "version": 1, "plate": {"path": str(plate), "sha256": sha256, "files": stamp}}
    (folder / "shot.json").write_text(json.dumps(record))


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "C0001.MP4"
    path.parent.mkdir()
    path.write_bytes(b"pictures of a street")
    return path


def test_a_name_is_taken_by_another_plate_only(movie: Path, tmp_path: Path) -> None:
    base = tmp_path / "ex4d"
    assert shot_folder_for(base, "C0001", movie) == base / "C0001"
    write_shot(base / "C0001", movie, hashlib.sha256(movie.read_bytes()).hexdigest(), [movie])
    assert shot_folder_for(base, "C0001", movie) == base / "C0001"
    other = tmp_path / "b" / "C0001.MP4"
    other.parent.mkdir()
    # As long, at the same time, with other content.
    other.write_bytes(b"pictures of a flower")
    os.utime(other, ns=(movie.stat().st_mtime_ns,) * 2)
    assert shot_folder_for(base, "C0001", other) == base / "C0001-2"
    write_shot(base / "C0001-2", other, hashlib.sha256(other.read_bytes()).hexdigest(), [other])
    assert shot_folder_for(base, "C0001", other) == base / "C0001-2"
    third = tmp_path / "c" / "C0001.MP4"
    third.parent.mkdir()
    third.write_bytes(b"longer")
    assert shot_folder_for(base, "C0001", third) == base / "C0001-3"
    # Moved, with the same content.
    moved = tmp_path / "d" / "C0001.MP4"
    moved.parent.mkdir()
    moved.write_bytes(movie.read_bytes())
    assert shot_folder_for(base, "C0001", moved) == base / "C0001"


def test_a_damaged_shot_is_not_passed_over(movie: Path, tmp_path: Path) -> None:
    for content in (b"", b"{", b'{"plate": {"path": 3}}', b"[1]"):
        folder = tmp_path / "ex4d" / "C0001"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "shot.json").write_bytes(content)
        assert plate_of(folder) is None
        assert shot_folder_for(folder.parent, "C0001", movie) == folder


def test_a_sequence_is_known_by_its_pictures(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for number in (1, 2):
            cv2.imwrite(str(tmp_path / place / f"p.{number:04d}.png"), np.full((4, 4, 3), 40 * number, np.uint8))
    pattern = tmp_path / "a" / "p.####.png"
    write_shot(tmp_path / "shot", pattern, plate_hash(pattern), sorted((tmp_path / "a").iterdir()))
    known = plate_of(tmp_path / "shot")
    assert known is not None
    assert is_plate_of(known, pattern)
    assert is_plate_of(known, tmp_path / "b" / "p.####.png")
    cv2.imwrite(str(tmp_path / "b" / "p.0002.png"), np.full((4, 4, 3), 90, np.uint8))
    assert not is_plate_of(known, tmp_path / "b" / "p.####.png")


def test_where_new_shots_go(movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = tmp_path / "Documents"
    assert base_folder(tmp_path / "job" / "a.blend", movie, documents) == tmp_path / "job" / "ex4d"
    assert base_folder(None, movie, documents) == movie.parent / "ex4d"
    monkeypatch.setattr(shot_folders.os, "access", lambda *_: False)
    assert base_folder(None, movie, documents) == documents / "ex4d"
    assert base_folder(None, tmp_path / "gone" / "a.mp4", documents) == documents / "ex4d"


def test_a_copy_is_whole_or_not_there(movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "old", tmp_path / "new" / "shot"
    write_shot(source, movie, "0" * 64, [movie])
    (source / "takes" / "v001").mkdir(parents=True)
    (source / "takes" / "v001" / "take.json").write_text("{}")
    before = {path: path.read_bytes() for path in source.rglob("*.json")}

    def break_off(_source: Path, copy: Path) -> None:
        copy.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    for broken, words in (
        (break_off, "No space left"),
        (lambda _source, copy: copy.write_bytes(b"other"), "differs"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(shot_folders.shutil, "copy2", broken)
            with pytest.raises(TransientError, match=words):
                copy_shot(source, target)
        assert list(target.parent.iterdir()) == []
    copy_shot(source, target)
    assert {target / path.relative_to(source): data for path, data in before.items()} == {
        path: path.read_bytes() for path in target.rglob("*.json")
    }
    assert {path: path.read_bytes() for path in source.rglob("*.json")} == before
    for other, words in ((target, "exists already"), (source / "inside", "within the shot")):
        with pytest.raises(BadInputError, match=words):
            copy_shot(source, other)
    with pytest.raises(BadInputError, match="holds no shot"):
        copy_shot(tmp_path / "a", tmp_path / "x")


def test_a_file_is_still_the_one_that_was_read(tmp_path: Path) -> None:
    path = tmp_path / "a.blend"
    nothing = FileStamp.of(path)
    assert nothing.is_still(path)
    path.write_bytes(b"one")
    assert not nothing.is_still(path)
    one = FileStamp.of(path)
    os.utime(path, ns=(1, 1))
    # Touched, not changed.
    assert one.is_still(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(one.mtime_ns, one.mtime_ns))
    assert not one.is_still(path)


def test_two_do_not_save_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ex4d_blender.core import saving

    monkeypatch.setattr(saving, "LOCK_SECONDS", 0.1)
    with (
        saving_alone(tmp_path / "lock"),
        pytest.raises(TransientError, match="Another Blender"),
        saving_alone(tmp_path / "lock"),
    ):
        pass
    with saving_alone(tmp_path / "lock"):
        pass
