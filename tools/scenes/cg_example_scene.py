# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of ``make_cg_example`` that runs inside Blender: python -m tools.scenes.cg_example_scene CLIP OUT FRAME...

It goes the artist's way: plate, reconstruction, a take camera, a take, then CG by the panel's own presets. Depth comes
from a file, as it would from a scan or a good estimator: it is rendered from the clip's own scene. OUT gets that file,
the .blend, and of each frame the comp over the plate and over the take, ``plate.1001.png`` and ``take.1001.png``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from tools.scenes.sample_scene import UNIT_M, build_scene

MOVE = "orbit:8"
#: Of samples/toy_train.mp4, as it was rendered.
CLIP_SIZE, CLIP_FRAMES, CLIP_FPS, CLIP_SEED = (640, 360), 49, 24, 7
#: Closer than the source camera by so much: what the move uncovers at the picture's border stays outside.
CLOSER = 1.25
#: Rays a pixel, denoised, and how often they go on from what they hit.
SAMPLES, BOUNCES = 16, 2
#: Plate pixels, x and y, that show floor in the first frame.
FLOOR = ((60, 320), (200, 340), (320, 330), (480, 335), (600, 320), (610, 230), (40, 260))
#: Plate pixels that the figure walks between, and its height in pixels.
PATH = ((556, 246), (412, 226))
HEIGHT = 88
STEPS = 9
#: Towards where the clip's light shines: to the right, away from the camera, down.
LIGHT = (5.0, 3.6, -6.2)


@dataclass(frozen=True)
class Floor:
    """The plane that the figure walks on, in Blender's world.

    Attributes:
        place: a point on it.
        up: its normal.
        eye: where the source camera stands.
        across: its right.
    """

    place: Vector
    up: Vector
    eye: Vector
    across: Vector

    @property
    def forward(self) -> Vector:
        """Away from the camera, along the floor."""
        return self.up.cross(self.across).normalized()

    def under(self, ray: Vector) -> Vector:
        """Where a ray from the eye meets the floor."""
        return self.eye + ray * ((self.place - self.eye).dot(self.up) / ray.dot(self.up))


def rays(camera: Any, scene: Any, pixels: Any) -> list[Vector]:
    """Directions in the world of plate pixels."""
    corners = [camera.matrix_world @ corner for corner in camera.data.view_frame(scene=scene)]
    right_top, _right_bottom, left_bottom, left_top = corners
    width, height = scene.render.resolution_x, scene.render.resolution_y
    eye = camera.matrix_world.translation
    return [
        left_top + (right_top - left_top) * (x / width) + (left_bottom - left_top) * (y / height) - eye
        for x, y in pixels
    ]


def find_floor(scene: Any, mesh: Any, camera: Any) -> Floor:
    """The plane through what the mesh has at the pixels of ``FLOOR``."""
    shown = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    inverse = shown.matrix_world.inverted()
    eye = camera.matrix_world.translation.copy()
    hits = []
    for ray in rays(camera, scene, FLOOR):
        found, place, _normal, _face = shown.ray_cast(inverse @ eye, (inverse.to_3x3() @ ray).normalized())
        if found:
            hits.append(shown.matrix_world @ place)
    points = np.array(hits)
    middle = points.mean(axis=0)
    up = Vector(np.linalg.svd(points - middle)[2][2])
    up = up if up.dot(eye - Vector(middle)) > 0 else -up
    across = camera.matrix_world.to_3x3() @ Vector((1, 0, 0))
    return Floor(Vector(middle), up, eye, (across - up * across.dot(up)).normalized())


def paint(name: str, color: tuple[float, float, float], roughness: float) -> Any:
    """A plain material."""
    item = bpy.data.materials.new(name)
    item.use_nodes = True
    surface = item.node_tree.nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = (*color, 1.0)
    surface.inputs["Roughness"].default_value = roughness
    return item


def build_figure(scene: Any) -> Any:
    """A toy figure of height 1, its feet at the origin of the Empty that moves it; it looks along -Y, up is Z."""
    root = bpy.data.objects.new("Figure", None)
    scene.collection.objects.link(root)
    purple, cream, dark = (
        paint("Purple", (0.21, 0.04, 0.42), 0.3),
        paint("Cream", (0.8, 0.62, 0.42), 0.45),
        paint("Dark", (0.02, 0.02, 0.03), 0.25),
    )

    def part(name: str, material: Any, place: tuple[float, float, float]) -> Any:
        obj = bpy.context.object
        obj.name, obj.parent, obj.location = name, root, place
        obj.data.materials.append(material)
        for face in obj.data.polygons:
            face.use_smooth = True
        return obj

    bpy.ops.mesh.primitive_cone_add(vertices=64, radius1=0.27, radius2=0.13, depth=0.56)
    part("Body", purple, (0, 0, 0.36))
    bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24, radius=0.19)
    part("Head", cream, (0, 0, 0.76))
    bpy.ops.mesh.primitive_cone_add(vertices=64, radius1=0.2, radius2=0.0, depth=0.26)
    part("Hat", purple, (0, 0, 0.99))
    for side in (-1, 1):
        bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=12, radius=0.03)
        part("Eye", dark, (0.07 * side, -0.17, 0.79))
        bpy.ops.mesh.primitive_uv_sphere_add(segments=24, ring_count=12, radius=0.1)
        foot = part("Foot", dark, (0.12 * side, -0.05, 0.06))
        foot.scale = (1, 1.5, 0.6)
    return root


