# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a shot's mesh, drawn on it in colours: coverage, measured depth, stretch.

A geometry-nodes modifier, in viewports alone, gives the faces a material with a palette as its picture, and their place
in it as texture coordinates. So Solid mode shows it as Material Preview does, without a handler or the add-on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.values import picture_numbers

from ..core.frame_mapping import numbered_name
from . import closing
from .data import node_tree
from .files import load_sequence
from .mesh import CLOSING_MODIFIER, PLATE_UV, VIEWPORT_FILE
from .node_building import (
    FACE_PICTURE_INPUTS,
    Builder,
    give_values,
    given_values,
    is_group,
    known_group,
    new_group,
)

MODIFIER = "EX-4D Heat Map"
GROUP = "EX-4D Heat Map"
MATERIAL = "EX-4D Heat Map"
PALETTE = "EX-4D Heat Map Palette"
INPUTS = {
    "Source Camera": "NodeSocketObject",
    "Hole Material": "NodeSocketMaterial",
    "Map Material": "NodeSocketMaterial",
    "Map": "NodeSocketInt",
    "Measured": "NodeSocketImage",
    **FACE_PICTURE_INPUTS,
}
#: Which map is the group's input *Map*.
MAPS = {"COVERAGE": 0, "DEPTH": 1, "STRETCH": 2}
RED, YELLOW, GREEN, BLUE = (0.75, 0.06, 0.06), (0.85, 0.6, 0.05), (0.1, 0.55, 0.15), (0.1, 0.25, 0.8)
#: Rows of the palette, from bottom to top, each from left to right.
ROWS = {
    "COVERAGE": (RED, GREEN),
    "DEPTH": (RED, GREEN),
    "STRETCH": (BLUE, GREEN, YELLOW, RED),
}
#: A plate pixel drawn that many times as wide is at the right end of the palette, and half as wide at the left.
MOST_STRETCH = 4.0
LEAST_STRETCH = 0.5
PALETTE_WIDTH = 256


@dataclass(frozen=True)
class MeasuredPictures:
    """The sequence that tells measured faces from guessed ones: its folder and the numbers in the pictures' names."""

    folder: Path
    numbers: tuple[int, ...]


