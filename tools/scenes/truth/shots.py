# SPDX-License-Identifier: GPL-3.0-or-later
"""Shots: the families' scenes, filmed by other source cameras."""

from __future__ import annotations

from collections.abc import Callable

from mathutils import Vector

from tools.scenes.truth.cameras import circle, hand_held, ride, slide, stand, swivel, zoom
from tools.scenes.truth.kit import Scene
from tools.scenes.truth.places import GARDEN, ROAD, STAGE, TABLE


def _along(start: tuple[float, float, float], way: tuple[float, float, float]) -> Callable[[float], Vector]:
    return lambda t: Vector([a + b * t for a, b in zip(start, way, strict=True)])


def still_life_tilt(s: Scene) -> None:
    """Tilts up by 17°."""
    swivel(s, TABLE[0], _along((0, 0, 0.75), (0, 0, 0.6)))


def still_life_little(s: Scene) -> None:
    """Glides a centimetre to each side, too little to measure anything from."""
    slide(s, *TABLE, 0.01)


def still_life_dolly(s: Scene) -> None:
    """On rails towards the table."""
    ride(s, (Vector((0.1, -2.7, 1.45)), Vector((-0.1, -1.6, 1.25))), (TABLE[1], TABLE[1]))


def still_life_orbit(s: Scene) -> None:
    """Goes round the table by 40°."""
    circle(s, *TABLE, 40)


def still_life_zoom(s: Scene) -> None:
    """On a slider, and zooms in meanwhile."""
    slide(s, *TABLE, 0.3)
    zoom(s, 1.5)


def subject_hand(s: Scene) -> None:
    """Hand-held, half a metre sideways."""
    hand_held(s, *STAGE, stream=100, drift=0.25)


def subject_pan(s: Scene) -> None:
    """Pans by 50°, and up a little."""
    swivel(s, STAGE[0], _along((-1.6, 0, 0.95), (3.2, 0, 0.3)))


def subject_close(s: Scene) -> None:
    """Pans along with the figure, which fills more than 30 % of the picture."""
    swivel(s, Vector((0, -1.15, 1.15)), lambda t: Vector((s.figure(t).x, 0, s.figure(t).z)))
    s.pivot = 1.15


def subject_breath(s: Scene) -> None:
    """On a tripod that is not quite firm."""
    hand_held(s, *STAGE, stream=300, strength=0.03)


def subject_zoom(s: Scene) -> None:
    """Stands still and zooms in."""
    stand(s, *STAGE)
    zoom(s, 1.6)


def subject_dolly(s: Scene) -> None:
    """On rails towards the figure."""
    ride(s, (Vector((0.2, -4.2, 1.5)), Vector((-0.2, -2.7, 1.4))), (STAGE[1], STAGE[1]))


def thin_slide(s: Scene) -> None:
    """On a slider."""
    slide(s, *GARDEN, 0.3)


def thin_hand(s: Scene) -> None:
    """Hand-held, sideways."""
    hand_held(s, *GARDEN, stream=400, drift=0.3)


def thin_pan(s: Scene) -> None:
    """Pans by 38°."""
    swivel(s, GARDEN[0], _along((-1, 0, 0.85), (2, 0, 0)))


def street_hand(s: Scene) -> None:
    """Hand-held, walking forward."""
    hand_held(s, *ROAD, stream=200, drift=0.15, walk=1.4)


def street_walk(s: Scene) -> None:
    """Hand-held, walking fast: the picture jumps."""
    hand_held(s, *ROAD, stream=500, drift=0.1, walk=1.6, strength=2.5)


def street_pan(s: Scene) -> None:
    """Pans by 50°."""
    swivel(s, ROAD[0], _along((-3.7, 5, 1.6), (7.4, 0, 0)))


def street_drone(s: Scene) -> None:
    """Flies forward and up and looks down."""
    ride(s, (Vector((0.3, -5, 2.5)), Vector((-0.6, 1.5, 6))), (Vector((0, 3, 0.5)), Vector((0, 8, 0))))


def street_truck(s: Scene) -> None:
    """Goes sideways across the street and looks along it."""
    ride(s, (Vector((-0.8, -3, 1.6)), Vector((0.8, -3, 1.6))), (Vector((-0.8, 5, 1.35)), Vector((0.8, 5, 1.35))))


def crowd_pan(s: Scene) -> None:
    """Pans by 35°."""
    swivel(s, ROAD[0], _along((-2.5, 5, 1.4), (5, 0, 0)))


def crowd_hand(s: Scene) -> None:
    """Hand-held, sideways."""
    hand_held(s, *ROAD, stream=600, drift=0.4)


def glossy_dolly(s: Scene) -> None:
    """On rails towards the table."""
    ride(s, (Vector((0.1, -2.7, 1.45)), Vector((-0.1, -1.6, 1.25))), (TABLE[1], TABLE[1]))


def glossy_pan(s: Scene) -> None:
    """Pans by 33°."""
    swivel(s, TABLE[0], _along((-0.6, 0, 0.95), (1.2, 0, 0.1)))


#: The family and the camera of each shot.
SHOTS: dict[str, tuple[str, Callable[[Scene], None]]] = {
    film.__name__: (film.__name__.rpartition("_")[0], film)
    for film in (
        still_life_tilt,
        still_life_little,
        still_life_dolly,
        still_life_orbit,
        still_life_zoom,
        subject_hand,
        subject_pan,
        subject_close,
        subject_breath,
        subject_zoom,
        subject_dolly,
        thin_slide,
        thin_hand,
        thin_pan,
        street_hand,
        street_walk,
        street_pan,
        street_drone,
        street_truck,
        crowd_pan,
        crowd_hand,
        glossy_dolly,
        glossy_pan,
    )
}
