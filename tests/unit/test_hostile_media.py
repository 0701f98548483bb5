# SPDX-License-Identifier: Apache-2.0
"""Plates that nobody should give: what is no file, small files that claim to be large, paths that cannot be."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av.error
import cv2
import numpy as np
import pytest
from media_factory import numbered_movie, numbered_picture
from tiff_factory import COUNTS, LENGTH, WIDTH, page, tiff

import ex4d
from ex4d.media import containers, decoding, movie_pixels
from ex4d.media.exr import read_exr_channel, write_exr_channel
from ex4d.media.images import read_grey, read_image, write_png
from ex4d.media.movie import MovieWriter
from ex4d.media.movie_reader import MovieReader
from ex4d.media.mp4_tables import claims_too_much
from ex4d.media.sequences import DEPTH_SUFFIXES, PLATE_SUFFIXES, find_sequence
from ex4d.plate import open_plate, plate_hash
from ex4d.protocol.errors import BadInputError, ResourceError
from ex4d.system.memory import LEAST_ADDRESS_SPACE, memory_error

ON_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files and limits")


def read_plate(path: Path) -> None:
    for _ in open_plate(path).frames():
        pass


READERS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "open_plate": (read_plate, (".png", ".jpg", ".tif", ".mp4", ".mkv", ".exr", "")),
    "plate_hash": (plate_hash, (".png", ".mp4")),
    "read_image": (read_image, (".png", ".tif")),
    "read_grey": (read_grey, (".png",)),
    "read_exr_channel": (read_exr_channel, (".exr",)),
    "MovieReader": (MovieReader, (".mp4", ".mov")),
    "plate sequence": (lambda path: find_sequence(path, PLATE_SUFFIXES), (".png",)),
    "depth sequence": (lambda path: find_sequence(path, DEPTH_SUFFIXES), (".exr", ".npy")),
    "claims_too_much": (claims_too_much, (".mp4",)),
}


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, former)


SPECIAL = ("pipe", "socket", "/dev/zero", "/dev/null", "/dev/urandom", "/dev/tty", "link to a pipe", "link to nothing")


def make_special(path: Path, kind: str) -> socket.socket | None:
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        folder = os.open(path.parent, os.O_RDONLY)  # the names of sockets are short
        try:
            server.bind(f"/proc/self/fd/{folder}/{path.name}" if Path("/proc/self/fd").exists() else str(path))
        finally:
            os.close(folder)
        return server
    elif kind == "link to a pipe":
        os.mkfifo(path.parent / "fifo")
        path.symlink_to("fifo")
    else:
        path.symlink_to("gone" if kind == "link to nothing" else kind)
    return None


@ON_POSIX
@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, reader: str, kind: str) -> None:
    read, suffixes = READERS[reader]
    for suffix in suffixes:
        path = tmp_path / suffix.strip(".") / f"plate.1001{suffix}"
        path.parent.mkdir(exist_ok=True)
        server = make_special(path, kind)
        with within(5), pytest.raises(BadInputError) as caught:
            read(path)
        assert caught.value.hint
        if server:
            server.close()


@ON_POSIX
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "link to nothing"])
def test_a_frame_that_is_no_file_is_refused_and_not_left_out(tmp_path: Path, kind: str) -> None:
    for number in (1001, 1002, 1003):
        write_png(tmp_path / f"p.{number}.png", numbered_picture(0))
    make_special(tmp_path / "p.1004.png", kind)
    for target in ("", "p.1002.png", "p.####.png"):
        with within(5), pytest.raises(BadInputError, match=r"p\.1004\.png"):
            read_plate(tmp_path / target)
        with within(5), pytest.raises(BadInputError, match=r"p\.1004\.png"):
            plate_hash(tmp_path / target)


def test_every_file_of_a_user_is_opened_in_one_place() -> None:
    """By name libraries and Python open pipes and devices too; they get only what `system.inputs` has checked."""
    allowed = {
        "movie_reader.py": ["_Source.open(", "_Source.open(", "def open("],
        "containers.py": ["av.open("],
        "audio.py": ["encoder.open("],  # a codec
        "dpx.py": ["av.open("],  # from memory
        "movie.py": ["av.open(", "context.open("],  # writes
        "store.py": ["def open(", "StageFiles.open("],  # our own files
    }
    opening = re.compile(
        r"(?:[\w.]+\.|def |\b)open\(|\bread_text\(|\.read_bytes\(|np\.load\(|imread\(|OpenEXR\.File\(str"
    )
    root = Path(ex4d.__file__).parent
    for file in [*(root / "media").glob("*.py"), *(root / "plate").glob("*.py")]:
        found = [name for name in opening.findall(file.read_text(encoding="utf-8")) if name != "open_input("]
        left = [name for name in found if name not in allowed.get(file.name, [])]
        assert not left, f"{file.name}: {left}"


# Paths


@pytest.mark.parametrize("name", ["a\ud800", "x" * 300, "y/" * 3000 + "z", "nul\0", "a\udcff" * 200])
@pytest.mark.parametrize("reader", READERS)
def test_paths_that_cannot_be(tmp_path: Path, reader: str, name: str) -> None:
    read, suffixes = READERS[reader]
    for suffix in suffixes:
        with pytest.raises(BadInputError) as caught:
            read(tmp_path / f"{name}{suffix}")
        assert caught.value.hint


@ON_POSIX
@pytest.mark.parametrize("reader", READERS)
def test_files_below_a_closed_folder(tmp_path: Path, reader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's answer, which root never gets."""
    read, suffixes = READERS[reader]
    shut = str(tmp_path / "shut")

    def closed(call: Callable[..., object]) -> Callable[..., object]:
        def deny(name: object, *args: object, **options: object) -> object:
            if str(name).startswith(shut):
                raise PermissionError(errno.EACCES, "Permission denied", str(name))
            return call(name, *args, **options)

        return deny

    for name in ("open", "stat", "lstat", "scandir", "listdir"):
        monkeypatch.setattr(os, name, closed(getattr(os, name)))
    for suffix in suffixes:
        with pytest.raises(BadInputError, match=r"Permission denied|does not exist"):
            read(Path(shut) / f"plate.1001{suffix}")


