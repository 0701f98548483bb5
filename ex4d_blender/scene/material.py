# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh's material: the plate's pictures as light, holes transparent or in one colour.

Emission only, so that under the Standard view each pixel of the plate comes out as it went in, in EEVEE and Cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from ..core.frame_mapping import numbered_name, split_number
from .data import node_tree
from .files import absolute_path, load_sequence, numbered_files, show_sequence, start_at_a_picture
from .mesh import PLATE_UV, VALIDITY_UV, ViewportFolder

COLOR_NODE = "EX-4D Plate"
VALID_NODE = "EX-4D Validity"
HOLE_NODE = "EX-4D Hole"
CLEAR_NODE = "EX-4D Clear"
MIX_NODE = "EX-4D Mix"
CLOSED_NODE = "EX-4D Closed"
HOLE_PICTURE_NODE = "EX-4D Hole Picture"
#: The plate's light: what the mesh's surface is made of, where it is no hole.
SURFACE_NODE = "EX-4D Surface"
#: Attribute of the faces that close slits (``closing``), 1 there; other faces have none.
CLOSED = "ex4d_closed"
#: Holes are seen as such at once; no footage has this colour in large areas.
DEFAULT_HOLE_COLOR = (1.0, 0.0, 1.0)


def _texture(
    nodes: bpy.types.Nodes, links: bpy.types.NodeLinks, name: str, image: bpy.types.Image, uv: str, place: float
) -> Any:
    texture: Any = nodes.new("ShaderNodeTexImage")
    texture.name = texture.label = name
    texture.image = image
    texture.extension = "EXTEND"
    texture.location = (-500, place)
    coordinates: Any = nodes.new("ShaderNodeUVMap")
    coordinates.uv_map = uv
    coordinates.location = (-700, place)
    links.new(coordinates.outputs["UV"], texture.inputs["Vector"])
    return texture


def load_pictures(viewport: ViewportFolder, name: str) -> tuple[bpy.types.Image, bpy.types.Image]:
    """New images of a viewport folder: the plate's pictures and their validity.

    Raises:
        BadInputError: pictures are missing.
    """
    colors = numbered_files(viewport.color, viewport.pictures, "The plate")
    valid = numbered_files(viewport.valid, viewport.pictures, "The mesh's validity")
    plate = load_sequence(colors[0], f"{name} Plate", is_data=False)
    try:
        return plate, load_sequence(valid[0], f"{name} Validity", is_data=True)
    except BadInputError:
        bpy.data.images.remove(plate)
        raise


def build_material(viewport: ViewportFolder, name: str, *, first_frame: int) -> bpy.types.Material:
    """A new material that shows the plate's first picture at scene frame ``first_frame``; holes are transparent.

    Raises:
        BadInputError: pictures are missing.
    """
    plate_image, valid_image = load_pictures(viewport, name)
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        # Blender 5 makes the tree itself and will drop the switch.
        material.use_nodes = True
    # Holes are either there or not: nothing needs blending or sorting.
    material.surface_render_method = "DITHERED"
    nodes, links = node_tree(material).nodes, node_tree(material).links
    nodes.clear()
    plate = _texture(nodes, links, COLOR_NODE, plate_image, PLATE_UV, 300)
    plate.interpolation = "Linear"
    mask = _texture(nodes, links, VALID_NODE, valid_image, VALIDITY_UV, 0)
    mask.interpolation = "Closest"
    emission = nodes.new("ShaderNodeEmission")
    emission.name = emission.label = SURFACE_NODE
    emission.location = (-200, 300)
    hole = nodes.new("ShaderNodeEmission")
    hole.name = hole.label = HOLE_NODE
    hole.location = (-200, -200)
    clear = nodes.new("ShaderNodeBsdfTransparent")
    clear.name = clear.label = CLEAR_NODE
    clear.location = (-200, -400)
    mix = nodes.new("ShaderNodeMixShader")
    mix.name = MIX_NODE
    output = nodes.new("ShaderNodeOutputMaterial")
    output.location = (200, 0)
    links.new(plate.outputs["Color"], emission.inputs["Color"])
    links.new(emission.outputs["Emission"], mix.inputs[2])
    bring_up_to_date(material)
    links.new(mix.outputs["Shader"], output.inputs["Surface"])
    retime(material, viewport.pictures, first_frame)
    set_hole_style(material, transparent=True, color=DEFAULT_HOLE_COLOR)
    show_in_solid(material)
    return material


