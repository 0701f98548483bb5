# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes to learn depth from: the five families of the truth set with other textures and other cameras, and five more.
Needs bpy. The families' tests use other seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Vector

from research.small_depth.growth import bush, figure, flower, grass, tree
from tools.scenes.truth import families, pictures
from tools.scenes.truth.kit import Scene, look_at

SKIES = ("city", "courtyard", "forest", "interior", "night", "studio", "sunrise", "sunset")
THINGS = ("box", "ball", "cylinder", "cone", "torus", "monkey")
#: Tiles of each kind that are made once a process; making them takes longer than rendering.
TILES = 5
_tiles: dict[tuple[str, int], np.ndarray] = {}


class Painted(Scene):
    """A scene whose textures are recoloured tiles of a store, so that any surface may have any colour."""

    def image(self, kind: str) -> bpy.types.Image:
        """See ``Scene``."""
        at = (kind, int(self.rng.integers(TILES)))
        if at not in _tiles:
            _tiles[at] = pictures.picture(kind, np.random.default_rng([77, at[1], *kind.encode()]))[::2, ::2]
        tile = _tiles[at]
        if self.rng.random() < 0.6:
            a, b = self.rng.uniform(0.02, 0.95, (2, 3)) ** self.rng.uniform(0.7, 1.8)
            grey = tile.mean(axis=-1, keepdims=True)
            low, high = np.percentile(grey, [2, 98])
            tile = a + (b - a) * np.clip((grey - low) / (high - low + 1e-3), -0.2, 1.2)
        if self.rng.random() < 0.4:
            mean = tile.mean(axis=(0, 1))
            tile = mean + (tile - mean) * self.rng.uniform(0.05, 0.7)
        size = tile.shape[0]
        image = bpy.data.images.new(kind, size, size)
        rgba = np.ones((size, size, 4), np.float32)
        rgba[..., :3] = np.clip(tile, 0.01, 0.97)
        image.pixels.foreach_set(rgba.ravel())
        return image

    def any_material(self, metres: float) -> bpy.types.Material:
        """Mostly matt."""
        kind = self.pick(*pictures.MAKERS)
        if self.rng.random() < 0.15:
            return self.glossy(kind, metres, self.uniform(0.1, 0.5), float(self.rng.random() < 0.3))
        return self.matt(kind, metres)

    def daylight(self) -> None:
        """Sun from anywhere, any sky."""
        if self.rng.random() < 0.75:
            self.sun(self.uniform(12, 75), self.uniform(-180, 180), self.uniform(0.8, 4), self.uniform(1, 15))
        self.sky(self.uniform(0.4, 1.3), self.pick(*SKIES) if self.rng.random() < 0.75 else None)


@dataclass(frozen=True)
class Place:
    """Where a camera may be: uniform in two boxes.

    Attributes:
        eye, target: corners (2, 3).
        fov: least and greatest horizontal field of view, degrees.
    """

    eye: tuple[tuple[float, ...], tuple[float, ...]]
    target: tuple[tuple[float, ...], tuple[float, ...]]
    fov: tuple[float, float] = (30, 80)


def ground(s: Painted, reach: float, hills: float) -> None:
    """A large floor, flat or wavy."""
    n = 48
    axis = np.linspace(-1, 1, n) * reach
    x, y = np.meshgrid(axis, axis, indexing="ij")
    z = np.zeros_like(x)
    for _ in range(4):
        f, phase = s.uniform(0.5, 3) / reach * 6, s.uniform(0, 6)
        a = s.uniform(0, 6)
        z += hills / 4 * np.sin(f * (x * math.cos(a) + y * math.sin(a)) + phase)
    z -= z[n // 2, n // 2]
    index = np.arange(n * n).reshape(n, n)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4)
    mesh = bpy.data.meshes.new("ground")
    mesh.from_pydata(np.stack([x, y, z], -1).reshape(-1, 3).tolist(), [], quads.tolist())
    mesh.shade_smooth()
    s.add(
        "ground", mesh, s.matt(s.pick(*families.FLOORS, "leaves", "plaster"), s.uniform(0.8, 4)), (0, 0, 0), (0, 0, 0)
    )


