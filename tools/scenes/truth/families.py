# SPDX-License-Identifier: GPL-3.0-or-later
"""The families of scenes. The same seed always gives the same scene; another seed another layout, other textures, other
light. The source camera looks along +y; target cameras turn up to 90° about a point before it, so that there is
something to see on all sides."""

from __future__ import annotations

import math
from collections.abc import Callable

import bpy
import numpy as np
from mathutils import Vector

from tools.scenes.truth.cameras import slide, stand, swivel
from tools.scenes.truth.kit import ORIGIN, Scene, look_at
from tools.scenes.truth.places import GARDEN, ROAD, STAGE, TABLE
from tools.scenes.truth.shots import SHOTS

SOLIDS = ("box", "ball", "cylinder", "cone", "torus", "monkey")
WALLS = ("plaster", "bricks", "wood", "stripes", "spots", "marble")
FLOORS = ("tiles", "wood", "gravel", "marble", "bricks")
CLOTHES = ("stripes", "spots", "marble", "tiles", "wood", "plaster", "gravel")


def _room(s: Scene, half_width: float, back: float, front: float, height: float) -> None:
    """Floor and four walls without a ceiling; each wall has its own texture."""
    depth = back - front
    s.shape(
        "box", (2 * half_width, depth, 0.1), s.matt(s.pick(*FLOORS), s.uniform(1.2, 2.2)), (0, (back + front) / 2, -0.1)
    )
    for x, y, turn, width in (
        (0, back + 0.05, 0, 2 * half_width + 0.2),
        (0, front - 0.05, 0, 2 * half_width + 0.2),
        (-half_width - 0.05, (back + front) / 2, 90, depth),
        (half_width + 0.05, (back + front) / 2, 90, depth),
    ):
        material = s.matt(s.pick(*WALLS), s.uniform(1.2, 2.4))
        s.shape("box", (width, 0.1, height), material, (x, y, 0), (0, 0, turn))


def _scatter(
    s: Scene, count: int, half: tuple[float, float], size: tuple[float, float]
) -> list[tuple[float, float, float]]:
    """Up to ``count`` discs (x, y, diameter) in a rectangle that do not touch."""
    placed: list[tuple[float, float, float]] = []
    for _ in range(count * 12):
        x, y, d = s.uniform(-half[0], half[0]), s.uniform(-half[1], half[1]), s.uniform(*size)
        if len(placed) < count and all(math.hypot(x - a, y - b) > 0.62 * (d + e) for a, b, e in placed):
            placed.append((x, y, d))
    return placed


def still_life(s: Scene) -> None:
    """Things on a table in a room with textured walls; nothing moves but the source camera, on a slider."""
    _room(s, 4.0, s.uniform(1.6, 2.6), -4.2, 3.4)
    s.shape("box", (1.9, 1.2, 0.06), s.matt(s.pick("wood", "marble", "stripes"), 0.9), (0, 0, 0.7))
    leg = s.matt("wood", 0.5)
    for x in (-0.88, 0.88):
        for y in (-0.5, 0.5):
            s.shape("box", (0.07, 0.07, 0.7), leg, (x, y, 0))
    for x, y, d in _scatter(s, 12, (0.8, 0.45), (0.18, 0.46)):
        size = (d, d * s.uniform(0.7, 1), d * s.uniform(0.6, 2.0))
        s.shape(
            s.pick(*SOLIDS),
            size,
            s.matt(s.pick(*CLOTHES), s.uniform(0.25, 0.6)),
            (x, y, 0.76),
            (0, 0, s.uniform(0, 360)),
        )
    for _ in range(3):
        size = (s.uniform(0.4, 1.1), s.uniform(0.25, 0.5), s.uniform(0.5, 2.1))
        at = (s.pick("-1", "1"), s.uniform(1.0, 1.3))
        s.shape(
            "box",
            size,
            s.matt(s.pick(*CLOTHES), 0.8),
            (float(at[0]) * s.uniform(1.3, 3.2), at[1], 0),
            (0, 0, s.uniform(-20, 20)),
        )
    s.sun(s.uniform(35, 60), s.uniform(-60, 60), s.uniform(1.5, 3), 8)
    s.sky(s.uniform(0.6, 0.9))
    slide(s, *TABLE, 0.3)


