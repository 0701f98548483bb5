# SPDX-License-Identifier: Apache-2.0
"""What a solve says, and its files: ``solve.json``, ``solve.npz`` and the camera as a trajectory file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory, write_json
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.solve.kind import Kind, Numbers
from ex4d.solve.lens_test import LensState
from ex4d.solve.plate_facts import shots
from ex4d.solve.tracks import Tracks
from ex4d.system.files import atomic_path, atomic_write
from ex4d.system.inputs import read_bytes
from ex4d.system.npz import read_npz

Array = NDArray[np.float64]

SOLVE_FORMAT, SOLVE_VERSION = "ex4d-solve", 1
SOLVE_FILE, ARRAYS_FILE, CAMERA_FILE = "solve.json", "solve.npz", "solved_camera.json"
#: Bytes of solve.json at most.
MAX_JSON = 16 << 20

#: What is known of the lens; "given" where the focal length was not solved for.
Lens = Literal[LensState, "given"]


@dataclass(frozen=True)
class SolvedPoints:
    """Points of the scene.

    Attributes:
        xyz: (P, 3) float64 in the world of the camera.
        error: (P,) float64 median distance, work pixels, from where it is seen.
        sightings: (P,) int32 in how many frames it is seen.
        angle: (P,) float64 greatest angle between its rays, degrees.
        track: (P,) int32 its track.
    """

    xyz: Array
    error: Array
    sightings: NDArray[np.int32]
    angle: Array
    track: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.xyz)

    @classmethod
    def none(cls) -> SolvedPoints:
        """No points."""
        nothing, whole = np.empty(0), np.empty(0, np.int32)
        return cls(np.empty((0, 3)), nothing, whole, nothing, whole)


@dataclass(frozen=True)
class Solve:
    """What is known of a plate's camera.

    Attributes:
        kind: of the shot.
        lens: what is known of the focal length.
        camera: K and E per frame, of the plate's pixels, with its frame numbers; the first camera stands at the origin,
            and the near end of what it sees is at 1, unless cameras were given: then the world is theirs.
        points: of the scene; none where the camera does not move.
        tracks: in work pixels.
        moving: (count,) bool of the tracks: it contradicts the solve, so what it shows moves by itself.
        on_screen: (count,) bool of the tracks: it stands on the screen where the scene moves (a burn-in, dirt).
        interpolated: numbers of the frames whose camera was not found but laid between those around it.
        given: numbers of the frames whose camera was given.
        cuts: numbers of the frames at which the plate seems to cut.
        repeats: numbers of the frames that repeat the one before.
        numbers: what decided.
        refused: sentences: which kinds of shot it was found not to be, and why.
        notes: sentences for the report.
    """

    kind: Kind
    lens: Lens
    camera: Trajectory
    points: SolvedPoints
    tracks: Tracks
    moving: NDArray[np.bool_]
    on_screen: NDArray[np.bool_]
    interpolated: tuple[int, ...] = ()
    given: tuple[int, ...] = ()
    cuts: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()
    numbers: Numbers = field(default_factory=Numbers)
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def shots(self) -> tuple[tuple[int, int], ...]:
        """Numbers of the first and the last frame of each shot that the cuts leave: of the whole plate where it has no
        cut."""
        numbers = self.camera.frame_numbers or tuple(range(len(self.camera)))
        return shots([numbers.index(cut) for cut in self.cuts], numbers)

    def moving_mask(self, index: int) -> NDArray[np.bool_]:
        """(height, width) work pixels of the frame with that index: where most of the tracks around move by
        themselves."""
        part = self.tracks.in_frame(index)
        track, xy = self.tracks.track[part], self.tracks.xy[part]
        width, height = self.tracks.size
        cell = max(4, round(max(width, height) / MASK_CELLS))
        shape = (-(-height // cell), -(-width // cell))
        votes = np.zeros(shape)
        column, row = np.clip(xy // cell, 0, [shape[1] - 1, shape[0] - 1]).astype(int).T
        vote = np.where(self.moving[track], 1.0, -1.0) * ~self.on_screen[track]
        np.add.at(votes, (row, column), vote)
        return np.kron(votes > 0, np.ones((cell, cell), bool))[:height, :width]


#: Cells along the longer side in which a mask of what moves is voted for.
MASK_CELLS = 32

_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_LENSES: dict[str, Lens] = {lens: lens for lens in ("given", *get_args(LensState))}
_LISTS = ("interpolated", "given", "cuts", "repeats", "refused", "notes")
_POINTS = tuple(field.name for field in fields(SolvedPoints))


def write_solve(folder: Path, solve: Solve) -> list[str]:
    """Write the files into a folder; returns their names."""
    document = {
        "format": SOLVE_FORMAT,
        "version": SOLVE_VERSION,
        "kind": solve.kind,
        "lens": solve.lens,
        **{name: list(getattr(solve, name)) for name in _LISTS},
        "shots": [list(shot) for shot in solve.shots],
        "numbers": {name: value for name, value in asdict(solve.numbers).items() if value is not None},
        "points": len(solve.points),
        "tracks": solve.tracks.count,
        "moving": int(solve.moving.sum()),
        "on_screen": int(solve.on_screen.sum()),
        "work_size": list(solve.tracks.size),
        "camera": CAMERA_FILE,
        "arrays": ARRAYS_FILE,
    }
    write_json(folder / CAMERA_FILE, solve.camera)
    with atomic_path(folder / ARRAYS_FILE) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            **{f"point_{name}": getattr(solve.points, name) for name in _POINTS},
            sighting_frame=solve.tracks.frame,
            sighting_track=solve.tracks.track,
            sighting_xy=solve.tracks.xy.astype(np.float32),
            track_moving=solve.moving,
            track_on_screen=solve.on_screen,
        )
    atomic_write(folder / SOLVE_FILE, json.dumps(document, indent=1).encode())
    return [SOLVE_FILE, ARRAYS_FILE, CAMERA_FILE]


def read_solve(folder: Path) -> Solve:
    """Read what ``write_solve`` wrote.

    Raises:
        BadInputError: a file is missing, damaged or of another version.
    """
    damaged = BadInputError(f"The solve in {folder} is damaged or of another version.", "Solve the camera again.")
    try:
        document: dict[str, Any] = parse_json(read_bytes(folder / SOLVE_FILE, MAX_JSON))
        is_known = (document["format"], document["version"]) == (SOLVE_FORMAT, SOLVE_VERSION)
    except (ValueError, TypeError, KeyError) as error:
        raise damaged from error
    if not is_known:
        raise damaged
    try:
        arrays = read_npz(
            folder / ARRAYS_FILE,
            (
                *(f"point_{name}" for name in _POINTS),
                "sighting_frame",
                "sighting_track",
                "sighting_xy",
                "track_moving",
                "track_on_screen",
            ),
        )
        camera = read_trajectory(folder / CAMERA_FILE)
        moving = arrays["track_moving"].astype(bool)
        width, height = document["work_size"]
        tracks = Tracks(
            (width, height),
            len(camera),
            arrays["sighting_frame"].astype(np.int32),
            arrays["sighting_track"].astype(np.int32),
            arrays["sighting_xy"].astype(np.float64),
            len(moving),
        )
        return Solve(
            _KINDS[document["kind"]],
            _LENSES[document["lens"]],
            camera,
            SolvedPoints(**{name: arrays[f"point_{name}"] for name in _POINTS}),
            tracks,
            moving,
            arrays["track_on_screen"].astype(bool),
            **{name: tuple(document[name]) for name in _LISTS},
            numbers=Numbers(**document["numbers"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise damaged from error
