# SPDX-License-Identifier: GPL-3.0-or-later
"""The solved points as an object below the shot's root: a mesh of vertices that is looked at, not worked on."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ...core.solved_scene import SolvedPoints
from ..data import mesh_data
from ..parenting import parent_plainly
from .objects import ShotObjects
from .tags import PROPERTY, tag

#: Attributes of its vertices: px of the picture that points were followed in, and how many frames show the point.
ERROR, SIGHTINGS = "error", "sightings"


def place_points(shot: ShotObjects, solved: SolvedPoints | None, title: str) -> None:
    """Give a shot the points of its solve, in place of those that it had; without any the object goes.

    They are children of the root, hidden from renders, and cannot be selected in viewports.
    """
    obj = shot.points
    if solved is None or not len(solved.xyz):
        if obj is not None:
            _remove(obj)
        return
    data = build_points(solved, title)
    if obj is None:
        obj = bpy.data.objects.new(title, data)
        shot.collection.objects.link(obj)
        parent_plainly(obj, shot.root)
        tag(obj, "points", shot.folder)
        shot.root[PROPERTY]["points"] = obj
        obj.lock_location = obj.lock_rotation = obj.lock_scale = (True, True, True)
        obj.hide_render = obj.hide_select = True
        return
    old = mesh_data(obj)
    obj.data = data
    if old.users == 0:
        bpy.data.meshes.remove(old)
        data.name = title


def build_points(solved: SolvedPoints, name: str) -> bpy.types.Mesh:
    """A mesh of the points alone, with ``ERROR`` and ``SIGHTINGS`` as attributes."""
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(solved.xyz))
    mesh.vertices.foreach_set("co", solved.xyz.astype(np.float32).ravel())
    error: Any = mesh.attributes.new(ERROR, "FLOAT", "POINT")
    error.data.foreach_set("value", solved.error.astype(np.float32))
    sightings: Any = mesh.attributes.new(SIGHTINGS, "INT", "POINT")
    sightings.data.foreach_set("value", solved.sightings)
    mesh.update()
    return mesh


def _remove(obj: bpy.types.Object) -> None:
    data = mesh_data(obj)
    bpy.data.objects.remove(obj)
    if data.users == 0:
        bpy.data.meshes.remove(data)