def meadow(s: Painted) -> Place:
    """Flowers, leaves and grass close to the camera, the same kind again farther off, a hedge or trees behind."""
    ground(s, 40, s.uniform(0, 0.8))
    paints = [s.matt("plaster", s.uniform(0.1, 0.5)) for _ in range(int(s.uniform(1, 3)))]
    for _ in range(int(s.uniform(1, 4))):
        at = Vector((s.uniform(-0.5, 0.5), s.uniform(-0.35, 0.6), 0))
        facing = Vector((s.uniform(-0.7, 0.7), -1, s.uniform(-0.2, 1)))
        flower(s, at, s.uniform(0.55, 0.95), s.uniform(0.2, 0.65), paints[0], facing)
    for _ in range(int(s.uniform(2, 12))):
        paint = paints[int(s.uniform(0, len(paints)))]
        at = Vector((s.uniform(-2, 2), s.uniform(0.6, 4), 0))
        flower(s, at, s.uniform(0.3, 1.3), s.uniform(0.15, 0.5), paint)
    for _ in range(int(s.uniform(0, 5))):
        bush(s, Vector((s.uniform(-2, 2), s.uniform(0.3, 3), 0)), s.uniform(0.2, 0.8))
    for _ in range(int(s.uniform(0, 8))):
        grass(s, Vector((s.uniform(-1.5, 1.5), s.uniform(-0.5, 3), 0)), s.uniform(0.1, 0.6), s.uniform(0.2, 0.8), 60)
    if s.rng.random() < 0.5:
        for _ in range(int(s.uniform(2, 6))):
            tree(s, Vector((s.uniform(-8, 8), s.uniform(3.5, 14), 0)), s.uniform(2, 6))
    if s.rng.random() < 0.6:
        s.shape("box", (40, 0.3, s.uniform(2, 8)), s.matt("leaves", s.uniform(0.7, 2)), (0, s.uniform(2, 12), 0))
    s.daylight()
    return Place(((-0.5, -1.5, 0.4), (0.5, -0.6, 1.3)), ((-0.4, -0.1, 0.5), (0.4, 0.4, 0.95)), (25, 60))


def room(s: Painted) -> Place:
    """Indoors, with a ceiling, lamps and furniture."""
    half, back, high = s.uniform(1.6, 4), s.uniform(1.5, 5), s.uniform(2.3, 3.2)
    families._room(s, half, back, -3.5, high)
    s.shape("box", (2 * half, back + 3.5, 0.1), s.matt("plaster", 2), (0, (back - 3.5) / 2, high))
    for _ in range(int(s.uniform(3, 10))):
        x, y = s.uniform(-half, half), s.uniform(-0.5, back)
        size = (s.uniform(0.3, 1.6), s.uniform(0.3, 0.9), s.uniform(0.3, 2))
        s.shape("box", size, s.any_material(s.uniform(0.5, 1.5)), (x, y, 0), (0, 0, s.uniform(-30, 30)))
        if s.rng.random() < 0.6:
            d = s.uniform(0.1, 0.4)
            s.shape(s.pick(*THINGS), (d, d, d * s.uniform(0.6, 2)), s.any_material(0.3), (x, y, size[2]))
    for _ in range(int(s.uniform(1, 4))):
        x, y, tall = s.uniform(-half, half), s.uniform(-0.5, back), s.uniform(0.4, 0.8)
        s.shape("box", (s.uniform(0.6, 1.6), s.uniform(0.5, 1), 0.04), s.any_material(0.8), (x, y, tall))
        legs = [np.array([[x + a, y + b, 0], [x + a, y + b, tall]]) for a in (-0.25, 0.25) for b in (-0.2, 0.2)]
        s.wires("legs", legs, 0.025, s.matt("wood", 0.4))
    for _ in range(int(s.uniform(0, 6))):
        size = (s.uniform(0.3, 1.2), 0.05, s.uniform(0.3, 1.2))
        s.shape("box", size, s.any_material(0.6), (s.uniform(-half, half), back - 0.03, s.uniform(0.8, 1.6)))
    if s.rng.random() < 0.4:
        figure(s, Vector((s.uniform(-1, 1), s.uniform(0, back * 0.7), 0)), s.uniform(1.5, 1.85), s.uniform(0, 6.3))
    for _ in range(2):
        data = bpy.data.lights.new("lamp", "POINT")
        data.energy, data.shadow_soft_size = s.uniform(40, 200), s.uniform(0.05, 0.4)
        data.color = (1, s.uniform(0.7, 1), s.uniform(0.5, 1))
        lamp = bpy.data.objects.new("lamp", data)
        lamp.location = (s.uniform(-half * 0.8, half * 0.8), s.uniform(-2.5, back * 0.8), high * s.uniform(0.7, 0.95))
        s.scene.collection.objects.link(lamp)
    s.sky(s.uniform(0.5, 1.2))
    return Place(((-1.3, -3.2, 0.5), (1.3, -1.2, 2.0)), ((-1.2, 0.5, 0.3), (1.2, 2, 1.6)), (35, 95))


