# SPDX-License-Identifier: GPL-3.0-or-later
"""A reconstructed shot put into a scene, or renewed there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from ex4d.camera import Trajectory
from ex4d.protocol.errors import BadInputError

from ...core import axes, records
from ...core.shot_rules import check_record, first_frame_of, is_same_plate
from ...core.shot_source import source_trajectory
from ...core.solved_scene import read_points, solve_folder
from .. import (
    camera,
    clip_distances,
    closing,
    heat_maps,
    material,
    mesh,
    mesh_building,
    mesh_switches,
    picked_points,
    projection,
    scan,
)
from ..data import camera_data, mesh_data, node_tree
from ..parenting import parent_plainly
from . import index
from .finding import check_local, check_scene, find_shot, find_shots
from .objects import ShotObjects, collect
from .points import place_points
from .tags import PROPERTY, role, tag

#: A source camera shows what is nearer than this share of the pivot's distance to nobody.
NEAR_SHARE = 1e-2
#: The backdrop lies on the far plane of the source camera; a take camera may be further away from it.
FAR_FACTOR = 4.0


def import_shot(
    scene: bpy.types.Scene, record: Mapping[str, Any], *, first_frame: int | None = None, name: str | None = None
) -> ShotObjects:
    """Put a reconstructed shot into a scene, or renew the one of the same folder.

    Renewed are mesh, material, solved points and the source camera's animation. The root stays where it was put; take
    cameras, hole style and whatever the artist added stay as they are. Nothing is changed when an error is raised.

    Args:
        record: the result of a ``reconstruct`` job.
        first_frame: the scene frame of the plate's first picture; None: as before, else the plate's own number.
        name: of the new objects; None: that of the shot's folder.

    Raises:
        BadInputError: files are missing or damaged.
    """
    check_scene(scene)
    check_record(record)
    try:
        text = json.dumps(dict(record), allow_nan=False)
    except (TypeError, ValueError) as error:
        # Written down, it could not be read again.
        raise BadInputError("The shot's record has a value that is none.", "Reconstruct the shot again.") from error
    folder, numbers = record["shot"], list(record["plate"]["numbers"])
    former = former_shot(scene, record)
    if former is not None:
        check_local(former)
    viewport = mesh.read_viewport(Path(record["viewport"]))
    if list(viewport.numbers) != numbers:
        raise BadInputError("The shot's mesh and its plate have other frame numbers.", "Reconstruct the shot again.")
    source = source_trajectory(record)
    start = first_frame_of(
        first_frame,
        former.first_frame if former else None,
        numbers,
        tuple(record["plate"].get("handles", (0, 0))),
    )
    solve = solve_folder(record)
    points = read_points(solve) if solve is not None else None
    title = name or (former.root.name if former else Path(folder).name)
    # First all that can fail.
    mesh_data = mesh_building.build_mesh(viewport, f"{title} Mesh")
    try:
        mesh_material = material.build_material(viewport, title, first_frame=start)
    except BadInputError:
        bpy.data.meshes.remove(mesh_data)
        raise
    root = former.root if former else _new_root(scene, title)
    if former is not None:
        picked_points.forget_if_renewed(root, former.record, record)
    tag(root, "root", folder, first_frame=start, record=text, version=records.VERSION)
    parts = (("mesh", former.mesh), ("source", former.source_camera), ("points", former.points)) if former else ()
    for part, obj in parts:
        if obj is not None:
            root[PROPERTY][part] = obj
    for obj in scan.descendants(root):
        if role(obj) is not None and obj.library is None:
            obj[PROPERTY]["shot"] = folder
    # Nearer than the source camera shows anything: arrows and their letters would stand in the middle of the plate.
    root.empty_display_type, root.empty_display_size = "PLAIN_AXES", 0.5 * NEAR_SHARE * float(record["pivot"])
    collection = scan.collections_of(root)[0]
    _place_mesh(former, root, collection, mesh_data, mesh_material, f"{title} Mesh")
    shot = collect(root)
    assert shot.mesh is not None
    mesh.attach_cache(shot.mesh, viewport, start)
    _place_source_camera(shot, source, float(record["pivot"]), float(record["far"]), f"{title} Source Camera")
    place_points(shot, points, f"{title} Points")
    shot = collect(root)
    if shot.mesh is not None:
        # It was of the former mesh.
        heat_maps.hide(shot.mesh)
        closing.attach(shot.mesh, viewport, shot.source_camera, first_frame=start, pivot=float(record["pivot"]))
    if former is None or scene.camera is None:
        # The plate is seen at once; Blender's startup scene has a camera elsewhere.
        scene.camera = shot.source_camera
    _settle(scene)
    return shot


def _settle(scene: bpy.types.Scene) -> None:
    """Let Blender and panels know of what was placed; the mesh is evaluated by whoever shows it next, once."""
    with mesh.at_rest(scene):
        camera.refresh(scene)
    index.renew()


def former_shot(scene: bpy.types.Scene, record: Mapping[str, Any]) -> ShotObjects | None:
    """The scene's shot that a record renews: of the same folder, or of the same plate where its own folder is gone."""
    known = find_shot(scene, record["shot"])
    if known is not None:
        return known
    return next(
        (shot for shot in find_shots(scene) if not Path(shot.folder).exists() and is_same_plate(shot.record, record)),
        None,
    )


