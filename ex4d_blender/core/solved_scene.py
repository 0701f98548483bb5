# SPDX-License-Identifier: GPL-3.0-or-later
"""Points and tracks of a source camera's solve, from the backend's files. No Blender in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import read_bytes
from ex4d.system.npz import read_npz

Array = NDArray[np.float64]

SOLVE_FORMAT, SOLVE_VERSION = "ex4d-solve", 1
CAMERA_FILE = "solved_camera.json"
#: Focal lengths that differ by less than this share are the same.
SAME_FOCAL = 1e-3
#: Bytes of solve.json at most.
MAX_JSON = 16 << 20
#: Arrays that are read, with the length of their second axis; 0 = they have none.
_POINTS = {"point_xyz": 3, "point_error": 0, "point_sightings": 0, "point_track": 0}
_SIGHTINGS = {"sighting_frame": 0, "sighting_track": 0, "sighting_xy": 2}
_TRACKS = {"track_moving": 0, "track_on_screen": 0}


@dataclass(frozen=True)
class SolvedPoints:
    """Points of the scene.

    Attributes:
        xyz: (P, 3) float64 in the shot's world.
        error: (P,) float64 median distance, work pixels, from where a point is seen.
        sightings: (P,) int32 in how many frames it is seen.
    """

    xyz: Array
    error: Array
    sightings: NDArray[np.int32]


@dataclass(frozen=True)
class SolvedTracks:
    """What was followed through the plate.

    Attributes:
        frame: (S,) int32 index of the plate's frame of each sighting.
        track: (S,) int32 which track it is of, 0..T-1.
        xy: (S, 2) float64 where, as shares of the picture's width and height from its upper left corner.
        camera: the solved one of each frame, of all the plate's pixels.
        error: (T,) float64 error of a track's point, NaN where it has none.
        moving: (T,) bool whether what a track shows moves by itself.
        on_screen: (T,) bool whether it stands on the screen where the scene moves.
    """

    frame: NDArray[np.int32]
    track: NDArray[np.int32]
    xy: Array
    camera: Trajectory
    error: Array
    moving: NDArray[np.bool_]
    on_screen: NDArray[np.bool_]

    def seen_in(self, index: int) -> NDArray[np.int64]:
        """The sightings of the plate's frame with that index."""
        return np.flatnonzero(self.frame == index)

    def on_frame(self, index: int, view: Trajectory) -> Array | None:
        """Where the sightings of the plate's frame with that index lie as Blender shows the plate: without what its
        lens bends, and without what lies around its frame.

        Args:
            view: the shot's source camera per frame.

        Returns:
            (N, 2) shares of the frame's width and height from its upper left corner; None where that is not known.

        Raises:
            BadInputError: the lens has no inverse there.
        """
        if not 0 <= index < min(len(self.camera), len(view)):
            return None
        K, size = view.K[index], np.array([view.width, view.height])
        focal, middle = np.array([K[0, 0], K[1, 1]]), K[:2, 2]
        pixels = self.xy[self.seen_in(index)] * (self.camera.width, self.camera.height)
        if (view.width, view.height) != (self.camera.width, self.camera.height):
            own = self.camera.K[index]
            # The frame was cut out of the plate's pixels: the same lens looks at both.
            if not np.allclose((own[0, 0], own[1, 1]), focal, rtol=SAME_FOCAL):
                return None
            pixels = pixels + middle - own[:2, 2]
        if view.lens is not None:
            pixels = view.lens.undistort((pixels - middle) / focal) * focal + middle
        return np.asarray(pixels / size)


def solve_folder(record: Mapping[str, Any]) -> Path | None:
    """The folder of the solve of a shot's record; None where its camera was not solved."""
    folder = record.get("solve")
    return Path(folder) if folder else None


def read_points(folder: Path) -> SolvedPoints:
    """The points of a solve's folder.

    Raises:
        BadInputError: its files are gone, damaged or of another version.
    """
    _work_size(folder)
    arrays = _read(folder, _POINTS)
    return SolvedPoints(
        arrays["point_xyz"].astype(np.float64),
        arrays["point_error"].astype(np.float64),
        arrays["point_sightings"].astype(np.int32),
    )


def read_tracks(folder: Path) -> SolvedTracks:
    """The tracks of a solve's folder; raises as ``read_points``."""
    width, height = _work_size(folder)
    arrays = _read(folder, _POINTS, _SIGHTINGS, _TRACKS)
    count = len(arrays["track_moving"])
    for index in (arrays["point_track"], arrays["sighting_track"]):
        if index.size and not 0 <= index.min() <= index.max() < count:
            raise _damaged(folder)
    camera = read_trajectory(folder / CAMERA_FILE)
    errors = np.full(count, np.nan)
    errors[arrays["point_track"]] = arrays["point_error"]
    return SolvedTracks(
        arrays["sighting_frame"].astype(np.int32),
        arrays["sighting_track"].astype(np.int32),
        arrays["sighting_xy"].astype(np.float64) / (width, height),
        camera,
        errors,
        arrays["track_moving"].astype(bool),
        arrays["track_on_screen"].astype(bool),
    )


def _damaged(folder: Path) -> BadInputError:
    return BadInputError(f"The solve in {folder} is damaged or of another version.", "Reconstruct the shot again.")


def _work_size(folder: Path) -> tuple[float, float]:
    """(width, height) of the picture that points were followed in."""
    try:
        document = parse_json(read_bytes(folder / "solve.json", MAX_JSON))
        known = (document["format"], document["version"]) == (SOLVE_FORMAT, SOLVE_VERSION)
        width, height = (float(side) for side in document["work_size"])
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(folder) from error
    if not known or min(width, height) < 1:
        raise _damaged(folder)
    return width, height


def _read(folder: Path, *groups: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """Arrays of the solve: those of a group have one length."""
    wanted = {name: more for group in groups for name, more in group.items()}
    arrays = read_npz(folder / "solve.npz", tuple(wanted))
    if arrays.keys() != wanted.keys() or any(array.dtype.kind not in "biuf" for array in arrays.values()):
        raise _damaged(folder)
    for group in groups:
        count = len(arrays[next(iter(group))])
        if any(arrays[name].shape != ((count, more) if more else (count,)) for name, more in group.items()):
            raise _damaged(folder)
    whole = (name for name in ("point_track", "sighting_track", "sighting_frame") if name in arrays)
    if any(arrays[name].dtype.kind not in "iu" for name in whole) or not np.isfinite(arrays["point_xyz"]).all():
        raise _damaged(folder)
    return arrays
