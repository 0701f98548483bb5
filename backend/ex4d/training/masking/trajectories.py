# SPDX-License-Identifier: Apache-2.0
"""Random camera paths: the two that EX-4D was trained with, and the moves that takes are made with.

    ellipse      a closed ellipse in the plane of the source camera that looks at a point behind the nearest surface:
                 the path "180" of the released code, with a random radius and aim
    half_orbit   the same that also moves forward, so that the view turns by up to 90°: the author's "180_outer"
    move         one of ``ex4d.camera.presets`` by a random amount

All start at the source camera.
"""

from __future__ import annotations

import numpy as np

from ex4d.camera import Trajectory, build_take, parse_preset
from ex4d.camera.released import LIFT
from ex4d.camera.transforms import Array, look_at
from ex4d.training.masking.parameters import MaskingParameters

#: Moves and the amounts they are drawn from, with either sign where the flag says so. Wider than what a take is
#: likely to be; moves that uncover nothing, like zooming out, teach nothing.
MOVES: dict[str, tuple[float, float, bool]] = {
    "orbit": (10, 75, True),
    "truck": (0.1, 0.6, True),
    "crane": (0.1, 0.5, True),
    "dolly_in": (0.1, 0.6, False),
    "zoom_in": (1.1, 2.0, False),
    "pan": (3, 20, True),
    "tilt": (3, 15, True),
    "figure_eight": (5, 30, False),
}


def _loop(count: int, radius: float, aim: float, *, forward: bool) -> Array:
    """World->camera (count, 4, 4) of a closed path about the vertical."""
    angle = np.linspace(0.0, 2 * np.pi, count)
    # Folded back at 90°, where the author's path turns round; behind its subject a camera would see nothing.
    cos = np.abs(np.cos(angle)) if forward else np.cos(angle)
    depth = radius * (1 - cos) if forward else np.zeros(count)
    eyes = np.stack([radius * np.sin(angle), LIFT * radius * (cos - 1), depth], axis=-1)
    return np.stack([look_at(eye, np.array([0.0, 0.0, aim])) for eye in eyes])


def draw_trajectory(
    rng: np.random.Generator, source: Trajectory, nearest: float, subject: float, parameters: MaskingParameters
) -> tuple[Trajectory, str]:
    """A random path of a novel camera.

    Args:
        rng: of the sample.
        source: the source camera, one per frame.
        nearest: z-depth of the nearest surface in the first frame, world units.
        subject: z-depth of the subject (``ex4d.camera.subject_distance``).
        parameters: which families, and their ranges.

    Returns:
        The path, relative to each frame's source camera, and its name.
    """
    family = str(rng.choice(parameters.families))
    if family == "move":
        name = str(rng.choice(list(MOVES)))
        low, high, signed = MOVES[name]
        amount = float(rng.uniform(low, high)) * (-1 if signed and rng.random() < 0.5 else 1)
        ease = str(rng.choice(["linear", "in_out"]))
        text = f"{name}:{amount:.4f},ease={ease}"
        return build_take(parse_preset(text), source, np.array([0.0, 0.0, subject])), text
    radius = nearest * (1 + float(rng.uniform(*parameters.radius)))
    aim = nearest * (1 + float(rng.uniform(*parameters.aim)))
    forward = family == "half_orbit"
    mirrored = bool(rng.random() < 0.5)
    E = _loop(len(source), radius, radius if forward else aim, forward=forward)
    if mirrored:
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        E = flip @ E @ flip
    novel = Trajectory(
        source.K,
        E @ source.E,
        source.width,
        source.height,
        near=np.full(len(source), 1e-3 * nearest),
        frame_numbers=source.frame_numbers,
        fps=source.fps,
    )
    return novel, f"{family}:{radius / nearest:.4f},{aim / nearest:.4f}{',mirrored' if mirrored else ''}"
