# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the scene's plate is reconstructed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import bpy

from ex4d.protocol.errors import Ex4dError

from ..core import frame_mapping, records, shot_folders
from . import shot as shots
from .data import scene_state

#: Custom property of a shot's root: it lay beside the .blend.
_BESIDE = "ex4d_beside"


def plate_name(path: str) -> str:
    """What a shot of this plate is called."""
    return frame_mapping.pattern_stem(Path(path).name).rstrip("._- ") or "shot"


def shot_folder(scene: bpy.types.Scene, *, blend: Path | None = None) -> Path:
    """Where the scene's plate is reconstructed: the chosen folder, else that of the scene's shot of this plate, else
    one beside the .blend, else one beside the plate.

    Args:
        blend: the .blend as it will be saved; None: as it is.
    """
    state = scene_state(scene)
    if state.shot_folder:
        return Path(bpy.path.abspath(state.shot_folder)).absolute()
    plate = plate_path(scene)
    known = same_plate_shot(scene, plate)
    if known is not None and Path(known.folder).is_dir():
        return Path(known.folder)
    if blend is None and bpy.data.filepath:
        blend = Path(bpy.data.filepath)
    base = shot_folders.base_folder(blend, plate, shot_folders.documents_folder())
    return shot_folders.shot_folder_for(base, plate_name(state.plate_path), plate)


def plate_path(scene: bpy.types.Scene) -> Path:
    """The chosen plate, absolute."""
    return Path(bpy.path.abspath(scene_state(scene).plate_path)).absolute()


def same_plate_shot(scene: bpy.types.Scene, plate: Path) -> shots.ShotObjects | None:
    """The scene's shot that was made from this plate, by its path or its content: the one that is worked on first."""
    chosen = shots.find_shot(scene)
    found = sorted(shots.find_shots(scene), key=lambda shot: chosen is None or shot.root != chosen.root)
    of_path = (shot for shot in found if shot_folders.same_path(shot.record["plate"].get("path", ""), plate))
    return next(of_path, None) or next((shot for shot in found if _holds(Path(shot.folder), plate)), None)


def _holds(folder: Path, plate: Path) -> bool:
    known = shot_folders.plate_of(folder)
    return known is not None and shot_folders.is_plate_of(known, plate)


def note_beside(scene: bpy.types.Scene) -> None:
    """Remember which shots lie beside the .blend: where it moves and they do not, that is said."""
    if not bpy.data.filepath:
        return
    for shot in shots.find_shots(scene):
        if shots.is_local(shot.root) and _is_beside(shot):
            shot.root[_BESIDE] = True


def is_left_behind(shot: shots.ShotObjects) -> bool:
    """Whether a shot lay beside the .blend, which is somewhere else now; nothing is looked for on disk."""
    return bool(bpy.data.filepath and shot.root.get(_BESIDE)) and not _is_beside(shot)


def leave_behind(shot: shots.ShotObjects) -> None:
    """It is meant to lie there."""
    if shot.root.get(_BESIDE) is not None:
        del shot.root[_BESIDE]


def _is_beside(shot: shots.ShotObjects) -> bool:
    here = Path(bpy.data.filepath).parent / shot_folders.SHOTS_FOLDER
    return os.path.normcase(os.path.normpath(Path(shot.folder).parent)) == os.path.normcase(os.path.normpath(here))


def propose_folder(scene: bpy.types.Scene) -> None:
    """Write down which of the scene's shots its plate is of, and where the next reconstruction goes, for the panel:
    drawing it must not look at the disk."""
    state = scene_state(scene)
    proposed = made = ""
    if state.plate_path and not records.is_newer(state.version):
        # A panel that cannot tell where is no reason to fail; the job will say why.
        with suppress(Ex4dError, OSError, RuntimeError, ValueError):
            known = same_plate_shot(scene, plate_path(scene))
            made = known.folder if known is not None else ""
            proposed = str(shot_folder(scene))
    if state.plate_shot != made:
        state.plate_shot = made
    if state.proposed_folder != proposed:
        state.proposed_folder = proposed
