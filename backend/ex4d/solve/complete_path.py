# SPDX-License-Identifier: Apache-2.0
"""A camera for each frame: frames that found none lie between those around them, repeated ones have their
original's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ex4d.solve.model import Model, rotation_vectors, rotations


def interpolate_unknown(model: Model) -> tuple[int, ...]:
    """Lay the cameras that are not known between their neighbours, in place; beyond the first and the last known one
    they stay where that is. Returns the indices of these frames."""
    known = np.flatnonzero(model.known)
    missing = np.flatnonzero(~model.known)
    centres = model.centres()
    for frame in missing:
        after = int(np.searchsorted(known, frame))
        a, b = int(known[max(after - 1, 0)]), int(known[min(after, len(known) - 1)])
        share = (frame - a) / (b - a) if b > a else 0.0
        turn = rotation_vectors(model.rotation[b] @ model.rotation[a].T)
        model.rotation[frame] = rotations(share * turn) @ model.rotation[a]
        centre = centres[a] + share * (centres[b] - centres[a])
        model.position[frame] = -model.rotation[frame] @ centre
        model.log_focal[frame] = (1 - share) * model.log_focal[a] + share * model.log_focal[b]
    return tuple(int(frame) for frame in missing)


def copy_repeated(model: Model, repeats: Iterable[int]) -> None:
    """Give frames that repeat the one before its camera, in place."""
    for frame in repeats:
        model.rotation[frame], model.position[frame] = model.rotation[frame - 1], model.position[frame - 1]
        model.log_focal[frame] = model.log_focal[frame - 1]
        model.known[frame] = model.known[frame - 1]
