# SPDX-License-Identifier: GPL-3.0-or-later
"""The compositor's nodes that put CG into the plate, or into a take of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError

from ...core.deliveries import read_take
from .. import material, projection
from ..data import node_tree
from ..files import check_playable, load_sequence, numbered_files, show_sequence
from ..mesh import described_viewport
from ..mesh_switches import plate_material
from ..shot import ShotObjects
from . import MARK, trees
from .view_layers import CgLayers

BASE, SCALE, CG, SHADOW, SHADED, OVER = (
    f"EX-4D {name}" for name in ("Base", "Base Size", "CG Layer", "Shadow Layer", "Shaded", "Over")
)
#: Where the parts can be taken from for other nodes.
PARTS = ("EX-4D Image", "EX-4D Shadow", "EX-4D Mask", "EX-4D Z")
#: What is known of a take's own pixels: 1 where they are the plate's; 1 measured, 0.5 from another frame, 0 invented;
#: z along the camera's axis in the shot's units, once the take was projected on the mesh.
TAKE_PARTS = ("EX-4D Take Mask", "EX-4D Take Origin", "EX-4D Take Depth")
FRAME = "EX-4D Comp"


@dataclass(frozen=True)
class Base:
    """What CG is put into.

    Attributes:
        name: of the plate or the take.
        image: a sequence of pictures.
        first_number: of its first picture.
        count: of its pictures.
        first_frame: the scene frame that shows the first one.
        parts: sequences of the same frames, by names of ``TAKE_PARTS``.
    """

    name: str
    image: bpy.types.Image
    first_number: int
    count: int
    first_frame: int
    parts: Mapping[str, bpy.types.Image] = field(default_factory=dict)


def plate_base(shot: ShotObjects) -> Base:
    """The plate as the mesh shows it, also where a take is projected on that.

    Raises:
        BadInputError: see ``plate_material``; its pictures were taken away.
    """
    assert shot.mesh is not None
    node: Any = node_tree(plate_material(shot.mesh)).nodes[material.COLOR_NODE]
    if node.image is None:
        raise BadInputError("The mesh's material has no pictures of the plate.", "Reconstruct the shot again.")
    if projection.shown(shot.mesh) is not None:
        viewport = described_viewport(Path(shot.record["viewport"]))
        files = numbered_files(viewport.color, viewport.pictures, "The plate")
        image = load_sequence(files[0], f"{shot.root.name} Plate", is_data=False)
        return Base(shot.root.name, image, viewport.pictures[0], len(files), shot.first_frame)
    user = node.image_user
    return Base(shot.root.name, node.image, user.frame_offset + 1, user.frame_duration, user.frame_start)


def take_base(shot: ShotObjects, title: str, folder: Path, projected: Path | None = None) -> Base:
    """A finished take.

    Args:
        title: of the take.
        folder: of the version.
        projected: folder of what a projection of the version has left, its depth among it; None = it was not projected.

    Raises:
        BadInputError: it is not there, or lacks pictures.
    """
    take = read_take(folder)
    check_playable(take.numbers, f"The take {title} {take.take}")
    files = numbered_files(Path(take.result), take.numbers, f"The take {title} {take.take}")
    image = load_sequence(files[0], f"{title} {take.take}", is_data=False, colour=take.colour)
    parts = {}
    places = (folder / "mask", folder / "confidence", *([] if projected is None else [projected / "depth"]))
    for name, place in zip(TAKE_PARTS, places, strict=False):
        # Earlier versions of takes lack some.
        if place.is_dir():
            found = numbered_files(place, take.numbers, f"{name} of the take {title} {take.take}")
            parts[name] = load_sequence(found[0], f"{title} {take.take} {name.rsplit(' ', 1)[1]}", is_data=True)
    return Base(title, image, take.numbers[0], len(take.numbers), shot.frame_of(take.numbers[0]), parts)


def build_tree(scene: bpy.types.Scene, base: Base, layers: CgLayers, *, render_with: bool) -> None:
    """Build the nodes, or give those that are there another base and the layers anew.

    Base times what shadows leave of its light, the CG over it. Pictures of another size than renders are scaled.

    Args:
        render_with: renders come out of these nodes, also where others' did before.
    """
    tree = trees.ensure(scene)
    own = {node.name: node for node in tree.nodes if node.get(MARK)}
    if not all(name in own for name in (BASE, CG, SHADOW, *PARTS)):
        for node in own.values():
            tree.nodes.remove(node)
        own = _build(tree)
    picture: Any = own[BASE]
    _show(picture, base.image, base)
    _show_parts(tree, own, base)
    picture.label = f"Base: {base.name}"
    for name, layer in ((CG, layers.cg), (SHADOW, layers.shadow)):
        own[name].scene, own[name].layer = scene, layer.name
    links = tree.links
    # Passes are sockets only where the layer that has them is set.
    links.new(own[SHADOW].outputs["Shadow Catcher"], own[PARTS[1]].inputs[0])
    links.new(own[SHADOW].outputs["Depth"], own[PARTS[3]].inputs[0])
    if render_with:
        trees.use(scene, tree, own[PARTS[0]].outputs[0])


def _show(node: Any, image: bpy.types.Image, base: Base) -> None:
    """Let an image node show a sequence of the base's frames."""
    _let_go(node)
    node.image = image
    # The node has what elsewhere is an image user's.
    show_sequence(node, first_number=base.first_number, count=base.count, first_frame=base.first_frame)


