# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished take projected from its own camera on the shot's mesh, in place of the plate.

The mesh's material shows the take's pictures; what the take has not seen of the mesh is a hole. Where a point of the
mesh lies in the picture is computed by a geometry-nodes modifier, which writes it into the UV map of the plate's
pictures: so Solid mode, EEVEE and Cycles show it alike, and shadow catcher, relight and heat maps go on working. The
version's cameras are the vertices of a mesh that stands in no scene, one a frame, in full precision: whatever becomes
of the take's camera, the pictures stay where they were made. All of it lies in the file and needs neither handler nor
add-on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory, read_trajectory
from ex4d.protocol.errors import BadInputError

from ..core.deliveries import DeliveredTake
from . import closing, material
from .files import check_playable, load_sequence, numbered_files
from .mesh import MODIFIER as CACHE_MODIFIER
from .mesh import PLATE_UV, ViewportFolder
from .mesh import PROJECTION_MODIFIER as MODIFIER
from .node_building import Builder, give_values, given_values, is_group, known_group, new_group

GROUP = "EX-4D Take Projection"
INPUTS = {"Cameras": "NodeSocketObject", "First Frame": "NodeSocketInt", "Frames": "NodeSocketInt"}
#: Attributes of a camera's vertex: how far across and down the picture a point of the shot's world lies, both times its
#: depth, and the depth, by a factor for each of its axes; and what is added to the three.
ACROSS, DOWN, DEPTH, ADDED = "ex4d_across", "ex4d_down", "ex4d_depth", "ex4d_added"
#: Custom property of the cameras' object: what people call the take and its version.
TITLE = "ex4d_take"
#: What is no nearer to the camera is behind it, and was never seen.
LEAST_DEPTH = 1e-6


def camera_rows(cameras: Trajectory) -> dict[str, NDArray[np.float32]]:
    """Attributes (T, 3) float32 of cameras without a lens, by name: the rows of K·E over the picture's size."""
    rows = np.einsum("tij,tjk->tik", cameras.K, cameras.E[:, :3, :])
    rows = rows / np.array([cameras.width, cameras.height, 1.0])[None, :, None]
    values = {name: rows[:, k, :3] for k, name in enumerate((ACROSS, DOWN, DEPTH))}
    return {name: found.astype(np.float32) for name, found in {**values, ADDED: rows[:, :, 3]}.items()}


def _camera_table(cameras: Trajectory, title: str) -> bpy.types.Object:
    """An object in no scene whose vertices are the cameras."""
    data = bpy.data.meshes.new(f"{title} Cameras")
    data.vertices.add(len(cameras))
    for name, values in camera_rows(cameras).items():
        attribute: Any = data.attributes.new(name, "FLOAT_VECTOR", "POINT")
        attribute.data.foreach_set("vector", np.ascontiguousarray(values).ravel())
    table = bpy.data.objects.new(f"{title} Cameras", data)
    table[TITLE] = title
    return table


def _dot(build: Builder, first: Any, second: Any) -> Any:
    node = build.node("ShaderNodeVectorMath", first, second, operation="DOT_PRODUCT")
    return node.outputs["Value"]


def _new_group() -> Any:
    tree = new_group(GROUP, INPUTS)
    build = Builder(tree)
    given = tree.nodes.new("NodeGroupInput").outputs
    frame = build.math("FLOOR", build.node("GeometryNodeInputSceneTime").outputs["Frame"])
    last = build.math("SUBTRACT", given["Frames"], 1.0)
    index = build.math("MINIMUM", build.math("SUBTRACT", frame, given["First Frame"]), last)
    index = build.math("MAXIMUM", index, 0.0)
    table = build.node("GeometryNodeObjectInfo", given["Cameras"]).outputs["Geometry"]

    def of_camera(name: str) -> Any:
        value = build.attribute(name, "FLOAT_VECTOR")
        node = build.node("GeometryNodeSampleIndex", data_type="FLOAT_VECTOR", domain="POINT")
        sockets = [item for item in node.inputs if item.enabled]
        for socket, item in zip(sockets, (table, value, index), strict=True):
            build.put(socket, item)
        return next(item for item in node.outputs if item.enabled)

    position = build.out("GeometryNodeInputPosition")
    added = build.node("ShaderNodeSeparateXYZ", of_camera(ADDED)).outputs
    across, down, depth = (
        build.math("ADD", _dot(build, position, of_camera(name)), added[k])
        for k, name in enumerate((ACROSS, DOWN, DEPTH))
    )
    depth = build.math("MAXIMUM", depth, LEAST_DEPTH)
    place = build.node(
        "ShaderNodeCombineXYZ",
        build.math("DIVIDE", across, depth),
        build.math("SUBTRACT", 1.0, build.math("DIVIDE", down, depth)),
    )
    # Computed at each vertex, not four times at the corners around it.
    at_vertices = build.out("GeometryNodeFieldOnDomain", place.outputs[0], domain="POINT", data_type="FLOAT_VECTOR")
    stored = build.stored(given["Geometry"], PLATE_UV, at_vertices, data_type="FLOAT2", domain="CORNER")
    output = tree.nodes.new("NodeGroupOutput")
    build.put(output.inputs["Geometry"], stored)
    return tree


