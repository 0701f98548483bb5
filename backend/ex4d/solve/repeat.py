# SPDX-License-Identifier: Apache-2.0
"""Solved again from each half of the tracks: what of a solve is the camera's, both halves tell alike.

A bundle makes a camera path of anything, of noise and of things that move by themselves too, and explains well what it
was made of. Other tracks of the same plate then tell another path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import usable
from ex4d.solve.lens_test import halves
from ex4d.solve.model import Model, rotation_vectors

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Repeat:
    """How far the halves' solves are apart.

    Attributes:
        turn_deg: mean angle between their cameras.
        path: mean distance of their centres, as a share of how far the centres spread.
        focal: largest ratio of their focal lengths, less 1.
    """

    turn_deg: float
    path: float
    focal: float


def repeat(model: Model, sightings: Sightings, options: BundleOptions, limit: float) -> Repeat:
    """Solve each half; the model stays as it is.

    Args:
        model: solved.
        sightings: of the frames that are to be bundled.
        options: of the bundles.
        limit: error, px, above which sightings are not looked at.
    """
    s = usable(model, sightings, limit)
    made = []
    for half in halves(s):
        part = model.copy()
        bundle(part, half, replace(options, iterations=10))
        made.append(part)
    frames = np.unique(s.frame)
    a, b = made
    turn, shift, scale = alignment(a.centres()[frames], b.centres()[frames], a.rotation[frames], b.rotation[frames])
    moved = scale * (a.centres()[frames] @ turn.T + shift)
    target = b.centres()[frames]
    spread = float(np.linalg.norm(target - target.mean(axis=0), axis=1).mean())
    distance = float(np.linalg.norm(moved - target, axis=1).mean())
    angles = np.linalg.norm(rotation_vectors(b.rotation[frames] @ turn @ np.swapaxes(a.rotation[frames], 1, 2)), axis=1)
    ratio = np.abs(a.log_focal[frames] - b.log_focal[frames]).max(initial=0.0)
    return Repeat(float(np.degrees(angles.mean())), distance / spread if spread > 0 else 0.0, float(np.expm1(ratio)))


def alignment(
    from_centres: Array, to_centres: Array, from_rotation: Array, to_rotation: Array
) -> tuple[Array, Array, float]:
    """Rotation (3, 3), shift (3,) and scale with which cameras of one world lie on the same ones of another:
    X' = scale·(rotation·X + shift). The rotation is that of the cameras' directions, so that a straight path, or none,
    is no trouble.

    Args:
        from_centres, to_centres: (T, 3).
        from_rotation, to_rotation: (T, 3, 3) world->camera.
    """
    U, _, Vt = np.linalg.svd(np.einsum("tji,tjk->ik", to_rotation, from_rotation))
    turn = U @ np.diag([1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt
    turned = from_centres @ turn.T
    a, b = turned - turned.mean(axis=0), to_centres - to_centres.mean(axis=0)
    squares = float((a * a).sum())
    scale = max(float((a * b).sum()) / squares, 1e-12) if squares > 0 else 1.0
    return turn, to_centres.mean(axis=0) / scale - turned.mean(axis=0), scale