def _new_root(scene: bpy.types.Scene, title: str) -> bpy.types.Object:
    collection = bpy.data.collections.new(title)
    scene.collection.children.link(collection)
    root = bpy.data.objects.new(title, None)
    root.rotation_euler = axes.ROOT_ROTATION
    collection.objects.link(root)
    return root


def _lock(obj: bpy.types.Object) -> None:
    obj.lock_location = obj.lock_rotation = obj.lock_scale = (True, True, True)


def _place_mesh(
    former: ShotObjects | None,
    root: bpy.types.Object,
    collection: bpy.types.Collection,
    data: bpy.types.Mesh,
    new_material: bpy.types.Material,
    title: str,
) -> None:
    if former is None or former.mesh is None:
        data.materials.append(new_material)
        obj = bpy.data.objects.new(title, data)
        collection.objects.link(obj)
        parent_plainly(obj, root)
        # Moved by itself it would no longer be where the cameras see it; the root may be moved.
        _lock(obj)
        tag(obj, "mesh", root[PROPERTY]["shot"])
        root[PROPERTY]["mesh"] = obj
        return
    obj, old = former.mesh, mesh_data(former.mesh)
    old_material = next((item for item in old.materials if material.is_ours(item)), None)
    if old_material is not None:
        transparent, color = material.hole_style(old_material)
        material.set_hole_style(new_material, transparent=transparent, color=color)
    data.materials.append(new_material)
    for item in old.materials:
        # The artist's own.
        if item is not None and not material.is_ours(item):
            data.materials.append(item)
    obj.data = data
    title = old.name
    mesh_switches.renew(obj, old_material)
    # It was of the former mesh.
    projection.detach(obj)
    if old.users == 0:
        bpy.data.meshes.remove(old)
        data.name = title
    if old_material is not None and old_material.users == 0:
        title = old_material.name
        old_image = material.validity_image(old_material)
        if old_image is not None:
            # The modifier looks at it too.
            old_image.user_remap(node_tree(new_material).nodes[material.VALID_NODE].image)
        material.remove_material(old_material)
        if old_image is not None and old_image.users == 0:
            bpy.data.images.remove(old_image)
        new_material.name = title
    for node in (material.COLOR_NODE, material.VALID_NODE):
        node_tree(new_material).nodes[node].image.name = f"{new_material.name} {node.rsplit(' ', 1)[1]}"


def _place_source_camera(shot: ShotObjects, source: Trajectory, pivot: float, far: float, title: str) -> None:
    obj = shot.source_camera
    if obj is None:
        obj = bpy.data.objects.new(title, bpy.data.cameras.new(title))
        shot.collection.objects.link(obj)
        parent_plainly(obj, shot.root)
        tag(obj, "source", shot.folder)
        shot.root[PROPERTY]["source"] = obj
        # It must keep matching the plate; takes are made with other cameras.
        _lock(obj)
    camera.own_animation(obj)
    data = camera_data(obj)
    data.display_size = 0.05 * pivot * (shot.aligned_scale or 1.0)
    clip_distances.set_clip_distances(data, NEAR_SHARE * pivot, FAR_FACTOR * far, shot.aligned_scale)
    camera.apply_trajectory(obj, source, frames=list(shot.frames))
