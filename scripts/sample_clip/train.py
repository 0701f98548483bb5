# SPDX-License-Identifier: GPL-3.0-or-later
"""The subject: an engine and two wagons on the track."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import bpy
import numpy as np

from sample_clip.materials import Point
from sample_clip.props import GROOVE_AT, GROOVE_DEPTH, TRACK_RADIUS, TRACK_TOP, on_track
from sample_clip.workshop import Workshop, arc

FPS = 24
WHEEL_RADIUS = 0.165
CAR_SPACING = 1.16
#: Where the engine is at the first frame: degrees round the track, 0 nearest to the camera, + to the right.
START_DEG = -34.0
#: Units per second, about 10 cm/s: a battery train on a table.
SPEED = 1.25


@dataclass
class Train:
    """The cars (front first) with the wheels of all."""

    cars: list[bpy.types.Object] = field(default_factory=list)
    wheels: list[bpy.types.Object] = field(default_factory=list)

    def pose(self, seconds: float) -> None:
        """Put the train where it is ``seconds`` after the first frame; the wheels roll without slipping."""
        travelled = SPEED * seconds
        for i, car in enumerate(self.cars):
            angle = math.radians(START_DEG) + (travelled - i * CAR_SPACING) / TRACK_RADIUS
            car.location = on_track(angle)
            car.rotation_euler.z = angle
        for wheel in self.wheels:
            wheel.rotation_euler.y = travelled / WHEEL_RADIUS


def add_car(shop: Workshop, train: Train, length: float, color: str, axles: Sequence[float]) -> bpy.types.Object:
    """A chassis on wheels, x forward, z = 0 on the floor; its upper side is at ``DECK``."""
    car = shop.joint("car")
    train.cars.append(car)
    shop.box("chassis", (length, 0.34, 0.13), color, parent=car, at=(0, 0, DECK - 0.13), bevel=0.03)
    for end in (-1, 1):
        place = {"at": (end * length / 2 - (0.05 if end < 0 else 0), 0, DECK - 0.065), "turn": (0, 90, 0)}
        shop.rod("magnet", 0.055, 0.05, "dark", parent=car, **place)
    for x in axles:
        for side in (-1, 1):
            add_wheel(shop, train, car, (x, side * GROOVE_AT, TRACK_TOP - GROOVE_DEPTH + WHEEL_RADIUS), side)
    return car


def add_wheel(shop: Workshop, train: Train, car: bpy.types.Object, at: Point, side: int) -> None:
    """A wheel with a hub and four pegs, so that its turning shows."""
    axle = shop.joint("wheel", at, car)
    train.wheels.append(axle)
    outward = {"parent": axle, "turn": (-90 * side, 0, 0)}
    shop.rod("tyre", WHEEL_RADIUS, 0.07, "dark", at=(0, -0.035 * side, 0), **outward)
    shop.rod("hub", 0.11, 0.02, "red", at=(0, 0.03 * side, 0), **outward)
    for quarter in range(4):
        a = math.pi * (quarter / 2 + 0.25)
        where = (0.072 * math.cos(a), 0.042 * side, 0.072 * math.sin(a))
        shop.rod("peg", 0.018, 0.016, "cream", at=where, **outward)


DECK = TRACK_TOP - GROOVE_DEPTH + WHEEL_RADIUS + 0.11


def build_engine(shop: Workshop, train: Train) -> None:
    """The steam engine: boiler, chimney, dome, cab with a driver, buffer beam and lamp."""
    car = add_car(shop, train, 1.08, "dark", (-0.34, 0.02, 0.34))
    shop.box("footplate", (1.1, 0.44, 0.05), "red", parent=car, at=(0, 0, DECK), bevel=0.02)
    low = DECK + 0.05
    along = {"parent": car, "turn": (0, 90, 0)}
    axis = low + 0.235
    shop.rod("boiler", 0.215, 0.66, "teal", at=(-0.14, 0, axis), **along)
    for x in (0.02, 0.26):
        shop.rod("band", 0.222, 0.035, "yellow", at=(x, 0, axis), **along)
    shop.rod("smokebox", 0.205, 0.05, "dark", at=(0.50, 0, axis), **along)
    shop.rod("smokebox door", 0.10, 0.03, "yellow", at=(0.545, 0, axis), **along)
    shop.box("saddle", (0.5, 0.26, 0.12), "dark", parent=car, at=(0.2, 0, low), bevel=0.02)
    chimney = [(0.075, 0), (0.07, 0.16), (0.12, 0.27), (0.12, 0.30), (0.09, 0.30), (0.07, 0.25)]
    shop.turned("chimney", chimney, "red", parent=car, at=(0.38, 0, axis + 0.18), bevel=0.01)
    shop.turned(
        "dome", [(0.085, 0), *arc(1e-4, 0.07, 0.085, 0, 90, 8)], "yellow", parent=car, at=(0.12, 0, axis + 0.19)
    )
    shop.rod("whistle", 0.025, 0.11, "cream", parent=car, at=(-0.06, 0.0, axis + 0.2))
    build_cab(shop, car, low)
    shop.box("buffer beam", (0.06, 0.46, 0.13), "red", parent=car, at=(0.56, 0, DECK - 0.06), bevel=0.02)
    for side in (-1, 1):
        shop.rod("buffer", 0.045, 0.06, "cream", at=(0.585, 0.15 * side, DECK + 0.01), **along)


def build_cab(shop: Workshop, car: bpy.types.Object, low: float) -> None:
    """The cab, open at its sides, and the peg driver in it."""
    x, wide, long = -0.36, 0.46, 0.38
    shop.box("cab", (long, wide, 0.27), "red", parent=car, at=(x, 0, low), bevel=0.02)
    shop.box("cab front", (0.05, wide, 0.56), "red", parent=car, at=(x + long / 2 - 0.025, 0, low), bevel=0.015)
    for side in (-1, 1):
        place = (x - long / 2 + 0.03, side * (wide / 2 - 0.03), low + 0.25)
        shop.box("post", (0.06, 0.06, 0.31), "red", parent=car, at=place, bevel=0.01)
    section = [
        (-0.27, 0.0),
        (0.27, 0.0),
        *((0.27 * math.cos(t), 0.03 + 0.09 * math.sin(t)) for t in np.linspace(0, math.pi, 14)),
    ]
    shop.slab("cab roof", section, 0.5, "dark", parent=car, at=(x - 0.25, 0, low + 0.55), turn=(90, 0, 90), bevel=0.012)
    shop.turned("driver", [(0.085, 0), (0.075, 0.1), (0.05, 0.15)], "blue", parent=car, at=(x - 0.02, 0, low + 0.26))
    shop.ball("head", 0.075, "pine", parent=car, at=(x - 0.02, 0, low + 0.38))


def build_block_wagon(shop: Workshop, train: Train) -> None:
    """An open wagon with a load of bricks."""
    car = add_car(shop, train, 0.96, "beech", (-0.27, 0.27))
    shop.box("bed", (0.98, 0.46, 0.05), "blue", parent=car, at=(0, 0, DECK), bevel=0.015)
    low = DECK + 0.05
    for side in (-1, 1):
        shop.box("side", (0.98, 0.04, 0.2), "blue", parent=car, at=(0, 0.21 * side, low), bevel=0.012)
        shop.box("end", (0.04, 0.40, 0.2), "blue", parent=car, at=(0.47 * side, 0, low), bevel=0.012)
    for i, color in enumerate(("yellow", "red", "cream")):
        turn = shop.rng.uniform(-9, 9)
        shop.box(
            "load", (0.26, 0.3, 0.3), color, parent=car, at=(-0.29 + 0.29 * i, 0, low), turn=(0, 0, turn), bevel=0.025
        )
    shop.slab("gable", [(-0.16, 0), (0.16, 0), (0, 0.16)], 0.28, "teal", parent=car, at=(-0.14, -0.02, low + 0.302),
              turn=(90, 0, 96), bevel=0.015)  # fmt: skip


def build_log_wagon(shop: Workshop, train: Train) -> None:
    """A flat wagon with five logs between stakes."""
    car = add_car(shop, train, 0.96, "beech", (-0.27, 0.27))
    shop.box("bed", (0.98, 0.44, 0.05), "yellow", parent=car, at=(0, 0, DECK), bevel=0.015)
    low = DECK + 0.05
    for x in (-0.4, 0.4):
        for side in (-1, 1):
            shop.rod("stake", 0.022, 0.3, "red", parent=car, at=(x, 0.2 * side, low - 0.02))
    for row, count in enumerate((3, 2)):
        for i in range(count):
            radius = 0.062
            y = (i - (count - 1) / 2) * 2 * radius
            z = low + radius + row * 2 * radius * 0.87
            place = {"at": (-0.44 + shop.rng.uniform(-0.03, 0.03), y, z), "turn": (0, 90, 0)}
            shop.rod("log", radius, 0.86, "bark", parent=car, **place)


def build_train(shop: Workshop) -> Train:
    """Engine and two wagons."""
    train = Train()
    build_engine(shop, train)
    build_block_wagon(shop, train)
    build_log_wagon(shop, train)
    return train
