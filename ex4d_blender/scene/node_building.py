# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of geometry nodes: made in code, found again in the file, and what ours have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import bpy

#: Inputs of a group that looks up a sequence of pictures with one pixel per quad, see ``Builder.picture_of_faces``.
FACE_PICTURE_INPUTS = {
    "First Frame": "NodeSocketInt",
    "First Picture": "NodeSocketInt",
    "Pictures": "NodeSocketInt",
    "Grid Width": "NodeSocketInt",
    "Grid Height": "NodeSocketInt",
}


def face_picture_values(grid: tuple[int, int], pictures: Sequence[int], first_frame: int) -> dict[str, int]:
    """Values for ``FACE_PICTURE_INPUTS``.

    Args:
        grid: (width, height) of the vertex grid.
        pictures: the numbers in the pictures' names, rising by one.
        first_frame: the scene frame of the first one.
    """
    return {
        "First Frame": first_frame,
        "First Picture": pictures[0],
        "Pictures": len(pictures) - 1,
        "Grid Width": grid[0],
        "Grid Height": grid[1],
    }


def new_group(name: str, inputs: Mapping[str, str]) -> Any:
    """A new group of geometry nodes for modifiers, with a geometry in and out and no nodes.

    Args:
        inputs: name -> kind of socket.
    """
    tree: Any = bpy.data.node_groups.new(name, "GeometryNodeTree")
    tree.is_modifier = True
    tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    for title, kind in inputs.items():
        tree.interface.new_socket(title, in_out="INPUT", socket_type=kind)
    tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    return tree


def group_inputs(tree: Any) -> dict[str, str]:
    """A group's inputs: name -> identifier."""
    return {item.name: item.identifier for item in tree.interface.items_tree if item.in_out == "INPUT"}


def _interface(modifier: Any) -> Any:
    """Where Blender 5.2 keeps the values of a modifier's inputs; None where the modifier itself has them by key."""
    return getattr(getattr(modifier, "properties", None), "inputs", None)


def given_values(modifier: Any) -> dict[str, Any]:
    """What a modifier with a group of geometry nodes gives to the group, by the inputs' names."""
    sockets, interface = group_inputs(modifier.node_group), _interface(modifier)
    if interface is None:
        return {name: modifier.get(socket) for name, socket in sockets.items()}
    return {name: getattr(getattr(interface, socket, None), "value", None) for name, socket in sockets.items()}


def give_values(modifier: Any, values: Mapping[str, Any]) -> None:
    """Let a modifier with a group of geometry nodes give values to the group, by the inputs' names; None leaves what
    it gives."""
    sockets, interface = group_inputs(modifier.node_group), _interface(modifier)
    for name, value in values.items():
        if value is None:
            # Not every Blender takes it.
            continue
        if interface is None:
            modifier[sockets[name]] = value
        else:
            getattr(interface, sockets[name]).value = value


def is_group(tree: Any, name: str, inputs: Mapping[str, str]) -> bool:
    """Whether a node tree is one of ``new_group`` with that name and inputs."""
    if tree is None or tree.bl_idname != "GeometryNodeTree" or not tree.name.startswith(name):
        return False
    return inputs.keys() <= group_inputs(tree).keys()


def known_group(name: str, inputs: Mapping[str, str]) -> Any:
    """The file's own group of that name and inputs; None where there is none. Another file's is left to that file."""
    found = (tree for tree in bpy.data.node_groups if tree.library is None and is_group(tree, name, inputs))
    return next(found, None)


