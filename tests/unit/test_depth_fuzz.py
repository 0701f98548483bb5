# SPDX-License-Identifier: Apache-2.0
"""Damaged depth files: a result, or an error with a hint; never anything else."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
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

quiet = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZE = (12, 8)
DEPTH = np.linspace(1, 4, 3 * 8 * 12, dtype=np.float32).reshape(3, 8, 12)


def samples(folder: Path) -> dict[str, bytes]:
    """A sound file of each format."""
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, DEPTH)
    np.savez_compressed(archive, depth=DEPTH, K=np.array([9.0, 9, 6, 4]), E=np.stack([np.eye(4)] * 3))
    write_exr_channel(folder / "z.exr", "Z", DEPTH[0])
    write_png(folder / "z.png", (DEPTH[0] * 9000).astype(np.uint16))
    return {
        ".npy": array.getvalue(),
        ".npz": archive.getvalue(),
        ".exr": (folder / "z.exr").read_bytes(),
        ".png": (folder / "z.png").read_bytes(),
    }


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return samples(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    return {count: grey_plate(tmp_path_factory.mktemp("plate"), numbers=NUMBERS[:count], size=SIZE) for count in (1, 3)}


def reads_or_explains(suffix, data, frames):
    """Returns the number of maps that were read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"depth{suffix}")
        path.write_bytes(data)
        source = FileDepth(path, scale=0.001)
        plate = frames[3 if suffix.startswith(".np") else 1]
        error: Ex4dError | None = None
        try:
            source.inputs()
            _, depth = estimated(source, plate, Path(folder, "scratch"))
        except (BadInputError, UsageError) as caught:
            error = caught
        if error:
            assert error.message.endswith(".")
            assert error.hint
            return 0
        assert depth.shape[1:] == SIZE[::-1]
        return len(depth)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".exr", ".png"])
def test_sound_files_are_read(sound, frames, suffix):
    assert reads_or_explains(suffix, sound[suffix], frames) == (3 if suffix.startswith(".np") else 1)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".exr", ".png"])
@quiet
@given(data=st.binary(max_size=300))
def test_any_bytes(sound, frames, suffix, data):
    head = sound[suffix][:12] if len(data) % 2 else b""
    assert reads_or_explains(suffix, head + data, frames) == 0


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".exr", ".png"])
@quiet
@given(place=st.integers(0, 100_000), value=st.integers(0, 255), cut=st.integers(0, 4000))
def test_changed_and_cut_files(sound, frames, suffix, place, value, cut):
    data = bytearray(sound[suffix])
    data[place % len(data)] = value
    reads_or_explains(suffix, bytes(data[: len(data) - cut] if cut % 3 == 0 else data), frames)


@pytest.mark.parametrize("shape", [(10**6, 10**6), (3, 10**9, 10**9), (2**40,), (-1, 8, 12), (3, 8, 12, 10**12)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_headers_that_promise_too_much(frames, tmp_path, shape, suffix):
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"
    data = header + b"\x00" * 64
    if suffix == ".npz":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("depth.npy", data)
        data = packed.getvalue()
    assert reads_or_explains(suffix, data, frames) == 0
