# SPDX-License-Identifier: GPL-3.0-or-later
"""View layers of our own that render CG for the plate: the objects before the mesh, and their shadows on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from .. import scan
from ..mesh_switches import set_catches_shadows
from . import MARK

CG_LAYER = "EX-4D CG"
SHADOW_LAYER = "EX-4D Shadow"
#: The mesh alone, so that it can hold out in a view layer without what else is in the shot's collection.
HOLDOUT_COLLECTION = "EX-4D Holdout"
#: Of a scene whose samples are Blender's own number, 4096: soft shadows are clean enough to judge a comp.
FIRST_SAMPLES = 128


@dataclass(frozen=True)
class CgLayers:
    """The two view layers.

    Attributes:
        cg: the objects, cut where the mesh is before them.
        shadow: all; its pass *Shadow Catcher* is what their shadows leave of the plate's light, its depth that of the
            nearest surface.
    """

    cg: bpy.types.ViewLayer
    shadow: bpy.types.ViewLayer


def _marked(items: Any, value: str) -> Any:
    """The one of ours among the file's or a scene's items; None where it is gone."""
    return next((item for item in items if item.get(MARK) == value), None)


def find_layers(scene: bpy.types.Scene) -> CgLayers | None:
    """Our view layers of a scene, None where it lacks one."""
    cg, shadow = (_marked(scene.view_layers, name) for name in (CG_LAYER, SHADOW_LAYER))
    return CgLayers(cg, shadow) if cg is not None and shadow is not None else None


def use_cycles(scene: bpy.types.Scene) -> str:
    """Let a scene render with Cycles, which alone catches shadows; a scene that does stays as it is.

    The samples of a scene that nobody has set up for Cycles would take minutes a frame: fewer are set. A number that
    somebody has chosen stays.

    Returns:
        what was changed, a sentence for people; "" where nothing was.
    """
    render: Any = scene.render
    if render.engine == "CYCLES":
        return ""
    render.engine = "CYCLES"
    cycles: Any = getattr(scene, "cycles")  # noqa: B009  of an add-on of Blender's, unknown to its types
    if cycles.samples != cycles.bl_rna.properties["samples"].default:
        return f"Renders with Cycles now, which alone catches shadows, with your {cycles.samples} samples."
    cycles.samples = FIRST_SAMPLES
    return f"Renders with Cycles now, which alone catches shadows, with {FIRST_SAMPLES} samples."


def build_layers(scene: bpy.types.Scene, mesh: bpy.types.Object, like: bpy.types.ViewLayer) -> CgLayers:
    """Make the view layers, or bring them up to date, and let the mesh catch shadows. Others stay as they are.

    Args:
        like: new ones show the collections that it shows.

    Raises:
        BadInputError: Cycles, which alone catches shadows, is switched off; see ``mesh_switches.plate_material`` too.
    """
    if not hasattr(like, "cycles"):
        raise BadInputError(
            "Shadows are caught by Cycles, which is switched off.",
            "Enable «Cycles Render Engine» among the add-ons of the preferences.",
        )
    set_catches_shadows(mesh, True)
    scene.render.film_transparent = True
    holdout = _holdout_collection(scene, mesh)
    layers = CgLayers(_layer(scene, CG_LAYER, like), _layer(scene, SHADOW_LAYER, like))
    for layer in scene.view_layers:
        # Where the artist shows the mesh, its own collection shows it.
        _entry(layer, holdout).exclude = layer != layers.cg
    _entry(layers.cg, holdout).holdout = True
    shadow: Any = layers.shadow
    shadow.cycles.use_pass_shadow_catcher = True
    for layer in (layers.cg, layers.shadow):
        layer.use_pass_combined = layer.use_pass_z = True
    return layers


def _holdout_collection(scene: bpy.types.Scene, mesh: bpy.types.Object) -> bpy.types.Collection:
    found: bpy.types.Collection | None = _marked(scene.collection.children, HOLDOUT_COLLECTION)
    if found is None:
        found = bpy.data.collections.new(HOLDOUT_COLLECTION)
        found[MARK] = HOLDOUT_COLLECTION
        scene.collection.children.link(found)
    for other in scan.collection_objects(found):
        if other != mesh:
            found.objects.unlink(other)
    if mesh.name not in found.objects:
        found.objects.link(mesh)
    return found


def _entry(layer: bpy.types.ViewLayer, collection: bpy.types.Collection) -> bpy.types.LayerCollection:
    """A collection of the scene's own as a view layer has it."""
    return next(child for child in scan.layer_collections(layer.layer_collection) if child.collection == collection)


def _layer(scene: bpy.types.Scene, name: str, like: bpy.types.ViewLayer) -> bpy.types.ViewLayer:
    found: bpy.types.ViewLayer | None = _marked(scene.view_layers, name)
    if found is None:
        found = scene.view_layers.new(name)
        found[MARK] = name
        _copy_shown(like.layer_collection, found.layer_collection)
    return found


def _copy_shown(source: bpy.types.LayerCollection, target: bpy.types.LayerCollection) -> None:
    """Let a new view layer leave out, hold out and hide what another does."""
    shown = {child.collection: child for child in scan.layer_collections(source)}
    for after in scan.layer_collections(target):
        before = shown.get(after.collection)
        if before is None:
            continue
        after.exclude = before.exclude
        after.holdout, after.indirect_only = before.holdout, before.indirect_only
        _copy_shown(before, after)
