# SPDX-License-Identifier: Apache-2.0
"""Whether a plate looks as if its rows were read one after the other (rolling shutter)."""

from __future__ import annotations

import numpy as np

from ex4d.solve.kind import NEAR
from ex4d.solve.model import Model
from ex4d.solve.tracks import Tracks

#: Share of the time between frames, from which it is said, and how much it must explain of the squared residuals.
LEAST_READOUT, LEAST_GAIN = 0.1, 0.05


def readout(model: Model, tracks: Tracks) -> tuple[float, float]:
    """Time from the first row to the last as a share of the time between frames, as the residuals tell it, and the
    share of their squares that it explains. What the cameras took up of it is missing."""
    frame = tracks.frame
    after = np.minimum(frame + 1, tracks.frames - 1)
    before = np.maximum(frame - 1, 0)
    can = (
        model.known[frame] & model.known[after] & model.known[before] & model.has_point[tracks.track] & (after > before)
    )
    frame, after, before, track = frame[can], after[can], before[can], tracks.track[can]
    if len(frame) < 100:
        return 0.0, 0.0
    at, _ = model.project(frame, track)
    residual = tracks.xy[can] - at
    velocity = (model.project(after, track)[0] - model.project(before, track)[0]) / (after - before)[:, None]
    near = np.linalg.norm(residual, axis=1) < NEAR
    residual, velocity = residual[near], velocity[near]
    height = tracks.size[1]
    basis = velocity * ((tracks.xy[can][near, 1] - height / 2) / height)[:, None]
    squares = float((basis**2).sum())
    if squares <= 0:
        return 0.0, 0.0
    share = float((basis * residual).sum()) / squares
    return share, share**2 * squares / max(float((residual**2).sum()), 1e-12)


def shutter_note(model: Model, tracks: Tracks) -> str | None:
    """A sentence for the report; None where nothing points to it."""
    share, gain = readout(model, tracks)
    if abs(share) < LEAST_READOUT or gain < LEAST_GAIN:
        return None
    return (
        f"The rows of the plate seem to be read one after the other (rolling shutter, over at least {abs(share):.0%} "
        "of the time between frames); the solve takes no account of it."
    )
