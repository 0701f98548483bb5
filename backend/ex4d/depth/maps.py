# SPDX-License-Identifier: Apache-2.0
"""Depth maps as they lie on disk: arrays (npy, npz) and sequences (EXR, PNG, npy, npz), read one frame at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera_arrays import (
    CAMERA_NAMES,
    CAMERA_TO_WORLD_NAMES,
    INTRINSICS_NAMES,
    WORLD_TO_CAMERA_NAMES,
    RawCamera,
    read_camera_arrays,
)
from ex4d.media.exr import read_exr_channel
from ex4d.media.images import read_grey
from ex4d.media.sequences import DEPTH_SUFFIXES, ImageSequence, find_sequence
from ex4d.protocol.errors import BadInputError
from ex4d.system.files import writing
from ex4d.system.inputs import check_input, reading
from ex4d.system.npz import (
    NPZ_ERRORS,
    NpyHeader,
    damaged,
    file_header,
    npz_names,
    open_member,
    open_npz,
    read_npz,
    shown_names,
)
from ex4d.system.sequence_names import is_pattern

#: Names of arrays in npz files, the first that is there counts. ``arr_0`` is numpy's own name for an unnamed array.
DEPTH_NAMES = ("depth", "depths", "arr_0")
DISPARITY_NAMES = ("disparity", "disp", "inverse_depth")
#: Those of them that were not always read: shots whose depth has one have another key now.
LATER_CAMERA_NAMES = (*INTRINSICS_NAMES[3:], *WORLD_TO_CAMERA_NAMES[3:], *CAMERA_TO_WORLD_NAMES[3:])
#: Arrays that say nothing of depth or camera: pictures, and what follows from the others.
_PICTURES = ("images", "image", "rgb", "rgbs", "video")
_CONFIDENCES = ("conf", "confidence", "depth_conf", "uncertainty", "world_points_conf")
_POINTS = ("points", "pts3d", "world_points", "world_points_from_depth", "pose_enc")
_NO_MATTER = frozenset((*_PICTURES, *_CONFIDENCES, *_POINTS))
#: Depth maps may have this many times the plate's pixels, or this many pixels.
_OVERSAMPLING, _SMALL = 16, 1 << 20

Array = NDArray[Any]


class DepthMaps(Protocol):
    """Depth maps of a shot as stored, without any conversion."""

    @property
    def numbers(self) -> Sequence[int]:
        """Frame number of each map, or empty where the files have none."""
        ...

    @property
    def count(self) -> int:
        """Number of maps."""
        ...

    @property
    def disparity(self) -> bool | None:
        """True or False where the file's own names tell, else None."""
        ...

    @property
    def coded(self) -> bool:
        """Whether values are integer codes of which 0 means "not measured" (PNG)."""
        ...

    @property
    def camera(self) -> RawCamera:
        """What the file says of the source camera."""
        ...

    @property
    def name(self) -> str | None:
        """Name of the array that the maps come from, None where there are no names."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Names of all arrays beside it."""
        ...

    def read(self, index: int) -> NDArray[np.float32]:
        """Map ``index``, (h, w) float32, values as stored."""
        ...


def map_files(path: Path) -> Sequence[Path]:
    """The files that ``open_maps`` would read, for hashing; raises BadInputError as it does."""
    if _is_array_file(path):
        check_input(path)
        return (path,)
    return _find(path).paths


def array_names(path: Path) -> Sequence[str]:
    """Names of the arrays of npz files, of the first one of a sequence; empty for others. Raises as ``open_maps``."""
    files = map_files(path)
    return npz_names(files[0]) if files[0].suffix.lower() == ".npz" else ()


def is_sequence(path: Path) -> bool:
    """Whether each map has a file of its own."""
    return not _is_array_file(path)


def open_maps(path: Path, scratch: Path, count: int, size: tuple[int, int]) -> DepthMaps:
    """Open depth files. Nothing is unpacked that does not fit the plate.

    Args:
        path: an npy or npz file with all frames, or a sequence as ``find_sequence`` takes it.
        scratch: a folder for the unpacked content of an npz file.
        count: frames of the plate.
        size: (width, height) of the plate.

    Raises:
        BadInputError: not there, unreadable, without depth, or for another plate.
    """
    most = max(_OVERSAMPLING * size[0] * size[1], _SMALL)
    if _is_array_file(path):
        return _open_arrays(path, scratch, count, most)
    sequence = _find(path)
    return _Sequence(sequence.paths, sequence.numbers if sequence.is_numbered else (), most)


