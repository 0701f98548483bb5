# SPDX-License-Identifier: Apache-2.0
"""A solve turned inside out: near for far, and turns the other way round.

Seen through a long lens, or with little perspective for other reasons, a scene and its mirror image in depth look
nearly alike when the camera goes round them (Necker's reversal). Which of the two a solve finds hangs on its start, and
its error alone does not tell. So the other one is bundled too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import UNEXPLAINED, errors_of, usable
from ex4d.solve.model import Model
from ex4d.solve.triangulate import triangulate

Array = NDArray[np.float64]

#: Errors, px, above which sightings are dropped, round by round: perspective is first explained badly.
LIMITS = (3 * UNEXPLAINED, 6.0, 3.0, 2.0)
#: Rank correlation of the depths from which two solves have the same order, and the points that tell at least.
SAME_ORDER, LEAST_POINTS = 0.5, 8

_MIRROR = np.diag([1.0, 1.0, -1.0])


@dataclass(frozen=True)
class Reversal:
    """What came of a solve that was turned inside out.

    Attributes:
        model: cameras and points of the bundled frames, with the lens of the solve.
        ratio: its cost by the solve's, over the sightings that either of them explains; by the loss of bundles, for
            with squares the few things that move by themselves and fit one of the two would decide. Where it fell back
            to the solve's order, by the cost of the solve bundled in the same frames.
        is_reversed: whether it still has another order of depth; else it fell back to that of the solve.
    """

    model: Model
    ratio: float
    is_reversed: bool


def reversal(model: Model, sightings: Sightings, options: BundleOptions) -> Reversal | None:
    """Turn a solve inside out and bundle it; None where nothing is left to compare.

    Args:
        model: solved; stays as it is.
        sightings: of the frames that are bundled.
        options: of the bundles; the lens is held.
    """
    frames = np.unique(sightings.frame[model.known[sightings.frame]])
    if len(frames) < 2:
        return None
    held = replace(options, focal="fixed", radial=0)
    other = inside_out(model, int(frames[len(frames) // 2]))
    _bundle(other, sightings, held)
    is_reversed = not have_same_order(model, other, sightings)
    first = model
    if not is_reversed:
        # Another solve of these frames alone, which a solve of a long plate explains less well than one of theirs.
        first = model.copy()
        _bundle(first, sightings, held)
    errors = errors_of(first, sightings), errors_of(other, sightings)
    either = np.minimum(*errors) < LIMITS[-1]
    if not either.any():
        return None
    own, turned = (float(np.log1p((error[either] / options.loss) ** 2).sum()) for error in errors)
    return Reversal(other, turned / max(own, 1e-12), is_reversed)


def _bundle(model: Model, sightings: Sightings, options: BundleOptions) -> None:
    """Bundle a model in place, with falling limits of what is explained."""
    for limit in LIMITS:
        triangulate(model, sightings)
        bundle(model, usable(model, sightings, limit), options)
    triangulate(model, sightings)


def inside_out(model: Model, frame: int) -> Model:
    """The mirror image in the plane that faces a frame's camera, in the middle of the points: cameras and points.

    The middle is seen where it was in all frames, so that with a lens long enough all else is, too.
    """
    out = model.copy()
    R, t = model.rotation[frame].copy(), model.position[frame].copy()
    points = model.points @ R.T + t
    middle = np.median(points[model.has_point & (points[:, 2] > 0)], axis=0)
    turn = model.rotation @ R.T
    seen = turn @ middle + model.position - turn @ t
    out.rotation = _MIRROR @ turn @ _MIRROR
    out.position = seen - out.rotation @ middle
    out.points = (points - middle) @ _MIRROR + middle
    out.has_point = model.has_point & (out.points[:, 2] > 0)
    return out


def have_same_order(first: Model, second: Model, sightings: Sightings) -> bool:
    """Whether two solves of the same tracks have the same points near and far."""
    s = sightings.picked(np.maximum(errors_of(first, sightings), errors_of(second, sightings)) < LIMITS[-1])
    if len(s) < LEAST_POINTS:
        return False
    # Of each frame by itself: between frames the depth of everything may change.
    found = []
    for index in np.unique(s.frame):
        own = s.picked(s.frame == index)
        if len(own) >= LEAST_POINTS:
            a, b = (model.in_camera(own.frame, own.track)[:, 2] for model in (first, second))
            found.append(rank_correlation(a, b))
    return bool(found) and float(np.median(found)) >= SAME_ORDER


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's, of values (N,) without ties; 0 where there are fewer than two."""
    if len(first) < 2:
        return 0.0
    a, b = (np.argsort(np.argsort(values)) for values in (first, second))
    return float(np.corrcoef(a, b)[0, 1])
