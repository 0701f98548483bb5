# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shot's mesh is to the objects around it: a shadow catcher, a holdout, lit by the scene's lights.

All of it is Blender's own, in the file, and works without the add-on.
"""

from __future__ import annotations

from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from . import material
from .data import mesh_data, node_tree

#: The nodes of the two surfaces besides the plate's light.
CATCHER_NODES = (
    "EX-4D Catcher Diffuse",
    "EX-4D Catcher Ray",
    "EX-4D Catcher Mirrored",
    "EX-4D Catcher Surface",
    "EX-4D Catcher Mix",
    "EX-4D Catcher Output",
)
RELIGHT_NODES = ("EX-4D Relight Strength", "EX-4D Relight Diffuse", "EX-4D Relight")
#: Custom property of a material that catches: how Cycles sampled its light before.
SAMPLING = "ex4d_emission_sampling"


def plate_material(mesh: bpy.types.Object) -> bpy.types.Material:
    """The mesh's material that shows the plate.

    Raises:
        BadInputError: it has none, or one of another file.
    """
    found = next((item for item in mesh_data(mesh).materials if item is not None and material.is_ours(item)), None)
    if found is None:
        raise BadInputError(
            f"The mesh «{mesh.name}» has no material that shows the plate.", "Reconstruct the shot again."
        )
    if found.library is not None or mesh.library is not None:
        raise BadInputError(
            f"The mesh «{mesh.name}» is another file's.", "Change it there, or append the shot instead of linking it."
        )
    if _surface_node(found) is None:
        raise BadInputError(
            f"The material «{found.name}» has another surface than the plate's.",
            "Undo what changed its nodes, or reconstruct the shot again.",
        )
    return found


def _surface_node(item: bpy.types.Material) -> Any:
    """The node that emits the plate's light, by its name, or by its place in materials of earlier versions."""
    nodes = node_tree(item).nodes
    if material.SURFACE_NODE not in nodes:
        links = nodes[material.MIX_NODE].inputs[2].links
        if not links or links[0].from_node.bl_idname != "ShaderNodeEmission":
            return None
        links[0].from_node.name = links[0].from_node.label = material.SURFACE_NODE
    return nodes[material.SURFACE_NODE]


def _add(nodes: Any, kind: str, name: str, place: tuple[int, int]) -> Any:
    node = nodes.new(kind)
    node.name = node.label = name
    node.location = place
    return node


