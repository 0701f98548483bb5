# SPDX-License-Identifier: Apache-2.0
"""Damaged depth files: a result, or an error with a hint; never anything else."""

from __future__ import annotations

import io
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from depth_factory import NUMBERS, estimated, grey_plate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ex4d.depth.files import FileDepth
from ex4d.media.exr import write_exr_channel
from ex4d.media.images import write_png
from ex4d.protocol.errors import BadInputError, Ex4dError, UsageError

quiet = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
SECONDS = 60.0
WIDTH, HEIGHT = 12, 8
DEPTH = np.linspace(1, 4, 3 * HEIGHT * WIDTH, dtype=np.float32).reshape(3, HEIGHT, WIDTH)
SUFFIXES = (".npy", ".npz", ".exr", ".png")


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return stream.getvalue()


MEMBERS = {"depth": npy(DEPTH), "K": npy(np.array([9.0, 9, 6, 4])), "E": npy(np.stack([np.eye(4)] * 3))}


def samples(folder: Path) -> dict[str, bytes]:
    """A sound file of each format."""
    write_exr_channel(folder / "z.exr", "Z", DEPTH[0])
    write_png(folder / "z.png", (DEPTH[0] * 9000).astype(np.uint16))
    exr, png = ((folder / name).read_bytes() for name in ("z.exr", "z.png"))
    return dict(zip(SUFFIXES, (MEMBERS["depth"], npz(**MEMBERS), exr, png), strict=True))


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Some bytes overwritten, removed, inserted or cut off, mostly near the beginning, where the headers are."""
    kind = draw(st.sampled_from(("overwrite", "remove", "insert", "cut")))
    place = draw(st.one_of(st.integers(0, 200), st.integers(0, 100_000)))
    noise = draw(st.binary(min_size=1, max_size=32))

    def mutate(data: bytes) -> bytes:
        at = place % len(data)
        if kind == "cut":
            return data[: at + 1]
        return data[:at] + (b"" if kind == "remove" else noise) + data[at + (0 if kind == "insert" else len(noise)) :]

    return mutate


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return samples(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    size = (WIDTH, HEIGHT)
    return {count: grey_plate(numbers=NUMBERS[:count], size=size) for count in (1, 3)}


def reads_or_explains(suffix, data, frames, **options):
    """Returns the number of maps that were read."""
    plate = frames[3 if suffix.startswith(".np") else 1]
    error: Ex4dError | None = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"depth{suffix}")
        path.write_bytes(data)
        source = FileDepth(path, **{"scale": 0.001, **options})
        begin = time.monotonic()
        try:
            source.inputs()
            _, depth = estimated(source, plate, Path(folder, "scratch"))
        except (BadInputError, UsageError) as caught:
            error = caught
        assert time.monotonic() - begin < SECONDS
    if error:
        assert error.message.endswith(".")
        assert error.hint.endswith(".")
        return 0
    assert depth.shape[1:] == (HEIGHT, WIDTH)
    assert np.all(np.isnan(depth) | (depth > 0))
    return len(depth)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sound_files_are_read(sound, frames, suffix):
    assert reads_or_explains(suffix, sound[suffix], frames) == (3 if suffix.startswith(".np") else 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@quiet
@given(data=st.binary(max_size=300))
def test_any_bytes(sound, frames, suffix, data):
    head = sound[suffix][:12] if len(data) % 2 else b""
    assert reads_or_explains(suffix, head + data, frames) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", SUFFIXES)
@quiet
@given(first=mutations(), second=mutations())
def test_changed_and_cut_files(sound, frames, suffix, first, second):
    reads_or_explains(suffix, second(first(sound[suffix])), frames)


@pytest.mark.parametrize("member", MEMBERS)
@quiet
@given(first=mutations(), second=mutations())
def test_changed_arrays_in_a_sound_archive(frames, member, first, second):
    """The archive's checksum does not see what was written wrong."""
    members = MEMBERS | {member: second(first(MEMBERS[member]))}
    reads_or_explains(".npz", npz(zipfile.ZIP_STORED, **members), frames)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@quiet
@given(first=mutations(), second=mutations())
def test_changed_archives_of_any_method(frames, method, first, second):
    reads_or_explains(".npz", second(first(npz(method, depth=MEMBERS["depth"]))), frames)


@pytest.mark.filterwarnings("error")
@quiet
@given(
    dtype=st.sampled_from(
        ("<f2", "<f4", ">f4", "<f8", "|u1", "<u2", "<i4", "<u8", "|b1", "<c8", "<M8[s]", "<U2", "V4")
    ),
    shape=st.one_of(
        st.sampled_from(((3, HEIGHT, WIDTH), (3, HEIGHT, WIDTH, 1), (3, 1, HEIGHT, WIDTH), (3, 2 * HEIGHT, 2 * WIDTH))),
        st.lists(st.integers(0, 4), max_size=5).map(tuple),
    ),
    seed=st.binary(min_size=1, max_size=64),
    fortran=st.booleans(),
    kind=st.sampled_from(("depth", "disparity")),
    scale=st.sampled_from((1e-30, 0.001, 1.0, 1e30)),
)
def test_any_array(frames, dtype, shape, seed, fortran, kind, scale):
    """Any bits in any shape: what is read is above zero or not measured."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    array = np.frombuffer((seed * (size // len(seed) + 1))[:size], dtype).reshape(shape)
    data = npy(np.asfortranarray(array) if fortran else array)
    fits = shape in ((3, HEIGHT, WIDTH), (3, HEIGHT, WIDTH, 1), (3, 1, HEIGHT, WIDTH), (3, 2 * HEIGHT, 2 * WIDTH))
    expected = 3 if fits and np.dtype(dtype).kind in "fiu" else 0
    assert reads_or_explains(".npy", data, frames, kind=kind, scale=scale) == expected


def promise(shape: tuple[int, ...]) -> bytes:
    """An npy file of 64 bytes of data whose header has that shape."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n" + b"\x00" * 64


def most_memory() -> int:
    """Bytes of memory that this process has really used at most, until now; 0 on Windows."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "shape",
    [(10**6, 10**6), (3, 10**9, 10**9), (2**40,), (-1, 8, 12), (3, 8, 12, 10**12), (2**32, 2**32, 3), (3, 2**62, 4)],
)
@pytest.mark.parametrize("place", ["npy", "depth", "K", "E", "poses"])
def test_headers_that_promise_too_much(frames, shape, place):
    data = promise(shape) if place == "npy" else npz(**MEMBERS | {place: promise(shape)})
    before = most_memory()
    assert reads_or_explains(".npy" if place == "npy" else ".npz", data, frames) == 0
    assert most_memory() - before < 64 << 20
