# SPDX-License-Identifier: GPL-3.0-or-later
"""How a shot's mesh shows holes and slits; shots that an earlier version has placed get it when they are asked to."""

from __future__ import annotations

from pathlib import Path

from .. import closing, mesh
from .finding import check_local
from .objects import ShotObjects


def lacks_closing(shot: ShotObjects) -> bool:
    """Whether a shot's mesh, one of this file, shows slits through the source camera and no holes in Solid mode."""
    return shot.mesh is not None and shot.mesh.library is None and not closing.is_attached(shot.mesh)


def close_slits(shot: ShotObjects) -> None:
    """Let a shot's mesh show holes in Solid mode, and no slits through the source camera.

    Raises:
        BadInputError: files are missing or damaged, or the shot is another file's.
    """
    check_local(shot)
    if shot.mesh is not None:
        viewport = mesh.read_viewport(Path(shot.record["viewport"]))
        pivot = float(shot.record["pivot"])
        closing.attach(shot.mesh, viewport, shot.source_camera, first_frame=shot.first_frame, pivot=pivot)
