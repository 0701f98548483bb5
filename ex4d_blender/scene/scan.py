# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that goes through objects: each of these takes time that grows with the file.

What is drawn, and what tells whether a button can be pressed, reads ``shot.known`` instead.
"""

from __future__ import annotations

import bpy


def scene_objects(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """All objects of a scene, by name."""
    return list(scene.objects)


def file_objects() -> list[bpy.types.Object]:
    """All objects of the file, those in no scene too."""
    return list(bpy.data.objects)


def file_blocks() -> list[bpy.types.ID]:
    """All data-blocks of the file, whatever kind they are of."""
    kinds = [item.identifier for item in bpy.data.bl_rna.properties if item.type == "COLLECTION"]
    return [block for kind in kinds for block in getattr(bpy.data, kind)]


def collection_objects(collection: bpy.types.Collection) -> list[bpy.types.Object]:
    """All objects of a collection, those of its collections too."""
    return list(collection.all_objects)


def children(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """The objects whose parent an object is."""
    return list(obj.children)


def descendants(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """An object's children, their children, and so on."""
    return list(obj.children_recursive)


def collections_of(obj: bpy.types.Object) -> list[bpy.types.Collection]:
    """The collections that an object is in; none of one that was deleted and that something still points to."""
    return list(obj.users_collection)


def is_in_scene(obj: bpy.types.Object, scene: bpy.types.Scene) -> bool:
    """Whether an object is in a scene, directly or in one of its collections."""
    return scene in obj.users_scene


def layer_objects(layer: bpy.types.ViewLayer) -> list[bpy.types.Object]:
    """All objects of a view layer."""
    return list(layer.objects)


def layer_collections(parent: bpy.types.LayerCollection) -> list[bpy.types.LayerCollection]:
    """The collections in another one, as a view layer has them."""
    return list(parent.children)
