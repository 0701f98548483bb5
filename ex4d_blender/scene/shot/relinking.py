# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a shot's files are: looking for them, and following them to another folder."""

from __future__ import annotations

import json
from pathlib import Path

import bpy

from ex4d.protocol.errors import BadInputError

from ...core.shot_rules import moved_record
from .. import closing, material, mesh, projection, scan
from ..data import mesh_data
from . import index
from .finding import check_local, shot_of
from .objects import ShotObjects
from .tags import PROPERTY, role


def relink(mesh_obj: bpy.types.Object, folder: Path) -> None:
    """Let a shot's mesh play from another viewport folder with the same mesh: the shot was moved. It shows the plate.

    The shot's record follows: what lay in the old shot folder is now looked for in the new one.

    Raises:
        BadInputError: the folder lacks files, or is that of another mesh.
    """
    if (shot := shot_of(mesh_obj)) is not None:
        check_local(shot)
    viewport = mesh.read_viewport(folder)
    if viewport.vertices != len(mesh_data(mesh_obj).vertices):
        raise BadInputError(
            f"{folder} holds a mesh of {viewport.vertices} vertices, not {len(mesh_data(mesh_obj).vertices)}.",
            "Choose the folder of this shot, or import the shot anew.",
        )
    mesh.check_point_cache(viewport.pc2, viewport.vertices, len(viewport.numbers))
    start = shot.first_frame if shot else viewport.numbers[0]
    shows_take = projection.shown(mesh_obj) is not None
    for item in mesh_data(mesh_obj).materials:
        if item is not None and material.is_ours(item):
            if shows_take:
                projection.hide(mesh_obj, item, viewport, title=item.name, first_frame=start)
                continue
            material.point_to(item, viewport)
            material.retime(item, viewport.pictures, start)
    mesh.attach_cache(mesh_obj, viewport, start)
    if shot is not None and closing.is_attached(mesh_obj):
        pivot = float(shot.record["pivot"])
        closing.attach(mesh_obj, viewport, shot.source_camera, first_frame=start, pivot=pivot)
    if shot is not None:
        move_record(shot, folder)


def move_record(shot: ShotObjects, viewport: Path) -> None:
    """Let a shot's record say that its viewport folder is at ``viewport``, and all else beside it as it was."""
    record = moved_record(shot.record, shot.folder, viewport)
    for obj in (shot.root, *scan.descendants(shot.root)):
        if role(obj) is not None:
            obj[PROPERTY]["shot"] = record["shot"]
    shot.root[PROPERTY]["record"] = json.dumps(record)
    index.renew()


def missing_files(mesh_obj: bpy.types.Object) -> list[str]:
    """The files that a shot's mesh needs to play and that are not there."""
    paths = [path for path in (mesh.cache_path(mesh_obj),) if path is not None]
    for item in mesh_data(mesh_obj).materials:
        if item is not None and material.is_ours(item):
            paths += material.picture_paths(item)
    return [str(path) for path in paths if not path.is_file()]
