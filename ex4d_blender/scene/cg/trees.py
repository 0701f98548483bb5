# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes of the compositor, for Blender 4 (each scene has a tree in it) and 5 (a node group that a scene uses)."""

from __future__ import annotations

from typing import Any

import bpy

from . import MARK

TREE = "EX-4D Comp"
#: Since Blender 5 the compositor's trees are node groups, and it shares its nodes with the shaders.
HAS_GROUPS = bpy.app.version >= (5, 0, 0)
#: Trees of these alone show what was rendered as it is.
_PLAIN = ("CompositorNodeRLayers", "CompositorNodeComposite", "CompositorNodeViewer", "NodeReroute", "NodeGroupOutput")


def current(scene: bpy.types.Scene) -> Any:
    """The tree that a scene's renders go through, None where they go through none."""
    target: Any = scene
    if HAS_GROUPS:
        return target.compositing_node_group
    return target.node_tree if target.use_nodes else None


def others_nodes(scene: bpy.types.Scene) -> bool:
    """Whether the scene has nodes of somebody's own that do something to what is rendered."""
    tree: Any = current(scene)
    return tree is not None and any(not node.get(MARK) and node.bl_idname not in _PLAIN for node in tree.nodes)


def _is_of(tree: Any, scene: bpy.types.Scene) -> bool:
    """Whether a node group renders that scene: a copied scene points to the group of the one it was copied of."""
    layers = [node for node in tree.nodes if node.bl_idname == "CompositorNodeRLayers"]
    return all(node.scene in (None, scene) for node in layers)


def ensure(scene: bpy.types.Scene) -> Any:
    """The tree that our nodes are in, or go into; nothing of others' is taken away, and nothing is rendered through it
    yet where there is one already."""
    target: Any = scene
    if HAS_GROUPS:
        found: Any = target.get(MARK)
        if not isinstance(found, bpy.types.NodeTree) or not _is_of(found, scene):
            found = bpy.data.node_groups.new(TREE, "CompositorNodeTree")
            found.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
            # Chosen or not, it stays in the file.
            found.use_fake_user = True
            target[MARK] = found
        return found
    fresh = target.node_tree is None
    # Where there is a tree that is switched off, what is in it stays out of the way.
    target.use_nodes = True
    if fresh:
        target.node_tree.nodes.clear()
    return target.node_tree


def use(scene: bpy.types.Scene, tree: Any, image: Any) -> None:
    """Let the scene's renders come out of our nodes; others' tree stays in the file, their output is muted.

    Args:
        image: the socket with the picture.
    """
    target: Any = scene
    scene.render.use_compositing = True
    kind = "NodeGroupOutput" if HAS_GROUPS else "CompositorNodeComposite"
    output = next((node for node in tree.nodes if node.bl_idname == kind and node.get(MARK)), None)
    if output is None:
        output = tree.nodes.new(kind)
        output[MARK] = True
        output.name = output.label = f"{TREE} Output"
        output.location = (900, 0)
    tree.links.new(image, output.inputs[0])
    if HAS_GROUPS:
        if target.compositing_node_group not in (None, tree):
            target.compositing_node_group.use_fake_user = True
        target.compositing_node_group = tree
        return
    target.use_nodes = True
    for node in tree.nodes:
        if node.bl_idname == kind and node != output:
            node.mute = True
    tree.nodes.active = output


def multiply(tree: Any) -> tuple[Any, Any, Any, Any]:
    """A node that multiplies pictures, and its sockets: the two pictures, and the product."""
    node = tree.nodes.new("ShaderNodeMix" if HAS_GROUPS else "CompositorNodeMixRGB")
    node.blend_type = "MULTIPLY"
    if HAS_GROUPS:
        node.data_type = "RGBA"
        node.inputs[0].default_value = 1.0
        return node, node.inputs[6], node.inputs[7], node.outputs[2]
    return node, node.inputs[1], node.inputs[2], node.outputs[0]


def over(tree: Any) -> tuple[Any, Any, Any]:
    """A node that lays a picture over another, and its sockets: the picture below, and the one above."""
    node = tree.nodes.new("CompositorNodeAlphaOver")
    if HAS_GROUPS:
        return node, node.inputs["Background"], node.inputs["Foreground"]
    return node, node.inputs[1], node.inputs[2]


def to_render_size(tree: Any) -> Any:
    """A node that scales a picture to the size of renders."""
    node = tree.nodes.new("CompositorNodeScale")
    if HAS_GROUPS:
        node.inputs["Type"].default_value = "Render Size"
    else:
        node.space = "RENDER_SIZE"
    return node
