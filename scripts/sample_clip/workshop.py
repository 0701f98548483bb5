# SPDX-License-Identifier: GPL-3.0-or-later
"""Mesh parts: boxes, slabs, turned shapes, rods and balls."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from sample_clip.materials import Point


@dataclass
class Workshop:
    """Makes the parts of the scene: the materials and the seeded random numbers at hand."""

    materials: dict[str, bpy.types.Material]
    rng: random.Random

    def part(
        self,
        name: str,
        vertices: Sequence[Point],
        faces: Sequence[Sequence[int]],
        material: str,
        *,
        at: Sequence[float] = (0, 0, 0),
        turn: Sequence[float] = (0, 0, 0),
        parent: bpy.types.Object | None = None,
        bevel: float = 0.0,
    ) -> bpy.types.Object:
        """A mesh object; ``turn`` is XYZ Euler degrees, ``bevel`` rounds edges sharper than 30 degrees."""
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(vertices, [], faces)
        mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), dtype=bool))
        mesh.set_sharp_from_angle(angle=math.radians(35))
        mesh.materials.append(self.materials[material])
        part = bpy.data.objects.new(name, mesh)
        part.location = at
        part.rotation_euler = [math.radians(a) for a in turn]
        part.parent = parent
        if bevel:
            modifier = part.modifiers.new("bevel", "BEVEL")
            modifier.width, modifier.segments, modifier.harden_normals = bevel, 3, True
        bpy.context.scene.collection.objects.link(part)
        return part

    def box(self, name: str, size: Point, material: str, *, bevel: float = 0.02, **place: object) -> bpy.types.Object:
        """A box that stands on its origin."""
        x, y = size[0] / 2, size[1] / 2
        outline = [(-x, -y), (x, -y), (x, y), (-x, y)]
        return self.slab(name, outline, size[2], material, bevel=bevel, **place)

    def slab(
        self, name: str, outline: Sequence[tuple[float, float]], height: float, material: str, **place: object
    ) -> bpy.types.Object:
        """A counter-clockwise outline in xy, raised by ``height``."""
        n = len(outline)
        vertices = [(x, y, 0.0) for x, y in outline] + [(x, y, height) for x, y in outline]
        sides = [(i, (i + 1) % n, (i + 1) % n + n, i + n) for i in range(n)]
        return self.part(name, vertices, [tuple(range(n))[::-1], tuple(range(n, 2 * n)), *sides], material, **place)

    def turned(
        self,
        name: str,
        profile: Sequence[tuple[float, float]],
        material: str,
        *,
        segments: int = 40,
        **place: object,
    ) -> bpy.types.Object:
        """A shape from the lathe: ``profile`` is (radius, z) from the bottom up, closed by flat ends."""
        angles = [2 * math.pi * i / segments for i in range(segments)]
        vertices = [(r * math.cos(a), r * math.sin(a), z) for r, z in profile for a in angles]
        faces: list[tuple[int, ...]] = [tuple(range(segments))[::-1]]
        for row in range(len(profile) - 1):
            low, high = row * segments, (row + 1) * segments
            faces += [(low + i, low + (i + 1) % segments, high + (i + 1) % segments, high + i) for i in range(segments)]
        faces.append(tuple(range((len(profile) - 1) * segments, len(profile) * segments)))
        return self.part(name, vertices, faces, material, **place)

    def rod(self, name: str, radius: float, length: float, material: str, **place: object) -> bpy.types.Object:
        """A cylinder with rounded rims that stands on its origin."""
        edge = min(0.025, radius / 4, length / 4)
        profile = [*arc(radius - edge, edge, edge, -90, 0), *arc(radius - edge, length - edge, edge, 0, 90)]
        return self.turned(name, profile, material, **place)

    def ball(self, name: str, radius: float, material: str, **place: object) -> bpy.types.Object:
        """A sphere that stands on its origin."""
        return self.turned(name, arc(1e-4, radius, radius, -90, 90, 24), material, **place)

    def joint(
        self, name: str, at: Sequence[float] = (0, 0, 0), parent: bpy.types.Object | None = None
    ) -> bpy.types.Object:
        """An empty that parts hang on."""
        empty = bpy.data.objects.new(name, None)
        empty.location = at
        empty.parent = parent
        bpy.context.scene.collection.objects.link(empty)
        return empty


def arc(r: float, z: float, radius: float, start: float, stop: float, steps: int = 5) -> list[tuple[float, float]]:
    """Points on a circle about (r, z), degrees from +r towards +z."""
    angles = [math.radians(start + (stop - start) * i / steps) for i in range(steps + 1)]
    return [(r + radius * math.cos(a), z + radius * math.sin(a)) for a in angles]
