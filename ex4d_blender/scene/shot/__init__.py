# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot in a scene: its root, the mesh, the source camera; and the scene settings that fit its plate."""

from ...core.shot_source import pivot_point, source_trajectory
from .finding import (
    SceneShots,
    check_local,
    check_scene,
    chosen_shot,
    find_shot,
    find_shots,
    look_through,
    shot_of,
    take_shot,
)
from .importing import former_shot, import_shot
from .index import camera_state, known, removed, unlisted
from .matching import is_as_new, match_scene, scene_differences
from .objects import ShotObjects
from .relinking import missing_files, move_record, relink
from .tags import PROPERTY, is_local, mark_removed, removed_name, role, tag

__all__ = [
    "PROPERTY",
    "SceneShots",
    "ShotObjects",
    "camera_state",
    "check_local",
    "check_scene",
    "chosen_shot",
    "find_shot",
    "find_shots",
    "former_shot",
    "import_shot",
    "is_as_new",
    "is_local",
    "known",
    "look_through",
    "mark_removed",
    "match_scene",
    "missing_files",
    "move_record",
    "pivot_point",
    "relink",
    "removed",
    "removed_name",
    "role",
    "scene_differences",
    "shot_of",
    "source_trajectory",
    "tag",
    "take_shot",
    "unlisted",
]
