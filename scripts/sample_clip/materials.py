# SPDX-License-Identifier: GPL-3.0-or-later
"""Paint, wood, floor and wallpaper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy

# Paints, scene-linear RGB
CREAM = (0.80, 0.68, 0.48)
RED = (0.56, 0.045, 0.03)
BLUE = (0.035, 0.14, 0.36)
TEAL = (0.03, 0.27, 0.26)
YELLOW = (0.78, 0.42, 0.04)
GREEN = (0.09, 0.24, 0.06)
ORANGE = (0.70, 0.19, 0.03)
DARK = (0.025, 0.025, 0.03)
WHITE = (0.78, 0.76, 0.71)
BLOCK_PAINTS = {"red": RED, "blue": BLUE, "teal": TEAL, "yellow": YELLOW, "orange": ORANGE, "cream": CREAM}

Color = tuple[float, float, float]
Point = tuple[float, float, float]


class NodeGraph:
    """A material's node tree with short ways to add and link nodes."""

    def __init__(self, material: bpy.types.Material) -> None:
        if bpy.app.version < (5, 0, 0):
            material.use_nodes = True
        self.tree = material.node_tree
        self.shader = next(n for n in self.tree.nodes if n.type == "BSDF_PRINCIPLED")

    def add(self, kind: str, inputs: dict[str | int, object] | None = None, **attributes: object) -> bpy.types.Node:
        """A node of type ``kind``; sockets among ``inputs`` are linked, other values set as defaults."""
        node = self.tree.nodes.new(kind)
        for name, value in attributes.items():
            setattr(node, name, value)
        for name, value in (inputs or {}).items():
            self.set(node.inputs[name], value)
        return node

    def set(self, target: bpy.types.NodeSocket, value: object) -> None:
        """Link ``value`` when it is a socket, otherwise make it the default."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, target)
        else:
            target.default_value = value

    def coords(self, scale: Point = (1, 1, 1), rotation: Point = (0, 0, 0)) -> bpy.types.NodeSocket:
        """Object coordinates, scaled."""
        source = self.add("ShaderNodeTexCoord").outputs["Object"]
        return self.add("ShaderNodeMapping", {"Vector": source, "Scale": scale, "Rotation": rotation}).outputs[0]

    def noise(self, vector: bpy.types.NodeSocket, scale: float, detail: float = 4.0) -> bpy.types.NodeSocket:
        """Noise in 0..1."""
        return self.add("ShaderNodeTexNoise", {"Vector": vector, "Scale": scale, "Detail": detail}).outputs[0]

    def math(self, operation: str, *values: object) -> bpy.types.NodeSocket:
        """One scalar operation."""
        return self.add("ShaderNodeMath", dict(enumerate(values)), operation=operation).outputs[0]

    def ramp(self, factor: bpy.types.NodeSocket, stops: Sequence[tuple[float, Color]]) -> bpy.types.NodeSocket:
        """Colours by factor."""
        node = self.add("ShaderNodeValToRGB", {"Fac": factor})
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (position, color) in zip(elements, stops, strict=True):
            element.position = position
            element.color = (*color, 1)
        return node.outputs["Color"]

    def mix(self, factor: object, a: object, b: object, blend: str = "MIX") -> bpy.types.NodeSocket:
        """Two colours mixed (the colour sockets of the Mix node are found by type: its names repeat)."""
        node = self.add("ShaderNodeMix", data_type="RGBA", blend_type=blend)
        colors = [s for s in node.inputs if s.type == "RGBA"]
        for socket, value in zip((node.inputs[0], *colors), (factor, a, b), strict=True):
            self.set(socket, (*value, 1) if isinstance(value, tuple) else value)
        return next(s for s in node.outputs if s.type == "RGBA")

    def bump(self, height: bpy.types.NodeSocket, strength: float, distance: float = 0.01) -> None:
        """Let the surface follow ``height``."""
        node = self.add("ShaderNodeBump", {"Height": height, "Strength": strength, "Distance": distance})
        self.set(self.shader.inputs["Normal"], node.outputs[0])

    def surface(self, color: object, roughness: object) -> None:
        """Colour and roughness of the Principled shader."""
        self.set(self.shader.inputs["Base Color"], (*color, 1) if isinstance(color, tuple) else color)
        self.set(self.shader.inputs["Roughness"], roughness)


def new_graph(name: str) -> tuple[bpy.types.Material, NodeGraph]:
    """A new material and its graph."""
    material = bpy.data.materials.new(name)
    return material, NodeGraph(material)


def paint(name: str, color: Color) -> bpy.types.Material:
    """Semi-gloss paint on wood: the grain shows through faintly, the tone varies a little."""
    material, graph = new_graph(name)
    grain = graph.noise(graph.coords((3, 24, 24)), 2.0, 5)
    patches = graph.noise(graph.coords(), 3.0, 3)
    tone = graph.math("MULTIPLY_ADD", graph.math("ADD", grain, patches), 0.30, 0.70)
    graph.surface(graph.mix(1.0, color, tone, "MULTIPLY"), graph.math("MULTIPLY_ADD", patches, 0.25, 0.28))
    graph.bump(grain, 0.15)
    return material


def wood(name: str, light: Color, dark: Color, scale: float = 1.0) -> bpy.types.Material:
    """Bare beech or pine, the grain along x."""
    material, graph = new_graph(name)
    rings = graph.noise(graph.coords((0.7 * scale, 7 * scale, 7 * scale)), 2.2, 6)
    fibre = graph.noise(graph.coords((5 * scale, 90 * scale, 90 * scale)), 1.0, 3)
    factor = graph.math("MULTIPLY_ADD", fibre, 0.35, graph.math("MULTIPLY", rings, 0.75))
    graph.surface(graph.ramp(factor, [(0.34, dark), (0.72, light)]), 0.5)
    graph.bump(fibre, 0.2)
    return material


def floor_boards() -> bpy.types.Material:
    """Oiled oak boards along x, each of its own tone, with dark joints."""
    material, graph = new_graph("floor")
    vector = graph.coords()
    boards = graph.add(
        "ShaderNodeTexBrick",
        {
            "Vector": vector,
            "Color1": (0.0, 0.0, 0.0, 1),
            "Color2": (1.0, 1.0, 1.0, 1),
            "Mortar": (0.5, 0.5, 0.5, 1),
            "Scale": 1.0,
            "Mortar Size": 0.012,
            "Mortar Smooth": 0.3,
            "Bias": 0.0,
            "Brick Width": 7.0,
            "Row Height": 1.05,
        },
        offset=0.37,
    )
    shift = graph.math("MULTIPLY", boards.outputs["Color"], 40.0)
    grain_at = graph.add("ShaderNodeVectorMath", {0: graph.coords((0.35, 4.0, 1.0)), 1: shift}, operation="ADD")
    rings = graph.noise(grain_at.outputs[0], 1.6, 7)
    fibre = graph.noise(graph.coords((2.0, 60.0, 1.0)), 1.0, 3)
    factor = graph.math("MULTIPLY_ADD", fibre, 0.3, graph.math("MULTIPLY", rings, 0.75))
    oak = graph.ramp(factor, [(0.30, (0.13, 0.062, 0.026)), (0.52, (0.30, 0.165, 0.078)), (0.78, (0.46, 0.29, 0.15))])
    tone = graph.math("MULTIPLY_ADD", boards.outputs["Color"], 0.45, 0.72)
    toned = graph.mix(1.0, oak, tone, "MULTIPLY")
    graph.surface(
        graph.mix(boards.outputs["Fac"], toned, (0.03, 0.016, 0.008)), graph.math("MULTIPLY_ADD", rings, 0.3, 0.3)
    )
    graph.bump(graph.math("SUBTRACT", graph.math("MULTIPLY", fibre, 0.25), boards.outputs["Fac"]), 0.35, 0.02)
    return material


def wallpaper() -> bpy.types.Material:
    """Matt grey-green paper with a lattice of small cream dots."""
    material, graph = new_graph("wallpaper")
    lattice = graph.add(
        "ShaderNodeTexVoronoi",
        {"Vector": graph.coords((1, 0, 1), (0, math.radians(45), 0)), "Scale": 2.6, "Randomness": 0.0},
    )
    dots = graph.math("LESS_THAN", lattice.outputs["Distance"], 0.15)
    blotches = graph.noise(graph.coords(), 0.9, 5)
    weave = graph.noise(graph.coords((40, 40, 40)), 1.0, 2)
    base = graph.ramp(blotches, [(0.3, (0.085, 0.17, 0.165)), (0.7, (0.12, 0.22, 0.205))])
    graph.surface(graph.mix(dots, base, (0.55, 0.50, 0.38)), 0.85)
    graph.bump(weave, 0.25)
    return material


def make_materials() -> dict[str, bpy.types.Material]:
    """All materials by name."""
    paints = {**BLOCK_PAINTS, "green": GREEN, "dark": DARK, "white": WHITE}
    materials = {name: paint(name, color) for name, color in paints.items()}
    materials["beech"] = wood("beech", (0.66, 0.43, 0.23), (0.42, 0.235, 0.105))
    materials["pine"] = wood("pine", (0.72, 0.50, 0.27), (0.50, 0.30, 0.13), 0.8)
    materials["bark"] = wood("bark", (0.24, 0.125, 0.06), (0.10, 0.05, 0.025))
    materials["floor"] = floor_boards()
    materials["wall"] = wallpaper()
    return materials
