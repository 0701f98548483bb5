# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene of the sample clip: a wooden toy train that rounds a bend on the floor of a child's room.

Everything is made here from meshes and procedural textures; no file is loaded. The layers lie 0.4 to 1.2 m from the
camera, so that a new viewpoint shows parallax and uncovers what the clip never saw.

Lengths are Blender units of 0.1 m (``UNIT_M``), z up; the camera looks along +y. ``turn`` is XYZ Euler degrees.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
from mathutils import Matrix, Vector

from tools.scenes.sample_materials import ZERO, Point, make_materials

Outline = Sequence[tuple[float, float]]

#: Metres in a Blender unit.
UNIT_M = 0.1

LENS_MM, SENSOR_MM = 36.0, 36.0
CAMERA_AT, CAMERA_TARGET = Vector((0.55, -6.0, 2.6)), Vector((-0.05, 0.0, 0.6))
#: Where the train is in the middle of the clip: what a target camera orbits.
PIVOT = Vector((-0.5, -1.0, 0.45))
WALL_X, WALL_Y = 11.0, 5.4

TRACK_CENTRE, TRACK_RADIUS = Vector((0.0, 1.35, 0.0)), 2.4
TRACK_HALF, TRACK_TOP = 0.28, 0.13
GROOVE_AT, GROOVE_WIDTH, GROOVE_DEPTH = 0.19, 0.085, 0.05
WHEEL_RADIUS, CAR_SPACING = 0.165, 1.16
AXLE = TRACK_TOP - GROOVE_DEPTH + WHEEL_RADIUS
DECK = AXLE + 0.11
#: Of the engine at the first frame, round the track from the point nearest to the camera, + to the right.
START_DEG = -34.0
#: Units per second; 12.5 cm/s is a battery train on a floor.
SPEED = 1.25


def circle(r: float, z: float, radius: float, start: float, stop: float, steps: int = 5) -> list[tuple[float, float]]:
    """Points on a circle about (r, z), in degrees from +r towards +z."""
    angles = [math.radians(start + (stop - start) * i / steps) for i in range(steps + 1)]
    return [(r + radius * math.cos(a), z + radius * math.sin(a)) for a in angles]


def loft(rows: int, n: int) -> list[Sequence[int]]:
    """Faces of a skin over ``rows`` rings of ``n`` vertices, with flat ends."""
    steps = [(k + i, k + (i + 1) % n) for k in range(0, (rows - 1) * n, n) for i in range(n)]
    return [range(n)[::-1], *((a, b, b + n, a + n) for a, b in steps), range((rows - 1) * n, rows * n)]


