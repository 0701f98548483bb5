# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of docs/walkthrough.md: real footage whose camera moves, from the plate to CG in a take of it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import bmesh
import bpy
from mathutils import Matrix, Vector

from gui.driver import DriveError, Wait, after, request, whole_shot, window
from gui.scene import dw_mesh, extension, only_step, open_panel, strips
from gui.screen import call, on_plate, open_sidebar

#: The take's orbit, degrees.
ANGLE = 12.0
#: Shares of the plate, from its upper left corner, of two points on one upright edge of the tall tower.
UPRIGHT = ((0.47, 0.85), (0.535, 0.36))
#: How long that edge is taken to be, metres.
EDGE = 60.0
#: The airship's way over the plate in shares of it; how far it is, and half its length, in the solve's unit: behind
#: both towers, before the sky.
WAY, FAR, HALF_LENGTH = ((0.27, 0.3), (0.62, 0.27)), 3.7, 0.42
#: Parts of the airship: centre, radii, and which paint.
PARTS = (
    ((0.0, 0.0, 0.0), (1.0, 0.27, 0.27), 0),
    ((0.15, 0.0, -0.3), (0.24, 0.08, 0.08), 1),
    ((-0.85, 0.0, 0.0), (0.2, 0.02, 0.36), 2),
    ((-0.85, 0.0, 0.0), (0.2, 0.36, 0.02), 2),
)
#: Paints: colour, and how much of it glows.
PAINTS = (((0.75, 0.72, 0.68), 0.05), ((1.0, 0.7, 0.3), 1.2), ((0.8, 0.12, 0.05), 0.15))
#: Of each comp, and the rays of a pixel.
FRAMES, RAYS = 3, 48


def walkthrough(out: Path, view: bpy.types.Area, plate: Path) -> Iterator[Wait]:
    """All of it, in Blender's startup scene."""
    scene = window().scene
    plate = Path(shutil.copy(plate, out / f"towers{plate.suffix}"))
    call(bpy.ops.ex4d.load_plate, area=view, filepath=str(plate))
    yield from whole_shot(out, "walkthrough_1_plate")
    scene.ex4d.match_without_asking = True
    call(bpy.ops.ex4d.reconstruct, "INVOKE_DEFAULT", area=view)
    yield lambda: dw_mesh() is not None
    only_step(scene, "geometry")
    yield after(2.0)
    yield from whole_shot(out, "walkthrough_2_geometry")
    call(bpy.ops.ex4d.show_heat_map, area=view, map="DEPTH")
    yield after(1.0)
    yield from whole_shot(out, "walkthrough_3_depth")
    call(bpy.ops.ex4d.show_heat_map, area=view, map="PLATE")
    yield after(2.0)
    yield from make_take(out, view, scene)
    yield from set_world(out, view, scene)
    yield from put_cg(out, view, scene)