# Small files that claim to be large


def png_of(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def bombs(folder: Path) -> Iterator[Path]:
    pixels = np.zeros((8, 8, 3), np.uint8)
    large = {WIDTH: ("I", [30_000]), LENGTH: ("I", [30_000])}
    made = {
        "a.png": png_of(30_000, 30_000),
        "wide.png": png_of(1_000_000, 2),
        "a.jpg": jpeg_of(60_000, 60_000),
        "a.tif": tiff(page(pixels, tags=large)),  # type: ignore[arg-type]
        "tiled.tif": tiff(page(pixels, tile=(16, 16), compression=8, tags=large)),  # type: ignore[arg-type]
        "counts.tif": tiff(page(pixels, extra=(), rows=8, tags={COUNTS: ("I", [1 << 30]), 274: ("H", [3])})),
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
        yield folder / name
    write_exr_channel(folder / "z.exr", "Z", np.zeros((4, 4), np.float32))
    data = bytearray((folder / "z.exr").read_bytes())
    for name in (b"dataWindow", b"displayWindow"):
        at = data.index(name + b"\0box2i\0") + len(name) + 11
        data[at + 8 : at + 16] = struct.pack("<ii", 40_000, 40_000)
    (folder / "z.exr").write_bytes(data)
    yield folder / "z.exr"


@ON_POSIX
def test_the_size_in_a_header_is_no_reason_to_take_memory(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from ex4d.media.exr import read_exr_channel
from ex4d.media.images import read_image
from ex4d.protocol.errors import BadInputError
read_image(Path(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[2:]:
    try:
        (read_exr_channel if name.endswith("exr") else read_image)(Path(name))
        print("read", name)
    except BadInputError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    write_png(tmp_path / "good.png", numbered_picture(0))
    files = [str(tmp_path / "good.png"), *map(str, bombs(tmp_path))]
    done = subprocess.run(
        [sys.executable, "-c", script, *files], capture_output=True, text=True, check=True, timeout=30
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 30e6


def test_the_largest_stills_pass() -> None:
    for width, height in ((16384, 8640), (14204, 10652), (12000, 12000)):
        decoding.check_size(Path("a.png"), width, height)


# Indices of movies

SAMPLES = 20_000_000


def with_box(path: Path, name: bytes, at: int, fields: tuple[int, ...]) -> Path:
    """Overwrite 32-bit fields of a box, ``at`` bytes behind its name."""
    data = bytearray(path.read_bytes())
    place = data.index(name) + len(name) + at
    data[place : place + 4 * len(fields)] = struct.pack(f">{len(fields)}I", *fields)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("name", "at", "fields"),
    [
        (b"stsz", 4, (1, SAMPLES)),
        (b"stsz", 4, (0, SAMPLES)),
    ],
    ids=["equal sizes", "sizes"],
)
def test_an_index_that_claims_more_than_the_file_holds(
    tmp_path: Path, name: bytes, at: int, fields: tuple[int, ...]
) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 12, options={"bf": "2"})
    assert not claims_too_much(path)
    with_box(path, name, at, fields)
    with pytest.raises(BadInputError, match="index claims more frames than the file can hold"):
        open_plate(path)


@pytest.mark.parametrize(
    ("name", "at", "fields"), [(b"stts", 4, (1, SAMPLES)), (b"ctts", 8, (SAMPLES,)), (b"stsc", 4, (1, 1, SAMPLES))]
)
def test_claims_that_ffmpeg_cuts_to_the_samples_there_are(
    tmp_path: Path, name: bytes, at: int, fields: tuple[int, ...]
) -> None:
    path = with_box(numbered_movie(tmp_path / "a.mp4", 12, options={"bf": "2"}), name, at, fields)
    assert len(list(open_plate(path).frames())) == 12


@pytest.mark.parametrize(("samples", "much"), [(480, False), (2_000_000_000, True)])
def test_sound_that_claims_more_than_the_file_holds(tmp_path: Path, samples: int, much: bool) -> None:
    runs = struct.pack(">I4sIIIII", 28, b"stsc", 0, 1, 1, samples, 1)
    chunks = struct.pack(">I4sII200I", 16 + 800, b"stco", 0, 200, *range(200))
    sizes = struct.pack(">I4sIII", 20, b"stsz", 0, 2, 96_000)
    track = struct.pack(">I4s", 8 + len(runs + chunks + sizes), b"trak") + runs + sizes + chunks
    (tmp_path / "a.mov").write_bytes(struct.pack(">I4s", 8 + len(track), b"moov") + track)
    assert claims_too_much(tmp_path / "a.mov") is much


def test_a_fragment_that_claims_more_than_the_file_holds(tmp_path: Path) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 12, container_options={"movflags": "frag_keyframe+empty_moov"})
    assert not claims_too_much(path)
    assert claims_too_much(with_box(path, b"trun", 4, (SAMPLES,)))


def test_an_edit_list_that_repeats_a_long_track(tmp_path: Path) -> None:
    track = struct.pack(">I4sII", 16 + 12 * 1000, b"elst", 0, 1000) + bytes(12 * 1000)
    edits = struct.pack(">I4s", 8 + len(track), b"edts") + track
    sizes = struct.pack(">I4sIII", 20, b"stsz", 0, 1, 100_000)
    whole = struct.pack(">I4s", 8 + len(edits) + len(sizes), b"trak") + edits + sizes
    (tmp_path / "a.mp4").write_bytes(struct.pack(">I4s", 8 + len(whole), b"moov") + whole)
    assert claims_too_much(tmp_path / "a.mp4")


def test_a_packed_index_is_looked_into(tmp_path: Path) -> None:
    sizes = struct.pack(">I4s", 28, b"trak") + struct.pack(">I4sIII", 20, b"stsz", 0, 1, SAMPLES)
    for unpacked in (len(sizes), 1 << 31):
        packed = struct.pack(">I", unpacked) + zlib.compress(sizes)
        content = struct.pack(">I4s", 8 + len(packed), b"cmvd") + packed
        cmov = struct.pack(">I4s", 8 + len(content), b"cmov") + content
        (tmp_path / "a.mov").write_bytes(struct.pack(">I4s", 8 + len(cmov), b"moov") + cmov)
        assert claims_too_much(tmp_path / "a.mov")


@ON_POSIX
def test_a_flood_of_boxes_ends(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(struct.pack(">I4s", 8, b"free") * 300_000)
    with within(5):
        assert not claims_too_much(tmp_path / "a.mp4")
    nested = b""
    for _ in range(40):
        nested = struct.pack(">I4s", 8 + len(nested), b"moov") + nested
    (tmp_path / "a.mp4").write_bytes(nested)
    assert claims_too_much(tmp_path / "a.mp4")


# Little memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((10**9,), np.dtype("f8")),
        RuntimeError("can't start new thread"),
        ImportError("libavfilter.so.11: failed to map segment from shared object"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}",
)
def test_what_libraries_say_of_little_memory(error: Exception) -> None:
    found = memory_error(error)
    assert found is not None
    assert found.exit_code == 20
    assert "memory" in found.message
    outer = ValueError("cannot be decoded")
    outer.__cause__ = error
    assert memory_error(outer) is not None


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), RuntimeError("no"), ImportError("No module named x"), OSError(errno.ENOENT, "x"), KeyError("a")],
)
def test_other_errors_are_none_of_memory(error: Exception) -> None:
    assert memory_error(error) is None
    assert memory_error(error, needs=1 << 20) is None