def _is_array_file(path: Path) -> bool:
    with reading(path):
        return path.suffix.lower() in (".npy", ".npz") and not is_pattern(path.name) and not path.is_dir()


def _find(path: Path) -> ImageSequence:
    with reading(path):
        if path.exists():
            if not path.is_dir():
                check_input(path)
        elif not path.suffix:
            raise BadInputError(
                f"There is no depth estimator and no depth file {path}.",
                "`ex4d run --help` names the estimators; for files check the path.",
            )
    return find_sequence(path, DEPTH_SUFFIXES)


@dataclass(frozen=True)
class _Arrays:
    """Maps in one (T, h, w) array."""

    array: Array
    disparity: bool | None
    camera: RawCamera
    name: str | None = None
    names: Sequence[str] = ()
    numbers: Sequence[int] = ()
    coded: bool = False

    @property
    def count(self) -> int:
        return len(self.array)

    def read(self, index: int) -> NDArray[np.float32]:
        return _single_precision(self.array[index])


@dataclass(frozen=True)
class _Sequence:
    """One map in each file.

    Attributes:
        most: pixels that a map may have.
    """

    paths: Sequence[Path]
    numbers: Sequence[int]
    most: int

    @property
    def count(self) -> int:
        return len(self.paths)

    @property
    def _suffix(self) -> str:
        return self.paths[0].suffix.lower()

    @property
    def coded(self) -> bool:
        return self._suffix == ".png"

    @cached_property
    def names(self) -> Sequence[str]:
        return npz_names(self.paths[0]) if self._suffix == ".npz" else ()

    @property
    def name(self) -> str | None:
        return _pick(self.names, self.paths[0])[0] if self._suffix == ".npz" else None

    @property
    def disparity(self) -> bool | None:
        return _pick(self.names, self.paths[0])[1] if self._suffix == ".npz" else None

    @cached_property
    def camera(self) -> RawCamera:
        """The cameras in all files, where the first one has some."""
        if not set(self.names) & set(CAMERA_NAMES):
            return RawCamera()
        cameras = [read_camera_arrays(path) for path in self.paths]
        return RawCamera(
            self._stacked([camera.K for camera in cameras]), self._stacked([camera.E for camera in cameras])
        )

    def _stacked(self, values: Sequence[Array | None]) -> Array | None:
        """(T, …) from one matrix of each file."""
        if all(value is None for value in values):
            return None
        rows = []
        for path, value in zip(self.paths, values, strict=True):
            if value is None or value.size != value.shape[-1] * value.shape[-2]:
                raise BadInputError(
                    f"{path} has not one camera, as the first file has.", "Save one camera with each map, or with none."
                )
            rows.append(value.reshape(value.shape[-2:]))
        return np.stack(rows)

    def read(self, index: int) -> NDArray[np.float32]:
        path = self.paths[index]
        suffix = path.suffix.lower()
        if suffix == ".exr":
            return read_exr_channel(path).values
        if suffix == ".png":
            return read_grey(path).astype(np.float32)
        if suffix == ".npz":
            name = _pick(npz_names(path), path)[0]
            with open_npz(path) as archive, open_member(archive, name) as (header, _):
                _check_maps(header, path, 1, self.most)
            array = read_npz(path, (name,), header.nbytes)[name]
        else:
            header = file_header(path)
            _check_maps(header, path, 1, self.most)
            array = _load_npy(path, path)
        return _single_precision(_as_maps(array, path)[0])


def _open_arrays(path: Path, scratch: Path, count: int, most: int) -> _Arrays:
    if path.suffix.lower() == ".npy":
        _check_maps(file_header(path), path, count, most)
        return _Arrays(_as_maps(_load_npy(path, path), path), None, RawCamera())
    names = npz_names(path)
    name, disparity = _pick(names, path)
    # numpy would unpack the whole array into memory; on disk it can be mapped.
    unpacked = scratch / "maps.npy"
    with open_npz(path) as archive:
        with open_member(archive, name) as (header, _):
            _check_maps(header, path, count, most)
        camera = read_camera_arrays(path)
        with archive.open(f"{name}.npy") as packed:
            _unpack(packed, unpacked, path)
    return _Arrays(_as_maps(_load_npy(unpacked, path), path), disparity, camera, name, names)


