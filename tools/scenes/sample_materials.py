# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural paints, woods, floor and wallpaper of the sample clip's scene.

Textures lie in object coordinates, in Blender units of 0.1 m. Noise has detail down to about a pixel of the clip, for
trackers and optical flow to hold on to.
"""

from __future__ import annotations

import math

import bpy

Point = tuple[float, float, float]
Socket = bpy.types.NodeSocket
ZERO: Point = (0.0, 0.0, 0.0)

#: sRGB. Woods and the other textures have a dark and a light tone.
PAINTS = {"cream": "e7d8b8", "white": "e4e2db", "red": "c53c30", "blue": "3568a2", "teal": "308f8b"}
PAINTS |= {"yellow": "e3ad38", "orange": "d97830", "green": "55864a", "dark": "2b2b30"}
WOODS = {"beech": ("aa8159", "d7b389"), "pine": ("bc9564", "dec093"), "bark": ("5a402c", "8c6747")}
OAK, JOINT, PAPER, DOT = ("61432a", "b6936c"), "302317", ("4a6d6b", "688983"), "c4bca7"


def linear(code: str, gain: float = 1.0) -> Point:
    """Scene-linear colour of an sRGB hex code, times ``gain``."""
    red, green, blue = (gain * (int(code[i : i + 2], 16) / 255) ** 2.2 for i in (0, 2, 4))
    return red, green, blue


class Graph:
    """A material whose Principled shader is fed by texture nodes."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree

    def set(self, target: Socket, value: object) -> None:
        """Link a socket; anything else becomes the default."""
        if isinstance(value, Socket):
            self.tree.links.new(value, target)
        else:
            target.default_value = (*value, 1.0) if target.type == "RGBA" else value

    def add(self, kind: str, inputs: dict[str | int, object], **attributes: object) -> bpy.types.NodeOutputs:
        """Outputs of a new node of this kind."""
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in attributes.items():
            setattr(node, name, value)
        for name, value in inputs.items():
            self.set(node.inputs[name], value)
        return node.outputs

    def math(self, operation: str, *values: object) -> Socket:
        """One scalar operation."""
        return self.add("Math", dict(enumerate(values)), operation=operation)[0]

    def coords(self, stretch: Point, shift: object = ZERO) -> Socket:
        """Object coordinates, stretched, then moved."""
        inputs = {0: self.add("TexCoord", {})["Object"], 1: stretch, 2: shift}
        return self.add("VectorMath", inputs, operation="MULTIPLY_ADD")[0]

    def noise(self, stretch: Point, detail: float, shift: object = None) -> Socket:
        """Noise in 0..1, ``stretch`` in cells per unit; without ``shift`` each object lies elsewhere in it."""
        shift = shift or self.math("MULTIPLY", self.add("ObjectInfo", {})["Random"], 50.0)
        return self.add("TexNoise", {"Vector": self.coords(stretch, shift), "Scale": 1.0, "Detail": detail})[0]

    def mix(self, factor: Socket, low: float, high: float, a: object, b: object) -> Socket:
        """Colour ``a`` where the factor is at most ``low``, ``b`` from ``high`` on."""
        share = self.add("MapRange", {"Value": factor, "From Min": low, "From Max": high})[0]
        # The Mix node repeats its socket names for each type: 6, 7 and output 2 are those for colours.
        return self.add("Mix", {0: share, 6: a, 7: b}, data_type="RGBA")[2]

    def finish(self, color: Socket, roughness: object, height: Socket, bump: float) -> bpy.types.Material:
        """The material with this surface."""
        normal = self.add("Bump", {"Height": height, "Strength": bump, "Distance": 0.01})[0]
        shader = self.tree.nodes["Principled BSDF"]
        for name, value in (("Base Color", color), ("Roughness", roughness), ("Normal", normal)):
            self.set(shader.inputs[name], value)
        return self.material


def paint(name: str, code: str) -> bpy.types.Material:
    """Semi-gloss paint: the grain below shows through, the tone varies."""
    graph = Graph(name)
    grain, patches = graph.noise((5, 45, 45), 3), graph.noise((4, 4, 4), 3)
    color = graph.mix(graph.math("ADD", grain, patches), 0.65, 1.3, linear(code, 0.62), linear(code, 1.1))
    return graph.finish(color, graph.math("MULTIPLY_ADD", patches, 0.3, 0.25), grain, 0.15)


def wood(name: str, dark: str, light: str) -> bpy.types.Material:
    """Bare wood, the grain along x."""
    graph = Graph(name)
    rings, fibre = graph.noise((1.5, 15, 15), 4), graph.noise((5, 90, 90), 2)
    grain = graph.math("MULTIPLY_ADD", fibre, 0.4, rings)
    return graph.finish(graph.mix(grain, 0.45, 0.95, linear(dark), linear(light)), 0.5, fibre, 0.2)


def floor_boards() -> bpy.types.Material:
    """Oiled oak boards along x, each with its own tone and grain, dark joints between them."""
    graph = Graph("floor")
    layout = {"Vector": graph.coords((1, 1, 1)), "Color1": ZERO, "Color2": (1, 1, 1), "Scale": 1.0}
    layout |= {"Brick Width": 7.0, "Row Height": 1.05, "Mortar Size": 0.012, "Mortar Smooth": 0.3}
    board, joint = graph.add("TexBrick", layout, offset=0.37)[:2]
    rings = graph.noise((0.55, 6.5, 1), 6, graph.math("MULTIPLY", board, 40.0))
    fibre = graph.noise((3, 60, 1), 3)
    tone = graph.math("MULTIPLY_ADD", board, 0.15, graph.math("MULTIPLY_ADD", fibre, 0.5, rings))
    color = graph.mix(joint, 0, 1, graph.mix(tone, 0.5, 1.15, *map(linear, OAK)), linear(JOINT))
    height = graph.math("SUBTRACT", graph.math("MULTIPLY", fibre, 0.25), joint)
    return graph.finish(color, graph.math("MULTIPLY_ADD", rings, 0.3, 0.3), height, 0.5)


def wallpaper() -> bpy.types.Material:
    """Matt grey-green paper with a lattice of small cream dots."""
    graph = Graph("wall")
    turned = graph.add("Mapping", {"Vector": graph.coords((1, 0, 1)), "Rotation": (0, math.pi / 4, 0)})[0]
    dots = graph.add("TexVoronoi", {"Vector": turned, "Scale": 2.6, "Randomness": 0.0})["Distance"]
    blotches, weave = graph.noise((2, 2, 2), 5), graph.noise((25, 25, 25), 2)
    base = graph.mix(graph.math("MULTIPLY_ADD", weave, 0.4, blotches), 0.5, 0.9, *map(linear, PAPER))
    return graph.finish(graph.mix(dots, 0.15, 0.17, linear(DOT), base), 0.85, weave, 0.25)


def make_materials() -> dict[str, bpy.types.Material]:
    """All materials by name."""
    made = [paint(*item) for item in PAINTS.items()] + [wood(name, *tones) for name, tones in WOODS.items()]
    return {material.name: material for material in (*made, floor_boards(), wallpaper())}
