# SPDX-License-Identifier: Apache-2.0
"""Inputs that are written to while they are read, or changed so that size and time stay."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from command import Run, make_depth, runner, textured

import ex4d.shot.reconstruction
from ex4d.depth.files import FileDepth
from ex4d.media.images import write_png
from ex4d.protocol.errors import TransientError
from ex4d.system.inputs import FileStamps, HashedFiles

LONG_AGO = (10**9, 10**9)
COUNT, SIZE = 3, {"width": 48, "height": 32}


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(capfd)


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    folder = tmp_path / "plate"
    folder.mkdir()
    for index in range(COUNT):
        path = folder / f"p.{1001 + index}.png"
        write_png(path, textured(index, **SIZE))
        os.utime(path, LONG_AGO)
    return folder


@pytest.fixture
def depth(tmp_path: Path) -> Path:
    path = make_depth(tmp_path / "depth.npz", COUNT, **SIZE)
    os.utime(path, LONG_AGO)
    return path


def command(plate: Path, depth: Path, *options: object) -> list[object]:
    shot = plate.parent / "shot"
    return ["recon", plate, "--depth", depth, "--out", shot, "--json", "--fov", 50, *options]


def replaced(path: Path, data: bytes) -> None:
    """Another content of the same size under the same name and time."""
    assert path.stat().st_size == len(data)
    path.write_bytes(data)
    os.utime(path, LONG_AGO)


def inverted(path: Path) -> bytes:
    """A PNG's or npz's bytes with one pixel or value changed, of the same size."""
    data = bytearray(path.read_bytes())
    data[-200] ^= 0xFF
    return bytes(data)


def swap_meanwhile(monkeypatch: pytest.MonkeyPatch, path: Path, *, back: bool) -> None:
    """Put another file in a plate's place between its hash and its reading, and if asked the old one back after."""
    aside, other = path.with_name("aside"), path.with_name("other")
    write_png(other, textured(7, **SIZE))
    run_stage = ex4d.shot.reconstruction.PlateStage.run_parts

    def swapped(stage: ex4d.shot.reconstruction.PlateStage, *args: object) -> object:
        frames = stage.reader.frames

        class Swapping:
            info = stage.reader.info

            @staticmethod
            def frames(wanted: object) -> object:
                path.rename(aside)
                shutil.copy(other, path)
                os.utime(path, LONG_AGO)
                yield from frames(wanted)  # type: ignore[arg-type]
                if back:
                    aside.replace(path)

        stage.reader = Swapping()  # type: ignore[assignment]
        return run_stage(stage, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(ex4d.shot.reconstruction.PlateStage, "run_parts", swapped)


@pytest.mark.parametrize("back", [False, True])
def test_a_plate_replaced_while_it_is_read(
    sequence: Path, depth: Path, run: Run, monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    with monkeypatch.context() as patch:
        swap_meanwhile(patch, sequence / "p.1002.png", back=back)
        assert "p.1002.png changed while it was read" in run(*command(sequence, depth)).refused(30)
        assert not list((sequence.parent / "shot").rglob("plate.json"))
    for name in ("aside", "other"):
        (sequence / name).unlink(missing_ok=True)
    assert run(*command(sequence, depth)).ran() == ["plate", "depth", "mesh"]


def test_a_plate_with_the_same_size_and_time_and_another_content(sequence: Path, depth: Path, run: Run) -> None:
    assert run(*command(sequence, depth)).ran() == ["plate", "depth", "mesh"]
    assert run(*command(sequence, depth)).ran() == []
    path = sequence / "p.1002.png"
    other = textured(1, **SIZE)
    other[..., 0] ^= 1
    write_png(sequence / "other.png", other)
    data = (sequence / "other.png").read_bytes()
    (sequence / "other.png").unlink()
    size = max(len(data), path.stat().st_size)
    # Bytes after a picture's end are none of it.
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    os.utime(path, LONG_AGO)
    run(*command(sequence, depth))
    replaced(path, data.ljust(size, b"\0"))
    assert run(*command(sequence, depth)).ran() == ["plate", "depth", "mesh"]


def test_a_plate_is_hashed_again_only_when_its_stamp_tells_nothing(
    sequence: Path, depth: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    plate_hash = ex4d.shot.reconstruction.plate_hash
    monkeypatch.setattr(ex4d.shot.reconstruction, "plate_hash", lambda plate: hashed.append(1) or plate_hash(plate))
    # What was written a moment ago may be written again within the same tick of the clock.
    run(*command(sequence, depth))
    assert len(hashed) == 2
    run(*command(sequence, depth))
    assert len(hashed) == 3
    settled(monkeypatch)
    run(*command(sequence, depth))
    assert len(hashed) == 4
    run(*command(sequence, depth))
    assert len(hashed) == 4


def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all files count as written long ago; the time of a file's last change cannot be set."""
    monkeypatch.setattr("ex4d.system.inputs._SETTLED_NS", -(10**12))


@pytest.mark.parametrize("which", ["depth", "camera"])
def test_depth_files_replaced_while_they_are_read(
    sequence: Path, depth: Path, run: Run, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    camera = sequence.parent / "camera.json"
    run(*command(sequence, depth))
    (source,) = sequence.parent.glob("shot/cache/depth-*/source_camera.json")
    shutil.copy(source, camera)
    path = depth if which == "depth" else camera
    estimate = FileDepth.estimate
    order = FileDepth._source

    def changed(self: FileDepth, *args: object) -> object:
        found = order(self, *args)  # type: ignore[arg-type]
        path.write_bytes(path.read_bytes())
        return found

    monkeypatch.setattr(FileDepth, "_source", changed)
    error = run(*command(sequence, depth, "--depth-camera", camera)).refused(30)
    assert f"{path.name} changed while it was read" in error
    assert FileDepth.estimate is estimate


def test_depth_files_are_hashed_once_a_run(
    sequence: Path, depth: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(monkeypatch)
    hashed = []
    make = ex4d.depth.files._hash
    monkeypatch.setattr("ex4d.depth.files._hash", lambda files: hashed.append(files) or make(files))
    run(*command(sequence, depth)).ran()
    assert len(hashed) == 1
    run(*command(sequence, depth)).ran()
    assert len(hashed) == 2


def test_no_file_is_hashed_twice_in_a_run(
    sequence: Path, depth: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when all is made, nor when all is there, nor when something is damaged and made anew."""
    settled(monkeypatch)
    hashed: list[int] = []
    digest = hashlib.file_digest

    def counted(file: BinaryIO, kind: str) -> object:
        hashed.append(os.fstat(file.fileno()).st_ino)
        return digest(file, kind)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counted)
    arguments = command(sequence, depth)
    assert run(*arguments).ran() == ["plate", "depth", "mesh"]
    inputs = [path.stat().st_ino for path in (*sequence.iterdir(), depth)]
    assert sorted(hashed) == sorted(inputs)
    hashed.clear()
    assert run(*arguments).ran() == []
    assert hashed == [depth.stat().st_ino]
    cache = sequence.parent / "shot" / "cache"
    for pattern in ("plate-*/frames/*.png", "depth-*/z/*.npy", "mesh-*/*.json"):
        path = next(cache.glob(pattern))
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        hashed.clear()
        assert run(*arguments).code == 0
        assert len(hashed) == len(set(hashed))
        assert set(hashed) <= set(inputs)


# The helper


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"other"),
        lambda path: path.write_bytes(path.read_bytes()),
        lambda path: path.unlink(),
        lambda path: (path.rename(path.with_name("b")), shutil.copy2(path.with_name("b"), path)),
        lambda path: os.utime(path, LONG_AGO),
    ],
)
def test_stamps_tell_of_every_write(tmp_path: Path, change: Callable[[Path], object]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    stamps = FileStamps.of([path])
    stamps.check()
    import time

    time.sleep(0.02)
    change(path)
    with pytest.raises(TransientError, match="a changed while it was read"):
        stamps.check()


def test_a_write_within_one_tick_is_told_by_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    hashed = HashedFiles.of([path], path.read_text)
    hashed.check_unchanged()
    path.write_bytes(b"54321")
    # As if the clock had not gone on.
    monkeypatch.setattr("ex4d.system.inputs._stamp", lambda file: hashed.stamps.stamps[0])
    with pytest.raises(TransientError, match="changed while it was read"):
        hashed.check_unchanged()


def test_what_is_written_while_it_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros(3))

    def make_hash() -> str:
        path.write_bytes(path.read_bytes() + b"x")
        return "x"

    with pytest.raises(TransientError):
        HashedFiles.of([path], make_hash)