def _table_of(obj: bpy.types.Object | None) -> Any:
    """The cameras that a mesh object's modifier projects from; None where there is none."""
    modifier: Any = obj.modifiers.get(MODIFIER) if obj is not None else None
    if modifier is None or not is_group(modifier.node_group, GROUP, INPUTS):
        return None
    return given_values(modifier)["Cameras"]


def shown(obj: bpy.types.Object | None) -> str | None:
    """What people call the take and its version that a shot's mesh shows; None where it shows the plate."""
    table = _table_of(obj)
    return None if table is None else str(table.get(TITLE, ""))


def detach(obj: bpy.types.Object) -> None:
    """Take the modifier away, with its cameras; the material is left as it is."""
    modifier = obj.modifiers.get(MODIFIER)
    if modifier is None:
        return
    table = _table_of(obj)
    obj.modifiers.remove(modifier)
    if table is not None and table.users == 0:
        data = table.data
        bpy.data.objects.remove(table)
        if data is not None and data.users == 0:
            bpy.data.meshes.remove(data)


def show(
    obj: bpy.types.Object,
    surface: bpy.types.Material,
    viewport: ViewportFolder,
    take: DeliveredTake,
    seen: Path,
    *,
    title: str,
    first_frame: int,
) -> None:
    """Project a take's pictures on a shot's mesh, from the cameras that they were made with. Nothing is changed when an
    error is raised.

    Args:
        obj: the mesh, one of this file.
        surface: its material that shows the plate, or another take.
        viewport: what the mesh is made from.
        take: the version.
        seen: folder of pictures with one pixel per quad, white where the take has seen it, one for each plate frame.
        title: what people call take and version.
        first_frame: the scene frame of the plate's first picture.

    Raises:
        BadInputError: pictures are missing, or the cameras, or these are bent by a lens.
    """
    cameras = read_trajectory(Path(take.trajectory))
    if cameras.lens is not None or len(cameras) != len(take.numbers):
        raise BadInputError(
            f"The cameras of {title} cannot be projected from.",
            "Generate the take again, without the plate's lens: Take Lens, None.",
        )
    check_playable(take.numbers, f"The take {title}")
    files = numbered_files(Path(take.result), take.numbers, f"The take {title}")
    masks = numbered_files(seen, viewport.pictures, f"What {title} has seen of the mesh")
    picture = load_sequence(files[0], title, is_data=False, colour=take.colour)
    try:
        mask = load_sequence(masks[0], f"{title} Seen", is_data=True)
    except BadInputError:
        bpy.data.images.remove(picture)
        raise
    start = first_frame + take.numbers[0] - viewport.numbers[0]
    detach(obj)
    material.show_pictures(surface, picture, take.numbers, start)
    material.show_validity(surface, mask, viewport.pictures, first_frame)
    obj.modifiers.new(MODIFIER, "NODES")
    obj.modifiers.move(len(obj.modifiers) - 1, obj.modifiers.find(CACHE_MODIFIER) + 1)
    modifier: Any = obj.modifiers[MODIFIER]
    modifier.node_group = known_group(GROUP, INPUTS) or _new_group()
    table = _camera_table(cameras, title)
    give_values(modifier, {"Cameras": table, "First Frame": start, "Frames": len(cameras)})
    closing.follow_material(obj)
    obj.update_tag()


def hide(
    obj: bpy.types.Object, surface: bpy.types.Material, viewport: ViewportFolder, *, title: str, first_frame: int
) -> None:
    """Show the plate on a shot's mesh again. Nothing is changed when an error is raised.

    Args:
        obj: the mesh, one of this file.
        surface: its material.
        viewport: what the mesh is made from.
        title: what the material's pictures are called after.
        first_frame: the scene frame of the plate's first picture.

    Raises:
        BadInputError: pictures of the plate are missing.
    """
    plate, validity = material.load_pictures(viewport, title)
    detach(obj)
    material.show_pictures(surface, plate, viewport.pictures, first_frame)
    material.show_validity(surface, validity, viewport.pictures, first_frame)
    closing.follow_material(obj)
    obj.update_tag()