def bring_up_to_date(material: bpy.types.Material) -> None:
    """Give a material that an earlier ``build_material`` made what it lacks: the name of what its surface is made of,
    and that it shows the faces that close slits."""
    nodes, links = node_tree(material).nodes, node_tree(material).links
    surface = [link.from_node for link in nodes[MIX_NODE].inputs[2].links]
    if SURFACE_NODE not in nodes and surface and surface[0].bl_idname == "ShaderNodeEmission":
        surface[0].name = surface[0].label = SURFACE_NODE
    if CLOSED_NODE in nodes:
        return
    closed = nodes.new("ShaderNodeAttribute")
    closed.attribute_name = CLOSED
    closed.location = (-700, -250)
    either = nodes.new("ShaderNodeMath")
    either.name = either.label = CLOSED_NODE
    either.operation = "MAXIMUM"
    either.location = (-200, 50)
    # To light and shadows they are holes as ever.
    ray = nodes.new("ShaderNodeLightPath")
    ray.location = (-700, -450)
    seen = nodes.new("ShaderNodeMath")
    seen.operation = "MULTIPLY"
    seen.location = (-350, -250)
    links.new(closed.outputs["Fac"], seen.inputs[0])
    links.new(ray.outputs["Is Camera Ray"], seen.inputs[1])
    links.new(nodes[VALID_NODE].outputs["Color"], either.inputs[0])
    links.new(seen.outputs["Value"], either.inputs[1])
    links.new(either.outputs["Value"], nodes[MIX_NODE].inputs["Fac"])


def validity_image(material: bpy.types.Material) -> bpy.types.Image | None:
    """The pictures with one pixel per quad, white where it is surface; None where somebody has removed them."""
    found: bpy.types.Image | None = node_tree(material).nodes[VALID_NODE].image
    return found


def show_in_solid(material: bpy.types.Material) -> None:
    """Let viewports in Solid mode with *Texture* colours show the plate: they show the active picture, and a material
    without one as if its files were missing."""
    nodes = node_tree(material).nodes
    if nodes.active != nodes[COLOR_NODE]:
        # Setting it changes the material, even where it is active: Blender would forget which picture it shows.
        nodes.active = nodes[COLOR_NODE]


def retime(material: bpy.types.Material, numbers: Sequence[int], first_frame: int) -> None:
    """Show the picture of number ``numbers[0]``, of ``ViewportFolder.pictures``, at scene frame ``first_frame``."""
    for name in (COLOR_NODE, VALID_NODE):
        user = node_tree(material).nodes[name].image_user
        show_sequence(user, first_number=numbers[0], count=len(numbers), first_frame=first_frame)


def start_at_pictures(material: bpy.types.Material) -> None:
    """Let viewports draw a material of ours, of an earlier version too, from pictures that exist."""
    for name in (COLOR_NODE, VALID_NODE):
        node = node_tree(material).nodes[name]
        if node.image is not None and node.image.source == "SEQUENCE":
            start_at_a_picture(node.image_user)


def show_pictures(
    material: bpy.types.Material, image: bpy.types.Image, numbers: Sequence[int], first_frame: int
) -> None:
    """Let the surface have other pictures, that of number ``numbers[0]`` at scene frame ``first_frame``. The former
    ones go from the file where nothing else shows them."""
    _show(material, COLOR_NODE, image, numbers, first_frame)


def show_validity(
    material: bpy.types.Material, image: bpy.types.Image, numbers: Sequence[int], first_frame: int
) -> None:
    """Let other pictures with one pixel per quad tell surface from holes; see ``show_pictures``."""
    _show(material, VALID_NODE, image, numbers, first_frame)


def _show(
    material: bpy.types.Material, name: str, image: bpy.types.Image, numbers: Sequence[int], first_frame: int
) -> None:
    node = node_tree(material).nodes[name]
    former, node.image = node.image, image
    show_sequence(node.image_user, first_number=numbers[0], count=len(numbers), first_frame=first_frame)
    if former is not None and former.users == 0:
        bpy.data.images.remove(former)


def set_hole_style(material: bpy.types.Material, *, transparent: bool, color: Sequence[float]) -> None:
    """What is seen where the plate showed nothing: what lies behind, or one colour (scene-linear RGB)."""
    nodes, links = node_tree(material).nodes, node_tree(material).links
    nodes[HOLE_NODE].inputs["Color"].default_value = (*color[:3], 1.0)
    source = nodes[CLEAR_NODE].outputs["BSDF"] if transparent else nodes[HOLE_NODE].outputs["Emission"]
    links.new(source, nodes[MIX_NODE].inputs[1])


