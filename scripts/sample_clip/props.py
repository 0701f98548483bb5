# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the room."""

from __future__ import annotations

import math

from mathutils import Vector

from sample_clip.materials import Point
from sample_clip.workshop import Workshop, arc

TRACK_CENTRE = Vector((0.0, 1.35, 0.0))
TRACK_RADIUS = 2.4
TRACK_WIDTH = 0.56
TRACK_TOP = 0.13
GROOVE_AT = 0.19
GROOVE_WIDTH = 0.085
GROOVE_DEPTH = 0.05
WALL_Y = 5.4


def track_section() -> list[tuple[float, float]]:
    """Cross section of the track, (offset from the middle, height), counter-clockwise: two grooves for the wheels."""
    half, top, edge = TRACK_WIDTH / 2, TRACK_TOP, 0.02
    points = [(-half, 0.0), (half, 0.0), (half, top - edge), (half - edge, top)]
    for middle in (GROOVE_AT, -GROOVE_AT):
        a, b = middle + GROOVE_WIDTH / 2, middle - GROOVE_WIDTH / 2
        points += [(a, top), (a - 0.01, top - GROOVE_DEPTH), (b + 0.01, top - GROOVE_DEPTH), (b, top)]
    return [*points, (-half + edge, top), (-half, top - edge)]


def build_track(shop: Workshop, pieces: int = 8, steps: int = 14) -> None:
    """A ring of curved pieces with a small gap at each joint."""
    section = track_section()
    n = len(section)
    gap = 0.007 / TRACK_RADIUS
    for piece in range(pieces):
        span = 2 * math.pi / pieces
        middle = (piece + 0.35) * span
        angles = [-span / 2 + gap + (span - 2 * gap) * i / steps for i in range(steps + 1)]
        # In the piece's own axes: x along the track, so that the grain follows it; y to the outside.
        vertices = [
            ((TRACK_RADIUS + o) * math.sin(a), TRACK_RADIUS - (TRACK_RADIUS + o) * math.cos(a), z)
            for a in angles
            for o, z in section
        ]
        faces: list[tuple[int, ...]] = [tuple(range(n)), tuple(range(steps * n, (steps + 1) * n))[::-1]]
        for row in range(steps):
            low, high = row * n, (row + 1) * n
            faces += [(low + i, high + i, high + (i + 1) % n, low + (i + 1) % n) for i in range(n)]
        at = on_track(middle)
        shop.part("track", vertices, faces, "beech", at=at, turn=(0, 0, math.degrees(middle)))


def on_track(angle: float) -> Vector:
    """Point on the floor in the middle of the track, ``angle`` radians from the nearest point, + to the right."""
    return TRACK_CENTRE + TRACK_RADIUS * Vector((math.sin(angle), -math.cos(angle), 0))


def build_house(shop: Workshop, at: Point, turn: float, size: Point, wall: str, roof: str) -> None:
    """A block house with a painted roof, a door and two windows in front."""
    w, d, h = size
    base = shop.joint("house", at)
    base.rotation_euler.z = math.radians(turn)
    shop.box("house walls", size, wall, parent=base)
    eave, rise = 0.07, 0.42 * d + 0.12
    gable = [(-d / 2 - eave, 0), (d / 2 + eave, 0), (0, rise)]
    length = w + 2 * eave
    shop.slab("roof", gable, length, roof, parent=base, at=(-length / 2, 0, h), turn=(90, 0, 90), bevel=0.02)
    shop.box("door", (0.2 * w, 0.03, 0.5 * h), "bark", parent=base, at=(-0.22 * w, -d / 2, 0), bevel=0.008)
    for x in (0.1, 0.31):
        shop.box("window", (0.15 * w, 0.02, 0.26 * h), "white", parent=base, at=(x * w, -d / 2, 0.45 * h), bevel=0.006)
    shop.box("chimney", (0.11, 0.11, 0.3), "cream", parent=base, at=(0.25 * w, 0.1 * d, h + 0.45 * rise), bevel=0.01)


def build_fir(shop: Workshop, at: Point, height: float) -> None:
    """A turned fir: three skirts on a peg."""
    base = shop.joint("fir", at)
    shop.rod("trunk", 0.055, 0.3 * height, "bark", parent=base)
    profile: list[tuple[float, float]] = []
    for i, width in enumerate((0.30, 0.24, 0.17)):
        z = height * (0.2 + 0.24 * i)
        top = height * (0.2 + 0.24 * i + (0.24 if i < 2 else 0.32))
        profile += [
            (width * height - 0.02, z),
            (width * height, z + 0.02),
            (0.45 * width * height if i < 2 else 0.012, top),
        ]
    shop.turned("fir", profile, "green", parent=base)


def build_round_tree(shop: Workshop, at: Point, height: float, crown: str) -> None:
    """A ball on a peg."""
    base = shop.joint("tree", at)
    shop.rod("trunk", 0.05, 0.6 * height, "beech", parent=base)
    shop.ball("crown", 0.31 * height, crown, parent=base, at=(0, 0, 0.38 * height))


