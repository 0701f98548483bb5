# SPDX-License-Identifier: Apache-2.0
"""Depth that somebody else made: a learned model, a renderer, a scanner, read from files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, intrinsics_from_fov, read_trajectory, resize_intrinsics
from ex4d.depth.base import DEFAULT_FOV_DEG, STATIC_NOTE, DepthResult, DepthSink
from ex4d.depth.maps import DepthMaps, map_files, open_maps
from ex4d.depth.resample import resample_depth
from ex4d.inputs import HashedFiles, reading
from ex4d.plate.store import FrameStore
from ex4d.progress import Progress
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.workers import prefetched

#: Two pictures with sides in the same ratio, up to this share, show the same view at another size.
ASPECT_TOLERANCE = 0.01
#: Renderers write a large number where nothing was hit (Blender 1e10, others 1e9 and up).
SKY = 1e9
#: A principal point below this, in pixels, means that K is given in shares of the picture's size.
NORMALISED_K = 1.5


@dataclass(frozen=True)
class FileDepth:
    """Depth files of a shot; see ``DepthSource``.

    z-depth along the optical axis, or disparity = 1/z, in any unit, the same for the whole shot. NaN, negative and zero
    depth is "not measured"; infinity and everything from 1e9 on is sky, and so is disparity 0. In PNG files code 0 is
    "not measured".

    Attributes:
        path: one npy or npz file with all frames; or a sequence of OpenEXR, 16-bit PNG, npy or npz files (folder or
            pattern; EXR and PNG also one of the files). A sequence is matched to the plate by frame number where all
            numbers are there, else by order. Maps of another size but the plate's aspect are resampled.
        kind: what the values are; None = what the array's name says, else depth.
        scale: world units (or 1/world units for disparity) per value; PNG files need one.
        camera: a trajectory file with the source camera.
        fov_deg: field of view over the longer side in degrees, instead of a K among the depth; ``camera`` goes before
            it. None = that K, else an assumed one.
    """

    path: Path
    kind: Literal["depth", "disparity"] | None = None
    scale: float | None = None
    camera: Path | None = None
    fov_deg: float | None = None

    name = "file"
    label = "depth from files"
    licence = "that of the files"
    # Learned depth wanders by a few percent between frames.
    tolerance = 0.05

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale < np.inf:
            raise UsageError(f"A depth scale of {self.scale:g} is not possible.", "Give a number above zero.")

    def prepare(self) -> str:
        """See ``DepthSource``: files are looked at when they are read."""
        return ""

    def inputs(self) -> dict[str, Any]:
        """See ``DepthSource``."""
        return {
            "files": self._hashed.hash,
            "kind": self.kind,
            "scale": self.scale,
            "camera": self._hashed_camera.hash if self._hashed_camera else None,
            "fov_deg": self.fov_deg,
        }

    @cached_property
    def _hashed(self) -> HashedFiles:
        files = map_files(self.path)
        return HashedFiles.of(files, lambda: _hash(files))

    @cached_property
    def _hashed_camera(self) -> HashedFiles | None:
        files = (self.camera,) if self.camera else ()
        return HashedFiles.of(files, lambda: _hash(files)) if files else None

    def estimate(self, frames: FrameStore, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource``."""
        notes: list[str] = []
        maps = open_maps(self.path, scratch)
        if maps.coded and self.scale is None:
            raise UsageError(
                "PNG depth files need a scale.", "Give the depth of code value 1 with --depth-scale, such as 0.001."
            )
        order, order_note = _order(maps, frames, self.path)
        notes += order_note
        map_size = _map_size(maps.read(order[0]), self.path)
        if map_size != frames.size:
            _check_aspect(map_size, frames.size, self.path)
            notes.append(
                f"The depth maps have {map_size[0]}x{map_size[1]} pixels and were resampled to the plate's size."
            )
        source, known = self._source(maps, order, map_size, frames, notes)
        progress.begin("depth", len(order))
        disparity = self.kind == "disparity" or (self.kind is None and bool(maps.disparity))
        for number, raw in zip(frames.numbers, prefetched(maps.read, order), strict=True):
            if _map_size(raw, self.path) != map_size:
                raise BadInputError(
                    f"The depth of frame {number} has another size than that of the first frame.",
                    "Export all maps in one size.",
                )
            depth = to_depth(raw, disparity=disparity, scale=self.scale or 1.0, coded=maps.coded)
            sink.write(number, depth if map_size == frames.size else resample_depth(depth, *frames.size))
            progress.advance()
        # What was read must be what was hashed: under that name it stays.
        for hashed in (self._hashed, self._hashed_camera):
            if hashed is not None:
                hashed.check_unchanged()
        return DepthResult(source, poses_known=known[0], intrinsics_known=known[1], notes=tuple(notes))

    def _source(
        self, maps: DepthMaps, order: list[int], map_size: tuple[int, int], frames: FrameStore, notes: list[str]
    ) -> tuple[Trajectory, tuple[bool, bool]]:
        """The source camera, and whether its poses and its K are known."""
        if self.camera:
            given = read_trajectory(self.camera)
            _check_aspect((given.width, given.height), frames.size, self.camera)
            given = given.for_frames(frames.numbers, frames.fps, self.camera.name)
            return given.resized(*frames.size), (True, True)
        K, E = maps.camera.K, maps.camera.E
        if K is not None and self.fov_deg is None:
            K = _of_frames(K, order, maps.count, 2, self.path)
            normalised = bool(np.all(np.abs(K[..., :2, 2]) < NORMALISED_K))
            K = resize_intrinsics(K, (1, 1) if normalised else map_size, frames.size)
            if not np.all((K[..., :2, 2] > 0) & (K[..., :2, 2] < frames.size)):
                raise BadInputError(
                    f"{self.path} has intrinsics whose principal point lies outside its depth maps.",
                    "Give K for the pixel size of the maps, or the field of view with --fov.",
                )
        else:
            if self.fov_deg is None:
                notes.append(
                    f"The lens is not known; a field of view of {DEFAULT_FOV_DEG:.0f}° is assumed. Give it with --fov."
                )
            K = intrinsics_from_fov(self.fov_deg or DEFAULT_FOV_DEG, *frames.size)
        known = (E is not None, self.fov_deg is not None or maps.camera.K is not None)
        if E is None:
            notes.append(f"{STATIC_NOTE} If it moves, give its poses with --depth-camera.")
            E = np.broadcast_to(np.eye(4), (len(order), 4, 4))
        else:
            E = _of_frames(E, order, maps.count, 2, self.path)
            E = np.broadcast_to(E, (len(order), 4, 4))
        return Trajectory(K, E, *frames.size).numbered(frames.numbers, frames.fps), known


