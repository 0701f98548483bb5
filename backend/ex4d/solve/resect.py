# SPDX-License-Identifier: Apache-2.0
"""Cameras from known points: many frames at a time from a guess, or one frame from nothing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import Sightings
from ex4d.solve.model import Model, rotations
from ex4d.solve.projection import by_rotation, gather, products, project, residuals
from ex4d.solve.tracks import Ints

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Fewer points than these place no camera.
LEAST_POINTS = 12
#: Residual, px, from which a sighting counts less, and up to which it is one of the camera's.
LOSS, INLIER = 1.0, 3.0
#: Where fewer of a frame's points than this share fit, it is not placed.
LEAST_SHARE = 0.35
_STEPS, _CONVERGED = 12, 1e-4
#: Cameras that are moved at a time.
FRAMES = 64


def refine_cameras(model: Model, sightings: Sightings, *, turns_only: bool = False, steps: int = _STEPS) -> None:
    """Move the cameras of these sightings to where the points are explained best; points and lens stay."""
    s = sightings.picked(model.has_point[sightings.track])
    frames = np.unique(s.frame)
    # So many at a time: a long plate needs no more memory than a short one.
    for start in range(0, len(frames), FRAMES):
        _refine(model, s.picked(np.isin(s.frame, frames[start : start + FRAMES])), turns_only=turns_only, steps=steps)


def _refine(model: Model, s: Sightings, *, turns_only: bool, steps: int) -> None:
    frames, at = np.unique(s.frame, return_inverse=True)
    order = np.argsort(at, kind="stable")
    s, at = s.picked(order), at[order]
    starts = np.searchsorted(at, np.arange(len(frames)))
    width = 3 if turns_only else 6
    damping = np.full(len(frames), 1e-4)
    xy = np.ascontiguousarray(s.xy.T)

    def costs() -> Array:
        r = residuals(model, gather(model, s.frame, s.track, xy))
        return np.add.reduceat(np.log1p((r[0] ** 2 + r[1] ** 2) / LOSS**2), starts)

    before = costs()
    for _ in range(steps):
        seen = project(model, gather(model, s.frame, s.track, xy))
        r = seen.residual
        root = np.where(seen.in_front, 1 / np.sqrt(1 + (r[0] ** 2 + r[1] ** 2) / LOSS**2), 0.0)
        J = by_rotation(seen) if turns_only else np.concatenate([by_rotation(seen), seen.by_point], axis=1)
        J = J * root
        A = np.add.reduceat(products(J, J), starts, axis=-1).transpose(2, 0, 1)
        g = np.add.reduceat(products(J, (r * root)[:, None])[:, 0], starts, axis=-1).T
        A = A * (1 + damping[:, None, None] * np.eye(width)) + 1e-12 * np.eye(width)
        step = np.asarray(-np.linalg.solve(A, g[:, :, None])[:, :, 0], np.float64)
        old = model.rotation[frames], model.position[frames]
        model.rotation[frames] = rotations(step[:, :3]) @ old[0]
        if not turns_only:
            model.position[frames] = old[1] + step[:, 3:]
        after = costs()
        better = after < before
        worse = ~better
        model.rotation[frames[worse]], model.position[frames[worse]] = old[0][worse], old[1][worse]
        damping = np.where(worse, damping * 10, np.maximum(damping / 10, 1e-9))
        gain = float((before - after)[better].max(initial=0.0))
        before = np.where(better, after, before)
        if gain < _CONVERGED:
            break


def fit_shares(model: Model, sightings: Sightings, frames: Ints) -> Array:
    """(len(frames),) share of a frame's points that are seen within ``INLIER``; 0 where there are too few."""
    s = sightings.picked(model.has_point[sightings.track])
    good = model.errors(s.frame, s.track, s.xy) < INLIER
    count = np.bincount(s.frame, minlength=len(model.known))[frames]
    fit = np.bincount(s.frame, good, minlength=len(model.known))[frames]
    return np.where(count >= LEAST_POINTS, fit / np.maximum(count, 1), 0.0)


def resect(model: Model, sightings: Sightings, frame: int) -> bool:
    """Place one camera from nothing, in place; returns whether that went well."""
    s = sightings.picked((sightings.frame == frame) & model.has_point[sightings.track])
    if len(s) < LEAST_POINTS:
        return False
    rays = model.rays(s.frame, s.xy)
    threshold = INLIER / float(np.exp(model.log_focal[frame]))
    ok, turn, shift, _ = cv2.solvePnPRansac(
        model.points[s.track],
        rays,
        np.eye(3),
        None,
        reprojectionError=threshold,
        iterationsCount=200,
        confidence=0.999,
        flags=cv2.SOLVEPNP_EPNP,
    )
    if not ok:
        return False
    model.rotation[frame] = cv2.Rodrigues(turn)[0]
    model.position[frame] = shift[:, 0]
    refine_cameras(model, s)
    return float(fit_shares(model, s, np.array([frame], np.int32))[0]) >= LEAST_SHARE
