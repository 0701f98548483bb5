# SPDX-License-Identifier: GPL-3.0-or-later
"""K and E are those of what Blender renders: against its own projection matrix, and against rendered pictures."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from pathlib import Path

import bpy
import numpy as np
import pytest
from ex4d_blender.core import axes
from ex4d_blender.scene import camera
from ex4d_blender.scene.fcurves import ensure_fcurve, fcurves, write_keys

from ex4d.camera import Trajectory
from ex4d.camera.transforms import invert_rigid, rigid, rotation_x, rotation_y
from ex4d.protocol.errors import BadInputError

#: Pixels.
LIMIT = 0.05


def new_object(name: str, data: bpy.types.ID | None = None, parent: bpy.types.Object | None = None) -> bpy.types.Object:
    obj = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(obj)
    obj.parent = parent
    return obj


def new_camera(name: str = "Camera", parent: bpy.types.Object | None = None) -> bpy.types.Object:
    return new_object(name, bpy.data.cameras.new(name), parent)


def new_root() -> bpy.types.Object:
    root = new_object("Root")
    root.rotation_euler = axes.ROOT_ROTATION
    return root


def add_noise(obj: bpy.types.Object, path: str, strength: float, phase: float) -> None:
    for axis in range(3):
        curve = ensure_fcurve(obj, path, axis)
        write_keys(curve, [1], np.array([getattr(obj, path)[axis]]))
        noise = curve.modifiers.new("NOISE")
        noise.strength, noise.scale, noise.phase = strength, 5.0, phase + 10 * axis


def random_scene(seed: int) -> tuple[bpy.types.Scene, bpy.types.Object, bpy.types.Object]:
    """A scene with a root and a camera of all the kinds that artists make."""
    rng = random.Random(seed)
    scene = bpy.context.scene
    render = scene.render
    render.resolution_x, render.resolution_y = rng.randint(100, 2100), rng.randint(100, 2100)
    render.resolution_percentage = rng.choice([100, 100, 50, 33])
    render.pixel_aspect_x, render.pixel_aspect_y = rng.choice([(1, 1), (1, 1), (2, 1), (1, 1.5), (1.3333, 1)])
    root = new_root()
    if seed % 2:
        root.location = [rng.uniform(-5, 5) for _ in range(3)]
        root.rotation_euler = [rng.uniform(-3, 3) for _ in range(3)]
        root.scale = [rng.uniform(0.2, 5)] * 3
        add_noise(root, "location", 1.0, seed)
    parent = None
    if seed % 3:
        parent = new_object("Parent", parent=root if seed % 2 else None)
        parent.location = [rng.uniform(-2, 2) for _ in range(3)]
        parent.rotation_euler = [rng.uniform(-3, 3) for _ in range(3)]
        parent.scale = [rng.uniform(0.3, 3)] * 3
        parent = new_object("Middle", parent=parent)
        parent.scale = [rng.uniform(0.3, 3) for _ in range(3)] if seed % 3 == 1 else [0.7] * 3
    obj = new_camera(parent=parent)
    # Below an uneven scale any turn shears.
    if seed % 3 != 1:
        obj.rotation_euler = [rng.uniform(-3, 3) for _ in range(3)]
        obj.scale = [rng.uniform(0.5, 2) for _ in range(3)]
        add_noise(obj, "rotation_euler", 0.3, 3 * seed)
    obj.location = [rng.uniform(-2, 2) for _ in range(3)]
    add_noise(obj, "location", 0.5, 7 * seed)
    if seed % 3 == 0:
        target = new_object("Target")
        target.location = [rng.uniform(-9, 9) for _ in range(3)]
        if seed % 2:
            track = obj.constraints.new("TRACK_TO")
            track.target, track.track_axis, track.up_axis = target, "TRACK_NEGATIVE_Z", "UP_Y"
        else:
            target.rotation_euler = [rng.uniform(-3, 3) for _ in range(3)]
            for kind in ("COPY_LOCATION", "COPY_ROTATION"):
                obj.constraints.new(kind).target = target
            obj.constraints[-1].influence = 0.6
    data = obj.data
    data.lens = rng.uniform(10, 150)
    data.sensor_fit = ("AUTO", "HORIZONTAL", "VERTICAL")[seed % 3 if seed % 5 else 0]
    data.sensor_width, data.sensor_height = rng.uniform(8, 40), rng.uniform(8, 40)
    data.shift_x, data.shift_y = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)
    lens = ensure_fcurve(data, "lens")
    write_keys(lens, [1, 20], np.array([data.lens, data.lens * 1.5]))
    return scene, root, obj


def blender_pixels(scene: bpy.types.Scene, obj: bpy.types.Object, points: np.ndarray) -> np.ndarray:
    """World points (N, 3) -> pixels (N, 2), y down, by Blender's own projection matrix."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    evaluated = obj.evaluated_get(depsgraph)
    width, height = camera.render_size(scene)
    render = scene.render
    projection = np.array(
        evaluated.calc_matrix_camera(
            depsgraph, x=width, y=height, scale_x=render.pixel_aspect_x, scale_y=render.pixel_aspect_y
        ),
        np.float64,
    )
    view = np.linalg.inv(np.array(evaluated.matrix_world.normalized(), np.float64))
    clip = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ (projection @ view).T
    ndc = clip[:, :2] / clip[:, 3:]
    return np.stack([(ndc[:, 0] + 1) / 2 * width, (1 - ndc[:, 1]) / 2 * height], axis=-1)