def _let_go(node: Any) -> None:
    """Take an image node's sequence from it, and from the file where nothing else shows it."""
    former, node.image = node.image, None
    if former is not None and former.users == 0:
        bpy.data.images.remove(former)


def _show_parts(tree: Any, own: Mapping[str, Any], base: Base) -> None:
    """Nodes of what is known of a take's pixels; those that there is nothing of are taken away."""
    for place, name in enumerate(TAKE_PARTS):
        node = own.get(name)
        if name not in base.parts:
            if node is not None:
                _let_go(node)
                tree.nodes.remove(node)
            continue
        if node is None:
            node = tree.nodes.new("CompositorNodeImage")
            node.name = node.label = name
            node.parent, node.location = own[BASE].parent, (-1000, 550 - 350 * place)
            node[MARK] = True
        _show(node, base.parts[name], base)


def _build(tree: Any) -> dict[str, Any]:
    nodes, links, own = tree.nodes, tree.links, {}
    frame = nodes.new("NodeFrame")

    def keep(node: Any, name: str, place: tuple[int, int]) -> Any:
        node.name = name
        node.label, node.parent, node.location = name, frame, place
        node[MARK] = True
        own[name] = node
        return node

    frame.name = frame.label = FRAME
    frame[MARK] = True
    base = keep(nodes.new("CompositorNodeImage"), BASE, (-600, 550))
    size = keep(trees.to_render_size(tree), SCALE, (-300, 550))
    cg = keep(nodes.new("CompositorNodeRLayers"), CG, (-600, -450))
    keep(nodes.new("CompositorNodeRLayers"), SHADOW, (-600, 0))
    product, light, left, shaded = trees.multiply(tree)
    keep(product, SHADED, (0, 200))
    above, below, upper = trees.over(tree)
    keep(above, OVER, (250, 100))
    image, shadow, mask, _z = (keep(nodes.new("NodeReroute"), name, (600, -100 * i)) for i, name in enumerate(PARTS))
    links.new(base.outputs["Image"], size.inputs["Image"])
    links.new(size.outputs["Image"], light)
    links.new(shadow.outputs[0], left)
    links.new(shaded, below)
    links.new(cg.outputs["Image"], upper)
    links.new(cg.outputs["Alpha"], mask.inputs[0])
    links.new(above.outputs[0], image.inputs[0])
    return own