class Workshop:
    """Makes the parts of the scene, with the materials and the seeded random numbers at hand."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.parent: bpy.types.Object | None = None
        self.materials = make_materials()

    def place(self, thing: bpy.types.Object, at: Sequence[float] = ZERO, turn: Point = ZERO) -> bpy.types.Object:
        """Put an object into the scene, relative to the group that is open."""
        thing.location, thing.parent = at, self.parent
        thing.rotation_euler = [math.radians(a) for a in turn]
        bpy.context.scene.collection.objects.link(thing)
        return thing

    @contextmanager
    def group(self, at: Sequence[float] = ZERO, turn: float = 0.0) -> Iterator[bpy.types.Object]:
        """What is made inside hangs on an empty at ``at``, turned about z by ``turn`` degrees."""
        outer = self.parent
        self.parent = self.place(bpy.data.objects.new("group", None), at, (0, 0, turn))
        yield self.parent
        self.parent = outer

    def skin(self, material: str, vertices: Sequence[Point], rows: int, *place: Point, bevel: float = 0.0) -> None:
        """A mesh of ``rows`` equal rings; ``place`` is at and turn, ``bevel`` the radius of the edges."""
        mesh = bpy.data.meshes.new(material)
        mesh.from_pydata(vertices, [], loft(rows, len(vertices) // rows))
        mesh.set_sharp_from_angle(angle=math.radians(35))
        mesh.materials.append(self.materials[material])
        thing = self.place(bpy.data.objects.new(material, mesh), *place)
        if bevel:
            modifier = thing.modifiers.new("bevel", "BEVEL")
            modifier.width, modifier.segments, modifier.harden_normals = bevel, 3, True

    def slab(self, material: str, outline: Outline, height: float, *place: Point, bevel: float = 0.02) -> None:
        """A counter-clockwise outline in xy, raised by ``height``."""
        self.skin(material, [(x, y, z) for z in (0.0, height) for x, y in outline], 2, *place, bevel=bevel)

    def box(self, material: str, size: Point, *place: Point, bevel: float = 0.02) -> None:
        """A box that stands on its origin."""
        x, y = size[0] / 2, size[1] / 2
        self.slab(material, [(-x, -y), (x, -y), (x, y), (-x, y)], size[2], *place, bevel=bevel)

    def lathe(self, material: str, profile: Outline, *place: Point) -> None:
        """``profile`` is (radius, z) from the bottom up; the ends are flat."""
        rim = circle(0, 0, 1, 0, 351, 39)
        self.skin(material, [(r * c, r * s, z) for r, z in profile for c, s in rim], len(profile), *place)

    def rod(self, material: str, radius: float, length: float, *place: Point) -> None:
        """A cylinder with rounded rims that stands on its origin."""
        edge = min(0.025, radius / 4, length / 4)
        ends = ((edge, -90, 0), (length - edge, 0, 90))
        self.lathe(material, [p for z, a, b in ends for p in circle(radius - edge, z, edge, a, b)], *place)

    def ball(self, material: str, radius: float, *place: Point) -> None:
        """A sphere that stands on its origin."""
        self.lathe(material, circle(1e-4, radius, radius, -90, 90, 24), *place)


def on_track(angle: float) -> Vector:
    """Point on the floor below the middle of the track, ``angle`` in radians as for ``START_DEG``."""
    return TRACK_CENTRE + TRACK_RADIUS * Vector((math.sin(angle), -math.cos(angle), 0))


def build_room(shop: Workshop) -> None:
    """Floor, three walls with skirting boards, wide enough for orbits up to 60 degrees."""
    shop.box("floor", (2 * WALL_X, 24, 0.1), (0, WALL_Y - 12, -0.1), bevel=0)
    for at, turn in (((0, WALL_Y, 0), 0), ((-WALL_X, 0, 0), 90), ((WALL_X, 0, 0), -90)):
        with shop.group(at, turn):
            shop.box("wall", (36, 0.2, 9), (0, 0.1, 0), bevel=0)
            shop.box("white", (36, 0.09, 0.62), (0, -0.045, 0), bevel=0.03)


def build_track(shop: Workshop, pieces: int = 8, steps: int = 14) -> None:
    """A ring of curved pieces, with a gap at each joint and two grooves for the wheels."""
    half, top, low, wide = TRACK_HALF, TRACK_TOP, TRACK_TOP - GROOVE_DEPTH, GROOVE_WIDTH / 2
    section = [(-half, top - 0.02), (-half, 0), (half, 0), (half, top - 0.02), (half - 0.02, top)]
    for groove in (GROOVE_AT, -GROOVE_AT):
        section += [(groove + x, z) for x, z in ((wide, top), (wide - 0.01, low), (0.01 - wide, low), (-wide, top))]
    section.append((0.02 - half, top))
    span = math.pi / pieces - 0.007 / TRACK_RADIUS
    # x is along the track, so that the grain follows it; y points inwards
    ring = [(span * (1 - 2 * i / steps), TRACK_RADIUS + o, z) for i in range(steps + 1) for o, z in section]
    vertices = [(r * math.sin(a), TRACK_RADIUS - r * math.cos(a), z) for a, r, z in ring]
    for piece in range(pieces):
        middle = 2 * math.pi * (piece + 0.35) / pieces
        shop.skin("beech", vertices, steps + 1, on_track(middle), (0, 0, math.degrees(middle)))


def build_house(shop: Workshop, at: Point, turn: float, size: Point, wall: str, roof: str) -> None:
    """A block house with a painted roof, a chimney, a door and two windows in front."""
    w, d, h = size
    rise, eave = 0.42 * d + 0.12, 0.07
    with shop.group(at, turn):
        shop.box(wall, size)
        gable = [(-d / 2 - eave, 0), (d / 2 + eave, 0), (0, rise)]
        shop.slab(roof, gable, w + 2 * eave, (-w / 2 - eave, 0, h), (90, 0, 90))
        shop.box("cream", (0.11, 0.11, 0.3), (0.25 * w, 0.1 * d, h + 0.45 * rise), bevel=0.01)
        shop.box("bark", (0.2 * w, 0.03, 0.5 * h), (-0.22 * w, -d / 2, 0), bevel=0.008)
        for x in (0.1, 0.31):
            shop.box("blue", (0.15 * w, 0.02, 0.26 * h), (x * w, -d / 2, 0.45 * h), bevel=0.006)


def build_village(shop: Workshop) -> None:
    """Houses and trees inside the ring of the track."""
    build_house(shop, (-0.62, 1.05, 0), 14, (0.85, 0.6, 0.52), "cream", "red")
    build_house(shop, (0.72, 1.75, 0), -16, (0.8, 0.62, 0.78), "white", "blue")
    build_house(shop, (-0.35, 2.45, 0), 4, (0.6, 0.6, 1.15), "yellow", "teal")
    skirts = [(0.28, 0.2), (0.3, 0.22), (0.135, 0.44), (0.22, 0.44), (0.24, 0.46), (0.108, 0.68)]
    fir = [*skirts, (0.15, 0.68), (0.17, 0.7), (0.012, 1.0)]
    for x, y, tall in ((-1.45, 1.75, 1.0), (1.5, 1.15, 0.85), (0.15, 0.62, 0.55), (1.3, 2.6, 1.2), (-1.15, 2.7, 0.8)):
        height = tall * shop.rng.uniform(0.95, 1.05)
        shop.rod("bark", 0.055, 0.3 * height, (x, y, 0))
        shop.lathe("green", [(height * r, height * z) for r, z in fir], (x, y, 0))
    for x, y, height, crown in ((0.15, 1.35, 0.8, "orange"), (-1.4, 0.85, 0.62, "green")):
        shop.rod("beech", 0.05, 0.6 * height, (x, y, 0))
        shop.ball(crown, 0.31 * height, (x, y, 0.38 * height))


def build_block(shop: Workshop, at: Point, turn: float, color: str) -> None:
    """A cube of bare wood with a painted plate on each side."""
    with shop.group(at, turn):
        shop.box("pine", (0.5, 0.5, 0.5), bevel=0.03)
        shop.box(color, (0.34, 0.34, 0.014), (0, 0, 0.497), bevel=0.005)
        for angle, x, y in ((0, 0, -0.25), (90, 0.25, 0), (180, 0, 0.25), (270, -0.25, 0)):
            shop.box(color, (0.34, 0.02, 0.34), (x, y, 0.08), (0, 0, angle), bevel=0.005)


def build_toys(shop: Workshop) -> None:
    """Stacking rings, a row of books, blocks, an arch and two balls between the track and the wall."""
    with shop.group((2.75, 4.1, 0)):
        shop.rod("beech", 0.62, 0.14)
        for i, color in enumerate(("red", "orange", "yellow", "teal", "blue")):
            shop.lathe(color, circle(0.43 - 0.07 * i, 0.13, 0.13, -90, 90, 14), (0, 0, 0.14 + 0.26 * i))
        shop.ball("red", 0.17, (0, 0, 1.42))
    x = -0.3
    for color in ("cream", "blue", "orange", "teal", "white", "red", "yellow"):
        thick, tall, deep = shop.rng.uniform(0.15, 0.30), shop.rng.uniform(1.25, 1.75), shop.rng.uniform(0.9, 1.1)
        shop.box(color, (thick, deep, tall), (x + thick / 2, 4.7, 0))
        x += thick + 0.012
    blocks = [((-2.8, 4.2, 0), 12, "red"), ((-2.2, 4.4, 0), -8, "yellow"), ((-2.5, 4.3, 0.5), 30, "teal")]
    for at, turn, color in (*blocks, ((-3.7, 3.4, 0), 38, "blue")):
        build_block(shop, at, turn + shop.rng.uniform(-4, 4), color)
    arch = [(-0.62, 0), *circle(0, 0, 0.3, 180, 0, 15), (0.62, 0), (0.62, 0.52), (-0.62, 0.52)]
    shop.slab("pine", arch, 0.5, (-3.1, 2.3, 0), (90, 0, 24))
    shop.ball("orange", 0.5, (-4.2, 4.6, 0))
    shop.ball("red", 0.36, (3.2, 2.4, 0))


class Train:
    """An engine with two wagons, x forward, z = 0 on the floor."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.cars: list[bpy.types.Object] = []
        self.wheels: list[bpy.types.Object] = []
        self.build_engine()
        bricks = [("yellow", (-0.29, 0, 0)), ("red", ZERO), ("cream", (0.29, 0, 0)), ("teal", (-0.14, 0, 0.3))]
        with self.wagon("blue") as low:
            for color, (x, y, z) in bricks:
                shop.box(color, (0.26, 0.3, 0.3 - z / 2), (x, y, low + z), (0, 0, shop.rng.uniform(-9, 9)))
        with self.wagon("yellow") as low:
            for y, row in ((-2, 0), (0, 0), (2, 0), (-1, 1), (1, 1), (0, 2)):
                at = (-0.43 + shop.rng.uniform(-0.03, 0.03), 0.062 * y, low + 0.062 * (1 + 1.74 * row))
                shop.rod("bark", 0.062, 0.86, at, (0, 90, 0))

    def pose(self, seconds: float) -> None:
        """Move to this time after the first frame; the wheels roll without slipping."""
        travelled = SPEED * seconds
        for i, car in enumerate(self.cars):
            angle = math.radians(START_DEG) + (travelled - i * CAR_SPACING) / TRACK_RADIUS
            car.location, car.rotation_euler.z = on_track(angle), angle
        for wheel in self.wheels:
            wheel.rotation_euler.y = travelled / WHEEL_RADIUS

    @contextmanager
    def car(self, length: float, chassis: str, bed: str, axles: Sequence[float]) -> Iterator[float]:
        """A car on wheels; gives the height of its bed."""
        with self.shop.group() as car:
            self.cars.append(car)
            self.shop.box(chassis, (length, 0.34, 0.13), (0, 0, DECK - 0.13), bevel=0.03)
            self.shop.box(bed, (length + 0.02, 0.45, 0.05), (0, 0, DECK), bevel=0.015)
            # the coupling
            self.shop.rod("dark", 0.05, length + 0.14, (-length / 2 - 0.07, 0, DECK - 0.07), (0, 90, 0))
            for x in axles:
                for side in (-1, 1):
                    self.build_wheel((x, side * GROOVE_AT, AXLE), side)
            yield DECK + 0.05

    @contextmanager
    def wagon(self, color: str) -> Iterator[float]:
        """An open wagon; gives the height of its bed."""
        with self.car(0.96, "beech", color, (-0.27, 0.27)) as low:
            for side in (-1, 1):
                self.shop.box(color, (0.98, 0.04, 0.2), (0, 0.21 * side, low), bevel=0.012)
                self.shop.box(color, (0.04, 0.40, 0.2), (0.47 * side, 0, low), bevel=0.012)
            yield low

    def build_wheel(self, at: Point, side: int) -> None:
        """A wheel with a hub and four pegs, so that its turning shows; ``side`` is ±1 along y."""
        outward = (-90 * side, 0, 0)
        with self.shop.group(at) as wheel:
            self.wheels.append(wheel)
            self.shop.rod("dark", WHEEL_RADIUS, 0.07, (0, -0.035 * side, 0), outward)
            self.shop.rod("red", 0.11, 0.02, (0, 0.03 * side, 0), outward)
            for x, z in circle(0, 0, 0.072, 45, 315, 3):
                self.shop.rod("cream", 0.018, 0.016, (x, 0.042 * side, z), outward)

    def build_engine(self) -> None:
        """Boiler with chimney and dome; an open cab with its driver; buffers."""
        shop, ahead = self.shop, (0, 90, 0)
        with self.car(1.08, "dark", "red", (-0.34, 0.02, 0.34)) as low:
            axis = low + 0.235
            shop.box("dark", (0.5, 0.26, 0.12), (0.2, 0, low))
            boiler = [("teal", 0.215, 0.66, -0.14), ("yellow", 0.222, 0.035, 0.02), ("yellow", 0.222, 0.035, 0.26)]
            for color, radius, length, x in (*boiler, ("dark", 0.205, 0.05, 0.5), ("yellow", 0.1, 0.03, 0.545)):
                shop.rod(color, radius, length, (x, 0, axis), ahead)
            chimney = [(0.075, 0), (0.07, 0.16), (0.12, 0.27), (0.12, 0.30), (0.09, 0.30), (0.07, 0.25)]
            shop.lathe("red", chimney, (0.38, 0, axis + 0.18))
            shop.lathe("yellow", [(0.085, 0), *circle(1e-4, 0.07, 0.085, 0, 90, 8)], (0.12, 0, axis + 0.19))
            shop.box("red", (0.38, 0.46, 0.27), (-0.36, 0, low))
            shop.box("red", (0.05, 0.46, 0.56), (-0.195, 0, low), bevel=0.015)
            roof = [(-0.27, 0.0), (0.27, 0.0), *((0.27 * x, 0.03 + 0.09 * z) for x, z in circle(0, 0, 1, 0, 180, 14))]
            shop.slab("dark", roof, 0.5, (-0.61, 0, low + 0.55), (90, 0, 90), bevel=0.012)
            shop.lathe("blue", [(0.085, 0), (0.075, 0.1), (0.05, 0.15)], (-0.38, 0, low + 0.26))
            shop.ball("pine", 0.075, (-0.38, 0, low + 0.38))
            shop.box("red", (0.06, 0.46, 0.13), (0.56, 0, DECK - 0.06))
            for side in (-1, 1):
                shop.box("red", (0.06, 0.06, 0.31), (-0.52, side * 0.2, low + 0.25), bevel=0.01)
                shop.rod("cream", 0.045, 0.06, (0.585, 0.15 * side, DECK + 0.01), ahead)


