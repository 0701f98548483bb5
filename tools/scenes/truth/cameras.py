# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of the source camera. Each sets ``Scene.eye`` and ``Scene.target``; those that keep one thing in view set
``Scene.pivot`` to its distance. Times are 0..1 of the clip, lengths metres."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from mathutils import Matrix, Vector

from tools.scenes.truth.kit import Scene

#: How often a hand's shake goes to and fro, hertz, and how many waves make it up.
SHAKE, WAVES = (0.6, 4.5), 6
#: Hertz of the sine whose size is the bob of the steps, and its height.
STEPS, BOB = 1.728, 0.015
#: Streams of random numbers that each seed has for itself.
STREAMS = 1000


def eased(t: float) -> float:
    """From 0 to 1, slow at both ends."""
    return t * t * (3 - 2 * t)


def stand(s: Scene, eye: Vector, target: Vector) -> None:
    """It stands still."""
    s.eye, s.target, s.pivot = (lambda t: eye), (lambda t: target), (target - eye).length


def slide(s: Scene, eye: Vector, target: Vector, reach: float) -> None:
    """It glides sideways by ±reach and keeps looking at the target."""
    s.eye = lambda t: eye + Vector((reach * (2 * eased(t) - 1), 0.0, 0.0))
    s.target = lambda t: target
    s.pivot = (target - eye).length


def ride(s: Scene, eyes: tuple[Vector, Vector], targets: tuple[Vector, Vector]) -> None:
    """It goes from the first place to the second, slow at both ends, and what it looks at likewise."""
    s.eye = lambda t: eyes[0].lerp(eyes[1], eased(t))
    s.target = lambda t: targets[0].lerp(targets[1], eased(t))
    s.pivot = (targets[0] - eyes[0]).length


def circle(s: Scene, eye: Vector, target: Vector, degrees: float) -> None:
    """It goes round the target by ±degrees/2 and keeps looking at it."""
    arm = eye - target
    s.eye = lambda t: target + Matrix.Rotation(math.radians(degrees * (t - 0.5)), 3, "Z") @ arm
    s.target = lambda t: target
    s.pivot = arm.length


def swivel(s: Scene, eye: Vector, target: Callable[[float], Vector]) -> None:
    """It stands, and turns to where the target is. The family's pivot stays."""
    s.eye, s.target = (lambda t: eye), target


def shake(stream: int, seconds: float) -> Callable[[float], float]:
    """Smooth noise by the time in 0..1 of a clip that lasts so long; about ±1."""
    # The scenes' seed 0 gives streams below 0, which the generator refuses.
    rng = np.random.default_rng(stream % 2**32)
    waves = [(rng.uniform(*SHAKE), rng.uniform(0, 2 * np.pi)) for _ in range(WAVES)]
    return lambda t: sum(math.sin(2 * math.pi * f * t * seconds + phase) / (1 + 0.5 * f) for f, phase in waves)


def hand_held(
    s: Scene, eye: Vector, target: Vector, stream: int, drift: float = 0.0, walk: float = 0.0, strength: float = 1.0
) -> None:
    """A hand holds it: it shakes, and bobs with the steps. The family's pivot stays.

    Args:
        stream: of the scene's first seed; every seed has its own shake.
        drift: metres that it goes to the left and to the right of ``eye``; it turns along with half of them.
        walk: metres that it goes forward.
        strength: factor on shake and bob.
    """
    across, along, up, aim_across, aim_up = (shake(stream + STREAMS * (s.seed - 1) + k, s.seconds) for k in range(5))
    distance = (target - eye).length

    def place(t: float) -> Vector:
        bob = BOB * abs(math.sin(2 * math.pi * STEPS * t * s.seconds))
        return eye + Vector(
            (
                drift * (2 * t - 1) + strength * 0.02 * across(t),
                walk * t + strength * 0.015 * along(t),
                strength * (0.02 * up(t) + bob),
            )
        )

    def aim(t: float) -> Vector:
        jitter = strength * 0.02 * distance
        return target + Vector((0.5 * drift * (2 * t - 1) + jitter * aim_across(t), 0, jitter * aim_up(t)))

    s.eye, s.target = place, aim


def zoom(s: Scene, factor: float) -> None:
    """Its lens grows by this factor, slow at both ends."""
    s.zoom = lambda t: factor ** eased(t)
