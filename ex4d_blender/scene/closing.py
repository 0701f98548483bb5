# SPDX-License-Identifier: GPL-3.0-or-later
"""The faces that are not surface: holes in Solid mode too, and no slits through the source camera.

A geometry-nodes modifier behind the mesh cache does both. It lies in the file and needs neither handler nor add-on.

- In viewports torn faces, skirt and cap have a material of their own: Solid mode shows a material's active picture and
  knows nothing of validity, and that one's picture is clear, or of the holes' colour. Renders keep the one material,
  which knows by itself.
- Where the scene's camera stands where the source camera stands, each torn face, and the skirt, is added once more,
  flat, in the depth of its farthest corner. From there it fills the slit, and its picture is the plate's to the pixel.
  (A camera that pans or zooms in that place sees no more than the source camera.) It is a part of its own, with
  ``material.CLOSED`` as its attribute. Renders have the cap so too: rays that pass exactly through a vertex may miss
  all the faces around it.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import material
from .data import mesh_data
from .mesh import CLOSING_MODIFIER as MODIFIER
from .mesh import MODIFIER as CACHE_MODIFIER
from .mesh import PLATE_UV, PROJECTION_MODIFIER, ViewportFolder
from .node_building import (
    FACE_PICTURE_INPUTS,
    Builder,
    face_picture_values,
    give_values,
    given_values,
    is_group,
    known_group,
    new_group,
)

GROUP = "EX-4D Holes and Slits"
#: The group's inputs: name and kind of socket.
INPUTS = {
    "Source Camera": "NodeSocketObject",
    "Validity": "NodeSocketImage",
    **FACE_PICTURE_INPUTS,
    "Hole Material": "NodeSocketMaterial",
    "Reach": "NodeSocketFloat",
    "Close Slits": "NodeSocketBool",
}
#: How far from the source camera a camera may stand that sees no slit, as a share of the pivot's distance: a twentieth
#: of a pixel's parallax at 500 pixels of focal length.
REACH = 1e-4
#: A closing face lies that share of its depth behind the surface that it touches, which so stays in front.
BEHIND = 1e-4
#: It is that much larger than its gap, with its picture, so that no ray passes between it and what it touches.
OVERLAP = 0.02


def _grown(build: Builder, value: Any) -> Any:
    """A vector of a face's corners moved away from the face's middle by ``OVERLAP``."""
    middle = build.per_face(value, "FLOAT_VECTOR")
    return build.vector("ADD", middle, build.scaled(build.vector("SUBTRACT", value, middle), 1 + OVERLAP))


def _farthest(build: Builder, depth: Any) -> Any:
    """The largest depth among a quad's corners; a field of faces."""
    face = build.out("GeometryNodeInputIndex")
    found = None
    for number in range(4):
        corner = build.node("GeometryNodeCornersOfFace", face)
        corner.inputs["Sort Index"].default_value = number
        vertex = build.out("GeometryNodeVertexOfCorner", corner.outputs["Corner Index"])
        # Its sockets stand in another order in Blender 4.5.
        here = build.node("GeometryNodeFieldAtIndex", domain="POINT", data_type="FLOAT")
        build.put(here.inputs["Index"], vertex)
        build.put(here.inputs["Value"], depth)
        depth_there = here.outputs["Value"]
        found = depth_there if found is None else build.math("MAXIMUM", found, depth_there)
    return build.out("GeometryNodeFieldOnDomain", found, domain="FACE", data_type="FLOAT")


def _closing_faces(build: Builder, torn: Any, source: Any) -> Any:
    """The torn faces as a part of their own, flat and in the depth of the farthest corner of each."""
    apart = build.out("GeometryNodeSplitEdges", torn)
    position = build.out("GeometryNodeInputPosition")
    to_camera = build.out("FunctionNodeInvertMatrix", source.outputs["Transform"])
    seen = build.node("ShaderNodeSeparateXYZ", build.out("FunctionNodeTransformPoint", position, to_camera))
    depth = build.math("MULTIPLY", seen.outputs["Z"], -1.0)
    ratio = build.math("DIVIDE", build.math("MULTIPLY", _farthest(build, depth), 1 + BEHIND), depth)
    centre = source.outputs["Location"]
    flat = build.vector("ADD", centre, build.scaled(build.vector("SUBTRACT", position, centre), ratio))
    flattened = build.node("GeometryNodeSetPosition", apart)
    build.put(flattened.inputs["Position"], flat)
    # A node of its own: the middle of a face is evaluated as such, not as the mean of what its corners become.
    placed = build.node("GeometryNodeSetPosition", flattened.outputs["Geometry"])
    build.put(placed.inputs["Position"], _grown(build, position))
    picture = _grown(build, build.attribute(PLATE_UV, "FLOAT_VECTOR"))
    textured = build.stored(placed.outputs["Geometry"], PLATE_UV, picture, data_type="FLOAT2", domain="CORNER")
    marked = build.stored(textured, material.CLOSED, 1.0, data_type="FLOAT", domain="FACE")
    # As an instance: joining it would copy the whole mesh.
    return build.out("GeometryNodeGeometryToInstance", marked)