def look_at(eye: Vector, target: Vector) -> Matrix:
    """Camera-to-world of a Blender camera or lamp (looks along −z, y up) without roll."""
    return Matrix.Translation(eye) @ (target - eye).to_track_quat("-Z", "Y").to_matrix().to_4x4()


def build_lights(scene: bpy.types.Scene) -> None:
    """Warm evening sun from the left, a cool window behind on the right, soft light from the room."""
    scene.world = bpy.data.worlds.new("room")
    scene.world.use_nodes = True
    background = scene.world.node_tree.nodes["Background"]
    background.inputs["Color"].default_value = (1.0, 0.96, 0.92, 1.0)
    background.inputs["Strength"].default_value = 0.6
    sun, window = ((-5.0, -3.6, 6.2), 2.0, 1300, (1.0, 0.86, 0.68)), ((5.5, 3.0, 4.6), 1.8, 300, (0.72, 0.86, 1.0))
    for at, size, watts, color in (sun, window):
        light = bpy.data.lights.new("light", "AREA")
        light.size, light.energy, light.color = size, watts, color
        lamp = bpy.data.objects.new("light", light)
        lamp.matrix_world = look_at(Vector(at), Vector((0.1, 0.8, 0.3)))
        scene.collection.objects.link(lamp)


def build_camera(scene: bpy.types.Scene, yaw_deg: float) -> None:
    """The still camera, orbited about the vertical through ``PIVOT``; positive yaw takes it to its right."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.sensor_width, data.sensor_fit = LENS_MM, SENSOR_MM, "HORIZONTAL"
    scene.camera = bpy.data.objects.new("camera", data)
    turn = Matrix.Translation(PIVOT) @ Matrix.Rotation(math.radians(yaw_deg), 4, "Z") @ Matrix.Translation(-PIVOT)
    scene.camera.matrix_world = turn @ look_at(CAMERA_AT, CAMERA_TARGET)
    scene.collection.objects.link(scene.camera)


def build_scene(seed: int, yaw_deg: float) -> tuple[bpy.types.Scene, Train]:
    """The whole scene in an empty file; ``seed`` is for the small irregularities of the toys."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.unit_settings.scale_length = UNIT_M
    shop = Workshop(seed)
    for build in (build_room, build_track, build_village, build_toys):
        build(shop)
    build_lights(scene)
    build_camera(scene, yaw_deg)
    return scene, Train(shop)
