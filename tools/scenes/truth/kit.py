# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenes are built from. Lengths are metres, z up; ``turn`` is XYZ Euler degrees."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bmesh
import bpy
import numpy as np
from mathutils import Matrix, Vector

from tools.scenes.truth.pictures import picture

Point = Sequence[float]
Pose = Callable[[float], None]
ORIGIN = (0.0, 0.0, 0.0)


@dataclass
class Scene:
    """A scene under construction.

    Attributes:
        rng: where all its random numbers come from.
        names: of the objects, by their id (pass index), from 1.
        moving: ids of those that move or deform.
        poses: called with the time in 0..1 of the clip, they move what moves.
        eye, target: of the source camera, at the time in 0..1.
        pivot: distance from the source camera to what the target cameras turn about, along its axis.
        zoom: factor on the source camera's focal length, at the time in 0..1.
        figure: where the middle of the figure is, at the time in 0..1: what a camera may follow.
        matte: whether nothing reflects or refracts.
        seed: that the scene was asked for with; the source camera's own random numbers come from it.
        seconds: that the clip lasts.
    """

    rng: np.random.Generator
    names: list[str] = field(default_factory=list)
    moving: set[int] = field(default_factory=set)
    poses: list[Pose] = field(default_factory=list)
    eye: Callable[[float], Vector] = lambda t: Vector(ORIGIN)
    target: Callable[[float], Vector] = lambda t: Vector((0, 1, 0))
    pivot: float = 3.0
    zoom: Callable[[float], float] = lambda t: 1.0
    figure: Callable[[float], Vector] = lambda t: Vector(ORIGIN)
    matte: bool = True
    seed: int = 1
    seconds: float = 25 / 24

    @property
    def scene(self) -> bpy.types.Scene:
        """Blender's."""
        return bpy.context.scene

    def uniform(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.rng.uniform(low, high))

    def pick(self, *choices: str) -> str:
        """One of these."""
        return str(self.rng.choice(choices))

    # --- materials

    def image(self, kind: str) -> bpy.types.Image:
        """A texture of that kind (``pictures.MAKERS``)."""
        tile = picture(kind, self.rng)
        size = tile.shape[0]
        image = bpy.data.images.new(kind, size, size)
        rgba = np.ones((size, size, 4), np.float32)
        rgba[..., :3] = tile
        image.pixels.foreach_set(rgba.ravel())
        return image

    def matt(self, kind: str, metres: float) -> bpy.types.Material:
        """A Lambertian surface; ``metres`` is the length of its tile."""
        material, image, shader = self._textured(kind, metres, "ShaderNodeBsdfDiffuse")
        material.node_tree.links.new(image.outputs["Color"], shader.inputs["Color"])
        return material

    def glossy(self, kind: str, metres: float, roughness: float, metallic: float = 0.0) -> bpy.types.Material:
        """A varnished or metal surface with a texture."""
        self.matte = False
        material, image, shader = self._textured(kind, metres, "ShaderNodeBsdfPrincipled")
        shader.inputs["Roughness"].default_value, shader.inputs["Metallic"].default_value = roughness, metallic
        material.node_tree.links.new(image.outputs["Color"], shader.inputs["Base Color"])
        return material

    def glass(self) -> bpy.types.Material:
        """Clear, slightly tinted glass."""
        self.matte = False
        material = bpy.data.materials.new("glass")
        material.use_nodes = True
        shader = material.node_tree.nodes["Principled BSDF"]
        shader.inputs["Base Color"].default_value = (*self.rng.uniform(0.75, 1, 3), 1)
        shader.inputs["Roughness"].default_value, shader.inputs["Transmission Weight"].default_value = 0.0, 1.0
        shader.inputs["IOR"].default_value = 1.3
        return material

    def _textured(
        self, kind: str, metres: float, shader_kind: str
    ) -> tuple[bpy.types.Material, bpy.types.Node, bpy.types.Node]:
        material = bpy.data.materials.new(kind)
        material.use_nodes = True
        tree = material.node_tree
        tree.nodes.remove(tree.nodes["Principled BSDF"])
        shader = tree.nodes.new(shader_kind)
        tree.links.new(shader.outputs[0], tree.nodes["Material Output"].inputs["Surface"])
        coordinates = tree.nodes.new("ShaderNodeTexCoord")
        mapping = tree.nodes.new("ShaderNodeMapping")
        mapping.inputs["Scale"].default_value = (1 / metres,) * 3
        mapping.inputs["Location"].default_value = self.rng.uniform(0, 1, 3)
        image = tree.nodes.new("ShaderNodeTexImage")
        image.image, image.projection, image.projection_blend = self.image(kind), "BOX", 0.05
        tree.links.new(coordinates.outputs["Object"], mapping.inputs["Vector"])
        tree.links.new(mapping.outputs["Vector"], image.inputs["Vector"])
        return material, image, shader

    # --- objects

    def add(
        self, name: str, mesh: bpy.types.Mesh | bpy.types.Curve, material: bpy.types.Material, at: Point, turn: Point
    ) -> bpy.types.Object:
        """Put a mesh or curve into the scene as an object of its own id."""
        mesh.materials.append(material)
        thing = bpy.data.objects.new(name, mesh)
        thing.location, thing.rotation_euler = at, [math.radians(a) for a in turn]
        self.scene.collection.objects.link(thing)
        self.names.append(name)
        thing.pass_index = len(self.names)
        return thing

    def shape(
        self, kind: str, size: Point, material: bpy.types.Material, at: Point = ORIGIN, turn: Point = ORIGIN
    ) -> bpy.types.Object:
        """A primitive that fills a box of this size and stands on ``at``.

        Args:
            kind: box, ball, cylinder, cone, torus, monkey.
        """
        mesh, sculpted = bpy.data.meshes.new(kind), bmesh.new()
        make = {
            "box": lambda: bmesh.ops.create_cube(sculpted, size=1),
            "ball": lambda: bmesh.ops.create_uvsphere(sculpted, u_segments=48, v_segments=24, radius=0.5),
            "cylinder": lambda: bmesh.ops.create_cone(
                sculpted, cap_ends=True, segments=48, radius1=0.5, radius2=0.5, depth=1
            ),
            "cone": lambda: bmesh.ops.create_cone(
                sculpted, cap_ends=True, segments=48, radius1=0.5, radius2=0.05, depth=1
            ),
            "torus": lambda: _torus(sculpted),
            "monkey": lambda: bmesh.ops.create_monkey(sculpted),
        }[kind]
        make()
        corners = np.array([vertex.co for vertex in sculpted.verts])
        low, extent = corners.min(axis=0), np.ptp(corners, axis=0)
        for vertex, corner in zip(sculpted.verts, (corners - low) / extent, strict=True):
            vertex.co = [(corner[0] - 0.5) * size[0], (corner[1] - 0.5) * size[1], corner[2] * size[2]]
        sculpted.to_mesh(mesh)
        sculpted.free()
        if kind != "box":
            mesh.shade_smooth()
            mesh.set_sharp_from_angle(angle=math.radians(40))
        return self.add(kind, mesh, material, at, turn)

    def faces(
        self, name: str, corners: np.ndarray, material: bpy.types.Material, at: Point = ORIGIN, turn: Point = ORIGIN
    ) -> bpy.types.Object:
        """One object of loose quads or triangles; ``corners`` (F, 3 or 4, 3)."""
        mesh = bpy.data.meshes.new(name)
        count, sides = corners.shape[:2]
        mesh.from_pydata(corners.reshape(-1, 3).tolist(), [], np.arange(count * sides).reshape(count, sides).tolist())
        return self.add(name, mesh, material, at, turn)

    def wires(
        self, name: str, paths: Sequence[np.ndarray], radius: float, material: bpy.types.Material
    ) -> bpy.types.Object:
        """One object of round wires along paths of points (N, 3)."""
        curve = bpy.data.curves.new(name, "CURVE")
        curve.dimensions, curve.bevel_depth, curve.bevel_resolution = "3D", radius, 1
        for path in paths:
            spline = curve.splines.new("POLY")
            spline.points.add(len(path) - 1)
            spline.points.foreach_set("co", np.hstack([path, np.ones((len(path), 1))]).ravel())
        return self.add(name, curve, material, ORIGIN, ORIGIN)

    def move(self, thing: bpy.types.Object, pose: Pose) -> None:
        """``pose`` moves or deforms this object."""
        self.moving.add(thing.pass_index)
        self.poses.append(pose)

    # --- light

    def sun(self, elevation: float, azimuth: float, strength: float, softness: float = 3.0) -> None:
        """Sunlight from there, in degrees; azimuth 0 is from the camera's back, + from its right."""
        data = bpy.data.lights.new("sun", "SUN")
        data.energy, data.angle = strength, math.radians(softness)
        data.color = (1.0, self.uniform(0.86, 0.98), self.uniform(0.7, 0.92))
        lamp = bpy.data.objects.new("sun", data)
        a, e = math.radians(azimuth), math.radians(elevation)
        towards = Vector((math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)))
        lamp.rotation_euler = towards.to_track_quat("Z", "Y").to_euler()
        self.scene.collection.objects.link(lamp)

    def sky(self, strength: float, hdri: str | None = None) -> None:
        """Light from all round: plain, or one of the panoramas that come with Blender (CC0)."""
        world = bpy.data.worlds.new("sky")
        self.scene.world = world
        world.use_nodes = True
        tree = world.node_tree
        background = tree.nodes["Background"]
        background.inputs["Strength"].default_value = strength
        background.inputs["Color"].default_value = (*(0.75 + 0.25 * self.rng.uniform(0.6, 1, 3)), 1)
        if hdri:
            folder = Path(bpy.utils.resource_path("LOCAL")) / "datafiles" / "studiolights" / "world"
            panorama = tree.nodes.new("ShaderNodeTexEnvironment")
            panorama.image = bpy.data.images.load(str(folder / f"{hdri}.exr"))
            tree.links.new(panorama.outputs["Color"], background.inputs["Color"])


def _torus(sculpted: bmesh.types.BMesh) -> None:
    around, tube = 40, 16
    a, b = np.meshgrid(np.arange(around) * 2 * np.pi / around, np.arange(tube) * 2 * np.pi / tube, indexing="ij")
    ring = 0.35 + 0.15 * np.cos(b)
    points = np.stack([ring * np.cos(a), ring * np.sin(a), 0.15 * np.sin(b)], axis=-1)
    vertices = [[sculpted.verts.new(points[i, j]) for j in range(tube)] for i in range(around)]
    for i in range(around):
        for j in range(tube):
            k, m = (i + 1) % around, (j + 1) % tube
            sculpted.faces.new((vertices[i][j], vertices[k][j], vertices[k][m], vertices[i][m]))


def look_at(eye: Vector, target: Vector) -> Matrix:
    """Camera-to-world of a Blender camera (looks along −z, y up) without roll."""
    return Matrix.Translation(eye) @ (target - eye).to_track_quat("-Z", "Y").to_matrix().to_4x4()