def build_stacking_rings(shop: Workshop, at: Point) -> None:
    """The classic tower of rings."""
    base = shop.joint("rings", at)
    shop.rod("foot", 0.62, 0.14, "beech", parent=base)
    z = 0.14
    for radius, color in ((0.56, "red"), (0.49, "orange"), (0.42, "yellow"), (0.35, "teal"), (0.28, "blue")):
        thick = 0.13
        profile = [*arc(radius - thick, thick, thick, -90, 90, 14)]
        shop.turned("ring", profile, color, parent=base, at=(0, 0, z))
        z += 2 * thick
    shop.ball("knob", 0.17, "red", parent=base, at=(0, 0, z - 0.03))


def build_block(shop: Workshop, at: Point, turn: float, color: str, side: float = 0.5) -> None:
    """A cube with a raised frame on its sides' faces: a bare core between painted plates."""
    base = shop.joint("block", at)
    base.rotation_euler.z = math.radians(turn)
    shop.box("core", (side, side, side), "pine", parent=base, bevel=0.03)
    inset = 0.68 * side
    for angle in (0, 90, 180, 270):
        a = math.radians(angle)
        out = side / 2 + 0.004
        where = (out * math.sin(a), -out * math.cos(a), side * 0.16)
        shop.box("plate", (inset, 0.014, inset), color, parent=base, at=where, turn=(0, 0, angle), bevel=0.005)
    shop.box("plate", (inset, inset, 0.014), color, parent=base, at=(0, 0, side - 0.003), bevel=0.005)


def build_arch(shop: Workshop, at: Point, turn: float, color: str) -> None:
    """A building block with a round arch."""
    inner = [(0.3 * math.cos(math.radians(a)), 0.3 * math.sin(math.radians(a))) for a in range(180, -1, -12)]
    outline = [(-0.62, 0), *inner, (0.62, 0), (0.62, 0.52), (-0.62, 0.52)]
    shop.slab("arch", outline, 0.5, color, at=at, turn=(90, 0, turn), bevel=0.02)


def build_books(shop: Workshop, at: Point) -> None:
    """A row of standing books, the last one leaning."""
    x = 0.0
    colors = ["cream", "blue", "orange", "teal", "white", "red", "yellow"]
    for i, color in enumerate(colors):
        thick, tall, deep = shop.rng.uniform(0.15, 0.30), shop.rng.uniform(1.25, 1.75), shop.rng.uniform(0.9, 1.1)
        last = i == len(colors) - 1
        lean = 14.0 if last else 0.0
        x += tall * math.sin(math.radians(lean)) * 0.0
        place = {"at": (at[0] + x + (0.42 if last else 0.0), at[1], 0), "turn": (0, -lean, 0)}
        shop.box("book", (thick, deep, tall), color, bevel=0.02, **place)
        x += thick + 0.012


def build_room(shop: Workshop) -> None:
    """Floor, wall and skirting board, wide enough for any yaw up to about 60 degrees."""
    floor = [(-30, -14), (30, -14), (30, WALL_Y + 0.2), (-30, WALL_Y + 0.2)]
    shop.slab("floor", floor, 0.1, "floor", at=(0, 0, -0.1))
    shop.box("wall", (60, 0.2, 16), "wall", at=(0, WALL_Y + 0.1, 0), bevel=0)
    shop.box("skirting", (60, 0.09, 0.62), "white", at=(0, WALL_Y - 0.045, 0), bevel=0.03)
    shop.box("skirting foot", (60, 0.15, 0.14), "white", at=(0, WALL_Y - 0.075, 0), bevel=0.04)


def build_props(shop: Workshop) -> None:
    """A village inside the ring, toys between it and the wall, and a few things close to the camera."""
    build_house(shop, (-0.62, 1.15, 0), 14, (0.85, 0.6, 0.52), "cream", "red")
    build_house(shop, (0.72, 1.75, 0), -16, (0.8, 0.62, 0.78), "white", "blue")
    build_house(shop, (-0.35, 2.45, 0), 4, (0.6, 0.6, 1.15), "yellow", "teal")
    for x, y, height in ((-1.45, 1.75, 1.0), (1.5, 1.15, 0.85), (0.15, 0.62, 0.55), (1.3, 2.6, 1.2), (-1.15, 2.7, 0.8)):
        build_fir(shop, (x, y, 0), height * shop.rng.uniform(0.95, 1.05))
    build_round_tree(shop, (0.15, 1.35, 0), 0.8, "orange")
    build_round_tree(shop, (-1.4, 0.85, 0), 0.62, "green")

    build_stacking_rings(shop, (2.75, 4.2, 0))
    build_books(shop, (-0.2, 4.75, 0))
    for x, y, z, turn, color in (
        (-2.9, 4.3, 0, 12, "red"),
        (-2.3, 4.45, 0, -8, "yellow"),
        (-2.62, 4.38, 0.5, 30, "teal"),
        (-3.9, 3.7, 0, 38, "blue"),
        (4.3, 3.0, 0, 25, "orange"),
    ):
        build_block(shop, (x, y, z), turn + shop.rng.uniform(-4, 4), color)
    build_arch(shop, (-3.5, 2.2, 0), 60, "pine")
    shop.ball("ball", 0.5, "orange", at=(-4.6, 4.6, 0))
    shop.ball("ball", 0.36, "red", at=(3.75, 2.2, 0))

    build_block(shop, (2.15, -2.75, 0), 24, "yellow", 0.46)
    build_block(shop, (-1.62, -3.0, 0), -20, "teal", 0.46)
    build_fir(shop, (-2.45, -2.1, 0), 1.05)