def _unpack(packed: IO[bytes], unpacked: Path, path: Path) -> None:
    # A full disk is not a damaged input, and a damaged input not a full disk.
    with writing(unpacked), unpacked.open("wb") as file:
        file.writelines(_blocks(packed, path))


def _blocks(packed: IO[bytes], path: Path) -> Iterator[bytes]:
    try:
        while block := packed.read(1 << 20):
            yield block
    except NPZ_ERRORS as error:
        raise damaged(path) from error


def _single_precision(values: Array) -> NDArray[np.float32]:
    """Those numbers as float32; what is too large, such as a renderer's sky of 1e300, becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, dtype=np.float32)


def _pick(names: Sequence[str], path: Path) -> tuple[str, bool | None]:
    """The array with depth, and whether its name says disparity."""
    for name in (*DEPTH_NAMES, *DISPARITY_NAMES):
        if name in names:
            return name, None if name == "arr_0" else name in DISPARITY_NAMES
    raise BadInputError(
        f"{path} has no array of depth; its arrays are {shown_names(names) or 'none'}.",
        "Save the depth maps under the name «depth» or «disparity».",
    )


def unread_note(maps: DepthMaps, path: Path) -> list[str]:
    """A note that names the arrays of an npz file which were not read and may mean something."""
    groups = (INTRINSICS_NAMES, WORLD_TO_CAMERA_NAMES, CAMERA_TO_WORLD_NAMES)
    read = {maps.name, *(next((name for name in group if name in maps.names), None) for group in groups)}
    left = [name for name in maps.names if name not in read | _NO_MATTER]
    return [f"Of {path.name} these arrays were not read: {shown_names(left)}."] if left else []


def _load_npy(file: Path, path: Path) -> Array:
    """The array in ``file``, mapped, not read; ``path`` is the user's file that it comes from."""
    try:
        # numpy multiplies the sides that a header claims before it finds that the file is shorter.
        with reading(path), np.errstate(over="ignore"):
            return np.lib.format.open_memmap(file, mode="r")
    except NPZ_ERRORS as error:
        raise damaged(path) from error


def _maps_shape(shape: tuple[int, ...], path: Path) -> tuple[int, int, int]:
    """(T, h, w) of an array of that shape: itself, (h, w), or either with one channel."""
    maps = shape
    if len(maps) == 4 and 1 in (maps[1], maps[3]):
        maps = maps[:3] if maps[3] == 1 else (maps[0], *maps[2:])
    elif len(maps) == 3 and maps[2] == 1:
        maps = maps[:2]
    if len(maps) == 2:
        maps = (1, *maps)
    if len(maps) != 3 or 0 in maps:
        raise BadInputError(
            f"{path} holds an array of shape {shape}, not (frames, height, width).",
            "Save one depth map per frame.",
        )
    return maps[0], maps[1], maps[2]


def _check_maps(header: NpyHeader, path: Path, count: int, most: int) -> None:
    """Raise BadInputError where an array, by its header, is no depth of a plate of ``count`` frames, or where a map has
    more than ``most`` pixels."""
    if header.dtype.kind not in "fiu":
        raise BadInputError(f"{path} holds {header.dtype} values, not numbers.", "Save depth as float32.")
    found, height, width = _maps_shape(header.shape, path)
    if found != count and count == 1:
        raise BadInputError(
            f"{path} holds {found} maps where one is needed.",
            "Name the file itself if it has all frames, or give one map per file.",
        )
    if found != count:
        raise count_error(path, found, count)
    if height * width > most:
        raise BadInputError(
            f"{path} has maps of {width}x{height} pixels, more than {math.isqrt(_OVERSAMPLING)} times the plate's size "
            "along a side.",
            "Export them at the plate's size.",
        )


def count_error(path: Path, found: int, count: int) -> BadInputError:
    """The error for another number of depth maps than frames."""
    return BadInputError(
        f"{path} has {found} depth maps, the plate {count} frames.",
        "Give one map per frame, or choose the frames that have one with --frames.",
    )


def _as_maps(array: Array, path: Path) -> Array:
    """(T, h, w) from that, (h, w), or either with one channel; numbers only."""
    if array.dtype.kind not in "fiu":
        raise BadInputError(f"{path} holds {array.dtype} values, not numbers.", "Save depth as float32.")
    return array.reshape(_maps_shape(array.shape, path))
