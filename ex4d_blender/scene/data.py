# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender keeps as one of many kinds, or as nothing in odd moments, as the kind that it is."""

from __future__ import annotations

from typing import Any

import bpy

#: Blender's operators: the add-on's own are known only when it is registered.
operators: Any = bpy.ops


def camera_data(obj: bpy.types.Object) -> bpy.types.Camera:
    """The camera of a camera object."""
    assert isinstance(obj.data, bpy.types.Camera)
    return obj.data


def mesh_data(obj: bpy.types.Object) -> bpy.types.Mesh:
    """The mesh of a mesh object."""
    assert isinstance(obj.data, bpy.types.Mesh)
    return obj.data


def node_tree(material: bpy.types.Material) -> Any:
    """A material's nodes and links. Which sockets and values a node has depends on its kind."""
    assert material.node_tree is not None
    return material.node_tree


def scene_of(context: bpy.types.Context) -> bpy.types.Scene:
    """The context's scene: there is one wherever panels are drawn and operators are called."""
    assert context.scene is not None
    return context.scene


def manager_of(context: bpy.types.Context) -> Any:
    """The context's window manager: there is one wherever panels are drawn and operators are called."""
    assert context.window_manager is not None
    return context.window_manager


def window_of(context: bpy.types.Context) -> bpy.types.Window:
    """The context's window: there is one wherever an event comes from."""
    assert context.window is not None
    return context.window


def scene_state(scene: bpy.types.Scene) -> Any:
    """The add-on's properties of a scene, ``props.EX4D_PG_scene``."""
    found: Any = scene
    return found.ex4d


def windows() -> list[bpy.types.Window]:
    """All windows; none while Blender starts."""
    manager = bpy.context.window_manager
    return list(manager.windows) if manager is not None else []


def enum_items(struct: type[bpy.types.bpy_struct], name: str) -> Any:
    """The items of a type's enum property, by identifier."""
    prop: Any = struct.bl_rna.properties[name]
    return prop.enum_items