def hole_style(material: bpy.types.Material) -> tuple[bool, tuple[float, float, float]]:
    """(transparent, colour) as ``set_hole_style`` takes them."""
    nodes = node_tree(material).nodes
    links = nodes[MIX_NODE].inputs[1].links
    transparent = bool(links) and links[0].from_node.name == CLEAR_NODE
    red, green, blue = tuple(nodes[HOLE_NODE].inputs["Color"].default_value)[:3]
    return transparent, (red, green, blue)


def build_hole_material(name: str) -> bpy.types.Material:
    """A new material for faces that are no surface, transparent as long as ``set_hole_look`` says nothing else."""
    material = bpy.data.materials.new(name)
    if material.node_tree is None:
        material.use_nodes = True
    material.surface_render_method = "DITHERED"
    nodes = node_tree(material).nodes
    nodes.clear()
    picture = nodes.new("ShaderNodeTexImage")
    picture.name = picture.label = HOLE_PICTURE_NODE
    # Solid mode shows the active picture and leaves out what is clear in it.
    picture.image = bpy.data.images.new(name, 1, 1, alpha=True)
    picture.location = (-200, 200)
    hole = nodes.new("ShaderNodeEmission")
    hole.name = hole.label = HOLE_NODE
    hole.location = (-200, -200)
    clear = nodes.new("ShaderNodeBsdfTransparent")
    clear.name = clear.label = CLEAR_NODE
    clear.location = (-200, 0)
    nodes.new("ShaderNodeOutputMaterial")
    nodes.active = picture
    set_hole_look(material, transparent=True, color=DEFAULT_HOLE_COLOR)
    return material


def set_hole_look(material: bpy.types.Material, *, transparent: bool, color: Sequence[float]) -> None:
    """Let a material of ``build_hole_material`` be transparent, or one colour (scene-linear RGB)."""
    nodes, links = node_tree(material).nodes, node_tree(material).links
    names = (HOLE_PICTURE_NODE, HOLE_NODE, CLEAR_NODE)
    output = next((node for node in nodes if node.bl_idname == "ShaderNodeOutputMaterial"), None)
    if output is None or any(name not in nodes for name in names):
        return
    nodes[HOLE_NODE].inputs["Color"].default_value = (*color[:3], 1.0)
    if nodes[HOLE_PICTURE_NODE].image is not None:
        nodes[HOLE_PICTURE_NODE].image.generated_color = (0, 0, 0, 0) if transparent else (*color[:3], 1.0)
    links.new((nodes[CLEAR_NODE] if transparent else nodes[HOLE_NODE]).outputs[0], output.inputs["Surface"])


def is_ours(material: bpy.types.Material | None) -> bool:
    """Whether a material is one of ``build_material`` with its nodes still there."""
    if material is None or material.node_tree is None:
        return False
    return all(name in material.node_tree.nodes for name in (COLOR_NODE, VALID_NODE, HOLE_NODE, CLEAR_NODE, MIX_NODE))


def point_to(material: bpy.types.Material, viewport: ViewportFolder) -> None:
    """Load the pictures of another folder into the material's images.

    Raises:
        BadInputError: pictures are missing.
    """
    colors = numbered_files(viewport.color, viewport.pictures, "The plate")
    valid = numbered_files(viewport.valid, viewport.pictures, "The mesh's validity")
    for name, first in ((COLOR_NODE, colors[0]), (VALID_NODE, valid[0])):
        node = node_tree(material).nodes[name]
        old = node.image
        replacement = load_sequence(first, old.name if old else name, is_data=name == VALID_NODE)
        if old is not None:
            title = old.name
            old.user_remap(replacement)
            bpy.data.images.remove(old)
            replacement.name = title
        node.image = replacement


def picture_paths(material: bpy.types.Material) -> list[Path]:
    """All files that the material's two sequences need."""
    paths = []
    for name in (COLOR_NODE, VALID_NODE):
        node = node_tree(material).nodes.get(name)
        if node is None or node.image is None:
            continue
        first = absolute_path(node.image.filepath)
        parts = split_number(first.name)
        if parts is None:
            continue
        head, _, digits, tail = parts
        start = node.image_user.frame_offset + 1
        numbers = range(start, start + node.image_user.frame_duration)
        paths += [first.with_name(numbered_name(head, number, digits, tail)) for number in numbers]
    return paths


def remove_material(material: bpy.types.Material) -> None:
    """Delete a material and the images that only it used."""
    images = {node.image for node in node_tree(material).nodes if node.bl_idname == "ShaderNodeTexImage" and node.image}
    bpy.data.materials.remove(material)
    for image in images:
        if image.users == 0:
            bpy.data.images.remove(image)
