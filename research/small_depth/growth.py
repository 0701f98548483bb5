# SPDX-License-Identifier: GPL-3.0-or-later
"""Things to fill scenes with that are no primitives: flowers, leaves, trees, figures. Needs bpy."""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Euler, Vector

from tools.scenes.truth.families import _blades as blades
from tools.scenes.truth.families import _leaf_cloud as leaf_cloud
from tools.scenes.truth.kit import Scene

#: Steps along and across a petal.
ALONG, ACROSS = 9, 5


def sheets(
    s: Scene, name: str, points: np.ndarray, material: bpy.types.Material, at: Vector, turn: Euler
) -> bpy.types.Object:
    """One object of curved sheets; ``points`` (N, along, across, 3)."""
    count, along, across = points.shape[:3]
    index = np.arange(count * along * across).reshape(count, along, across)
    quads = np.stack([index[:, :-1, :-1], index[:, 1:, :-1], index[:, 1:, 1:], index[:, :-1, 1:]], -1).reshape(-1, 4)
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(points.reshape(-1, 3).tolist(), [], quads.tolist())
    mesh.shade_smooth()
    return s.add(name, mesh, material, at, [math.degrees(a) for a in turn])


def petals(s: Scene, count: int, length: float, width: float, lift: float, curl: float) -> np.ndarray:
    """Petals round the z axis: (count, ALONG, ACROSS, 3)."""
    u, v = np.meshgrid(np.linspace(0.05, 1, ALONG), np.linspace(-1, 1, ACROSS), indexing="ij")
    shape = s.uniform(0.45, 0.9)
    made = []
    for k in range(count):
        own = s.uniform(0.85, 1.1)
        half = width / 2 * np.sin(np.pi * u**shape) ** 0.6 * own + 0.004 * length
        x = length * own * u
        z = lift * length * u + curl * length * u**2 + s.uniform(-0.06, 0.06) * length * u
        z = z + s.uniform(0.1, 0.5) * half * v**2 + 0.02 * length * np.sin(9 * v * u + k)
        y = half * v
        a = 2 * math.pi * (k + s.uniform(-0.15, 0.15)) / count
        made.append(np.stack([x * math.cos(a) - y * math.sin(a), x * math.sin(a) + y * math.cos(a), z], -1))
    return np.stack(made)


def flower(
    s: Scene, foot: Vector, tall: float, size: float, paint: bpy.types.Material, facing: Vector | None = None
) -> None:
    """A stem with leaves and a blossom that looks somewhere, or where it is told to."""
    head = foot + Vector((s.uniform(-0.2, 0.2) * tall, s.uniform(-0.2, 0.2) * tall, tall))
    steps = np.linspace(0, 1, 8)[:, None]
    bow = np.array([s.uniform(-0.15, 0.15), s.uniform(-0.15, 0.15), 0]) * tall
    path = np.array(foot) * (1 - steps) + np.array(head) * steps + bow * np.sin(np.pi * steps)
    green = s.matt("leaves", s.uniform(0.1, 0.5))
    s.wires("stem", [path], size * s.uniform(0.03, 0.06), green)
    towards = (facing or Vector((s.uniform(-1, 1), s.uniform(-1, 1), s.uniform(0, 1.5)))).normalized()
    turn = towards.to_track_quat("Z", "X").to_euler()
    rings = 1 if s.uniform(0, 1) < 0.55 else 2
    count, lift, curl = int(s.uniform(5, 14)), s.uniform(-0.1, 0.6), s.uniform(-0.5, 0.3)
    for ring in range(rings):
        reach = size / 2 * (1 - 0.25 * ring)
        made = petals(s, count, reach, reach * s.uniform(0.35, 0.9) * 6 / count * 1.3, lift + 0.35 * ring, curl)
        sheets(s, "blossom", made, paint, head, turn)
    middle = size * s.uniform(0.15, 0.35)
    s.shape(
        "ball",
        (middle, middle, middle * s.uniform(0.4, 0.9)),
        s.matt("gravel", 0.15 * size),
        head,
        [math.degrees(a) for a in turn],
    )
    for _ in range(int(s.uniform(0, 4))):
        length = size * s.uniform(0.5, 1.4)
        leaf = petals(s, 1, length, length * s.uniform(0.2, 0.5), s.uniform(-0.2, 0.8), s.uniform(-0.8, 0.2))
        at = Vector(path[int(s.uniform(1, 6))])
        sheets(s, "leaf", leaf, green, at, Euler((0, 0, s.uniform(0, 6.3))))


