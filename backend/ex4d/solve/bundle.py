# SPDX-License-Identifier: Apache-2.0
"""Bundle adjustment: cameras, lens and points together, so that the sightings are explained best.

Levenberg–Marquardt with the points eliminated (Schur complement). Points are taken in blocks by the first camera that
sees them, so a block touches the few cameras of its tracks and the work grows with the length of the plate, not with
its square. The loss is Cauchy's: what moves by itself pulls little.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.model import Model, rotations
from ex4d.solve.projection import Gathered, by_rotation, by_world_point, gather, products, project, residuals
from ex4d.solve.tracks import Ints

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Points that are eliminated at a time.
_BLOCK = 256
#: Sightings that are differentiated at a time, about, and blocks of points that are kept from the elimination on: so a
#: long plate takes little more memory than a short one.
_SIGHTINGS, _KEPT_BLOCKS = 20_000, 16
#: The damping is multiplied or divided by these, and gives up here.
_UP, _DOWN, _MOST_DAMPING = 8.0, 8.0, 1e8
#: A step that lowers the cost by less than this share is the last, where nothing else is asked for.
CONVERGED = 1e-5


@dataclass(frozen=True)
class BundleOptions:
    """What is solved for.

    Attributes:
        loss: residual, px, from which a sighting counts less.
        focal: "fixed", "shared" by all frames, or "each" frame its own, smooth over time.
        radial: how many of k1 and k2, 0 to 2.
        turns_only: cameras turn and stay where they are; points are directions.
        prior: log of the focal length that is expected.
        prior_sigma: how sure that is, in the same; inf = no matter.
        zoom_sigma: change of the log focal length from one frame to the next that is expected of "each".
        iterations: steps at most.
        converged: share of the cost; a step that lowers it by less is the last.
    """

    loss: float = 1.0
    focal: Literal["fixed", "shared", "each"] = "shared"
    radial: int = 0
    turns_only: bool = False
    prior: float = 0.0
    prior_sigma: float = np.inf
    zoom_sigma: float = 0.01
    iterations: int = 30
    converged: float = CONVERGED


@dataclass(frozen=True)
class Sightings:
    """What a bundle explains: frames and tracks of the model, and where they are seen.

    Attributes:
        frame, track: (N,) int32.
        xy: (N, 2) work pixels.
    """

    frame: Ints
    track: Ints
    xy: Array

    def __len__(self) -> int:
        return len(self.frame)

    def picked(self, kept: Bools | NDArray[np.intp]) -> Sightings:
        """Only these."""
        return Sightings(self.frame[kept], self.track[kept], self.xy[kept])


@dataclass(frozen=True)
class _Layout:
    """Where each unknown stands: per camera ``width`` columns, then those of the lens."""

    frames: Ints
    width: int
    shared: int

    @property
    def size(self) -> int:
        return len(self.frames) * self.width + self.shared


def bundle(model: Model, sightings: Sightings, options: BundleOptions, fixed: Bools | None = None) -> float:
    """Improve the model in place: the cameras and points that the sightings are of.

    Args:
        model: all that the sightings are of is known in it.
        sightings: what is to be explained; no track twice in a frame.
        options: what is solved for.
        fixed: (T,) frames whose camera stays as it is; None = the first of the sightings.

    Returns:
        the cost: the sum of loss²·log(1 + (error/loss)²)/2, and of the priors.
    """
    if not len(sightings):
        return 0.0
    problem = _Problem(model, sightings, options, fixed)
    return problem.solve()


class _Problem:
    def __init__(self, model: Model, sightings: Sightings, options: BundleOptions, fixed: Bools | None) -> None:
        self.model, self.options = model, options
        frames, camera = np.unique(sightings.frame, return_inverse=True)
        tracks, point = np.unique(sightings.track, return_inverse=True)
        # Points by the first camera that sees them: a block of them then touches few cameras.
        first = np.full(len(tracks), len(frames))
        np.minimum.at(first, point, camera)
        order = np.argsort(first, kind="stable")
        place = np.empty(len(tracks), np.intp)
        place[order] = np.arange(len(tracks))
        point = place[point]
        by_point = np.lexsort((camera, point))
        self.frames, self.tracks = frames.astype(np.int32), tracks[order].astype(np.int32)
        self.camera, self.point = camera[by_point], point[by_point]
        self.seen = sightings.picked(by_point)
        self.xy = np.ascontiguousarray(self.seen.xy.T)
        self.starts = np.searchsorted(self.point, np.arange(len(tracks) + 1))
        width = (3 if options.turns_only else 6) + (options.focal == "each")
        self.layout = _Layout(self.frames, width, (options.focal == "shared") + options.radial)
        held = np.zeros(len(frames), bool)
        if fixed is None:
            held[0] = True
        else:
            held = fixed[self.frames]
        columns = np.repeat(~held, width).reshape(len(frames), width)
        if options.focal == "each" and fixed is None:
            columns[:, -1] = True
        self.free = np.concatenate([columns.ravel(), np.ones(self.layout.shared, bool)])
        self.blocks = self._make_blocks()
        self.chunks = self._make_chunks()

    def _make_chunks(self) -> list[tuple[int, int]]:
        """Points [a, b) that are differentiated together."""
        cuts = np.searchsorted(self.starts, np.arange(_SIGHTINGS, len(self.seen), _SIGHTINGS))
        return list(pairwise(np.unique([0, *cuts, len(self.tracks)]).tolist()))

    def _make_blocks(self) -> list[tuple[int, int, int, int]]:
        """Points [a, b) and the cameras [c, d) that they touch."""
        blocks = []
        for a in range(0, len(self.tracks), _BLOCK):
            b = min(a + _BLOCK, len(self.tracks))
            cameras = self.camera[self.starts[a] : self.starts[b]]
            blocks.append((a, b, int(cameras.min()), int(cameras.max()) + 1))
        return blocks

    def cost(self) -> float:
        c2 = self.options.loss**2
        total = 0.0
        for a, b in self.chunks:
            residual = residuals(self.model, self._gathered(slice(self.starts[a], self.starts[b])))
            total += c2 / 2 * float(np.log1p((residual[0] ** 2 + residual[1] ** 2) / c2).sum())
        return total + self._priors()[0]

    def _gathered(self, part: slice) -> Gathered:
        return gather(self.model, self.seen.frame[part], self.seen.track[part], self.xy[:, part])

    def _priors(self) -> tuple[float, tuple[Array, Array]]:
        """Cost, and the priors' part of the normal equations: matrix and gradient over the camera unknowns."""
        o, layout, model = self.options, self.layout, self.model
        H, g = np.zeros((layout.size, layout.size)), np.zeros(layout.size)
        cost = 0.0
        if o.focal == "fixed":
            return cost, (H, g)
        if o.focal == "shared":
            at = len(self.frames) * layout.width
            if np.isfinite(o.prior_sigma):
                error = float(model.log_focal[self.frames[0]]) - o.prior
                cost += error**2 / (2 * o.prior_sigma**2)
                H[at, at] += 1 / o.prior_sigma**2
                g[at] += error / o.prior_sigma**2
        else:
            at_each = np.arange(len(self.frames)) * layout.width + layout.width - 1
            log_f = model.log_focal[self.frames]
            if np.isfinite(o.prior_sigma):
                error = float(log_f.mean()) - o.prior
                cost += error**2 / (2 * o.prior_sigma**2)
                weight = 1 / (o.prior_sigma * len(self.frames)) ** 2
                H[np.ix_(at_each, at_each)] += weight
                g[at_each] += error / (o.prior_sigma**2 * len(self.frames))
            step, weights = np.diff(log_f), 1 / (o.zoom_sigma**2 * np.diff(self.frames))
            cost += float((weights * step**2).sum() / 2)
            a, b = at_each[:-1], at_each[1:]
            H[a, a] += weights
            H[b, b] += weights
            H[a, b] -= weights
            H[b, a] -= weights
            np.add.at(g, b, weights * step)
            np.add.at(g, a, -weights * step)
        if o.radial:
            # k2 is little more than noise where the corners are not seen: hold it near zero.
            at = layout.size - o.radial
            for index in range(o.radial):
                H[at + index, at + index] += 1.0
                g[at + index] += model.radial[index]
                cost += float(model.radial[index] ** 2) / 2
        return cost, (H, g)

    def solve(self) -> float:
        o = self.options
        damping, cost = 1e-4, self.cost()
        for _ in range(o.iterations):
            system = self._normal_equations()
            improved = False
            while damping < _MOST_DAMPING:
                saved = self._save()
                self._step(system, damping)
                new = self.cost()
                if new < cost:
                    improved = True
                    damping = max(damping / _DOWN, 1e-9)
                    break
                self._restore(saved)
                damping *= _UP
            if not improved:
                break
            done = cost - new < o.converged * cost
            cost = new
            if done:
                break
        return cost

    def _normal_equations(self) -> tuple[Array, Array, Array, Array, Array]:
        """Camera part with the priors, its gradient, the points' parts (3, 3, P) and (3, P), and per sighting the
        products of what is left with its point, (width + shared, 3, N)."""
        _, (H, gradient) = self._priors()
        count = len(self.tracks)
        V, v = np.empty((3, 3, count)), np.empty((3, count))
        W = np.empty((self.layout.width + self.layout.shared, 3, len(self.seen)))
        for a, b in self.chunks:
            V[..., a:b], v[:, a:b], W[..., self.starts[a] : self.starts[b]] = self._differentiated(H, gradient, a, b)
        return H, gradient, V, v, W

    def _differentiated(self, H: Array, gradient: Array, a: int, b: int) -> tuple[Array, Array, Array]:
        """The sightings of the points [a, b): adds to the camera part and its gradient, and gives the rest of
        ``_normal_equations``."""
        o, shared = self.options, self.layout.shared
        part = slice(self.starts[a], self.starts[b])
        g = self._gathered(part)
        seen = project(self.model, g)
        residual = seen.residual
        root = np.where(seen.in_front, 1 / np.sqrt(1 + (residual[0] ** 2 + residual[1] ** 2) / o.loss**2), 0.0)
        parts = [by_rotation(seen)] if o.turns_only else [by_rotation(seen), seen.by_point]
        if o.focal != "fixed":
            parts.append(seen.by_focal[:, None])
        if o.radial:
            parts.append(seen.by_radial[:, : o.radial])
        by_camera = np.concatenate(parts, axis=1) * root
        by_point = by_world_point(seen.by_point, g.rotation) * root
        residual = (residual * root)[:, None]
        width = self.layout.width
        at = len(self.frames) * width
        order = np.argsort(self.camera[part], kind="stable")
        cameras, camera_starts = np.unique(self.camera[part][order], return_index=True)
        ordered, ordered_residual = by_camera[:, :, order], residual[:, :, order]
        own = np.add.reduceat(products(ordered[:, :width], ordered), camera_starts, axis=-1)
        down = np.add.reduceat(products(ordered, ordered_residual)[:, 0], camera_starts, axis=-1)
        for index, camera in enumerate(cameras.tolist()):
            columns = slice(camera * width, (camera + 1) * width)
            H[columns, columns] += own[:, :width, index]
            gradient[columns] += down[:width, index]
            if shared:
                H[columns, at:] += own[:, width:, index]
                H[at:, columns] += own[:, width:, index].T
        if shared:
            flat = by_camera[:, width:].transpose(1, 0, 2).reshape(shared, -1)
            H[at:, at:] += flat @ flat.T
            gradient[at:] += down[width:].sum(axis=1)
        starts = self.starts[a:b] - self.starts[a]
        V = np.add.reduceat(products(by_point, by_point), starts, axis=-1)
        v = np.add.reduceat(products(by_point, residual)[:, 0], starts, axis=-1)
        return V, v, products(by_camera, by_point)

    def _step(self, system: tuple[Array, Array, Array, Array, Array], damping: float) -> None:
        H, g, V, v, W = system
        V = V.copy()
        trace = V[0, 0] + V[1, 1] + V[2, 2]
        for axis in range(3):
            V[axis, axis] += damping * V[axis, axis] + 1e-12 * trace + 1e-30
        if self.options.turns_only:
            # The length of a direction shows in nothing.
            X = self.model.points[self.tracks].T
            V += X[:, None] * X[None] * trace
        inverse = np.linalg.inv(V.transpose(2, 0, 1)).transpose(1, 2, 0)
        S, s = H.copy(), g.copy()
        S[np.diag_indices_from(S)] *= 1 + damping
        kept: list[Array] = []
        for index, (a, b, c, d) in enumerate(self.blocks):
            full = self._block(W, a, b, c, d)
            if index < _KEPT_BLOCKS:
                kept.append(full)
            scaled = np.empty_like(full)
            for axis in range(3):
                scaled[:, axis] = sum(full[:, other] * inverse[other, axis, a:b] for other in range(3))
            local = self._columns(c, d)
            flat = scaled.reshape(len(local), -1)
            S[np.ix_(local, local)] -= flat @ full.reshape(len(local), -1).T
            s[local] -= flat @ v[:, a:b].ravel()
        step = np.zeros(self.layout.size)
        first = int(np.argmax(self.free))
        # Where the first camera alone is held the rest is not copied: of long plates it is large.
        S = S[first:, first:] if self.free[first:].all() else S[np.ix_(self.free, self.free)]
        S[np.diag_indices_from(S)] += 1e-12 * np.abs(np.diag(S)).max(initial=0) + 1e-30
        step[self.free] = -np.linalg.solve(S, s[self.free])
        moved = np.empty((len(self.tracks), 3))
        for index, (a, b, c, d) in enumerate(self.blocks):
            full = kept[index] if index < _KEPT_BLOCKS else self._block(W, a, b, c, d)
            local = self._columns(c, d)
            pull = v[:, a:b] + (step[local] @ full.reshape(len(local), -1)).reshape(3, b - a)
            moved[a:b] = -np.stack([sum(inverse[i, j, a:b] * pull[j] for j in range(3)) for i in range(3)], axis=-1)
        self._apply(step, moved)

    def _block(self, W: Array, a: int, b: int, c: int, d: int) -> Array:
        """(columns, 3, b - a) of ``W`` for the points [a, b): of each of their cameras [c, d), and of the lens."""
        width, shared = self.layout.width, self.layout.shared
        part = slice(self.starts[a], self.starts[b])
        own = (d - c) * width
        full = np.zeros((own + shared, 3, b - a))
        cameras = full[:own].reshape(d - c, width, 3, b - a)
        cameras[self.camera[part] - c, :, :, self.point[part] - a] = W[:width, :, part].transpose(2, 0, 1)
        if shared:
            full[own:] = np.add.reduceat(W[width:, :, part], self.starts[a:b] - self.starts[a], axis=-1)
        return full

    def _columns(self, c: int, d: int) -> NDArray[np.intp]:
        """The unknowns of the cameras [c, d), and of the lens."""
        width, at = self.layout.width, len(self.frames) * self.layout.width
        return np.concatenate([np.arange(c * width, d * width), np.arange(at, at + self.layout.shared)])

    def _apply(self, step: Array, moved: Array) -> None:
        model, o, width = self.model, self.options, self.layout.width
        at = len(self.frames) * width
        each = step[:at].reshape(-1, width)
        model.rotation[self.frames] = rotations(each[:, :3]) @ model.rotation[self.frames]
        if not o.turns_only:
            model.position[self.frames] += each[:, 3:6]
        if o.focal == "each":
            model.log_focal[self.frames] += np.clip(each[:, -1], -0.3, 0.3)
        if o.focal == "shared":
            model.log_focal += np.clip(step[at], -0.3, 0.3)
        if o.radial:
            model.radial[: o.radial] += step[-o.radial :]
        points = model.points[self.tracks] + moved
        if o.turns_only:
            points /= np.linalg.norm(points, axis=1, keepdims=True)
        model.points[self.tracks] = points

    def _save(self) -> tuple[Array, ...]:
        m = self.model
        return (
            m.rotation[self.frames],
            m.position[self.frames],
            m.log_focal.copy(),
            m.radial.copy(),
            m.points[self.tracks],
        )

    def _restore(self, saved: tuple[Array, ...]) -> None:
        m = self.model
        m.rotation[self.frames], m.position[self.frames], m.log_focal, m.radial, m.points[self.tracks] = saved
