# SPDX-License-Identifier: GPL-3.0-or-later
"""Light, camera and the whole scene."""

from __future__ import annotations

import math
import random
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from sample_clip.materials import Color, Point, make_materials
from sample_clip.props import TRACK_RADIUS, build_props, build_room, build_track, on_track
from sample_clip.train import CAR_SPACING, FPS, SPEED, START_DEG, Train, build_train
from sample_clip.workshop import Workshop

# Camera
LENS_MM = 35.0
SENSOR_MM = 36.0
CAMERA_AT = Vector((0.55, -6.0, 2.05))
CAMERA_TARGET = Vector((-0.05, 0.0, 0.52))
#: Sets the blur circle of the wall to about 3 pixels at 640x360.
F_STOP = 0.7


def build_world(scene: bpy.types.Scene) -> None:
    """Soft fill from one of the studio lights that come with Blender (CC0)."""
    folder = Path(bpy.utils.system_resource("DATAFILES", path="studiolights/world"))
    world = bpy.data.worlds.new("room light")
    scene.world = world
    if bpy.app.version < (5, 0, 0):
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    background = next(n for n in nodes if n.type == "BACKGROUND")
    texture = nodes.new("ShaderNodeTexEnvironment")
    texture.image = bpy.data.images.load(str(folder / "interior.exr"))
    mapping = nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value.z = math.radians(70)
    links.new(nodes.new("ShaderNodeTexCoord").outputs["Generated"], mapping.inputs["Vector"])
    links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    links.new(texture.outputs["Color"], background.inputs["Color"])
    background.inputs["Strength"].default_value = 0.55


def add_area(name: str, at: Point, target: Point, size: float, watts: float, color: Color) -> None:
    """A square area light that looks at ``target``."""
    light = bpy.data.lights.new(name, "AREA")
    light.size, light.energy, light.color = size, watts, color
    lamp = bpy.data.objects.new(name, light)
    lamp.matrix_world = look_at(Vector(at), Vector(target))
    bpy.context.scene.collection.objects.link(lamp)


def build_lights() -> None:
    """Warm key from the left, cool rim from behind on the right."""
    add_area("key", (-5.0, -3.6, 6.2), (0.0, 1.0, 0.2), 2.2, 900, (1.0, 0.87, 0.70))
    add_area("rim", (5.5, 3.6, 4.2), (0.2, 0.5, 0.4), 1.6, 260, (0.72, 0.86, 1.0))


def look_at(eye: Vector, target: Vector) -> Matrix:
    """Camera-to-world of a Blender camera or lamp (looks along −z, y up) without roll."""
    rotation = (target - eye).to_track_quat("-Z", "Y").to_matrix().to_4x4()
    return Matrix.Translation(eye) @ rotation


def subject_pivot(frames: int) -> Vector:
    """The middle of the train's way through the clip, at half its height."""
    middle = math.radians(START_DEG) + (SPEED * (frames - 1) / FPS / 2 - CAR_SPACING / 2) / TRACK_RADIUS
    return on_track(middle) + Vector((0, 0, 0.45))


def build_camera(scene: bpy.types.Scene, frames: int, yaw_deg: float) -> bpy.types.Object:
    """The still camera, turned about the vertical through the subject by ``yaw_deg`` (+ takes it to its right)."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width, data.sensor_fit = LENS_MM, SENSOR_MM, "HORIZONTAL"
    camera = bpy.data.objects.new("camera", data)
    pivot = subject_pivot(frames)
    about = Matrix.Translation(pivot) @ Matrix.Rotation(math.radians(yaw_deg), 4, "Z") @ Matrix.Translation(-pivot)
    camera.matrix_world = about @ look_at(CAMERA_AT, CAMERA_TARGET)
    data.dof.focus_distance = -(camera.matrix_world.inverted() @ pivot).z
    data.dof.aperture_fstop = F_STOP
    scene.collection.objects.link(camera)
    scene.camera = camera
    return camera


def build_scene(frames: int, seed: int, yaw_deg: float) -> tuple[bpy.types.Scene, Train]:
    """The whole scene in an empty file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    shop = Workshop(make_materials(), random.Random(seed))
    build_room(shop)
    build_track(shop)
    build_props(shop)
    train = build_train(shop)
    build_world(scene)
    build_lights()
    build_camera(scene, frames, yaw_deg)
    return scene, train