READING_IN_LITTLE = """
import resource, sys
from pathlib import Path
from ex4d.media.exr import read_exr_channel
from ex4d.media.images import read_image
from ex4d.plate import open_plate
from ex4d.protocol.errors import Ex4dError
path, room = Path(sys.argv[1]), int(sys.argv[2])
def read(path):
    if path.suffix == ".exr":
        return read_exr_channel(path)
    return read_image(path) if path.suffix in (".png", ".tif") else [0 for _ in open_plate(path).frames()]
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
try:
    read(path)
except Ex4dError as error:
    print("code", error.exit_code, error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("name", ["a.png", "straight.tif", "a.exr", "a.mp4"])
def test_a_good_file_is_not_called_damaged_for_want_of_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    zeros = np.zeros((2000, 3000, 4), np.uint16)
    if name == "a.png":
        write_png(path, zeros)
    elif name == "straight.tif":
        path.write_bytes(tiff(page(zeros, extra=(2,), rows=200, compression=8)))
    elif name == "a.exr":
        write_exr_channel(path, "Z", np.zeros((4000, 4000), np.float32))
    else:
        numbered_movie(path, 6)
    done = subprocess.run(
        [sys.executable, "-c", READING_IN_LITTLE, str(path), str(4 << 20)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "code 20 This process has too little memory" in done.stdout, done.stdout + done.stderr


def test_a_frame_that_cannot_be_converted_for_want_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 3)

    def fail(*args: object) -> None:
        raise av.error.BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(movie_pixels.FrameConverter, "convert", fail)
    with pytest.raises(ResourceError, match="memory"):
        read_plate(path)


def test_where_a_library_hides_the_reason_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered_movie(tmp_path / "a.mp4", 3)
    damaged = av.error.InvalidDataError(errno.EINVAL, "Invalid data")
    monkeypatch.setattr("ex4d.system.memory._has_room", lambda size: False)
    assert isinstance(containers.error_of(damaged, BadInputError("It is damaged.", "Copy it.")), ResourceError)
    monkeypatch.undo()
    assert isinstance(containers.error_of(damaged, BadInputError("It is damaged.", "Copy it.")), BadInputError)
    read_plate(path)


@pytest.mark.parametrize(("room", "message"), [(True, "cannot write 20000x2 pixels"), (False, "too little memory")])
def test_an_encoder_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: bool, message: str
) -> None:
    """x264 says the same of a size that it cannot write and of memory that it cannot have."""
    monkeypatch.setattr("ex4d.system.memory._has_room", lambda size: room)
    with (
        pytest.raises(ResourceError, match=message),
        MovieWriter(tmp_path / "a.mp4", width=20_000, height=2, fps=Fraction(24)) as writer,
    ):
        writer.write(np.zeros((2, 20_000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@ON_POSIX
def test_an_address_space_that_libraries_crash_in_is_refused() -> None:
    def run(limit: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        limited = f'ulimit -v {limit // 1024}; exec "$0" -m ex4d "$@"'
        command = ["bash", "-c", limited, sys.executable, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    for command in ("run", "recon", "render", "generate"):
        done = run(LEAST_ADDRESS_SPACE - 10_000_000, command, "missing.mp4", "--out", "x")
        assert (done.returncode, "1.74 GB" in done.stderr) == (20, True), done.stderr
    assert run(LEAST_ADDRESS_SPACE + 10_000_000, "recon", "missing.mp4", "--out", "x").returncode == 10