def field(s: Painted) -> Place:
    """Outdoors: things at all distances up to the horizon."""
    ground(s, 150, s.uniform(0, 3) * float(s.rng.random() < 0.6))
    for _ in range(int(s.uniform(8, 25))):
        far = math.exp(s.uniform(math.log(2), math.log(60)))
        x = far * s.uniform(-0.8, 0.8)
        kind, tall = s.pick("tree", "house", "post", "thing", "figure", "bush", "wall"), s.uniform(0.5, 3)
        if kind == "tree":
            tree(s, Vector((x, far, 0)), s.uniform(2, 9))
        elif kind == "house":
            size = (s.uniform(2, 9), s.uniform(2, 8), s.uniform(2, 10))
            s.shape("box", size, s.any_material(s.uniform(1, 4)), (x * 1.5, far + 5, 0), (0, 0, s.uniform(0, 360)))
        elif kind == "post":
            s.shape("cylinder", (0.12, 0.12, tall * 1.7), s.any_material(0.6), (x, far, 0))
        elif kind == "figure":
            figure(s, Vector((x * 0.5, far * 0.5 + 1, 0)), s.uniform(1.3, 1.9), s.uniform(0, 6.3))
        elif kind == "bush":
            bush(s, Vector((x, far, 0)), tall * 0.6)
        elif kind == "wall":
            size = (s.uniform(3, 30), 0.3, tall)
            s.shape("box", size, s.any_material(2), (x, far, 0), (0, 0, s.uniform(-60, 60)))
        else:
            size = tuple(s.uniform(0.4, 2.2) for _ in range(3))
            s.shape(s.pick(*THINGS), size, s.any_material(s.uniform(0.4, 1.2)), (x, far, 0), (0, 0, s.uniform(0, 360)))
    s.daylight()
    return Place(((-2, -3, 0.3), (2, 0.5, 3)), ((-3, 6, -0.5), (3, 9, 2.5)), (30, 90))


def people(s: Painted) -> Place:
    """Figures near the camera, as in most films; indoors or out."""
    if s.rng.random() < 0.5:
        families._room(s, s.uniform(2, 6), s.uniform(2, 7), -5, s.uniform(2.5, 5))
    else:
        ground(s, 60, 0)
        for _ in range(int(s.uniform(2, 8))):
            tree(s, Vector((s.uniform(-9, 9), s.uniform(5, 20), 0)), s.uniform(2, 7))
        if s.rng.random() < 0.7:
            s.shape("box", (60, 1, s.uniform(3, 12)), s.any_material(3), (0, s.uniform(6, 25), 0))
    for _ in range(int(s.uniform(1, 5))):
        figure(s, Vector((s.uniform(-1.3, 1.3), s.uniform(-0.6, 1.8), 0)), s.uniform(1.5, 1.9), s.uniform(0, 6.3))
    for _ in range(int(s.uniform(0, 6))):
        d = s.uniform(0.3, 1.2)
        s.shape(
            s.pick(*THINGS), (d, d, d * s.uniform(0.5, 2)), s.any_material(0.6), (s.uniform(-3, 3), s.uniform(1, 4), 0)
        )
    s.daylight()
    return Place(((-1, -3.4, 0.7), (1, -1.3, 2)), ((-0.5, 0, 0.7), (0.5, 0.8, 1.6)), (25, 70))