def measured_pictures(viewport: Path) -> MeasuredPictures | None:
    """Those of a viewport folder; None where depth does not tell, or the mesh is of an earlier version."""
    try:
        record = parse_json((viewport / VIEWPORT_FILE).read_bytes())
        return MeasuredPictures(viewport / record["measured"], picture_numbers([int(n) for n in record["numbers"]]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def palette_colors() -> np.ndarray:
    """(3, PALETTE_WIDTH, 4) float32, bottom row first: linear between the colours of ``ROWS``."""
    at = np.linspace(0, 1, PALETTE_WIDTH)
    out = np.ones((len(ROWS), PALETTE_WIDTH, 4), np.float32)
    for row, colors in zip(out, ROWS.values(), strict=True):
        for channel, values in enumerate(zip(*colors, strict=True)):
            row[:, channel] = np.interp(at, np.linspace(0, 1, len(colors)), values)
    return out


def _palette() -> bpy.types.Image:
    image = bpy.data.images.new(PALETTE, PALETTE_WIDTH, len(ROWS))
    pixels: Any = image.pixels
    pixels.foreach_set(palette_colors().ravel())
    image.pack()
    return image


def _map_material() -> bpy.types.Material:
    """The file's material of heat maps, made where there is none: the palette as light."""
    for known in bpy.data.materials:
        if known.library is None and known.name.startswith(MATERIAL) and known.node_tree is not None:
            return known
    material = bpy.data.materials.new(MATERIAL)
    if material.node_tree is None:
        material.use_nodes = True
    nodes, links = node_tree(material).nodes, node_tree(material).links
    nodes.clear()
    picture = nodes.new("ShaderNodeTexImage")
    picture.image, picture.interpolation, picture.extension = _palette(), "Closest", "EXTEND"
    emission, output = nodes.new("ShaderNodeEmission"), nodes.new("ShaderNodeOutputMaterial")
    links.new(picture.outputs["Color"], emission.inputs["Color"])
    links.new(emission.outputs["Emission"], output.inputs["Surface"])
    # Solid mode shows the active picture.
    nodes.active = picture
    return material


def _seen_size(build: Builder, camera: Any) -> Any:
    """How large a face looks from a camera, by its area: cosine of the angle to it by the square of the distance."""
    towards = build.vector("SUBTRACT", camera, build.out("GeometryNodeInputPosition"))
    along = build.node("ShaderNodeVectorMath", operation="DOT_PRODUCT")
    build.put(along.inputs[0], build.out("GeometryNodeInputNormal"))
    build.put(along.inputs[1], towards)
    length = build.node("ShaderNodeVectorMath", towards, operation="LENGTH").outputs["Value"]
    return build.math("DIVIDE", along.outputs["Value"], build.math("POWER", length, 3.0))


def _stretch(build: Builder, given: Any) -> Any:
    """How many times as wide the scene's camera sees the plate's pixels on a face, from ``LEAST_STRETCH`` at 0 to
    ``MOST_STRETCH`` at 1. A face that it sees from behind is at 1."""
    active = build.node("GeometryNodeObjectInfo", build.out("GeometryNodeInputActiveCamera"))
    source = build.node("GeometryNodeObjectInfo", given["Source Camera"])
    for info in (active, source):
        info.transform_space = "RELATIVE"
    here, there = (_seen_size(build, info.outputs["Location"]) for info in (active, source))
    wide = build.math("POWER", build.math("MAXIMUM", build.math("DIVIDE", here, there), 0.0), 0.5)
    least, most = np.log2(LEAST_STRETCH), np.log2(MOST_STRETCH)
    place = build.math("LOGARITHM", build.math("MAXIMUM", wide, LEAST_STRETCH), 2.0)
    place = build.math("DIVIDE", build.math("SUBTRACT", place, float(least)), float(most - least))
    behind = build.less(build.math("MULTIPLY", here, there), 0.0)
    return build.math("MAXIMUM", place, build.math("MULTIPLY", behind, 1.0))


def _new_group() -> Any:
    tree = new_group(GROUP, INPUTS)
    build = Builder(tree)
    given = tree.nodes.new("NodeGroupInput").outputs
    # Without the faces that close slits, which are instances.
    parts = build.node("GeometryNodeSeparateComponents", given["Geometry"])
    mesh = parts.outputs["Mesh"]
    torn = build.out("GeometryNodeMaterialSelection", given["Hole Material"])
    surface = build.out("FunctionNodeBooleanMath", torn, operation="NOT")
    values = {
        "COVERAGE": build.math("MULTIPLY", surface, 1.0),
        "DEPTH": build.picture_of_faces(given, given["Measured"]),
        "STRETCH": _stretch(build, given),
    }
    chosen: Any = 0.0
    for name, number in MAPS.items():
        is_it = build.out("FunctionNodeCompare", given["Map"], number, data_type="INT", operation="EQUAL")
        chosen = build.out("GeometryNodeSwitch", is_it, chosen, values[name], input_type="FLOAT")
    # From texel's middle to texel's middle.
    across = build.math("MULTIPLY_ADD", chosen, 1 - 1 / PALETTE_WIDTH, 0.5 / PALETTE_WIDTH)
    up = build.math("DIVIDE", build.math("ADD", given["Map"], 0.5), float(len(ROWS)))
    place = build.node("ShaderNodeCombineXYZ", across, up)
    per_face = build.per_face(place.outputs[0], "FLOAT_VECTOR")
    placed = build.stored(mesh, PLATE_UV, per_face, data_type="FLOAT2", domain="CORNER")
    # Holes are drawn in the map of what they are; elsewhere they stay holes.
    is_coverage = build.out("FunctionNodeCompare", given["Map"], MAPS["COVERAGE"], data_type="INT", operation="EQUAL")
    painted = build.node("GeometryNodeSetMaterial", placed)
    build.put(painted.inputs["Selection"], build.either(surface, is_coverage))
    build.put(painted.inputs["Material"], given["Map Material"])
    output = tree.nodes.new("NodeGroupOutput")
    build.put(output.inputs["Geometry"], painted.outputs["Geometry"])
    return tree


def shown_map(obj: bpy.types.Object | None) -> str | None:
    """The name of the map that a shot's mesh shows, a key of ``MAPS``; None where it shows the plate."""
    modifier: Any = obj.modifiers.get(MODIFIER) if obj is not None else None
    if modifier is None or not is_group(modifier.node_group, GROUP, INPUTS):
        return None
    number = given_values(modifier)["Map"]
    return next((name for name, known in MAPS.items() if known == number), None)


def hide(obj: bpy.types.Object) -> None:
    """Let a shot's mesh, one of this file, show the plate."""
    modifier: Any = obj.modifiers.get(MODIFIER)
    if modifier is None:
        return
    known = is_group(modifier.node_group, GROUP, INPUTS)
    image = given_values(modifier)["Measured"] if known else None
    obj.modifiers.remove(modifier)
    if image is not None and image.users == 0:
        bpy.data.images.remove(image)


def show(obj: bpy.types.Object, name: str, viewport: Path) -> None:
    """Let a shot's mesh show one of ``MAPS`` in viewports.

    Args:
        obj: the mesh, one of this file.
        viewport: the shot's viewport folder.

    Raises:
        BadInputError: the mesh has no holes of its own (``closing``), its depth does not tell what was measured, or the
            pictures that tell are missing.
    """
    known = closing.inputs_of(obj)
    if known is None:
        raise BadInputError("This mesh was placed by an earlier version.", "Use Close Slits first.")
    image = None
    if name == "DEPTH":
        pictures = measured_pictures(viewport)
        if pictures is None:
            raise BadInputError(
                "The depth of this shot does not tell what was measured and what was guessed.",
                "Solve the camera of a plate whose camera moves; reconstruct again what an earlier version made.",
            )
        first = pictures.folder / numbered_name("", pictures.numbers[0], 6, ".png")
        image = load_sequence(first, f"{obj.name} Measured", is_data=True)
    hide(obj)
    obj.modifiers.new(MODIFIER, "NODES")
    obj.modifiers.move(len(obj.modifiers) - 1, obj.modifiers.find(CLOSING_MODIFIER) + 1)
    modifier: Any = obj.modifiers[MODIFIER]
    modifier.node_group = known_group(GROUP, INPUTS) or _new_group()
    modifier.show_render = False
    values = {
        **{key: known[key] for key in ("Source Camera", "Hole Material", *FACE_PICTURE_INPUTS)},
        "Map Material": _map_material(),
        "Map": MAPS[name],
        "Measured": image,
    }
    give_values(modifier, values)
    obj.update_tag()