class Builder:
    """Makes nodes in a tree and links them: a method's arguments are values or other nodes' sockets."""

    def __init__(self, tree: Any) -> None:
        """Of the tree ``tree``."""
        self.tree = tree

    def node(self, kind: str, /, *inputs: Any, **settings: Any) -> Any:
        """A node with its settings; ``inputs`` go into its enabled sockets in their order, None leaves one as it is."""
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        for socket, value in zip([item for item in node.inputs if item.enabled], inputs, strict=False):
            self.put(socket, value)
        return node

    def put(self, socket: Any, value: Any) -> None:
        """Link a socket to another node's, or give it a value; None leaves it as it is."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif value is not None:
            socket.default_value = value

    def out(self, kind: str, /, *inputs: Any, **settings: Any) -> Any:
        """The first enabled output of ``node``."""
        return next(item for item in self.node(kind, *inputs, **settings).outputs if item.enabled)

    def math(self, operation: str, *inputs: Any) -> Any:
        """The output of a *Math* node."""
        return self.out("ShaderNodeMath", *inputs, operation=operation)

    def vector(self, operation: str, *inputs: Any) -> Any:
        """The vector of a *Vector Math* node."""
        return self.out("ShaderNodeVectorMath", *inputs, operation=operation)

    def scaled(self, vector: Any, factor: Any) -> Any:
        """A vector times a number."""
        node = self.node("ShaderNodeVectorMath", operation="SCALE")
        self.put(node.inputs["Vector"], vector)
        self.put(node.inputs["Scale"], factor)
        return node.outputs["Vector"]

    def both(self, first: Any, second: Any) -> Any:
        """Whether both are true."""
        return self.out("FunctionNodeBooleanMath", first, second, operation="AND")

    def either(self, first: Any, second: Any) -> Any:
        """Whether one of them is true."""
        return self.out("FunctionNodeBooleanMath", first, second, operation="OR")

    def less(self, first: Any, second: Any, data_type: str = "FLOAT") -> Any:
        """Whether ``first`` is less than ``second``."""
        return self.out("FunctionNodeCompare", first, second, data_type=data_type, operation="LESS_THAN")

    def per_face(self, value: Any, data_type: str) -> Any:
        """A value's mean over the corners of each face."""
        return self.out("GeometryNodeFieldOnDomain", value, domain="FACE", data_type=data_type)

    def attribute(self, name: str, data_type: str) -> Any:
        """A named attribute of the geometry."""
        return self.out("GeometryNodeInputNamedAttribute", name, data_type=data_type)

    def picture_of_faces(self, given: Any, image: Any) -> Any:
        """A field of faces: what a sequence with one pixel per quad has at the scene's frame, as a colour.

        Skirt and cap have the last row's value. The place in the picture is counted and not looked up in the UV map,
        which would cost five times as much. The first and the last picture hold before and after the plate.

        Args:
            given: the group's inputs, ``FACE_PICTURE_INPUTS`` among them.
            image: the socket with the sequence.
        """
        across, height = self.math("SUBTRACT", given["Grid Width"], 1.0), given["Grid Height"]
        index = self.out("GeometryNodeInputIndex")
        counted = self.math("FLOOR", self.math("DIVIDE", index, across))
        column = self.math("SUBTRACT", index, self.math("MULTIPLY", counted, across))
        row = self.math("MINIMUM", counted, self.math("SUBTRACT", height, 1.0))
        texel = self.node(
            "ShaderNodeCombineXYZ",
            self.math("DIVIDE", self.math("ADD", column, 0.5), across),
            self.math("SUBTRACT", 1.0, self.math("DIVIDE", self.math("ADD", row, 0.5), height)),
        )
        frame = self.math("FLOOR", self.node("GeometryNodeInputSceneTime").outputs["Frame"])
        number = self.math("MINIMUM", self.math("SUBTRACT", frame, given["First Frame"]), given["Pictures"])
        picture = self.math("ADD", self.math("MAXIMUM", number, 0.0), given["First Picture"])
        found = self.node("GeometryNodeImageTexture", image, texel.outputs[0], picture)
        found.interpolation = "Closest"
        return found.outputs["Color"]

    def stored(self, geometry: Any, name: str, value: Any, *, data_type: str, domain: str) -> Any:
        """The geometry with a named attribute of that value."""
        node = self.node("GeometryNodeStoreNamedAttribute", data_type=data_type, domain=domain)
        sockets = [item for item in node.inputs if item.enabled]
        for socket, item in zip(sockets, (geometry, None, name, value), strict=True):
            self.put(socket, item)
        return node.outputs["Geometry"]