def walk(scene: Any, root: Any, floor: Floor, ends: list[Vector], size: float) -> None:
    """Key the figure along the floor: it rocks from foot to foot."""
    heading = (ends[1] - ends[0]).normalized()
    turn = Matrix((heading.cross(floor.up).normalized() * -1, -heading, floor.up)).transposed().to_quaternion()
    root.rotation_mode = "QUATERNION"
    root.scale = (size, size, size)
    frames = range(scene.frame_start, scene.frame_end + 1)
    for frame in frames:
        share = (frame - frames.start) / (len(frames) - 1)
        swing = np.sin(share * STEPS * np.pi)
        root.location = ends[0].lerp(ends[1], share) + floor.up * (0.03 * size * abs(swing))
        root.rotation_quaternion = turn @ Quaternion((0, 1, 0), 0.09 * swing)
        for path in ("location", "rotation_quaternion"):
            root.keyframe_insert(path, frame=frame)


def build_light(scene: Any, floor: Floor) -> None:
    """A sun like the clip's, and the room's light."""
    light = bpy.data.lights.new("Sun", "SUN")
    light.energy, light.color, light.angle = 3.2, (1.0, 0.88, 0.72), 0.22
    sun = bpy.data.objects.new("Sun", light)
    towards = floor.across * LIGHT[0] + floor.forward * LIGHT[1] + floor.up * LIGHT[2]
    sun.rotation_euler = towards.to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(sun)
    world = bpy.data.worlds.new("Room")
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (0.75, 0.87, 1.0, 1.0)
    background.inputs["Strength"].default_value = 0.35
    scene.world = world


def write_depth(path: Path, scratch: Path) -> None:
    """The clip's z-depth and camera, rendered from its scene, in metres: what depth files hold."""
    scene, train = build_scene(CLIP_SEED, 0.0)
    scene.render.engine, scene.cycles.device = "CYCLES", "CPU"
    scene.render.resolution_x, scene.render.resolution_y = CLIP_SIZE
    # The smallest filter puts the only sample in the middle of its pixel.
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = 1, False, 0.01
    scene.cycles.max_bounces = 0
    scene.render.use_persistent_data = True
    scene.view_layers[0].use_pass_z = True
    scene.use_nodes = True
    nodes = scene.node_tree.nodes
    layers = next(node for node in nodes if node.bl_idname == "CompositorNodeRLayers")
    output = next(node for node in nodes if node.bl_idname == "CompositorNodeComposite")
    scene.node_tree.links.new(layers.outputs["Depth"], output.inputs["Image"])
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGB", "32"
    width, height = CLIP_SIZE
    maps = np.empty((CLIP_FRAMES, height, width), np.float32)
    for index in range(CLIP_FRAMES):
        train.pose(index / CLIP_FPS)
        scene.render.filepath = str(scratch)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(scratch), check_existing=False)
        values = np.empty(4 * width * height, np.float32)
        image.pixels.foreach_get(values)
        maps[index] = values.reshape(height, width, 4)[::-1, :, 0] * UNIT_M
        bpy.data.images.remove(image)
    focal = scene.camera.data.lens / scene.camera.data.sensor_width * width
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    np.savez_compressed(path, depth=maps, K=K)


def render(scene: Any, path: Path, frame: int) -> None:
    """One comp."""
    scene.frame_set(frame)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def main() -> int:
    """Make the example."""
    # Found only once bpy has set its paths up.
    import addon_utils

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("frames", type=int, nargs="+")
    args = parser.parse_args()
    depth = args.out / "depth.npz"
    if not depth.exists():
        write_depth(depth, args.out / "depth.exr")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    if addon_utils.enable("ex4d_blender", default_set=True) is None:
        return 1
    scene: Any = bpy.context.scene
    bpy.ops.wm.save_as_mainfile(filepath=str(args.out / "cg_example.blend"))
    scene.ex4d.shot_folder = str(args.out / "shot")
    bpy.ops.ex4d.load_plate(filepath=str(args.clip))
    scene.ex4d.depth_source, scene.ex4d.depth_path = "FILES", str(depth)
    bpy.ops.ex4d.reconstruct(match_scene=True)
    from ex4d_blender.scene import shot as shots

    shot = shots.chosen_shot(scene)
    scene.frame_set(scene.frame_start)
    floor = find_floor(scene, shot.mesh, shot.source_camera)
    ends = [floor.under(ray) for ray in rays(shot.source_camera, scene, PATH)]
    # So many pixels high where it begins.
    foot, head = rays(shot.source_camera, scene, (PATH[0], (PATH[0][0], PATH[0][1] - HEIGHT)))
    depth = (ends[0] - floor.eye).length
    size = (head.normalized() - foot.normalized()).length * depth / 1.12
    bpy.ops.ex4d.add_take_camera(move=MOVE)
    take = scene.ex4d.takes[0]
    take.camera.data.lens *= CLOSER
    bpy.ops.ex4d.generate()
    walk(scene, build_figure(scene), floor, ends, size)
    build_light(scene, floor)
    scene.view_layers[0].use = False
    scene.render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform = "Standard"
    for name, camera in (("plate", shot.source_camera), ("take", take.camera)):
        scene.camera = camera
        bpy.ops.ex4d.cg_preset(preset="COMP")
        scene.cycles.samples, scene.cycles.device = SAMPLES, "CPU"
        scene.cycles.use_denoising, scene.cycles.max_bounces = True, BOUNCES
        bpy.ops.wm.save_mainfile()
        for frame in args.frames:
            render(scene, args.out / f"{name}.{frame}.png", frame)
    addon_utils.disable("ex4d_blender")
    return 0


if __name__ == "__main__":
    sys.exit(main())