def to_depth(raw: NDArray[np.float32], *, disparity: bool, scale: float, coded: bool) -> NDArray[np.float32]:
    """Stored values (h, w) float32 -> z-depth (h, w) float32; NaN = not measured, inf = sky.

    Args:
        disparity: whether the values are 1/z.
        scale: factor on the values.
        coded: whether the value 0 stands for "not measured".
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        values = raw.astype(np.float64) * scale
        measured = (values >= 0) & ~(coded & (raw == 0)) if disparity else values > 0
        depth = (1 / values if disparity else values).astype(np.float32)
    depth = np.where(depth >= SKY, np.float32(np.inf), depth)
    # What is too near for float32 to tell from zero, such as an infinite disparity, is at the camera itself.
    return np.where(measured & (depth > 0), depth, np.float32(np.nan))


def _order(maps: DepthMaps, frames: FrameStore, path: Path) -> tuple[list[int], list[str]]:
    """Index of the map of each frame."""
    place = {number: index for index, number in enumerate(maps.numbers)}
    missing = [number for number in frames.numbers if number not in place]
    if not missing:
        return [place[number] for number in frames.numbers], []
    if len(missing) < len(frames) and place:
        shown = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        raise BadInputError(f"{path} has no depth for frame {shown}.", "Export them, or leave them out with --frames.")
    if maps.count != len(frames):
        raise BadInputError(
            f"{path} has {maps.count} depth maps, the plate {len(frames)} frames.",
            "Give one map per frame, or choose the frames that have one with --frames.",
        )
    renumbered = f"The depth files' numbers are not the plate's ({maps.numbers[0]}, …), so" if place else ""
    return list(range(maps.count)), [f"{renumbered} they were matched in order."] if renumbered else []


def _of_frames(values: NDArray[Any], order: list[int], count: int, dims: int, path: Path) -> NDArray[Any]:
    """Per-map values in the order of the frames; single ones pass."""
    if values.ndim == dims or len(values) == 1:
        return values
    if len(values) != count:
        raise BadInputError(
            f"{path} has {len(values)} cameras for {count} depth maps.", "Save one camera, or one per map."
        )
    return values[order]


def _map_size(values: NDArray[Any], path: Path) -> tuple[int, int]:
    if values.ndim != 2:
        raise BadInputError(f"{path} has a map of shape {values.shape}.", "Save one channel per frame.")
    return values.shape[1], values.shape[0]


def _check_aspect(size: tuple[int, int], plate: tuple[int, int], path: Path) -> None:
    """A map may be rounded by half a pixel on its own grid besides the tolerance."""
    tolerance = ASPECT_TOLERANCE + 0.5 / min(size)
    if abs(size[0] * plate[1] / (size[1] * plate[0]) - 1) > tolerance:
        raise BadInputError(
            f"{path.name} is for {size[0]}x{size[1]} pixels, another shape than the plate's {plate[0]}x{plate[1]}.",
            "Export it at the plate's size, or at another size of the same aspect.",
        )


def _hash(files: Sequence[Path]) -> str:
    """SHA-256 over names and contents."""
    digest = hashlib.sha256()
    for file in files:
        with reading(file), file.open("rb") as stream:
            digest.update(f"{hashlib.file_digest(stream, 'sha256').hexdigest()} {file.name}\n".encode())
    return digest.hexdigest()
