# SPDX-License-Identifier: GPL-3.0-or-later
"""Which cameras can be given a move, and what moves them besides."""

from __future__ import annotations

import bpy

from ex4d.protocol.errors import BadInputError

from ..data import camera_data
from ..shot import ShotObjects, is_local, shot_of


def shot_to_move_in(camera_obj: bpy.types.Object, shot: ShotObjects | None) -> ShotObjects:
    """The shot, by default the one that a camera is a child of; BadInputError for cameras that cannot be moved."""
    shot = shot or shot_of(camera_obj)
    if shot is None:
        raise BadInputError(
            f"«{camera_obj.name}» belongs to no shot.", "Make it a take of one, or a child of its root."
        )
    if camera_obj.type != "CAMERA" or camera_obj == shot.source_camera:
        raise BadInputError(f"«{camera_obj.name}» is not a take camera.", "Add a take camera, and animate that one.")
    if not (is_local(camera_obj) and is_local(camera_data(camera_obj))):
        raise BadInputError(
            f"The camera «{camera_obj.name}» is linked from another file.",
            "Move it there, or add a take camera in this file. The take itself can be generated as it is.",
        )
    return shot
