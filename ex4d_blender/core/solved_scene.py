# SPDX-License-Identifier: GPL-3.0-or-later
"""Points and tracks of a source camera's solve, from the backend's files. No Blender in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import read_bytes
from ex4d.system.npz import read_npz

Array = NDArray[np.float64]

SOLVE_FORMAT, SOLVE_VERSION = "ex4d-solve", 1
#: Bytes of solve.json at most.
MAX_JSON = 16 << 20
#: Arrays that are read, with the length of their second axis; 0 = they have none.
_POINTS = {"point_xyz": 3, "point_error": 0, "point_sightings": 0, "point_track": 0}
_SIGHTINGS = {"sighting_frame": 0, "sighting_track": 0, "sighting_xy": 2}
_TRACKS = {"track_moving": 0, "track_on_screen": 0}


@dataclass(frozen=True)
class SolvedScene:
    """What the solve knows of the scene.

    Attributes:
        xyz: (P, 3) float64 points in the shot's world.
        error: (P,) float64 median distance, work pixels, of a point from where it is seen.
        sightings: (P,) int32 in how many frames it is seen.
        frame: (S,) int32 index of the plate's frame of each sighting of a track.
        track: (S,) int32 which track that is, 0..T-1.
        xy: (S, 2) float64 where, as shares of the picture's width and height from its upper left corner.
        aspect: width of the picture divided by its height.
        track_error: (T,) float64 error of a track's point, NaN where it has none.
        moving: (T,) bool whether what a track shows moves by itself.
        on_screen: (T,) bool whether it stands on the screen where the scene moves.
    """

    xyz: Array
    error: Array
    sightings: NDArray[np.int32]
    frame: NDArray[np.int32]
    track: NDArray[np.int32]
    xy: Array
    aspect: float
    track_error: Array
    moving: NDArray[np.bool_]
    on_screen: NDArray[np.bool_]

    def seen_in(self, index: int) -> NDArray[np.int64]:
        """The sightings of the plate's frame with that index."""
        return np.flatnonzero(self.frame == index)


def solve_folder(record: Mapping[str, Any]) -> Path | None:
    """The folder of the solve of a shot's record; None where its camera was not solved."""
    folder = record.get("solve")
    return Path(folder) if folder else None


def solved_of(record: Mapping[str, Any]) -> SolvedScene | None:
    """What was solved of a shot; None where its camera was not.

    Raises:
        BadInputError: the solve's files are gone, damaged or of another version.
    """
    folder = solve_folder(record)
    return read_solved(folder) if folder is not None else None


def read_solved(folder: Path) -> SolvedScene:
    """Read a solve's folder; raises as ``solved_of``."""
    damaged = BadInputError(f"The solve in {folder} is damaged or of another version.", "Reconstruct the shot again.")
    try:
        document = parse_json(read_bytes(folder / "solve.json", MAX_JSON))
        known = (document["format"], document["version"]) == (SOLVE_FORMAT, SOLVE_VERSION)
        width, height = (float(side) for side in document["work_size"])
    except (ValueError, TypeError, KeyError) as error:
        raise damaged from error
    wanted = {**_POINTS, **_SIGHTINGS, **_TRACKS}
    arrays = read_npz(folder / "solve.npz", tuple(wanted))
    if not known or min(width, height) < 1 or not _fit(arrays, wanted):
        raise damaged
    tracks = len(arrays["track_moving"])
    point_track, track, frame = (arrays[name] for name in ("point_track", "sighting_track", "sighting_frame"))
    for index in (point_track, track):
        if index.size and not 0 <= index.min() <= index.max() < tracks:
            raise damaged
    errors = np.full(tracks, np.nan)
    errors[point_track] = arrays["point_error"]
    return SolvedScene(
        arrays["point_xyz"].astype(np.float64),
        arrays["point_error"].astype(np.float64),
        arrays["point_sightings"].astype(np.int32),
        frame.astype(np.int32),
        track.astype(np.int32),
        arrays["sighting_xy"].astype(np.float64) / (width, height),
        width / height,
        errors,
        arrays["track_moving"].astype(bool),
        arrays["track_on_screen"].astype(bool),
    )


def _fit(arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, int]) -> bool:
    """Whether all are there, of numbers, and of shapes that go together."""
    if arrays.keys() != wanted.keys() or any(array.dtype.kind not in "biuf" for array in arrays.values()):
        return False
    for group in (_POINTS, _SIGHTINGS, _TRACKS):
        count = len(arrays[next(iter(group))])
        if any(arrays[name].shape != ((count, more) if more else (count,)) for name, more in group.items()):
            return False
    whole = ("point_track", "sighting_track", "sighting_frame")
    return all(arrays[name].dtype.kind in "iu" for name in whole) and bool(np.isfinite(arrays["point_xyz"]).all())
