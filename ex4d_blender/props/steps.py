# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps of the work are open in the panel: by what is done, unless the artist has opened or folded one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, IntProperty

from .. import disk_watch
from ..core.assumptions import geometry_needs_look, plate_needs_look
from ..scene import obstacles
from ..scene import shot as shots

#: What ``hand_…`` holds: nobody has touched the step, or somebody has opened or folded it.
_UNTOUCHED, _OPENED, _FOLDED = 0, 1, 2


def is_of_plate(state: Any, shot: shots.ShotObjects) -> bool:
    """Whether a shot was made from the plate that the panel shows; neither is looked for on disk.

    A plate that has moved since was recognised when it was chosen or its file was opened.
    """
    made_from = shot.record["plate"].get("path", "")
    if not made_from or not state.plate_path:
        return True
    return _same_name(bpy.path.abspath(state.plate_path), made_from) or (
        bool(state.plate_shot) and _same_name(state.plate_shot, shot.folder)
    )


def _same_name(one: str, other: str) -> bool:
    return os.path.normcase(os.path.normpath(one)) == os.path.normcase(os.path.normpath(other))


def begins_shot(state: Any) -> bool:
    """Whether the scene's plate is of none of its shots: Reconstruct makes a new one of it, and takes wait for that."""
    found = shots.known(state.id_data).shots
    return bool(found) and not any(is_of_plate(state, shot) for shot in found)


def takes_of_shot(state: Any) -> list[Any]:
    """The takes of the shot that is worked on; none while a new one begins."""
    shot = shots.known(state.id_data).find()
    if shot is None or begins_shot(state):
        return []
    # Those of a shot that is gone are shown with any.
    others = {other.root for other in shots.known(state.id_data).shots if other.root != shot.root}
    return [take for take in state.takes if take.shot not in others]


def is_done(state: Any, step: str) -> bool:
    """Whether there is what a step makes: a plate, its shot, a take, a version."""
    if step == "plate":
        return bool(state.plate_path)
    if step == "takes":
        return len(takes_of_shot(state)) > 0
    if step == "generate":
        return any(len(take.versions) for take in takes_of_shot(state))
    # Another shot's object may be the active one just now.
    return any(is_of_plate(state, shot) for shot in shots.known(state.id_data).shots)


def needs_look(state: Any, step: str) -> bool:
    """Whether a step that is done has assumed something that should be looked at, or its files or its view are lost."""
    return _is_broken(state, step) or _has_assumed(state, step)


def _shot_of_plate(state: Any) -> shots.ShotObjects | None:
    shot = shots.known(state.id_data).find()
    return None if shot is None or not is_of_plate(state, shot) else shot


def _is_broken(state: Any, step: str) -> bool:
    shot, scene = _shot_of_plate(state), state.id_data
    if shot is None or step != "geometry":
        return False
    return disk_watch.lacks_files(scene, shot) or any(obstacles.remembered(scene, shot.root))


def _has_assumed(state: Any, step: str) -> bool:
    shot = _shot_of_plate(state)
    if shot is None:
        return False
    return (step == "geometry" and geometry_needs_look(shot.record)) or (
        step == "plate" and plate_needs_look(shot.record)
    )


def _opens(state: Any, step: str) -> bool:
    """Whether a step that nobody has touched is open: what is next, and what needs a look.

    What was assumed is looked at before the first take: who has one has gone on, and its buttons want the room.
    """
    if step in ("plate", "geometry"):
        if not is_done(state, step):
            return step == "plate" or is_done(state, "plate")
        return _is_broken(state, step) or (not is_done(state, "takes") and _has_assumed(state, step))
    return is_done(state, "geometry") and (step == "takes" or is_done(state, "takes"))


def _open(step: str) -> Any:
    """The property of a step: open or folded."""
    touched = f"hand_{step}"

    def get(state: Any) -> bool:
        hand = getattr(state, touched)
        return hand == _OPENED or (hand == _UNTOUCHED and _opens(state, step))

    def set_by_hand(state: Any, value: bool) -> None:
        # Back where it would be anyway, it follows the work again.
        by_itself = _opens(state, step) == value
        setattr(state, touched, _UNTOUCHED if by_itself else _OPENED if value else _FOLDED)

    return BoolProperty(
        name="Open", get=get, set=set_by_hand, options={"SKIP_SAVE"}, description="Show this step of the work"
    )


class StepsProperties:
    """Steps by name: ``open_…`` for the panel, ``hand_…`` for what the artist has done to them."""

    if TYPE_CHECKING:
        open_plate: bool
        open_geometry: bool
        open_takes: bool
        open_generate: bool
        hand_plate: int
        hand_geometry: int
        hand_takes: int
        hand_generate: int
    else:
        open_plate: _open("plate")
        open_geometry: _open("geometry")
        open_takes: _open("takes")
        open_generate: _open("generate")
        hand_plate: IntProperty(options={"HIDDEN"}, min=_UNTOUCHED, max=_FOLDED)
        hand_geometry: IntProperty(options={"HIDDEN"}, min=_UNTOUCHED, max=_FOLDED)
        hand_takes: IntProperty(options={"HIDDEN"}, min=_UNTOUCHED, max=_FOLDED)
        hand_generate: IntProperty(options={"HIDDEN"}, min=_UNTOUCHED, max=_FOLDED)