def seen_points(trajectory: Trajectory, index: int, seed: int, count: int = 12) -> np.ndarray:
    """Shot world points (N, 3) spread over the picture, 2 to 20 units away."""
    rng = np.random.default_rng(seed)
    cam = trajectory[index]
    pixels = rng.uniform(0, 1, (count, 2)) * (cam.width, cam.height)
    rays = np.concatenate([pixels, np.ones((count, 1))], axis=1) @ np.linalg.inv(cam.K).T
    points = rays * rng.uniform(2, 20, (count, 1))
    return (points - cam.E[:3, 3]) @ cam.E[:3, :3]


@pytest.mark.parametrize("seed", range(30))
def test_random_camera_projects_as_blender_does(seed: int) -> None:
    scene, root, obj = random_scene(seed)
    frames = [1, 7, 20]
    trajectory = camera.sample_trajectory(scene, frames, root=root, camera=obj)
    for index, frame in enumerate(frames):
        points = seen_points(trajectory, index, seed)
        scene.frame_set(frame)
        world = np.array(root.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world, np.float64)
        expected = blender_pixels(scene, obj, points @ world[:3, :3].T + world[:3, 3])
        projected, depth = trajectory[index].project(points)
        assert (depth > 0).all()
        assert np.abs(projected - expected).max() < LIMIT


def rendered_centroids(
    scene: bpy.types.Scene, obj: bpy.types.Object, world_points: np.ndarray, radii: np.ndarray, path: Path
) -> np.ndarray:
    """Where Blender renders three points (3, 2): each as a disc in one colour channel, parallel to the picture.

    Such a disc's picture has its centroid exactly at the picture of its centre, in perspective too.
    """
    rotation = np.array(obj.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world.normalized())[:3, :3]
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(64)], axis=-1)
    for channel in range(3):
        mesh = bpy.data.meshes.new("Disc")
        mesh.from_pydata((circle * radii[channel] @ rotation.T + world_points[channel]).tolist(), [], [list(range(64))])
        material = bpy.data.materials.new("Light")
        if material.node_tree is None:
            material.use_nodes = True
        nodes = material.node_tree.nodes
        nodes.clear()
        light = nodes.new("ShaderNodeEmission")
        light.inputs["Color"].default_value = [float(channel == i) for i in range(3)] + [1.0]
        output = nodes.new("ShaderNodeOutputMaterial")
        material.node_tree.links.new(light.outputs[0], output.inputs[0])
        mesh.materials.append(material)
        new_object("Disc", mesh)
    render_settings(scene, samples=256)
    scene.cycles.pixel_filter_type = "BOX"
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.camera = obj
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    width, height = image.size
    pixels = np.array(image.pixels[:], np.float64).reshape(height, width, -1)[::-1, :, :3]
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    total = pixels.sum(axis=(0, 1))
    assert (total > 50).all()
    # Nothing is cut off at the border.
    assert pixels[[0, -1]].max() == 0
    assert pixels[:, [0, -1]].max() == 0
    return np.stack([np.einsum("hwc,w->c", pixels, x), np.einsum("hwc,h->c", pixels, y)], axis=-1) / total[:, None]