def make_take(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """A take with its preview, its result beside the plate, and in the sequencer."""
    only_step(scene, "takes")
    scene.ex4d.move, scene.ex4d.amount_orbit = "orbit", math.radians(ANGLE)
    call(bpy.ops.ex4d.add_take_camera, area=view)
    scene.frame_set(scene.frame_end)
    call(bpy.ops.ex4d.preview_take, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(scene.ex4d.takes[0].coverage)
    yield after(2.0)
    yield from whole_shot(out, "walkthrough_4_take")
    call(bpy.ops.ex4d.hide_preview, area=view)
    only_step(scene, "generate")
    call(bpy.ops.ex4d.generate, "INVOKE_DEFAULT", area=view)
    yield lambda: bool(strips())
    call(bpy.ops.ex4d.wipe, area=view, against="PLATE")
    yield after(2.0)
    yield from whole_shot(out, "walkthrough_5_wipe")
    call(bpy.ops.ex4d.wipe_end, area=view)
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(2.0)
    window().workspace.sequencer_scene.frame_set(scene.frame_end)
    yield from open_sidebar(out, view)
    yield after(1.0)
    yield from whole_shot(out, "walkthrough_6_sequencer")
    call(bpy.ops.ex4d.show_result, area=view)
    yield after(1.0)


def source_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    """The camera that filmed the plate."""
    return next(item for item in scene.objects if item.type == "CAMERA" and item.name.endswith("Source Camera"))


def set_world(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """The tower's edge along Z, and its length, one picked right after the other with the mouse."""
    scene.camera = source_camera(scene)
    scene.frame_set(scene.frame_start)
    call(bpy.ops.ex4d.view_shot, area=view)
    only_step(scene, "")
    open_panel("world")
    yield after(3.0)
    yield from pick_edge(out, view, bpy.ops.ex4d.align_axis, direction="Z")
    yield from pick_edge(out, view, bpy.ops.ex4d.align_length, length=EDGE)
    low, high = picked_edge(scene)
    if abs((high - low).length - EDGE) > 1e-3 * EDGE or (high - low).normalized().z < 1.0 - 1e-3:
        raise DriveError(f"The edge goes by {high - low}, not {EDGE} m along Z.")
    yield from whole_shot(out, "walkthrough_7_world")


def pick_edge(out: Path, view: bpy.types.Area, operator: Callable[..., set[str]], **options: object) -> Iterator[Wait]:
    """Start an operator that asks for two points, and click on the ends of the edge."""
    call(operator, "INVOKE_DEFAULT", area=view, **options)
    picker = extension("ops.picking").PointPicker
    for share in UPRIGHT:
        x, y = on_plate(view, *share)
        yield request(out, f"click {x} {y}")
        yield after(1.0)
    yield lambda: picker._running is None


def picked_edge(scene: bpy.types.Scene) -> tuple[Vector, Vector]:
    """Where the points lie now that were picked last, by the operator that keeps them for *Adjust Last Operation*."""
    points = bpy.context.window_manager.operators[-1].points
    root = source_camera(scene).parent.matrix_world
    return root @ Vector(points[:3]), root @ Vector(points[3:6])


def place_on_plate(scene: bpy.types.Scene, across: float, down: float, depth: float) -> Vector:
    """The point of the world at a place of the plate in the current frame, ``depth`` of the solve's units away."""
    camera = source_camera(scene)
    upper_right, _, lower_left, upper_left = (corner / -corner.z for corner in camera.data.view_frame(scene=scene))
    ray = upper_left + across * (upper_right - upper_left) + down * (lower_left - upper_left)
    return camera.matrix_world.normalized() @ (ray * depth * camera.parent.matrix_world.median_scale)


def build_airship(scene: bpy.types.Scene, unit: float) -> bpy.types.Object:
    """An airship that looks along X, half its length ``unit``."""
    mesh, item = bpy.data.meshes.new("Airship"), bmesh.new()
    for place, radii, paint in PARTS:
        before = set(item.faces)
        matrix = Matrix.LocRotScale(Vector(place), None, Vector(radii))
        bmesh.ops.create_uvsphere(item, u_segments=48, v_segments=24, radius=1.0, matrix=matrix)
        for face in set(item.faces) - before:
            face.material_index, face.smooth = paint, True
    item.to_mesh(mesh)
    item.free()
    for index, (colour, glow) in enumerate(PAINTS):
        material = bpy.data.materials.new(f"Airship {index}")
        material.use_nodes = True
        surface = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        surface.inputs["Base Color"].default_value = (*colour, 1.0)
        surface.inputs["Emission Color"].default_value = (*colour, 1.0)
        surface.inputs["Emission Strength"].default_value = glow
        mesh.materials.append(material)
    airship = bpy.data.objects.new("Airship", mesh)
    airship.scale = (unit, unit, unit)
    scene.collection.objects.link(airship)
    return airship


def put_cg(out: Path, view: bpy.types.Area, scene: bpy.types.Scene) -> Iterator[Wait]:
    """An airship flies behind the tall tower: comps over the plate and over the take, and the nodes that make them."""
    for name in ("Cube", "Light"):
        bpy.data.objects.remove(scene.objects[name])
    camera, unit = source_camera(scene), source_camera(scene).parent.matrix_world.median_scale
    airship, ends = build_airship(scene, HALF_LENGTH * unit), []
    for frame, (across, down) in zip((scene.frame_start, scene.frame_end), WAY, strict=True):
        scene.frame_set(frame)
        ends.append(place_on_plate(scene, across, down, FAR))
    airship.rotation_euler = (ends[1] - ends[0]).to_track_quat("X", "Z").to_euler()
    for frame, end in zip((scene.frame_start, scene.frame_end), ends, strict=True):
        airship.location = end
        airship.keyframe_insert("location", frame=frame)
    light = bpy.data.lights.new("City", "SUN")
    light.energy, light.color = 1.2, (0.6, 0.85, 1.0)
    sun = bpy.data.objects.new("City", light)
    # The town shines up from below, past the towers' left.
    shines = camera.matrix_world.to_3x3() @ Vector((0.6, 0.5, -0.7))
    sun.rotation_euler = shines.to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(sun)
    call(bpy.ops.ex4d.cg_preset, "INVOKE_DEFAULT", area=view, preset="COMP")
    open_panel("cg")
    # Over the middle of its way it is half behind the tower.
    middle = (scene.frame_start + scene.frame_end) // 2
    scene.frame_set(middle)
    call(bpy.ops.ex4d.view_shot, area=view)
    yield after(3.0)
    yield from whole_shot(out, "walkthrough_8_cg")
    for layer in scene.view_layers:
        layer.use = layer.name.startswith("EX-4D")
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", RAYS, False
    scene.render.use_persistent_data = True
    scene.render.image_settings.file_format = "PNG"
    yield from render_comps(out, scene, "plate")
    scene.camera = scene.ex4d.takes[0].camera
    call(bpy.ops.ex4d.cg_preset, "INVOKE_DEFAULT", area=view, preset="COMP")
    yield from render_comps(out, scene, "take")
    scene.frame_set(middle)
    view.ui_type = "CompositorNodeTree"
    view.spaces.active.node_tree = scene.compositing_node_group
    yield after(1.0)
    call(bpy.ops.node.view_all, area=view)
    # Off the nodes, whose sockets and buttons would show what they are for.
    yield request(out, f"rest {view.x + view.width // 3} {window().height - view.y - view.height + 80}")
    yield after(1.0)
    yield from whole_shot(out, "walkthrough_9_nodes")
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "walkthrough.blend"))


def render_comps(out: Path, scene: bpy.types.Scene, name: str) -> Iterator[Wait]:
    """Frames through the scene's camera and the compositor, first, middle and last: ``comp_NAME_0.png`` and so on."""
    for index in range(FRAMES):
        scene.frame_set(scene.frame_start + round(index * (scene.frame_end - scene.frame_start) / (FRAMES - 1)))
        scene.render.filepath = str(out / f"comp_{name}_{index}.png")
        bpy.ops.render.render(write_still=True, scene=scene.name)
        yield after(0.2)