def clutter(s: Painted) -> Place:
    """Any things at any place before any backdrop: nothing to rely on but what hides what, and how things shrink."""
    backdrop = s.rng.random()
    if backdrop < 0.6:
        tilt = (s.uniform(-20, 20), 0, s.uniform(-50, 50))
        s.shape("box", (40, 0.2, 40), s.any_material(s.uniform(0.5, 4)), (0, s.uniform(3, 9), -20), tilt)
    if s.rng.random() < 0.5:
        ground(s, 60, 0)
    for _ in range(int(s.uniform(5, 25))):
        far = s.uniform(0, 1) ** 1.5 * 6
        at = (s.uniform(-0.5, 0.5) * (far + 2), far, s.uniform(-0.3, 2))
        d = s.uniform(0.15, 0.9)
        turn = [s.uniform(0, 360) for _ in range(3)]
        size = (d * s.uniform(0.4, 1.5), d * s.uniform(0.4, 1.5), d * s.uniform(0.4, 2))
        s.shape(s.pick(*THINGS), size, s.any_material(s.uniform(0.2, 1)), at, turn)
    s.daylight()
    return Place(((-0.7, -2.5, 0.3), (0.7, -1.3, 1.6)), ((-0.7, 0.5, 0.3), (0.7, 2, 1.3)), (30, 80))


MORE: dict[str, Callable[[Painted], Place]] = {f.__name__: f for f in (meadow, room, field, people, clutter)}
#: Cameras for the families of the truth set, round where their own stands.
AGAIN = {
    "still_life": Place(((-1.2, -2.8, 0.85), (1.2, -1.1, 2.2)), ((-0.5, -0.2, 0.7), (0.5, 0.4, 1.2)), (30, 75)),
    "glossy": Place(((-1.2, -2.8, 0.85), (1.2, -1.1, 2.2)), ((-0.5, -0.2, 0.7), (0.5, 0.4, 1.2)), (30, 75)),
    "subject": Place(((-2.5, -4.3, 0.4), (2.5, -1.6, 2.6)), ((-1.0, -0.3, 0.5), (1.0, 1.5, 1.5)), (30, 80)),
    "thin": Place(((-2.0, -3.8, 0.3), (2.0, -1.6, 2.2)), ((-0.8, -0.3, 0.4), (0.8, 0.8, 1.3)), (30, 80)),
    "street": Place(((-2.3, -4, 0.6), (2.3, 8, 2.6)), ((-4, 14, 0.5), (4, 22, 3)), (35, 85)),
}
#: Shares of the kinds of scenes.
SHARES = {
    "still_life": 0.1, "glossy": 0.1, "subject": 0.09, "thin": 0.1, "street": 0.12,
    "meadow": 0.16, "room": 0.11, "field": 0.09, "people": 0.09, "clutter": 0.04,
}  # fmt: skip


def build(kind: str, seed: int) -> tuple[Painted, Place]:
    """The scene in an otherwise empty file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    s = Painted(np.random.default_rng([5, seed]))
    if kind in MORE:
        place = MORE[kind](s)
    else:
        families.FAMILIES[kind](s)
        place = AGAIN[kind]
    data = bpy.data.cameras.new("camera")
    data.sensor_width, data.sensor_fit, data.clip_start, data.clip_end = 36.0, "HORIZONTAL", 0.01, 1000.0
    s.scene.camera = bpy.data.objects.new("camera", data)
    s.scene.collection.objects.link(s.scene.camera)
    return s, place


def shoot(s: Painted, place: Place) -> None:
    """Another moment, another camera."""
    moment = s.uniform(0, 1)
    for move in s.poses:
        move(moment)
    eye, target = (Vector(s.rng.uniform(*corners)) for corners in (place.eye, place.target))
    roll = math.radians(float(s.rng.normal(0, 5)))
    s.scene.camera.matrix_world = look_at(eye, target) @ Matrix.Rotation(roll, 4, "Z")
    s.scene.camera.data.angle = math.radians(s.uniform(*place.fov))
    for node in s.scene.world.node_tree.nodes:
        if node.type == "TEX_ENVIRONMENT" and not node.inputs["Vector"].is_linked:
            _turn_sky(s, node)


def _turn_sky(s: Painted, node: bpy.types.Node) -> None:
    tree = s.scene.world.node_tree
    coordinates, mapping = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value = (0, 0, s.uniform(0, 2 * math.pi))
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], node.inputs["Vector"])


def kind_of(seed: int) -> str:
    """What kind of scene a seed makes."""
    names = list(SHARES)
    shares = np.array([SHARES[name] for name in names])
    return str(np.random.default_rng([6, seed]).choice(names, p=shares / shares.sum()))