def render_settings(scene: bpy.types.Scene, samples: int) -> None:
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 0
    scene.render.use_persistent_data = False


@pytest.mark.parametrize("seed", range(12))
def test_random_camera_sees_what_blender_renders(seed: int, tmp_path: Path) -> None:
    scene, root, obj = random_scene(seed)
    render = scene.render
    # Small pictures of the same shape: the error is measured in pixels.
    width, height = camera.render_size(scene)
    shrink = 160 / max(width, height)
    render.resolution_x = math.ceil(max(64, width * shrink) * 100 / render.resolution_percentage)
    render.resolution_y = math.ceil(max(64, height * shrink) * 100 / render.resolution_percentage)
    frame = 7
    trajectory = camera.sample_trajectory(scene, [frame], root=root, camera=obj)
    cam = trajectory[0]
    places = np.array([[0.2, 0.25], [0.75, 0.4], [0.4, 0.75]]) * (cam.width, cam.height)
    depths = np.array([4.0, 9.0, 6.0])
    rays = np.concatenate([places, np.ones((3, 1))], axis=1) @ np.linalg.inv(cam.K).T
    points = (rays * depths[:, None] - cam.E[:3, 3]) @ cam.E[:3, :3]
    scene.frame_set(frame)
    world = np.array(root.evaluated_get(bpy.context.evaluated_depsgraph_get()).matrix_world, np.float64)
    scale = np.cbrt(np.linalg.det(world[:3, :3]))
    radii = min(cam.width, cam.height) / 9 * depths / cam.K[[0, 1], [0, 1]].max() * scale
    obj.data.clip_start, obj.data.clip_end = 0.01, 1000
    measured = rendered_centroids(scene, obj, points @ world[:3, :3].T + world[:3, 3], radii, tmp_path / "discs.exr")
    projected, _ = cam.project(points)
    assert np.abs(projected - measured).max() < LIMIT


@pytest.mark.parametrize("aspect", [(1.0, 1.0), (2.0, 1.0)])
def test_applied_trajectory_comes_back(scene: bpy.types.Scene, aspect: tuple[float, float]) -> None:
    count = 12
    s = np.linspace(0, 1, count)
    poses = np.stack(
        [rigid(rotation_y(7 * t) @ rotation_x(2 * t) @ rotation_y(t), np.array([t, 2 * t, -t])) for t in s]
    )
    fx = 500 + 100 * s
    K = np.zeros((count, 3, 3))
    K[:, 0, 0], K[:, 1, 1], K[:, 2, 2] = fx, fx * aspect[0] / aspect[1], 1
    K[:, 0, 2], K[:, 1, 2] = 330 + 5 * s, 215 - 9 * s
    trajectory = Trajectory(K, invert_rigid(poses), 640, 480)
    scene.render.resolution_x, scene.render.resolution_y = 640, 480
    scene.render.pixel_aspect_x, scene.render.pixel_aspect_y = aspect
    root = new_root()
    root.scale = (2, 2, 2)
    obj = new_camera(parent=root)
    frames = list(range(1001, 1001 + count))
    camera.apply_trajectory(obj, trajectory, frames=frames)
    found = camera.sample_trajectory(scene, frames, root=root, camera=obj)
    for index in range(count):
        points = seen_points(trajectory, index, index)
        assert np.abs(trajectory[index].project(points)[0] - found[index].project(points)[0]).max() < 5e-3
    angles = [curve for curve in fcurves(obj) if curve.data_path == "rotation_euler"]
    assert len(angles) == 3
    steps = [np.abs(np.diff([key.co[1] for key in curve.keyframe_points])).max() for curve in angles]
    assert max(steps) < math.radians(150), "Euler angles jump between frames"


def test_still_trajectory_gets_no_keys(scene: bpy.types.Scene) -> None:
    K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    E = np.tile(rigid(rotation_y(0.3), np.array([1.0, 2, 3])), (9, 1, 1))
    obj = new_camera(parent=new_root())
    obj.keyframe_insert("location", frame=3)
    obj.data.keyframe_insert("lens", frame=3)
    camera.apply_trajectory(obj, Trajectory(K, E, 640, 480), frames=range(1, 10))
    assert fcurves(obj) == []
    assert fcurves(obj.data) == []
    assert obj.animation_data.action is None
    assert len(bpy.data.actions) == 0


