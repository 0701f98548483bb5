# SPDX-License-Identifier: Apache-2.0
"""Cameras that networks save as npz: VGGT's and MegaSaM's predictions, Vista4D's ``cameras.npz``, and ViPE's poses,
whose intrinsics lie in a folder beside theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory
from ex4d.camera.camera_arrays import (
    CAMERA_NAMES,
    INTRINSICS_NAMES,
    RawCamera,
    intrinsics_of,
    read_camera_arrays,
    square,
)
from ex4d.camera.formats._checks import bad_file, picture_size
from ex4d.camera.formats.base import BinaryFormat
from ex4d.camera.transforms import invert_rigid
from ex4d.protocol.errors import BadInputError
from ex4d.system.inputs import read_bytes
from ex4d.system.npz import npz_names, open_member, open_npz, read_npz

Array = NDArray[np.float64]

#: What ViPE names its arrays: cameras to world, or fx, fy, cx, cy, and the frames' indices from 0.
_VIPE = ("data", "inds")
#: Of the maps and pictures whose size the intrinsics count on, and where in their shapes height and width are.
_MAPS, _PICTURES = ("depth", "depths", "disparity"), ("images", "image", "rgb", "video")
#: What EX-4D's own files have, which go another way.
_RELEASED = {"extrinsics", "intrinsics"}
#: ViPE's list of camera types has a line a frame.
_MAX_TYPES = 16 << 20


def is_of_network(path: Path) -> bool:
    """Whether an npz file has cameras by other names than EX-4D's."""
    names = set(npz_names(path))
    if names >= set(_VIPE):
        return True
    poses = set(CAMERA_NAMES) - set(INTRINSICS_NAMES) - _RELEASED
    return bool(names & poses) and not names >= _RELEASED


def read_network_npz(path: Path) -> Trajectory:
    """Read one.

    Raises:
        BadInputError: it is damaged, lacks poses or intrinsics, or has another lens than a pinhole's.
    """
    names = npz_names(path)
    if set(names) >= set(_VIPE):
        return _vipe(path)
    raw = read_camera_arrays(path)
    if raw.K is None or raw.E is None:
        missing = "intrinsics" if raw.K is None else "poses"
        raise bad_file(path, f"has no {missing} beside its cameras", "Save both in one file.")
    return _trajectory(path, raw, _size(path, names, raw.K), ())


def _vipe(path: Path) -> Trajectory:
    beside = path.parent.parent / "intrinsics" / path.name
    if not beside.is_file():
        raise bad_file(path, "has no intrinsics beside it", f"Keep ViPE's folders as they are: {beside} belongs to it.")
    kinds = beside.with_name(f"{path.stem}_camera.txt")
    if kinds.is_file():
        lines = read_bytes(kinds, _MAX_TYPES).decode(errors="replace").split("\n")
        if any(line.strip() and not line.strip().upper().endswith("PINHOLE") for line in lines):
            raise bad_file(kinds, "names cameras that are no pinholes", "Solve with ViPE's pinhole camera.")
    poses, lens = _numbered(path, (4, 4)), _numbered(beside, (4,))
    if not poses.keys() <= lens.keys() or not poses:
        raise bad_file(beside, "lacks intrinsics of frames that have poses", "Export both again.")
    numbers = tuple(sorted(poses))
    K = intrinsics_of(np.stack([lens[number] for number in numbers]))
    raw = RawCamera(K, invert_rigid(np.stack([poses[number] for number in numbers])))
    return _trajectory(path, raw, _centred(path, K), numbers)


def _numbered(path: Path, shape: tuple[int, ...]) -> dict[int, Array]:
    """ViPE's values, by the index of their frame."""
    arrays = read_npz(path, _VIPE)
    if set(arrays) != set(_VIPE) or any(array.dtype.kind not in "fiu" for array in arrays.values()):
        raise bad_file(path, "is none of ViPE's files", "Export it again.")
    values, numbers = arrays["data"].astype(np.float64), arrays["inds"]
    if values.shape != (*numbers.shape, *shape) or numbers.ndim != 1 or not np.isfinite(values).all():
        raise bad_file(path, f"does not hold {'x'.join(map(str, shape))} numbers for each frame", "Export it again.")
    return {int(number): value for number, value in zip(numbers, values, strict=True)}


def _trajectory(path: Path, raw: RawCamera, size: tuple[int, int], numbers: tuple[int, ...]) -> Trajectory:
    assert raw.K is not None
    assert raw.E is not None
    E = square(raw.E, path)
    if raw.K.ndim == 3 and len(raw.K) not in (1, len(E)):
        raise bad_file(path, f"has {len(raw.K)} intrinsics for {len(E)} poses", "Save one, or one per frame.")
    K = np.broadcast_to(raw.K, (len(E), 3, 3)).copy()
    note = f"{path.name} says no picture size: {size[0]}x{size[1]} pixels were taken from what its intrinsics count on."
    return Trajectory(K, E, *size, frame_numbers=numbers, notes=(note,))


def _size(path: Path, names: list[str], K: Any) -> tuple[int, int]:
    """(width, height) that the intrinsics count on: of the maps or pictures in the file, else twice the principal
    point."""
    with open_npz(path) as archive:
        for name in (name for name in (*_MAPS, *_PICTURES) if name in names):
            with open_member(archive, name) as (header, _):
                shape = header.shape
            if name in _MAPS:
                shape = shape[:-1] if shape[-1:] == (1,) else shape
                return picture_size(path, shape[-1], shape[-2]) if len(shape) >= 2 else _centred(path, K)
            if len(shape) >= 3:
                down, across = (-3, -2) if shape[-1] in (3, 4) else (-2, -1)
                return picture_size(path, shape[across], shape[down])
    return _centred(path, K)


def _centred(path: Path, K: Any) -> tuple[int, int]:
    width, height = np.round(2 * np.reshape(K, (-1, 3, 3))[0, :2, 2]).tolist()
    if min(width, height) < 2:
        raise BadInputError(
            f"{path.name} has intrinsics that are no pixels, or a principal point outside of its pictures.",
            "Give the cameras as one of our JSON files or as a COLMAP model.",
        )
    return picture_size(path, width, height)


# As of every zip.
FORMAT = BinaryFormat("networks' npz (VGGT, ViPE, Vista4D)", b"PK", read_network_npz, ".npz", is_of_network)