def _new_group() -> Any:
    tree = new_group(GROUP, INPUTS)
    build = Builder(tree)
    given = tree.nodes.new("NodeGroupInput").outputs
    # Looked up once for both.
    captured = build.node("GeometryNodeCaptureAttribute", given["Geometry"], domain="FACE")
    captured.capture_items.new("BOOLEAN", "Torn")
    build.put(captured.inputs["Torn"], build.less(build.picture_of_faces(given, given["Validity"]), 0.5))
    mesh, torn = captured.outputs["Geometry"], captured.outputs["Torn"]
    in_viewport = build.out("GeometryNodeIsViewport")
    painted = build.node("GeometryNodeSetMaterial", mesh)
    build.put(painted.inputs["Selection"], torn)
    build.put(painted.inputs["Material"], given["Hole Material"])
    shown = build.out(
        "GeometryNodeSwitch", in_viewport, given["Geometry"], painted.outputs["Geometry"], input_type="GEOMETRY"
    )
    # Through the source camera.
    source = build.node("GeometryNodeObjectInfo", given["Source Camera"], transform_space="RELATIVE")
    camera = build.out("GeometryNodeInputActiveCamera")
    active = build.node("GeometryNodeObjectInfo", camera, transform_space="RELATIVE")
    away = build.node(
        "ShaderNodeVectorMath", active.outputs["Location"], source.outputs["Location"], operation="DISTANCE"
    )
    there = build.less(away.outputs["Value"], given["Reach"])
    # Quads and two triangles at each vertex of the rim: what follows is the cap.
    width, height = given["Grid Width"], given["Grid Height"]
    around = build.math("MULTIPLY", build.math("SUBTRACT", build.math("ADD", width, height), 2.0), 4.0)
    across, down = build.math("SUBTRACT", width, 1.0), build.math("SUBTRACT", height, 1.0)
    fringe = build.less(build.out("GeometryNodeInputIndex"), build.math("MULTIPLY_ADD", across, down, around))
    in_render = build.out("FunctionNodeBooleanMath", in_viewport, operation="NOT")
    wanted = build.both(torn, build.either(fringe, in_render))
    gaps = build.out("GeometryNodeSeparateGeometry", mesh, wanted, domain="FACE")
    closing = _closing_faces(build, gaps, source)
    filled = build.out(
        "GeometryNodeSwitch", build.both(there, given["Close Slits"]), None, closing, input_type="GEOMETRY"
    )
    joined = build.node("GeometryNodeJoinGeometry")
    build.put(joined.inputs[0], filled)
    build.put(joined.inputs[0], shown)
    output = tree.nodes.new("NodeGroupOutput")
    build.put(output.inputs["Geometry"], joined.outputs[0])
    return tree


def attach(
    obj: bpy.types.Object,
    viewport: ViewportFolder,
    source: bpy.types.Object | None,
    *,
    first_frame: int,
    pivot: float,
) -> None:
    """Give a mesh object with our material the modifier, right behind its mesh cache, or bring a former one up to date.

    Args:
        source: the source camera; None: there is none, and nothing is closed.
        first_frame: the scene frame of the plate's first picture.
        pivot: the pivot's distance from the source camera, in the shot's units.
    """
    surface = next((item for item in mesh_data(obj).materials if material.is_ours(item)), None)
    if surface is None:
        return
    material.bring_up_to_date(surface)
    modifier: Any = obj.modifiers.get(MODIFIER)
    if modifier is None:
        obj.modifiers.new(MODIFIER, "NODES")
        obj.modifiers.move(len(obj.modifiers) - 1, obj.modifiers.find(CACHE_MODIFIER) + 1)
        modifier = obj.modifiers[MODIFIER]
    modifier.node_group = known_group(GROUP, INPUTS) or _new_group()
    hole = given_values(modifier)["Hole Material"] or material.build_hole_material(f"{surface.name} Hole")
    values = {
        "Source Camera": source,
        "Validity": material.validity_image(surface),
        **face_picture_values(viewport.grid, viewport.pictures, first_frame),
        "Hole Material": hole,
        "Reach": REACH * pivot,
        "Close Slits": source is not None and not _shows_take(obj),
    }
    give_values(modifier, values)
    update_hole_style(obj)
    obj.update_tag()


def _shows_take(obj: bpy.types.Object) -> bool:
    """Whether a mesh object shows a take in place of the plate: what would close its slits no take has seen."""
    return obj.modifiers.get(PROJECTION_MODIFIER) is not None


def follow_material(obj: bpy.types.Object) -> None:
    """Let the modifier of a mesh object, where it has one, look at the pictures that its material looks at now, and
    close slits where it shows the plate."""
    surface = next((item for item in mesh_data(obj).materials if material.is_ours(item)), None)
    given = inputs_of(obj)
    if surface is None or given is None:
        return
    former = given["Validity"]
    closes = given["Source Camera"] is not None and not _shows_take(obj)
    give_values(obj.modifiers[MODIFIER], {"Validity": material.validity_image(surface), "Close Slits": closes})
    if former is not None and former.users == 0:
        bpy.data.images.remove(former)


def is_attached(obj: bpy.types.Object) -> bool:
    """Whether a mesh object has the modifier."""
    return obj.modifiers.get(MODIFIER) is not None


def inputs_of(obj: bpy.types.Object) -> dict[str, Any] | None:
    """What the modifier of a mesh object was given, by the names in ``INPUTS``; None where it has none."""
    modifier: Any = obj.modifiers.get(MODIFIER)
    if modifier is None or not is_group(modifier.node_group, GROUP, INPUTS):
        return None
    return given_values(modifier)


def update_hole_style(obj: bpy.types.Object) -> None:
    """Let the faces that are no surface look in viewports as our material of a mesh object has its holes."""
    surface = next((item for item in mesh_data(obj).materials if material.is_ours(item)), None)
    given = inputs_of(obj)
    if surface is None or given is None:
        return
    hole = given["Hole Material"]
    if hole is not None and hole.library is None:
        transparent, color = material.hole_style(surface)
        material.set_hole_look(hole, transparent=transparent, color=color)