def test_markers_switch_the_scene_camera_and_all_is_put_back(scene: bpy.types.Scene) -> None:
    root = new_root()
    first, second, third = (new_camera(name) for name in ("A", "B", "C"))
    second.location.x, third.location.x = 5, 9
    for frame, bound in ((1, first), (10, second)):
        scene.timeline_markers.new(bound.name, frame=frame).camera = bound
    scene.frame_set(4, subframe=0.25)
    scene.camera = third
    sampled = camera.sample_camera(scene, range(8, 13), root=root, camera=None, frame_numbers=range(1008, 1013))
    assert sampled.trajectory.centers()[:, 0] == pytest.approx([0, 0, 5, 5, 5], abs=1e-6)
    assert sampled.trajectory.frame_numbers == tuple(range(1008, 1013))
    assert any("1 in all" in note for note in sampled.notes)
    assert (scene.frame_current, scene.frame_subframe, scene.camera) == (4, 0.25, third)
    fixed = camera.sample_trajectory(scene, range(8, 13), root=root, camera=third)
    assert fixed.centers()[:, 0] == pytest.approx([9] * 5, abs=1e-6)
    scene.render.use_border = True
    notes = camera.sample_camera(scene, [8], root=root, camera=third).notes
    assert any("region" in note for note in notes)


def test_driver_and_near_distance(scene: bpy.types.Scene) -> None:
    root = new_root()
    root.scale = (4, 4, 4)
    obj = new_camera()
    obj.data.clip_start, obj.data.clip_end = 0.2, 50
    obj.driver_add("location", 0).driver.expression = "frame * 2"
    obj.data.driver_add("lens").driver.expression = "30 + frame"
    found = camera.sample_trajectory(scene, [3, 5], root=root, camera=obj)
    assert found.centers()[:, 0] == pytest.approx([1.5, 2.5])
    assert found.K[:, 0, 0] == pytest.approx([33 / 36 * 1920, 35 / 36 * 1920])
    assert found.near == pytest.approx([0.05, 0.05])
    assert np.isinf(found.far).all()


@pytest.mark.parametrize(
    ("fps", "base", "expected"),
    [(24, 1.001, "24000/1001"), (25, 1.0, "25"), (30, 1.001, "30000/1001"), (24, 2.0, "12")],
)
def test_scene_rate_is_an_exact_fraction(scene: bpy.types.Scene, fps: int, base: float, expected: str) -> None:
    scene.render.fps, scene.render.fps_base = fps, base
    assert camera.scene_fps(scene) == Fraction(expected)


def _refuse(problem: str) -> tuple[bpy.types.Object, bpy.types.Object | None]:
    root, obj = new_root(), new_camera("Hero")
    if problem == "orthographic":
        obj.data.type = "ORTHO"
    elif problem == "panoramic":
        obj.data.type = "PANO"
    elif problem == "no camera":
        return root, None
    elif problem == "switched off":
        obj.hide_viewport = True
    elif problem == "stretched root":
        root.scale = (1, 2, 1)
    elif problem == "mirrored root":
        root.scale = (-1, -1, -1)
    elif problem == "mirrored camera":
        obj.scale = (-1, 1, 1)
    elif problem == "flat camera":
        obj.scale = (1, 1, 0)
    elif problem == "sheared camera":
        obj.parent = new_object("Stretched")
        obj.parent.scale = (1, 3, 1)
        obj.rotation_euler = (0.3, 0.4, 0.5)
    else:
        raise AssertionError(problem)
    return root, obj


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("orthographic", "ortho"),
        ("panoramic", "pano"),
        ("no camera", "no active camera"),
        ("switched off", "switched off"),
        ("stretched root", "Root"),
        ("mirrored root", "mirrored"),
        ("mirrored camera", "mirrored"),
        ("flat camera", "scaled to nothing"),
        ("sheared camera", "sheared"),
    ],
)
def test_what_no_pinhole_camera_shows_is_refused(scene: bpy.types.Scene, problem: str, words: str) -> None:
    root, obj = _refuse(problem)
    scene.frame_set(2)
    with pytest.raises(BadInputError, match=words) as caught:
        camera.sample_trajectory(scene, [5], root=root, camera=obj)
    assert obj is None or "root" in problem or "Hero" in caught.value.message
    assert caught.value.hint.endswith(".")
    assert scene.frame_current == 2
