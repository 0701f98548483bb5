# SPDX-License-Identifier: Apache-2.0
"""Points from known cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import Sightings
from ex4d.solve.model import SIGHTINGS, Model
from ex4d.solve.projection import by_world_point, gather, products, project, residuals

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Points whose rays do not meet in front of the cameras are put so many times as far as the cameras are apart.
FAR = 1000.0
#: Steps of refining a point, and the residual, px, from which a sighting counts less.
_STEPS, _LOSS = 4, 1.0


def triangulate(model: Model, sightings: Sightings, chosen: Bools | None = None) -> None:
    """Find the points of tracks that known cameras see at least twice, in place.

    Args:
        model: its cameras are known where ``known`` says so.
        sightings: of any frames; those of unknown cameras are not looked at.
        chosen: (M,) tracks whose points are found; None = all. Others stay as they are.
    """
    use = model.known[sightings.frame]
    if chosen is not None:
        use &= chosen[sightings.track]
    s = sightings.picked(use)
    counts = np.bincount(s.track, minlength=len(model.points))
    s = s.picked(counts[s.track] >= 2)
    if not len(s):
        return
    s = s.picked(np.argsort(s.track, kind="stable"))
    seen_from = model.centres()[np.unique(s.frame)]
    # Frames with many sightings count for more, as they do in the points.
    weight = np.bincount(s.frame, minlength=len(model.known))[np.unique(s.frame)]
    middle = np.average(seen_from, axis=0, weights=weight)
    spread = max(float(np.linalg.norm(seen_from - middle, axis=1).max()), 1e-9)
    for part in parts_of_tracks(s):
        _triangulate(model, part, spread)


def parts_of_tracks(sightings: Sightings) -> Iterator[Sightings]:
    """Sightings by rising track in parts of whole tracks, of about ``SIGHTINGS`` each: a long plate then needs no more
    memory than a short one."""
    track = sightings.track
    cuts = np.searchsorted(track, track[SIGHTINGS::SIGHTINGS])
    for start, stop in pairwise([0, *cuts.tolist(), len(sightings)]):
        if stop > start:
            yield sightings.picked(np.arange(start, stop))


def _triangulate(model: Model, s: Sightings, spread: float) -> None:
    """Find the points of sightings by rising track, of cameras that stand no further than that from their middle."""
    tracks, starts, point = np.unique(s.track, return_index=True, return_inverse=True)
    rays = model.rays(s.frame, s.xy)
    rotation = model.rotation[s.frame].reshape(-1, 9).T
    direction = np.stack([rotation[j] * rays[:, 0] + rotation[3 + j] * rays[:, 1] + rotation[6 + j] for j in range(3)])
    direction /= np.sqrt((direction**2).sum(axis=0))
    centre = model.centres()[s.frame].T
    across = np.eye(3)[:, :, None] - direction[:, None] * direction[None]
    A = np.add.reduceat(across, starts, axis=-1).transpose(2, 0, 1)
    b = np.add.reduceat((across * centre).sum(axis=1), starts, axis=-1).T
    number = np.diff([*starts, len(point)])
    middle = np.add.reduceat(centre, starts, axis=-1).T / number[:, None]
    towards = np.add.reduceat(direction, starts, axis=-1).T
    towards /= np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-12)
    X = np.linalg.solve(A + 1e-12 * number[:, None, None] * np.eye(3), b[:, :, None])[:, :, 0]
    along = ((X - middle) * towards).sum(axis=1)
    lost = ~np.isfinite(X).all(axis=1) | (along <= 0) | (along > FAR * spread)
    X = np.where(lost[:, None], middle + FAR * spread * towards, X)
    model.points[tracks] = X
    refine_points(model, s)
    model.has_point[tracks] = True
    in_front = project(model, gather(model, s.frame, s.track, np.ascontiguousarray(s.xy.T))).in_front
    model.has_point[tracks[~np.logical_and.reduceat(in_front, starts)]] = False


def refine_points(model: Model, s: Sightings) -> None:
    """Move the points of these sightings to where they are explained best; cameras stay."""
    order = np.argsort(s.track, kind="stable")
    s = s.picked(order)
    tracks, starts, point = np.unique(s.track, return_index=True, return_inverse=True)
    damping = np.full(len(tracks), 1e-4)
    g = gather(model, s.frame, s.track, np.ascontiguousarray(s.xy.T))
    X = g.points[:, starts]

    def cost(points: Array) -> Array:
        r = residuals(model, replace(g, points=points[:, point]))
        return np.add.reduceat(np.log1p((r[0] ** 2 + r[1] ** 2) / _LOSS**2), starts)

    before = cost(X)
    for _ in range(_STEPS):
        seen = project(model, replace(g, points=X[:, point]))
        r = seen.residual
        root = np.where(seen.in_front, 1 / np.sqrt(1 + (r[0] ** 2 + r[1] ** 2) / _LOSS**2), 0.0)
        J = by_world_point(seen.by_point, g.rotation) * root
        V = np.add.reduceat(products(J, J), starts, axis=-1)
        v = np.add.reduceat(products(J, (r * root)[:, None])[:, 0], starts, axis=-1)
        lift = damping * (V[0, 0] + V[1, 1] + V[2, 2]) / 3 + 1e-30
        for axis in range(3):
            V[axis, axis] += lift
        trial = X - np.linalg.solve(V.transpose(2, 0, 1), v.T[:, :, None])[:, :, 0].T
        after = cost(trial)
        better = after < before
        X = np.where(better, trial, X)
        before = np.where(better, after, before)
        damping = np.where(better, damping / 10, damping * 10)
    model.points[tracks] = X.T


def angles(model: Model, sightings: Sightings) -> Array:
    """(M,) radians: the greatest angle at each point between the ray of its first or last sighting and another one; 0
    where there is no point."""
    use = model.known[sightings.frame] & model.has_point[sightings.track]
    s = sightings.picked(use)
    out = np.zeros(len(model.points))
    if not len(s):
        return out
    s = s.picked(np.lexsort((s.frame, s.track)))
    centres = model.centres()
    for part in parts_of_tracks(s):
        _angles(model, part, centres, out)
    return out


def _angles(model: Model, s: Sightings, centres: Array, out: Array) -> None:
    """See ``angles``: those of sightings by rising track and frame, into ``out``."""
    ray = model.points[s.track] - centres[s.frame]
    ray /= np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-300)
    _, start, count = np.unique(s.track, return_index=True, return_counts=True)
    for end in (start, start + count - 1):
        reference = np.repeat(ray[end], count, axis=0)
        sine = np.linalg.norm(np.cross(ray, reference), axis=1)
        np.maximum.at(out, s.track, np.arcsin(np.clip(sine, 0, 1)))
