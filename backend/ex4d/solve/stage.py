# SPDX-License-Identifier: Apache-2.0
"""The stage between plate and depth. Its parts are ranges of frames whose points were followed; what is killed goes on
after the last of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.media.frames import FrameSource
from ex4d.solve.depth_order import DepthOrder
from ex4d.solve.follow import Followed, Gathered, followed
from ex4d.solve.options import SolveOptions
from ex4d.solve.result import write_solve
from ex4d.solve.solve import solve_tracks
from ex4d.solve.tracker import Seen, Tracker
from ex4d.solve.work_picture import WorkPicture
from ex4d.stages.stage import Part, PartedStage, PartOutput, parts_of
from ex4d.system.files import make_folder
from ex4d.system.npz import read_npz
from ex4d.system.progress import Progress

#: Folder of the parts' tracks.
TRACKS = "tracks"
_STATE = ("name", "xy", "anchor", "anchor_xy", "counters", "brightest")
_SEEN = ("seen_frame", "seen_name", "seen_xy", "breaks", "skipped")


def camera_digest(camera: Trajectory) -> str:
    """Hash of all that a trajectory says of its cameras."""
    digest = hashlib.sha256()
    for values in (camera.K, camera.E):
        digest.update(np.ascontiguousarray(values).tobytes())
    digest.update(repr((camera.width, camera.height, camera.frame_numbers, camera.lens)).encode())
    return digest.hexdigest()


@dataclass
class SolveStage(PartedStage):
    """Solves the source camera.

    Attributes:
        plate_key: key of the plate stage.
        frames: its output.
        options: what is known of the camera.
        order: estimates the order of depth where the plate leaves it open; None = nothing does.
    """

    name = "solve"
    version = 3
    weight = 1.0

    plate_key: str
    frames: FrameSource
    options: SolveOptions
    order: DepthOrder | None = None
    _check: Callable[[], None] = field(default=lambda: None, init=False, repr=False)

    def inputs(self) -> dict[str, Any]:
        """See ``Stage``."""
        o = self.options
        inputs = {
            "plate": self.plate_key,
            "source_camera": o.source_camera,
            "fov_deg": o.fov_deg,
            "fov_known": o.fov_known,
            "lens": None if o.lens is None else o.lens.record(),
            "given": None if o.given is None else camera_digest(o.given),
        }
        # Only of a camera that may turn out to move is it asked.
        if self.order is not None and o.given is None and o.source_camera in ("auto", "moves"):
            inputs["order"] = self.order.weights
        return inputs

    def steps(self) -> int:
        """See ``Stage``."""
        return len(self.frames)

    def parts(self) -> Sequence[Part]:
        """See ``PartedWork``."""
        return tuple(parts_of(len(self.frames)))

    def run_parts(self, out: Path, parts: Iterable[Part], progress: Progress) -> Iterator[PartOutput]:
        """See ``PartedWork``."""
        self._check = progress.check
        folder = make_folder(out / TRACKS)
        picture = WorkPicture.of(self.frames)
        tracker = Tracker(picture.size)
        at = 0
        before = {part.stop: part for part in self.parts()}
        for part in parts:
            if part.start != at:
                tracker = _restored(folder / f"{before[part.start].name}.npz", picture)
            seen: list[Seen] = []
            for index in range(part.start, part.stop):
                seen += tracker.add(index, picture.read(index))
                progress.advance()
            at = part.stop
            if at == len(self.frames):
                seen += tracker.finish()
            _write(folder / f"{part.name}.npz", tracker, seen)
            yield PartOutput(part, (f"{TRACKS}/{part.name}.npz",))

    def finish(self, out: Path, done: Sequence[PartOutput]) -> list[str]:
        """See ``PartedWork``."""
        picture = WorkPicture.of(self.frames)
        found = _followed(picture, len(self.frames), [out / output.names[0] for output in done])
        return write_solve(out, solve_tracks(picture, found, self.options, self._check, self.order))


def _followed(picture: WorkPicture, frames: int, parts: Sequence[Path]) -> Followed:
    """What was followed, from the files of all parts."""
    gathered = Gathered()
    brightest = np.zeros(0, np.uint8)
    for part in parts:
        arrays = read_npz(part, (*_STATE, *_SEEN))
        gathered.add(_seen(arrays))
        brightest = arrays["brightest"]
    return followed(picture.size, frames, gathered, brightest)


def _restored(path: Path, picture: WorkPicture) -> Tracker:
    """The tracker as it was after a part."""
    state = read_npz(path, _STATE)
    needed = Tracker.pictures_needed(state)
    return Tracker.restored(picture.size, state, {index: picture.read(index) for index in needed})


def _write(path: Path, tracker: Tracker, seen: Sequence[Seen]) -> None:
    frame = [np.full(len(one.name), one.index, np.int32) for one in seen]
    arrays: dict[str, Any] = {
        **tracker.state(),
        "seen_frame": np.concatenate([np.empty(0, np.int32), *frame]),
        "seen_name": np.concatenate([np.empty(0, np.int32), *(one.name for one in seen)]),
        "seen_xy": np.concatenate([np.empty((0, 2), np.float32), *(one.xy for one in seen)]),
        "breaks": np.array([one.index for one in seen if one.is_break], np.int32),
        "skipped": np.array([one.index for one in seen if one.is_skipped], np.int32),
    }
    with path.open("wb") as file:
        np.savez(file, **cast(Any, arrays))


def _seen(arrays: dict[str, NDArray[Any]]) -> Iterator[Seen]:
    """What was seen in the frames of a part."""
    frame, breaks = arrays["seen_frame"], set(arrays["breaks"].tolist())
    for index in sorted({*frame.tolist(), *breaks}):
        part = frame == index
        yield Seen(index, arrays["seen_name"][part], arrays["seen_xy"][part], is_break=index in breaks)
    for index in arrays["skipped"].tolist():
        yield Seen(index, np.empty(0, np.int32), np.empty((0, 2), np.float32), is_skipped=True)
