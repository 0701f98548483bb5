# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve's tracks over the plate, in viewports that look through the source camera: where each point was seen in
this frame, coloured by how well the solved camera explains it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from gpu_extras.batch import batch_for_shader
from numpy.typing import NDArray

import gpu
from ex4d.camera import Trajectory
from ex4d.protocol.errors import BadInputError

from ..core.shot_rules import parsed_record
from ..core.shot_source import source_trajectory
from ..core.solved_scene import SolvedTracks, read_tracks, solve_folder
from ..props import state_of
from ..scene import editors, hooks
from ..scene import shot as shots
from ..scene.data import camera_data

Array = NDArray[np.float64]
Colours = NDArray[np.float32]

#: Pixels of the screen.
DOT = 5.0
#: Corners of the two triangles of a square, from -1 to 1.
_SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)], np.float64)
#: Error, px of the picture that was followed, from which a track is yellow; without one it is green.
POOR_ERROR = 1.0
GOOD, POOR = np.array([0.2, 0.9, 0.3, 1.0]), np.array([1.0, 0.85, 0.1, 1.0])
#: What moves by itself; what stands on the screen; what no point came of.
MOVING, ON_SCREEN, UNUSED = (1.0, 0.2, 0.2, 1.0), (0.3, 0.5, 1.0, 1.0), (0.6, 0.6, 0.6, 0.8)

_handle: Any = None


@lru_cache(maxsize=4)
def _read(folder: Path) -> SolvedTracks | None:
    """A solve's tracks, read once; None where its files are gone: drawing tells no errors."""
    try:
        return read_tracks(folder)
    except BadInputError:
        return None


@lru_cache(maxsize=4)
def _view(record: str) -> Trajectory | None:
    """The source camera of a shot's record, read once; None where its file is gone."""
    try:
        return source_trajectory(parsed_record(record))
    except BadInputError:
        return None


def forget() -> None:
    """Read again what was read before."""
    _read.cache_clear()
    _view.cache_clear()


def colours(solved: SolvedTracks, sightings: NDArray[np.int64]) -> Colours:
    """(N, 4) float32 RGBA of those sightings."""
    track = solved.track[sightings]
    share = np.clip(solved.error[track] / POOR_ERROR, 0, 1)[:, None]
    out = np.where(np.isnan(share), UNUSED, GOOD + np.nan_to_num(share) * (POOR - GOOD))
    out[solved.moving[track]] = MOVING
    out[solved.on_screen[track]] = ON_SCREEN
    return out.astype(np.float32)


def places(corners: Array, xy: Array) -> Array:
    """Where sightings lie on a camera's frame.

    Args:
        corners: (4, D) of the frame: upper right, lower right, lower left, upper left, as Blender gives them.
        xy: (N, 2) shares of the picture's width and height from its upper left corner.

    Returns:
        (N, D) in the space of the corners.
    """
    upper_right, _, lower_left, upper_left = corners
    across, down = upper_right - upper_left, lower_left - upper_left
    return np.asarray(upper_left + xy[:, :1] * across + xy[:, 1:] * down)


def shown(scene: bpy.types.Scene, camera: bpy.types.Object | None) -> tuple[Array, Colours] | None:
    """What is drawn of the tracks of the shot whose source camera ``camera`` is, in the scene's frame: where on the
    camera's frame, (N, 2) as ``places`` takes them, and (N, 4) colours. None where nothing is."""
    if not hasattr(scene, "ex4d") or not state_of(scene).show_tracks or camera is None:
        return None
    for shot in shots.known(scene).shots:
        folder = solve_folder(shot.record) if shot.source_camera == camera else None
        solved = _read(folder) if folder is not None else None
        view = _view(str(shot.root[shots.PROPERTY]["record"])) if solved is not None else None
        if solved is None or view is None:
            continue
        index = scene.frame_current - shot.first_frame
        try:
            xy = solved.on_frame(index, view)
        except BadInputError:
            continue
        if xy is not None and len(xy):
            return xy, colours(solved, solved.seen_in(index))
    return None


def _draw() -> None:
    # Its space is a viewport's, which the handler was added to.
    context: Any = bpy.context
    scene = context.scene
    looking = editors.viewed_camera(context.space_data, context.region_data, scene)
    if not context.space_data.overlay.show_overlays:
        return
    found = shown(scene, looking)
    if looking is None or found is None:
        return
    xy, coloured = found
    camera = looking.evaluated_get(context.evaluated_depsgraph_get())
    frame = [camera.matrix_world @ corner for corner in camera_data(camera).view_frame(scene=scene)]
    seen = [location_3d_to_region_2d(context.region, context.region_data, corner) for corner in frame]
    if None in seen:
        return
    where = places(np.array([corner[:] for corner in seen]), xy)
    half = DOT / 2 * context.preferences.system.ui_scale
    shader = gpu.shader.from_builtin("FLAT_COLOR")
    gpu.state.blend_set("ALPHA")
    corners = (where[:, None] + half * _SQUARE).reshape(-1, 2)
    values = {"pos": corners.astype(np.float32), "color": coloured.repeat(len(_SQUARE), axis=0)}
    batch_for_shader(shader, "TRIS", values).draw(shader)
    gpu.state.blend_set("NONE")


def register() -> None:
    """Draw into 3D viewports; without a window there is nothing to draw into."""
    global _handle  # noqa: PLW0603
    if not bpy.app.background:
        _handle = hooks.add_to_viewports(_draw)


def unregister() -> None:
    """Stop drawing there."""
    global _handle  # noqa: PLW0603
    forget()
    if _handle is not None:
        hooks.remove_from_viewports(_handle)
        _handle = None
