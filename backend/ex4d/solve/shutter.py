# SPDX-License-Identifier: Apache-2.0
"""Whether a plate looks as if its rows were read one after the other (rolling shutter)."""

from __future__ import annotations

import numpy as np

from ex4d.solve.kind import NEAR
from ex4d.solve.model import SIGHTINGS, Model
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
    xy, height = tracks.xy[can], tracks.size[1]
    squares = product = left = 0.0
    # So many at a time: a long plate needs no more memory than a short one.
    for start in range(0, len(frame), SIGHTINGS):
        part = slice(start, start + SIGHTINGS)
        own = track[part]
        residual = xy[part] - model.project(frame[part], own)[0]
        moved = model.project(after[part], own)[0] - model.project(before[part], own)[0]
        velocity = moved / (after[part] - before[part])[:, None]
        near = np.linalg.norm(residual, axis=1) < NEAR
        residual = residual[near]
        basis = velocity[near] * ((xy[part][near, 1] - height / 2) / height)[:, None]
        squares += float((basis**2).sum())
        product += float((basis * residual).sum())
        left += float((residual**2).sum())
    if squares <= 0:
        return 0.0, 0.0
    share = product / squares
    return share, share**2 * squares / max(left, 1e-12)


def shutter_note(model: Model, tracks: Tracks) -> str | None:
    """A sentence for the report; None where nothing points to it."""
    share, gain = readout(model, tracks)
    if abs(share) < LEAST_READOUT or gain < LEAST_GAIN:
        return None
    return (
        f"The rows of the plate seem to be read one after the other (rolling shutter, over at least {abs(share):.0%} "
        "of the time between frames); the solve takes no account of it."
    )
