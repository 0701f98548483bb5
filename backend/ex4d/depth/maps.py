# SPDX-License-Identifier: Apache-2.0
"""Depth maps as they lie on disk: arrays (npy, npz) and sequences (EXR, PNG, npy, npz), read one frame at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.transforms import invert_rigid
from ex4d.files import writing
from ex4d.inputs import reading
from ex4d.media.exr import read_exr_channel
from ex4d.media.images import read_grey
from ex4d.media.sequences import DEPTH_SUFFIXES, ImageSequence, find_sequence, is_pattern
from ex4d.npz import NPZ_ERRORS, read_npz
from ex4d.protocol.errors import BadInputError

#: Names of arrays in npz files, the first that is there counts. ``arr_0`` is numpy's own name for an unnamed array.
DEPTH_NAMES = ("depth", "depths", "arr_0")
DISPARITY_NAMES = ("disparity", "disp", "inverse_depth")
INTRINSICS_NAMES = ("intrinsics", "intrinsic", "K")  # MegaSaM writes the singular
WORLD_TO_CAMERA_NAMES = ("extrinsics", "E", "w2c")
CAMERA_TO_WORLD_NAMES = ("cam_c2w", "c2w", "poses")

Array = NDArray[Any]


@dataclass(frozen=True)
class RawCamera:
    """What an npz file says of the source camera.

    Attributes:
        K: (3, 3) or (T, 3, 3) for the pixel size of the maps, or None.
        E: (T, 4, 4) world->camera, OpenCV axes, or None.
    """

    K: Array | None = None
    E: Array | None = None


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

    def read(self, index: int) -> NDArray[np.float32]:
        """Map ``index``, (h, w) float32, values as stored."""
        ...


def map_files(path: Path) -> Sequence[Path]:
    """The files that ``open_maps`` would read, for hashing; raises BadInputError as it does."""
    return (path,) if _is_array_file(path) else _find(path).paths


def open_maps(path: Path, scratch: Path) -> DepthMaps:
    """Open depth files.

    Args:
        path: an npy or npz file with all frames, or a sequence as ``find_sequence`` takes it.
        scratch: a folder for the unpacked content of an npz file.

    Raises:
        BadInputError: not there, unreadable, or without depth.
    """
    if _is_array_file(path):
        return _open_arrays(path, scratch)
    sequence = _find(path)
    return _Sequence(sequence.paths, sequence.numbers if sequence.is_numbered else ())


def _is_array_file(path: Path) -> bool:
    return path.suffix.lower() in (".npy", ".npz") and not is_pattern(path) and not path.is_dir()


def _find(path: Path) -> ImageSequence:
    if not path.exists() and not path.suffix:
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
    numbers: Sequence[int] = ()
    coded: bool = False

    @property
    def count(self) -> int:
        return len(self.array)

    def read(self, index: int) -> NDArray[np.float32]:
        return _single_precision(self.array[index])


@dataclass(frozen=True)
class _Sequence:
    """One map in each file."""

    paths: Sequence[Path]
    numbers: Sequence[int]
    camera: RawCamera = RawCamera()

    @property
    def count(self) -> int:
        return len(self.paths)

    @property
    def coded(self) -> bool:
        return self.paths[0].suffix.lower() == ".png"

    @property
    def disparity(self) -> bool | None:
        if self.paths[0].suffix.lower() != ".npz":
            return None
        return _pick(_npz_names(self.paths[0]), self.paths[0])[1]

    def read(self, index: int) -> NDArray[np.float32]:
        path = self.paths[index]
        suffix = path.suffix.lower()
        if suffix == ".exr":
            return read_exr_channel(path).values
        if suffix == ".png":
            return read_grey(path).astype(np.float32)
        if suffix == ".npz":
            name = _pick(_npz_names(path), path)[0]
            array = read_npz(path, (name,))[name]
        else:
            array = _load_npy(path, path)
        maps = _as_maps(array, path)
        if len(maps) != 1:
            raise BadInputError(
                f"{path} holds {len(maps)} maps where one is needed.",
                "Name the file itself if it has all frames, or give one map per file.",
            )
        return _single_precision(maps[0])


def _open_arrays(path: Path, scratch: Path) -> _Arrays:
    if path.suffix.lower() == ".npy":
        return _Arrays(_as_maps(_load_npy(path, path), path), None, RawCamera())
    name, disparity = _pick(_npz_names(path), path)
    # numpy would unpack the whole array into memory; on disk it can be mapped.
    unpacked = scratch / "maps.npy"
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as packed:
            _unpack(packed, unpacked, path)
    except NPZ_ERRORS as error:
        raise _damaged(path) from error
    return _Arrays(_as_maps(_load_npy(unpacked, path), path), disparity, _read_camera(path))


def _unpack(packed: IO[bytes], unpacked: Path, path: Path) -> None:
    # A full disk is not a damaged input, and a damaged input not a full disk.
    with writing(unpacked), unpacked.open("wb") as file:
        file.writelines(_blocks(packed, path))


def _blocks(packed: IO[bytes], path: Path) -> Iterator[bytes]:
    try:
        while block := packed.read(1 << 20):
            yield block
    except NPZ_ERRORS as error:
        raise _damaged(path) from error


def _single_precision(values: Array) -> NDArray[np.float32]:
    """Those numbers as float32; what is too large, such as a renderer's sky of 1e300, becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, dtype=np.float32)


