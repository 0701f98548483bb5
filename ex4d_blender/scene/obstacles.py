# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands between the source camera and a shot's mesh: Blender's startup cube, or parts of the artist's scene."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from . import mesh_switches, scan
from .data import mesh_data
from .shot import PROPERTY, ShotObjects

#: Custom property of a shot's root: the names of what stood in the way when it was last looked at.
IN_THE_WAY = "ex4d_in_the_way"
#: Rays from the source camera, and how much nearer than the mesh something must be.
RAYS, NEARER = 400, 0.98
#: Share of the mesh that an object may hide where CG goes into the plate: what the camera stands in hides all of it.
MOST_OF_CG = 0.5
_SOLID = {"MESH", "CURVE", "SURFACE", "FONT", "META", "CURVES", "POINTCLOUD", "VOLUME", "GPENCIL", "GREASEPENCIL"}


def find(scene: bpy.types.Scene, shot: ShotObjects) -> list[bpy.types.Object]:
    """Visible objects that hide some of the mesh from the source camera at the scene's frame; not those of the shot.

    Rays go from the camera to points of the mesh: exact for meshes, by the bounding box for other objects. Once the
    mesh is set up for CG, what stands before it is meant to, and only what hides more than ``MOST_OF_CG`` is found.
    """
    camera, mesh = shot.source_camera, shot.mesh
    if camera is None or mesh is None:
        return []
    layer = next((item for item in scene.view_layers if camera.name in item.objects), None)
    if layer is None:
        return []
    others = [obj for obj in scan.layer_objects(layer) if _may_hide(obj, layer, shot)]
    if not others:
        return []
    layer.update()
    graph = layer.depsgraph
    assert graph is not None
    seen = mesh.evaluated_get(graph)
    data = mesh_data(seen)
    flat = np.empty(3 * len(data.vertices), np.float32)
    position: Any = data.attributes["position"]
    position.data.foreach_get("vector", flat)
    points = flat.reshape(-1, 3)
    chosen = np.random.default_rng(0).choice(len(points), min(RAYS, len(points)), replace=False)
    matrix = np.array(seen.matrix_world, np.float64)
    targets = points[np.sort(chosen)] @ matrix[:3, :3].T + matrix[:3, 3]
    eye = camera.evaluated_get(graph).matrix_world.translation.copy()
    most = int(MOST_OF_CG * len(targets)) if mesh_switches.is_in_cg(mesh) else 0
    return [obj for obj in others if _hides(obj.evaluated_get(graph), eye, targets, most)]


def _may_hide(obj: bpy.types.Object, layer: bpy.types.ViewLayer, shot: ShotObjects) -> bool:
    if obj.type not in _SOLID or obj.get(PROPERTY) is not None or obj.hide_get(view_layer=layer):
        return False
    current: bpy.types.Object | None = obj
    while current is not None:
        if current == shot.root:
            return False
        current = current.parent
    return obj.visible_get(view_layer=layer) and obj.display_type not in ("BOUNDS", "WIRE")


def _hides(obj: bpy.types.Object, eye: Vector, targets: np.ndarray, most: int) -> bool:
    """Whether an object stands between the eye and more than ``most`` of the targets."""
    hidden = 0
    inverse = obj.matrix_world.inverted_safe()
    start = inverse @ eye
    corners = np.array([corner[:] for corner in obj.bound_box])
    low, high = corners.min(0), corners.max(0)
    for target in targets:
        ray = inverse @ (eye + NEARER * (Vector(target) - eye)) - start
        if _meets_box(np.array(start), np.array(ray), low, high) and (
            obj.type != "MESH" or obj.ray_cast(start, ray.normalized(), distance=ray.length)[0]
        ):
            hidden += 1
            if hidden > most:
                return True
    return False


def _meets_box(start: np.ndarray, ray: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether the ray, from its start to its end, meets a box."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(low - start) / ray, (high - start) / ray])
    near, far = np.nanmax(sides.min(0)), np.nanmin(sides.max(0))
    return bool(near <= far and far >= 0 and near <= 1)


def remember(scene: bpy.types.Scene, shot: ShotObjects) -> list[bpy.types.Object]:
    """Look, and note it on the shot's root for the panel; returns what was found."""
    found = find(scene, shot)
    if found:
        shot.root[IN_THE_WAY] = "\n".join(obj.name for obj in found)
    elif shot.root.get(IN_THE_WAY) is not None:
        del shot.root[IN_THE_WAY]
    return found


def remembered(scene: bpy.types.Scene, root: bpy.types.Object) -> Iterator[bpy.types.Object]:
    """What was found when last looked at, and is still there and seen; reads no geometry."""
    for name in str(root.get(IN_THE_WAY, "")).splitlines():
        obj = scene.objects.get(name)
        if obj is not None and obj.visible_get():
            yield obj