def subject(s: Scene) -> None:
    """A figure that walks, turns, twists and bends before columns and walls; the source camera stands still."""
    _room(s, 7.0, s.uniform(4.0, 5.5), -5.0, 4.5)
    for _ in range(7):
        x, y = s.uniform(-5.5, 5.5), s.uniform(1.4, 3.6)
        kind, tall = s.pick("cylinder", "box", "cone"), s.uniform(0.8, 4.0)
        thick = s.uniform(0.25, 0.8)
        s.shape(kind, (thick, thick, tall), s.matt(s.pick(*WALLS), s.uniform(0.6, 1.2)), (x, y, 0))
    for x, y, d in _scatter(s, 5, (5.0, 0.6), (0.3, 0.7)):
        s.shape(s.pick(*SOLIDS), (d, d, d), s.matt(s.pick(*CLOTHES), 0.5), (x, y + 1.6, 0), (0, 0, s.uniform(0, 360)))
    tall, wide = s.uniform(1.4, 1.8), s.uniform(0.5, 0.8)
    figure = s.shape(s.pick("monkey", "torus", "cylinder", "ball"), (wide, wide, tall), s.matt(s.pick(*CLOTHES), 0.5))
    subdivision = figure.modifiers.new("subdivision", "SUBSURF")
    subdivision.levels = subdivision.render_levels = 2
    twist, bend = (figure.modifiers.new(name, "SIMPLE_DEFORM") for name in ("twist", "bend"))
    twist.deform_method, twist.deform_axis, bend.deform_method, bend.deform_axis = "TWIST", "Z", "BEND", "X"
    side, twisted, bent = float(s.pick("-1", "1")), s.uniform(40, 90), s.uniform(20, 45)

    def path(t: float) -> Vector:
        return Vector((side * reach * (2 * t - 1), -0.15 + 0.3 * math.sin(math.pi * t), 0))

    def pose(t: float) -> None:
        figure.location = path(t)
        figure.rotation_euler.z = math.radians(120 * t)
        twist.angle = math.radians(twisted * math.sin(2 * math.pi * t))
        bend.angle = math.radians(bent * math.sin(2 * math.pi * t + 1))

    reach = s.uniform(0.6, 1.0)
    s.move(figure, pose)
    s.sun(s.uniform(35, 60), s.uniform(-60, 60), s.uniform(1.5, 3), 6)
    s.sky(s.uniform(0.6, 0.9))
    s.figure = lambda t: path(t) + Vector((0, 0, tall / 2))
    stand(s, *STAGE)


def _blades(rng: np.random.Generator, count: int, spread: float, tall: float, width: float) -> np.ndarray:
    """Curved blades of grass or hair, each of four quads: (4·count, 4, 3)."""
    angle, tilt = rng.uniform(0, 2 * np.pi, (2, count))
    root = np.stack(
        [*(spread * np.sqrt(rng.uniform(0, 1, count)) * np.stack([np.cos(angle), np.sin(angle)])), np.zeros(count)], -1
    )
    length, lean = tall * rng.uniform(0.5, 1, count), rng.uniform(0.1, 0.7, count)
    along, out = (
        np.stack([np.cos(tilt), np.sin(tilt), 0 * tilt], -1),
        np.stack([-np.sin(tilt), np.cos(tilt), 0 * tilt], -1),
    )
    steps = np.linspace(0, 1, 5)[:, None, None]
    spine = root + along * (lean * length)[:, None] * steps**2 + np.array([0, 0, 1]) * length[:, None] * steps
    half = out * width / 2 * (1 - 0.8 * steps)
    left, right = spine - half, spine + half
    return np.stack([left[:-1], right[:-1], right[1:], left[1:]], axis=-2).reshape(-1, 4, 3)


def _leaf_cloud(rng: np.random.Generator, count: int, size: np.ndarray, leaf: float) -> np.ndarray:
    """Loose quads in an ellipsoid: (count, 4, 3)."""
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    centre = directions * rng.uniform(0.3, 1, (count, 1)) ** (1 / 3) * size / 2
    a = rng.standard_normal((count, 3))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = np.cross(a, rng.standard_normal((count, 3)))
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    scale = leaf * rng.uniform(0.5, 1, (count, 1))
    a, b = a * scale, b * scale * 0.5
    return np.stack([centre - a, centre - b, centre + a, centre + b], axis=1)


