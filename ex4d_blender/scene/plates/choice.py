# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend is told about a plate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError

from ..camera import scene_fps

#: The number that the first frame of a movie gets.
MOVIE_FIRST_NUMBER = 1001


@dataclass(frozen=True)
class PlateChoice:
    """What the backend is told about a plate.

    Attributes:
        path: a movie, or an image sequence as a pattern, ``plate.####.png``.
        frames: closed range of the plate's own frame numbers, ``1001-1049``; None: all.
        fps: frames per second where Blender knows them, else None.
        scene_start: the scene frame that shows the first of ``frames``, where the strip or clip says so, else None.
        notes: whole sentences.
    """

    path: Path
    frames: str | None
    fps: Fraction | None
    scene_start: int | None
    notes: tuple[str, ...]


def fps_note(fps: Fraction | None, scene: bpy.types.Scene, what: str) -> tuple[str, ...]:
    """What should be known where a strip or clip (``what``) has another rate than the scene."""
    rate = scene_fps(scene)
    if fps is None or abs(float(fps / rate) - 1) < 1e-3:
        return ()
    return (
        f"The {what} has {float(fps):.6g} frames per second, the scene {float(rate):.6g}; "
        "Match Scene to Plate sets the scene.",
    )


def check_exists(path: Path, what: str) -> None:
    """Raise BadInputError for a strip or clip (``what``) whose file is gone."""
    if not path.is_file():
        raise BadInputError(f"The {what}'s file {path} does not exist.", f"Relink the {what} in Blender.")


def movie_length(path: Path) -> int:
    """How many frames Blender's own reader finds in a movie; 0 where it finds none."""
    clip = bpy.data.movieclips.load(str(path))
    try:
        return int(clip.frame_duration)
    finally:
        bpy.data.movieclips.remove(clip)
