# SPDX-License-Identifier: Apache-2.0
"""Depth that somebody else made: a learned model, a renderer, a scanner, read from files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory, resize_intrinsics
from ex4d.camera.camera_arrays import CAMERA_NAMES
from ex4d.depth.affine import AffineDepth, relative_depth
from ex4d.depth.base import FOV_NOTE, STATIC_NOTE, DepthFrame, DepthResult, DepthSink
from ex4d.depth.kinds import LIKE_DEPTH, LIKE_DISPARITY, is_normalised, upward_share
from ex4d.depth.maps import (
    DEPTH_NAMES,
    LATER_CAMERA_NAMES,
    DepthMaps,
    array_names,
    count_error,
    is_sequence,
    map_files,
    open_maps,
    unread_note,
)
from ex4d.depth.resample import resample_depth
from ex4d.media.exr import depth_reader_version
from ex4d.media.frames import FrameSource, frame_window
from ex4d.media.picture_facts import PixelWindow
from ex4d.media.sequences import format_ranges
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.values import DEFAULT_FOV_DEG
from ex4d.stages.plate_pixels import on_plate, plate_intrinsics, square_size
from ex4d.system.inputs import HashedFiles, open_input
from ex4d.system.progress import Progress
from ex4d.system.threads import prefetched

#: Two pictures with sides in the same ratio, up to this share, show the same view at another size.
ASPECT_TOLERANCE = 0.01
#: Renderers write a large number where nothing was hit (Blender 1e10, others 1e9 and up).
SKY = 1e9
#: Maps that are looked at for what their values are, and values of a map that are looked at for the shot's range.
LOOKED_AT, SAMPLES = 5, 4096
#: Arrays that may stand beside the depth of Video Depth Anything, which saves nothing else.
_LONE_DEPTHS = frozenset(("depths",))
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
        kind: what the values are; None = what the array's name says, else depth; but values from exactly 0 to exactly
            1 under a name that says depth are relative disparity (``kinds``), unless a scale is given.
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
        options = {
            "files": self._hashed.hash,
            "kind": self.kind,
            "scale": self.scale,
            "camera": self._hashed_camera.hash if self._hashed_camera else None,
            "fov_deg": self.fov_deg,
        }
        # What files are read in another way than before has another key; the shots of all others keep theirs.
        try:
            reading = {"relative": self._is_relative, "cameras": self._has_later_cameras()}
        except BadInputError:
            # Reading will say it.
            reading = {}
        # What is not read any more is not taken from what was made before either.
        first = map_files(self.path)[0]
        if first.suffix.lower() == ".exr" and (version := depth_reader_version(first)):
            options["reader"] = version
        return {**options, **{name: 1 for name, applies in reading.items() if applies}}

    @cached_property
    def _is_relative(self) -> bool:
        """Whether the file holds relative disparity under a name that says depth."""
        if self.kind is not None or self.scale is not None or is_sequence(self.path):
            return False
        name = next((name for name in DEPTH_NAMES if name in array_names(self.path)), None)
        return name is not None and is_normalised(self.path, name)

    def _has_later_cameras(self) -> bool:
        """Whether cameras are taken from the depth's files that were not always read there."""
        if self.camera is not None:
            return False
        names = set(array_names(self.path))
        return bool(names & set(CAMERA_NAMES if is_sequence(self.path) else LATER_CAMERA_NAMES))

    @cached_property
    def _hashed(self) -> HashedFiles:
        files = map_files(self.path)
        return HashedFiles.of(files, lambda: _hash(files))

    @cached_property
    def _hashed_camera(self) -> HashedFiles | None:
        files = (self.camera,) if self.camera else ()
        return HashedFiles.of(files, lambda: _hash(files)) if files else None

    def steps(self, frames: FrameSource) -> int:
        """See ``DepthSource``."""
        return len(frames)

    def estimate(self, frames: FrameSource, sink: DepthSink, scratch: Path, progress: Progress) -> DepthResult:
        """See ``DepthSource``."""
        notes: list[str] = []
        maps = open_maps(self.path, scratch, len(frames), frames.size)
        if maps.coded and self.scale is None:
            raise UsageError(
                "PNG depth files need a scale.", "Give the depth of code value 1 with --depth-scale, such as 0.001."
            )
        order, order_note = _order(maps, frames, self.path)
        notes += order_note
        map_size = _map_size(maps.read(order[0]), self.path)
        window = frame_window(frames)
        if map_size != frames.size:
            _check_aspect(map_size, frames, self.path)
        if map_size not in (frames.size, (window.width, window.height)):
            notes.append(
                f"The depth maps have {map_size[0]}x{map_size[1]} pixels and were resampled to the plate's size."
            )
        notes += unread_note(maps, self.path)
        source, known = self._source(maps, order, map_size, frames, notes)
        disparity = self.kind == "disparity" or (self.kind is None and bool(maps.disparity))
        relative = self._relative_map(maps, order) if self._is_relative else None
        notes += self._kind_notes(maps, order, disparity=disparity)
        for number, raw in zip(frames.numbers, prefetched(maps.read, order), strict=True):
            if _map_size(raw, self.path) != map_size:
                raise BadInputError(
                    f"The depth of frame {number} has another size than that of the first frame.",
                    "Export all maps in one size.",
                )
            if relative is not None:
                depth = relative(raw)
            else:
                depth = to_depth(raw, disparity=disparity, scale=self.scale or 1.0, coded=maps.coded)
            sink.write(DepthFrame(number, depth if map_size == frames.size else _on_plate(depth, frames)))
            progress.advance()
        # What was read must be what was hashed: under that name it stays.
        for hashed in (self._hashed, self._hashed_camera):
            if hashed is not None:
                hashed.check_unchanged()
        return DepthResult(source, poses_known=known[0], intrinsics_known=known[1], notes=tuple(notes))

    @staticmethod
    def _relative_map(maps: DepthMaps, order: list[int]) -> AffineDepth:
        """From the shot's relative disparities to depth, as for an estimator's."""
        sampled = (maps.read(index).ravel() for index in order)
        return relative_depth(np.concatenate([values[:: max(1, len(values) // SAMPLES)] for values in sampled]))

    def _kind_notes(self, maps: DepthMaps, order: list[int], *, disparity: bool) -> list[str]:
        """Sentences on what the values were taken for, where that is not plain."""
        name = f"«{maps.name}» of {self.path.name}" if maps.name else self.path.name
        if self._is_relative:
            return [
                f"The values of {name} go from exactly 0 to exactly 1, as DepthCrafter saves relative disparity, and "
                "were read so: 1 is near. --depth-kind depth reads them as z-depth."
            ]
        if self.kind is not None:
            return []
        looked = (maps.read(index) for index in order[:: -(-len(order) // LOOKED_AT)])
        shares = [share for share in map(upward_share, looked) if share is not None]
        share = float(np.median(shares)) if shares else (LIKE_DISPARITY + LIKE_DEPTH) / 2
        if disparity and share >= LIKE_DEPTH:
            return [
                f"The values of {name} bend over surfaces as z-depth does, but were read as disparity, as the name "
                "says. --depth-kind depth reads them as z-depth."
            ]
        if not disparity and share <= LIKE_DISPARITY:
            return [
                f"The values of {name} are as straight over surfaces as disparity is, but were read as z-depth. "
                "--depth-kind disparity reads them as disparity."
            ]
        if not disparity and share < LIKE_DEPTH and self.scale is None and frozenset(maps.names) == _LONE_DEPTHS:
            return [
                f"The values of {name} were read as z-depth. Video Depth Anything saves relative disparity under this "
                "name: --depth-kind disparity reads it so."
            ]
        return []

    def _source(
        self, maps: DepthMaps, order: list[int], map_size: tuple[int, int], frames: FrameSource, notes: list[str]
    ) -> tuple[Trajectory, tuple[bool, bool]]:
        """The source camera, and whether its poses and its K are known."""
        if self.camera:
            window = frame_window(frames)
            given = read_trajectory(self.camera, (window.width, window.height))
            _check_aspect((given.width, given.height), frames, self.camera)
            given = given.for_frames(frames.numbers, frames.fps, self.camera.name)
            notes += given.notes
            return on_plate(given, frames), (True, True)
        K, E = maps.camera.K, maps.camera.E
        if K is not None and self.fov_deg is None:
            K = _of_frames(K, order, maps.count, 2, self.path)
            normalised = bool(np.all(np.abs(K[..., :2, 2]) < NORMALISED_K))
            window = PixelWindow(0, 0, *frames.size) if map_size == frames.size else frame_window(frames)
            K = resize_intrinsics(K, (1, 1) if normalised else map_size, (window.width, window.height))
            K[..., :2, 2] += window.left, window.top
            if not np.all((K[..., :2, 2] > 0) & (K[..., :2, 2] < frames.size)):
                raise BadInputError(
                    f"{self.path} has intrinsics whose principal point lies outside its depth maps.",
                    "Give K for the pixel size of the maps, or the field of view with --fov.",
                )
        else:
            if self.fov_deg is None:
                notes.append(FOV_NOTE)
            K = plate_intrinsics(self.fov_deg or DEFAULT_FOV_DEG, frames)
        known = (E is not None, self.fov_deg is not None or maps.camera.K is not None)
        if E is None:
            notes.append(f"{STATIC_NOTE} If it moves, give its poses with --source-camera.")
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


def _order(maps: DepthMaps, frames: FrameSource, path: Path) -> tuple[list[int], list[str]]:
    """Index of the map of each frame."""
    place = {number: index for index, number in enumerate(maps.numbers)}
    missing = [number for number in frames.numbers if number not in place]
    if not missing:
        return [place[number] for number in frames.numbers], []
    if len(missing) < len(frames) and place:
        shown = ", ".join(map(str, missing[:5])) + (", …" if len(missing) > 5 else "")
        raise BadInputError(f"{path} has no depth for frame {shown}.", "Export them, or leave them out with --frames.")
    if maps.count != len(frames):
        raise count_error(path, maps.count, len(frames))
    if not place:
        return list(range(maps.count)), []
    notes = [f"The depth files' numbers are not the plate's ({maps.numbers[0]}, …), so they were matched in order."]
    return list(range(maps.count)), notes + _gap_notes(maps.numbers, frames.numbers, path)


def _gap_notes(numbers: Sequence[int], wanted: Sequence[int], path: Path) -> list[str]:
    """What to say of gaps in a sequence that is matched in order.

    Raises:
        BadInputError: the gaps are irregular, and not the plate's own, so that files are missing.
    """
    steps = np.diff(numbers)
    if (steps == np.diff(wanted)).all():
        return []
    if (steps == steps[0]).all():
        return [f"They are numbered in steps of {steps[0]}: one was taken for each frame of the plate."]
    gaps = [range(a + 1, b) for a, b in pairwise(numbers) if b > a + 1]
    raise BadInputError(
        f"{path} has no depth {format_ranges(gaps)}, and its numbers are not the plate's.",
        "Export the missing maps, or number the files as the plate's frames.",
    )


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


def _on_plate(depth: NDArray[np.float32], frames: FrameSource) -> NDArray[np.float32]:
    """A map of the frame, of any size, at the plate's pixels. Overscan is not measured there, but for the pixels next
    to the frame, which take its depth: a surface reaches to the middle of its outermost pixel, and would show only
    half of the frame's."""
    window = frame_window(frames)
    resampled = resample_depth(depth, window.width, window.height)
    if frames.frame is None:
        return resampled
    out = np.full((frames.height + 2, frames.width + 2), np.nan, np.float32)
    out[window.top : window.top + window.height + 2, window.left : window.left + window.width + 2] = np.pad(
        resampled, 1, mode="edge"
    )
    return np.ascontiguousarray(out[1:-1, 1:-1])


def _check_aspect(size: tuple[int, int], frames: FrameSource, path: Path) -> None:
    """A map is of all pixels of the plate or of the frame, in its pixels or in square ones. It may be rounded by half a
    pixel on its own grid besides the tolerance."""
    window = frame_window(frames)
    plate = (window.width, window.height)
    shapes = (frames.size, plate, square_size(plate, frames.pixel_aspect))
    tolerance = ASPECT_TOLERANCE + 0.5 / min(size)
    if all(abs(size[0] * shape[1] / (size[1] * shape[0]) - 1) > tolerance for shape in shapes):
        raise BadInputError(
            f"{path.name} is for {size[0]}x{size[1]} pixels, another shape than the plate's {plate[0]}x{plate[1]}.",
            "Export it at the plate's size, or at another size of the same aspect.",
        )


def _hash(files: Sequence[Path]) -> str:
    """SHA-256 over names and contents."""
    digest = hashlib.sha256()
    for file in files:
        with open_input(file) as stream:
            digest.update(f"{hashlib.file_digest(stream, 'sha256').hexdigest()} {file.name}\n".encode())  # type: ignore[arg-type]  # it has readinto
    return digest.hexdigest()