def _remove(nodes: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if name in nodes:
            nodes.remove(nodes[name])


def catches_shadows(mesh: bpy.types.Object) -> bool:
    """Whether the mesh is a shadow catcher that shadows can fall on."""
    return mesh.is_shadow_catcher and any(
        item is not None and item.node_tree is not None and CATCHER_NODES[-1] in item.node_tree.nodes
        for item in mesh_data(mesh).materials
    )


def set_catches_shadows(mesh: bpy.types.Object, on: bool) -> None:
    """Let shadows fall on the mesh in Cycles, and nothing else be seen of it there; EEVEE goes on showing the plate.

    Its surface is diffuse in Cycles alone, by an output of its own: on what only emits no shadow falls. Mirrors and
    glass still see the plate's light. Holes catch nothing.

    Raises:
        BadInputError: see ``plate_material``.
    """
    item = plate_material(mesh)
    nodes, links = node_tree(item).nodes, node_tree(item).links
    _remove(nodes, CATCHER_NODES)
    mesh.is_shadow_catcher = on
    _sample_as_lamp(item, not on)
    if not on:
        return
    diffuse = _add(nodes, "ShaderNodeBsdfDiffuse", CATCHER_NODES[0], (-200, 700))
    ray = _add(nodes, "ShaderNodeLightPath", CATCHER_NODES[1], (-400, 1000))
    mirrored = _add(nodes, "ShaderNodeMath", CATCHER_NODES[2], (-200, 900))
    mirrored.operation = "MAXIMUM"
    surface = _add(nodes, "ShaderNodeMixShader", CATCHER_NODES[3], (0, 700))
    mix = _add(nodes, "ShaderNodeMixShader", CATCHER_NODES[4], (200, 500))
    output = _add(nodes, "ShaderNodeOutputMaterial", CATCHER_NODES[5], (400, 500))
    output.target = "CYCLES"
    links.new(nodes[material.COLOR_NODE].outputs["Color"], diffuse.inputs["Color"])
    links.new(ray.outputs["Is Glossy Ray"], mirrored.inputs[0])
    links.new(ray.outputs["Is Transmission Ray"], mirrored.inputs[1])
    links.new(mirrored.outputs["Value"], surface.inputs["Fac"])
    links.new(diffuse.outputs["BSDF"], surface.inputs[1])
    links.new(_surface_node(item).outputs["Emission"], surface.inputs[2])
    links.new(nodes[material.MIX_NODE].inputs["Fac"].links[0].from_socket, mix.inputs["Fac"])
    links.new(nodes[material.CLEAR_NODE].outputs["BSDF"], mix.inputs[1])
    links.new(surface.outputs["Shader"], mix.inputs[2])
    links.new(mix.outputs["Shader"], output.inputs["Surface"])


def _sample_as_lamp(item: bpy.types.Material, on: bool) -> None:
    """Let Cycles look for light on a material's faces, as the artist had it, or not: while it catches, rays that look
    for lamps find none there, and would ask each of its faces."""
    settings: Any = getattr(item, "cycles", None)
    if settings is None:
        return
    former: Any = item.get(SAMPLING)
    if not on and former is None:
        item[SAMPLING] = settings.emission_sampling
        settings.emission_sampling = "NONE"
    elif on and former is not None:
        settings.emission_sampling = former
        del item[SAMPLING]


def relight_strength(mesh: bpy.types.Object) -> float:
    """How much of the scene's light the mesh throws back, 0 where it does not."""
    socket = strength_socket(mesh)
    return float(socket.default_value) if socket is not None else 0.0


def strength_socket(mesh: bpy.types.Object) -> Any:
    """The node socket that holds the strength; None where the mesh is not relit."""
    for item in mesh_data(mesh).materials:
        if item is not None and item.node_tree is not None and RELIGHT_NODES[0] in item.node_tree.nodes:
            node: Any = item.node_tree.nodes[RELIGHT_NODES[0]]
            return node.inputs["Scale"]
    return None


def is_in_cg(mesh: bpy.types.Object) -> bool:
    """Whether the mesh is something to the objects around it: it catches shadows, holds out or is lit."""
    return mesh.is_holdout or catches_shadows(mesh) or relight_strength(mesh) > 0.0


def set_relight(mesh: bpy.types.Object, strength: float | None) -> None:
    """Let the scene's lights fall on the mesh: a diffuse surface of the plate's colours under the plate's own light.

    Args:
        strength: 1: it throws back as much as the plate's colours say; None: the plate's light alone.

    Raises:
        BadInputError: see ``plate_material``.
    """
    item = plate_material(mesh)
    nodes, links = node_tree(item).nodes, node_tree(item).links
    emission = _surface_node(item)
    _remove(nodes, RELIGHT_NODES)
    target = nodes[material.MIX_NODE].inputs[2]
    if strength is None:
        links.new(emission.outputs["Emission"], target)
        return
    scaled = _add(nodes, "ShaderNodeVectorMath", RELIGHT_NODES[0], (-400, 500))
    scaled.operation = "SCALE"
    scaled.inputs["Scale"].default_value = strength
    diffuse = _add(nodes, "ShaderNodeBsdfDiffuse", RELIGHT_NODES[1], (-200, 500))
    both = _add(nodes, "ShaderNodeAddShader", RELIGHT_NODES[2], (0, 350))
    links.new(nodes[material.COLOR_NODE].outputs["Color"], scaled.inputs[0])
    links.new(scaled.outputs["Vector"], diffuse.inputs["Color"])
    links.new(emission.outputs["Emission"], both.inputs[0])
    links.new(diffuse.outputs["BSDF"], both.inputs[1])
    links.new(both.outputs["Shader"], target)


def renew(mesh: bpy.types.Object, former: bpy.types.Material | None) -> None:
    """Give a mesh's new material what the switches had made of the former one."""
    if former is None or former.node_tree is None:
        return
    nodes: Any = former.node_tree.nodes
    if RELIGHT_NODES[0] in nodes:
        set_relight(mesh, float(nodes[RELIGHT_NODES[0]].inputs["Scale"].default_value))
    if CATCHER_NODES[-1] in nodes:
        set_catches_shadows(mesh, mesh.is_shadow_catcher)