def _npz_names(path: Path) -> list[str]:
    try:
        with reading(path), zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except NPZ_ERRORS as error:
        raise _damaged(path) from error


def _pick(names: Sequence[str], path: Path) -> tuple[str, bool | None]:
    """The array with depth, and whether its name says disparity."""
    for name in (*DEPTH_NAMES, *DISPARITY_NAMES):
        if name in names:
            return name, None if name == "arr_0" else name in DISPARITY_NAMES
    raise BadInputError(
        f"{path} has no array of depth; its arrays are {', '.join(names) or 'none'}.",
        "Save the depth maps under the name «depth» or «disparity».",
    )


def _load_npy(file: Path, path: Path) -> Array:
    """The array in ``file``, mapped, not read; ``path`` is the user's file that it comes from."""
    try:
        # numpy multiplies the sides that a header claims before it finds that the file is shorter.
        with reading(path), np.errstate(over="ignore"):
            return np.lib.format.open_memmap(file, mode="r")
    except NPZ_ERRORS as error:
        raise _damaged(path) from error


def _as_maps(array: Array, path: Path) -> Array:
    """(T, h, w) from that, (h, w), or either with one channel."""
    if array.dtype.kind not in "fiu":
        raise BadInputError(f"{path} holds {array.dtype} values, not numbers.", "Save depth as float32.")
    if array.ndim == 4 and 1 in (array.shape[1], array.shape[3]):
        array = array[..., 0] if array.shape[3] == 1 else array[:, 0]
    elif array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        raise BadInputError(
            f"{path} holds an array of shape {array.shape}, not (frames, height, width).",
            "Save one depth map per frame.",
        )
    return array


def _read_camera(path: Path) -> RawCamera:
    arrays = read_npz(path, (*INTRINSICS_NAMES, *WORLD_TO_CAMERA_NAMES, *CAMERA_TO_WORLD_NAMES))

    def first(names: Sequence[str]) -> Array | None:
        found = next((arrays[name] for name in names if name in arrays), None)
        if found is not None and (found.dtype.kind not in "fiu" or not np.isfinite(found).all()):
            raise BadInputError(f"{path} has a camera that is not made of finite numbers.", "Export it again.")
        return None if found is None else found.astype(np.float64)

    K = first(INTRINSICS_NAMES)
    if K is not None and K.ndim <= 2 and K.shape[-1:] == (4,):
        fx, fy, cx, cy = np.moveaxis(K, -1, 0)
        zero, one = np.zeros_like(fx), np.ones_like(fx)
        K = np.stack([np.stack(row, -1) for row in ((fx, zero, cx), (zero, fy, cy), (zero, zero, one))], -2)
    if K is not None and (K.ndim not in (2, 3) or K.shape[-2:] != (3, 3)):
        raise BadInputError(
            f"{path} has intrinsics of shape {K.shape}.", "Give 3x3 matrices, or fx, fy, cx, cy, once or per frame."
        )
    E, poses = first(WORLD_TO_CAMERA_NAMES), first(CAMERA_TO_WORLD_NAMES)
    if E is None and poses is not None:
        # Matrices that are not rigid are refused later, by Trajectory.
        E = invert_rigid(_square(poses, path))
    return RawCamera(K, None if E is None else _square(E, path))


def _square(matrices: Array, path: Path) -> Array:
    """(T, 4, 4) from that or from (T, 3, 4)."""
    if matrices.ndim == 2:
        matrices = matrices[None]
    if matrices.ndim != 3 or matrices.shape[1:] not in ((3, 4), (4, 4)):
        raise BadInputError(f"{path} has poses of shape {matrices.shape}.", "Give one 4x4 or 3x4 matrix per frame.")
    if matrices.shape[1] == 4:
        return matrices
    last = np.broadcast_to([[[0.0, 0.0, 0.0, 1.0]]], (len(matrices), 1, 4))
    return np.concatenate([matrices, last], axis=1)


def _damaged(path: Path) -> BadInputError:
    return BadInputError(f"{path} is damaged or not a numpy file.", "Save it again with numpy.save or numpy.savez.")