def bush(s: Scene, at: Vector, size: float) -> None:
    """A heap of curved leaves."""
    count = int(s.uniform(20, 60))
    length = size * s.uniform(0.2, 0.45)
    made = []
    for _ in range(count):
        leaf = petals(s, 1, length, length * s.uniform(0.25, 0.7), s.uniform(-0.5, 1.2), s.uniform(-0.8, 0.2))[0]
        a = s.uniform(0, 6.28)
        turned = leaf @ np.array([[math.cos(a), math.sin(a), 0], [-math.sin(a), math.cos(a), 0], [0, 0, 1]])
        made.append(turned + np.array([*(s.rng.normal(0, 0.3, 2) * size), s.uniform(0, 0.9) * size]))
    sheets(s, "bush", np.stack(made), s.matt("leaves", s.uniform(0.2, 0.6)), at, Euler((0, 0, 0)))


def tree(s: Scene, at: Vector, tall: float) -> None:
    """A trunk with a crown of loose leaves."""
    s.shape("cylinder", (tall * 0.06, tall * 0.06, tall * 0.7), s.matt("wood", 0.4), at)
    crown = tall * np.array([s.uniform(0.4, 0.8), s.uniform(0.4, 0.8), s.uniform(0.4, 0.8)])
    cloud = leaf_cloud(s.rng, int(s.uniform(250, 700)), crown, tall * s.uniform(0.025, 0.06))
    s.faces("crown", cloud, s.matt("leaves", tall * 0.3), at + Vector((0, 0, tall * 0.75)))


def grass(s: Scene, at: Vector, spread: float, tall: float, count: int) -> None:
    """A tuft."""
    made = blades(s.rng, count, spread, tall, tall * s.uniform(0.02, 0.06))
    s.faces("grass", made, s.matt("leaves", s.uniform(0.2, 0.6)), at)


def figure(s: Scene, at: Vector, tall: float, turn: float) -> None:
    """Somebody: head, hair, torso, limbs; standing, walking, or with an arm up."""
    skin, top, legs = (s.matt("plaster", 1.0), s.matt(s.pick("stripes", "spots", "plaster"), 0.5), s.matt("wood", 0.8))
    c, n = math.cos(turn), math.sin(turn)

    def place(x: float, y: float, z: float) -> np.ndarray:
        return np.array([at.x + tall * (x * c - y * n), at.y + tall * (x * n + y * c), at.z + tall * z])

    stride = s.uniform(-0.12, 0.12)
    for side in (-1, 1):
        knee, foot = place(side * 0.06, side * stride * 0.6, 0.27), place(side * 0.06, side * stride, 0.02)
        s.wires("leg", [np.stack([place(side * 0.055, 0, 0.52), knee, foot])], tall * 0.045, legs)
        elbow = place(side * s.uniform(0.14, 0.26), s.uniform(-0.1, 0.12), s.uniform(0.5, 0.85))
        hand = elbow + tall * np.array([s.uniform(-0.1, 0.1), s.uniform(-0.15, 0.15), s.uniform(-0.17, 0.17)])
        s.wires("arm", [np.stack([place(side * 0.1, 0, 0.8), elbow])], tall * 0.032, top)
        s.wires("hand", [np.stack([elbow, hand])], tall * 0.026, skin)
    degrees = (0, 0, math.degrees(turn))
    s.shape("ball", (tall * 0.27, tall * 0.16, tall * 0.4), top, Vector(place(0, 0, 0.46)), degrees)
    s.wires("neck", [np.stack([place(0, 0, 0.8), place(0, 0, 0.9)])], tall * 0.03, skin)
    s.shape("ball", (tall * 0.1, tall * 0.115, tall * 0.145), skin, Vector(place(0, 0, 0.86)), degrees)
    s.shape(
        "ball", (tall * 0.11, tall * 0.11, tall * 0.1), s.matt("wood", 0.1), Vector(place(0, 0.015, 0.925)), degrees
    )