def thin(s: Scene) -> None:
    """Grass, leaves, wires, a fence and a hairy ball in a garden; they sway. The source camera stands still."""
    _room(s, 6.0, s.uniform(3.2, 4.5), -4.6, 3.0)
    for x, y, d in _scatter(s, 6, (4.5, 0.7), (0.4, 0.8)):
        s.shape(
            s.pick(*SOLIDS),
            (d, d, d * s.uniform(0.7, 1.6)),
            s.matt(s.pick(*CLOTHES), 0.6),
            (x, y + 2.0, 0),
            (0, 0, s.uniform(0, 360)),
        )
    swaying = []
    for x, y, d in _scatter(s, 7, (1.6, 0.8), (0.35, 0.7)):
        blades = _blades(s.rng, 60, d / 2, s.uniform(0.4, 0.9), 0.014)
        swaying.append(s.faces("grass", blades, s.matt("leaves", 0.3), (x, y, 0)))
    for x in (s.uniform(-1.2, -0.6), s.uniform(0.6, 1.2)):
        y, tall = s.uniform(-0.2, 0.8), s.uniform(1.1, 1.7)
        crown = np.array([s.uniform(0.6, 1.0), s.uniform(0.6, 1.0), s.uniform(0.6, 0.9)])
        s.shape("cylinder", (0.05, 0.05, tall), s.matt("wood", 0.4), (x, y, 0))
        swaying.append(s.faces("foliage", _leaf_cloud(s.rng, 260, crown, 0.07), s.matt("leaves", 0.4), (x, y, tall)))
    ball_at = Vector((s.uniform(-0.3, 0.3), s.uniform(-0.4, 0.2), 0.35))
    s.shape("ball", (0.5, 0.5, 0.5), s.matt(s.pick(*CLOTHES), 0.4), ball_at - Vector((0, 0, 0.25)))
    hair = _blades(s.rng, 320, 0.02, 0.17, 0.006)
    for i in range(320):
        d = s.rng.standard_normal(3)
        d /= np.linalg.norm(d)
        turn = np.array(Vector(d).to_track_quat("Z", "X").to_matrix())
        # The quads of one blade lie a blade's count apart.
        hair[i::320] = hair[i::320] @ turn.T + d * 0.24
    s.faces("hair", hair, s.matt("wood", 0.3), ball_at)
    steps = np.linspace(-1, 1, 24)
    for _ in range(3):
        y, z, sag, tilt = s.uniform(-0.6, 1.5), s.uniform(1.3, 2.2), s.uniform(0.1, 0.4), s.uniform(-0.5, 0.5)
        path = np.stack([6 * steps, y + tilt * steps, z + sag * (steps**2 - 1)], axis=-1)
        s.wires("wire", [path], s.uniform(0.006, 0.014), s.matt("plaster", 0.5))
    fence_y = s.uniform(1.1, 1.6)
    slats = [np.array([[x, fence_y, 0], [x + s.uniform(-0.03, 0.03), fence_y, 1.0]]) for x in np.arange(-4, 4, 0.13)]
    rails = [np.array([[-4, fence_y, z], [4, fence_y, z]]) for z in (0.25, 0.85)]
    s.wires("fence", [*slats, *rails], 0.012, s.matt(s.pick("wood", "plaster"), 0.6))
    for plant in swaying:
        phase, reach = s.uniform(0, 6), math.radians(s.uniform(3, 7))

        def pose(t: float, plant: bpy.types.Object = plant, phase: float = phase, reach: float = reach) -> None:
            plant.rotation_euler = (0, reach * math.sin(2 * math.pi * t + phase), 0)

        s.move(plant, pose)
    s.sun(s.uniform(35, 60), s.uniform(-60, 60), s.uniform(1.5, 3), 6)
    s.sky(s.uniform(0.6, 0.9))
    stand(s, *GARDEN)


def _house(s: Scene, side: int, y: float, length: float, frame: bpy.types.Material, pane: bpy.types.Material) -> None:
    """A house along the street; its windows stand out from the wall."""
    tall, front = s.uniform(3.5, 8), 4.5 + s.uniform(0, 0.5)
    s.shape(
        "box",
        (4, length - 0.15, tall),
        s.matt(s.pick(*WALLS), s.uniform(1.5, 3)),
        (side * (front + 2), y + length / 2, 0),
    )
    for floor in range(int(tall // 2.3)):
        for k in range(int(length // 1.6)):
            at = (side * front, y + 0.9 + 1.6 * k, 0.9 + 2.3 * floor)
            s.shape("box", (0.16, 0.95, 1.25), frame, at)
            s.shape("box", (0.2, 0.75, 1.05), pane, (at[0], at[1], at[2] + 0.1))


def street(s: Scene) -> None:
    """A street between houses under a real sky; a car and a walker move, and the source camera drives along."""
    frames, panes = ([s.matt(kind, 0.8) for _ in range(3)] for kind in ("wood", "plaster"))
    s.shape("box", (7, 44, 0.1), s.matt(s.pick("gravel", "plaster"), 2.5), (0, 14, -0.1))
    for side in (-1, 1):
        s.shape("box", (2.2, 44, 0.12), s.matt(s.pick("tiles", "bricks"), 1.6), (side * 4.4, 14, -0.02))
        y = -8.0
        while y < 32:
            length = s.uniform(4, 8)
            _house(s, side, y, length, frames[int(s.uniform(0, 3))], panes[int(s.uniform(0, 3))])
            y += length
        for k in range(4):
            at = (side * 3.5, 1 + 6.5 * k + s.uniform(-1, 1), 0)
            s.shape("cylinder", (0.09, 0.09, s.uniform(3, 4)), panes[0], at)
        for k in range(3):
            y = 3 + 7 * k + s.uniform(-1, 1)
            s.shape("box", (0.8, 1.9, s.uniform(0.5, 0.8)), s.matt(s.pick(*CLOTHES), 0.9), (side * 3.05, y, 0.12))
            s.shape("box", (0.75, 1.1, 0.45), s.matt(s.pick(*CLOTHES), 0.9), (side * 3.05, y + 0.1, 0.75))
    s.shape("box", (10, 2, s.uniform(5, 9)), s.matt(s.pick(*WALLS), 2.5), (0, 36, 0))
    car = s.shape("box", (1.5, 3.2, 1.1), s.matt(s.pick(*CLOTHES), 1.2))
    walker = s.shape(s.pick("cone", "monkey", "cylinder"), (0.5, 0.4, 1.6), s.matt(s.pick(*CLOTHES), 0.6))
    lane, start = s.uniform(0.9, 1.4) * float(s.pick("-1", "1")), s.uniform(12, 16)

    def drive(t: float) -> None:
        car.location = (lane, start - 5 * t, 0.1)

    def walk(t: float) -> None:
        walker.location = (-lane * (1.6 - 2.2 * t), 5.0 + 0.8 * t, 0)

    s.move(car, drive)
    s.move(walker, walk)
    s.sun(s.uniform(30, 55), s.uniform(-50, 50), s.uniform(2, 3.5), 2)
    s.sky(s.uniform(0.6, 0.9), s.pick("city", "courtyard", "forest", "sunrise"))
    sway = s.uniform(0.1, 0.25)
    s.eye = lambda t: Vector((sway * math.sin(2 * math.pi * t), 3.2 * t - 3.0, 1.6))
    s.target = lambda t: Vector((0.6 * sway * math.sin(2 * math.pi * t + 0.7), 3.2 * t + 5.0, 1.35))
    s.pivot = 2.4


def glossy(s: Scene) -> None:
    """Metal, varnish, a mirror and glass on a polished table; one ball rolls. The source camera glides."""
    _room(s, 4.0, s.uniform(1.6, 2.6), -4.2, 3.4)
    s.shape("box", (1.9, 1.2, 0.06), s.glossy(s.pick("wood", "marble"), 0.9, 0.12), (0, 0, 0.7))
    s.shape(
        "box",
        (1.1, 0.04, 1.0),
        s.glossy("plaster", 1.0, 0.0, 1.0),
        (s.uniform(-0.5, 0.5), 0.85, 0.7),
        (-4, 0, s.uniform(-12, 12)),
    )
    materials = (
        lambda: s.glossy(s.pick(*CLOTHES), 0.4, s.uniform(0.02, 0.2), 1.0),
        lambda: s.glossy(s.pick(*CLOTHES), 0.4, s.uniform(0.05, 0.3)),
        s.glass,
    )
    for i, (x, y, d) in enumerate(_scatter(s, 10, (0.8, 0.45), (0.2, 0.44))):
        size = (d, d, d * s.uniform(0.7, 1.8))
        s.shape(
            s.pick("box", "ball", "cylinder", "torus", "monkey"),
            size,
            materials[i % 3](),
            (x, y, 0.76),
            (0, 0, s.uniform(0, 360)),
        )
    ball = s.shape("ball", (0.16, 0.16, 0.16), s.glossy("spots", 0.2, 0.1))

    def roll(t: float) -> None:
        ball.location = (1.4 * t - 0.7, -0.5, 0.76)
        ball.rotation_euler = (0, 1.4 * t / 0.08, 0)

    s.move(ball, roll)
    s.sun(s.uniform(35, 60), s.uniform(-60, 60), s.uniform(1.5, 3), 8)
    s.sky(s.uniform(0.9, 1.3), s.pick("sunrise", "city", "courtyard"))
    slide(s, *TABLE, 0.25)


def crowd(s: Scene) -> None:
    """The street with people who cross it and walk along it; the source camera stands still."""
    street(s)
    for i in range(8):
        tall, wide = s.uniform(1.5, 1.9), s.uniform(0.4, 0.6)
        size = (wide, 0.8 * wide, tall)
        walker = s.shape(s.pick("cone", "monkey", "cylinder", "torus"), size, s.matt(s.pick(*CLOTHES), 0.6))
        side, y, pace, phase = float(s.pick("-1", "1")), s.uniform(0.2, 7), s.uniform(0.8, 1.5), s.uniform(0, 6)
        begin = Vector((side * s.uniform(0.5, 2.6), y, 0))
        way = Vector((-side * pace, 0.2, 0)) if i % 2 else Vector((0, side * pace, 0))

        def walk(
            t: float, walker: bpy.types.Object = walker, begin: Vector = begin, way: Vector = way, phase: float = phase
        ) -> None:
            walker.location = begin + way * t
            walker.location.z = 0.03 * abs(math.sin(2 * math.pi * 1.8 * t + phase))

        s.move(walker, walk)
    swivel(s, ROAD[0], lambda t: ROAD[1])


FAMILIES: dict[str, Callable[[Scene], None]] = {
    family.__name__: family for family in (still_life, subject, thin, street, glossy, crowd)
}


def build(name: str, seed: int, seconds: float = 25 / 24) -> Scene:
    """The scene of a family, or of a shot of one (``shots``), in an otherwise empty file.

    Args:
        name: of the family or shot.
        seed: of layout and textures.
        seconds: that the clip lasts: a hand that holds the camera shakes at its own pace.
    """
    bpy.ops.wm.read_factory_settings(use_empty=True)
    family, film = SHOTS.get(name, (name, None))
    # A family's own stream: scenes of one seed have nothing in common, and its shots have the same scene.
    made = Scene(np.random.default_rng([seed, list(FAMILIES).index(family)]), seed=seed, seconds=seconds)
    FAMILIES[family](made)
    if film is not None:
        film(made)
    data = bpy.data.cameras.new("camera")
    data.sensor_width, data.sensor_fit, data.clip_start, data.clip_end = 36.0, "HORIZONTAL", 0.01, 1000.0
    made.scene.camera = bpy.data.objects.new("camera", data)
    made.scene.collection.objects.link(made.scene.camera)
    return made


def pose(made: Scene, time: float) -> None:
    """Bring everything to this time in 0..1; the camera is where the source camera then is."""
    for move in made.poses:
        move(time)
    made.scene.camera.matrix_world = look_at(made.eye(time), made.target(time))


__all__ = ["FAMILIES", "ORIGIN", "SHOTS", "build", "pose"]
