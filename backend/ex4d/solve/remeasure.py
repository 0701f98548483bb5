# SPDX-License-Identifier: Apache-2.0
"""Places of tracks, measured again once the camera is solved.

The tracker matches windows as they are. What a window shows grows as the camera comes nearer, and a floor shears as it
passes below: the match then slides a tenth of a pixel, always to the same side, which no residual shows and which ends
in a wrong lens. A solve tells how a window changes. So all sightings of a track are matched once more with the picture
around one of them, its *reference*, warped as a small plane at the point's depth would be; how the plane leans is
solved for along with the places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.solve.ideal import IdealView
from ex4d.solve.model import LEAST_Z, Model, distortion
from ex4d.solve.tracker import LARGE_SIDE, LARGE_WINDOW, SMALL_WINDOW
from ex4d.solve.tracks import Ints, Tracks

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]
Grey = NDArray[np.uint8]
Values = NDArray[np.float32]

#: Sightings that are explained worse than this, px, are not measured again.
EXPLAINED = 2.0
#: A match farther away than this, px, is another one; one that is less alike, as a correlation, is none.
MOST_SHIFT, LEAST_ALIKE = 1.0, 0.7
#: Steps of a match, and how far one goes at most, px.
STEPS, MOST_STEP = 6, 0.5
#: A window's weights fall off from its middle as a Gaussian of this share of its side.
FALLOFF = 1 / 3
#: Change of the inverse depth from a pixel of the window to the next, as a share: expected, at most, and in one step.
LEAN, MOST_LEAN, LEAN_STEP = 0.03, 0.15, 0.03
#: Grey levels that a match is off by, and the contrast, in the same, below which a window shows nothing.
NOISE, LEAST_CONTRAST = 2.0, 1.0
#: Pictures are enlarged so many times, so that values between pixels are read exactly.
ENLARGED = 2
#: A track is measured in stretches of so many frames, each from the end of the one before, so that no more pictures
#: are held; tracks that begin within so many frames of each other are measured together.
STRETCH, TOGETHER = 32, 8
#: A plane that shows this many times larger or smaller than in the reference is not matched.
MOST_GROWTH = 4.0
#: A frame of whose sightings fewer than this share could be measured again, blurred or lit otherwise, keeps the old
#: places of all.
LEAST_MEASURED = 0.5


def remeasure(
    tracks: Tracks, model: Model, view: IdealView, read: Callable[[int], Grey], tick: Callable[[], None]
) -> tuple[Tracks, Bools] | None:
    """Measure the places of the sightings that a solve explains again; None where the pictures show too little of them.

    Args:
        tracks: of the plate, as its pictures show them.
        model: solved from them; stays as it is.
        view: how the plate's pixels are turned into the model's.
        read: gives the work picture (height, width) uint8 of a frame.
        tick: called now and then; may raise to stop.

    Returns:
        the tracks with the new places, and (N,) which sightings are to be relied on: those that have one, and those of
        frames that keep their old ones.
    """
    can = model.known[tracks.frame] & model.has_point[tracks.track]
    near = np.zeros(len(tracks), bool)
    near[can] = model.errors(tracks.frame[can], tracks.track[can], view.ideal(tracks.xy[can], tracks.size)) < EXPLAINED
    pictures, camera = _Pictures(read), _Camera(model, view)
    xy, sure = tracks.xy.copy(), np.zeros(len(tracks), bool)
    for stretches in _together(tracks, near):
        tick()
        pictures.keep(int(tracks.frame[stretches.sightings].min()))
        found, good = _Windows(stretches, replace(tracks, xy=xy), camera, pictures).match()
        xy[stretches.sightings[good]] = found[good]
        sure[stretches.sightings[good]] = True
    measured = np.bincount(tracks.frame, sure, tracks.frames)
    fails = measured < LEAST_MEASURED * np.bincount(tracks.frame, near, tracks.frames)
    if not sure.any() or fails.mean() > LEAST_MEASURED:
        return None
    old = fails[tracks.frame]
    xy[old] = tracks.xy[old]
    return replace(tracks, xy=xy), np.where(old, near, sure)


class _Pictures:
    """Work pictures, enlarged, each read once while it is needed."""

    def __init__(self, read: Callable[[int], Grey]) -> None:
        self._read = read
        self._held: dict[int, Grey] = {}

    def keep(self, first: int) -> None:
        """Forget those before a frame."""
        self._held = {index: picture for index, picture in self._held.items() if index >= first}

    def values(self, index: int, *places: Array) -> list[Values]:
        """(n, P) grey levels of a frame at each of the places (n, P, 2), pixels with centres at i+0.5."""
        if index not in self._held:
            large = cv2.resize(self._read(index), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
            self._held[index] = np.asarray(large, np.uint8)
        # Of bytes the values between pixels would be rounded, too.
        picture = self._held[index].astype(np.float32)
        found = []
        for xy in places:
            x, y = np.moveaxis((xy * ENLARGED - 0.5).astype(np.float32), -1, 0)
            values = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            found.append(np.asarray(values, np.float32))
        return found


@dataclass(frozen=True)
class _Camera:
    """How a model's cameras see, and where the plate shows it."""

    model: Model
    view: IdealView

    def rays(self, tracks: Tracks, sightings: Indices) -> Array:
        """(n, 3) rays of sightings, camera axes."""
        seen = self.view.ideal(tracks.xy[sightings], tracks.size)
        return np.concatenate([self.model.rays(tracks.frame[sightings], seen), np.ones((len(seen), 1))], axis=1)

    def stretching(self, rays: Array, focal: Array) -> Array:
        """(n, 2, 2) derivatives of the plate's pixel by the pinhole's, at rays (n, 3) seen with focal lengths (n,)."""
        if self.view.is_pinhole and not self.model.radial.any():
            return np.tile(np.eye(2), (len(rays), 1, 1))
        at = rays[:, :2] / rays[:, 2:]
        sides = []
        for step in np.eye(2) / 2:
            after, before = (self._seen(at + sign * step / focal[:, None], focal) for sign in (1, -1))
            sides.append(after - before)
        return np.stack(sides, axis=2)

    def _seen(self, at: Array, focal: Array) -> Array:
        """Pixels of the plate (n, 2) of ideal normalised points."""
        return self.view.seen(at * (distortion(self.model.radial, at) * focal)[:, None])


@dataclass(frozen=True)
class _Stretches:
    """Parts of tracks.

    Attributes:
        sightings: (N,) indices of their sightings, stretch by stretch, by rising frame.
        stretch: (N,) which stretch each is of.
        reference: (S,) place of each stretch's reference in ``sightings``.
    """

    sightings: Indices
    stretch: Indices
    reference: Indices


def _together(tracks: Tracks, near: Bools) -> list[_Stretches]:
    """Stretches that are measured together, by rising frame."""
    chosen = np.flatnonzero(near)
    chosen = chosen[np.lexsort((tracks.frame[chosen], tracks.track[chosen]))]
    track, frame = tracks.track[chosen], tracks.frame[chosen]
    starts = np.flatnonzero(np.diff(track, prepend=-1))
    lengths = np.diff([*starts, len(chosen)])
    parts: dict[int, list[tuple[Indices, int]]] = {}
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        if length < 2:
            continue
        # The middle of a track differs least from its ends.
        at, reference = start, None
        stop = start + length
        while at < stop - 1:
            last = int(start + np.searchsorted(frame[start:stop], frame[at] + STRETCH))
            last = max(last, at + 2)
            part = chosen[at:last]
            middle = len(part) // 2 if reference is None else 0
            parts.setdefault(int(frame[at]) // TOGETHER, []).append((part, middle))
            at, reference = last - 1, last - 1
    out = []
    for _, group in sorted(parts.items()):
        counts = np.array([len(part) for part, _ in group])
        first = np.cumsum(counts) - counts
        out.append(
            _Stretches(
                np.concatenate([part for part, _ in group]),
                np.repeat(np.arange(len(group)), counts),
                first + np.array([middle for _, middle in group]),
            )
        )
    return out


class _Windows:
    """The windows of stretches, and their match."""

    def __init__(self, stretches: _Stretches, tracks: Tracks, camera: _Camera, pictures: _Pictures) -> None:
        model, self.pictures = camera.model, pictures
        self.stretch, self.reference = stretches.stretch, stretches.reference
        self.starts = np.flatnonzero(np.diff(self.stretch, prepend=-1))
        self.start = tracks.xy[stretches.sightings]
        self.frame = tracks.frame[stretches.sightings]
        self.by_frame = {int(frame): np.flatnonzero(self.frame == frame) for frame in np.unique(self.frame)}
        side = SMALL_WINDOW if max(tracks.size) < LARGE_SIDE else LARGE_WINDOW
        y, x = np.mgrid[:side, :side] - side // 2
        #: Offsets (P, 2) from the middle of a window, plate pixels, and their weights (P,).
        self.offsets = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
        weights = np.exp(-(self.offsets**2).sum(axis=1) / (2 * (FALLOFF * side) ** 2))
        self.weights = (weights / weights.sum()).astype(np.float32)
        # The ray of a window's pixel, in the axes of the sighting's camera, is ``straight`` + ``turned``·offset +
        # ``shift``·(inverse depth, as a share of the middle's). The shift is 0 where a camera only turns.
        at = self.frame[self.reference]
        track = tracks.track[stretches.sightings[self.reference]]
        ray = camera.rays(tracks, stretches.sightings[self.reference])
        z = np.einsum("nj,nj->n", model.rotation[at, 2], model.points[track]) + model.position[at, 2]
        turn = np.einsum("nij,nkj->nik", model.rotation[self.frame], model.rotation[at][self.stretch])
        self.focal = np.exp(model.log_focal)[self.frame]
        self.shift = model.position[self.frame] - np.einsum("nij,nj->ni", turn, model.position[at][self.stretch])
        self.shift /= np.maximum(z, LEAST_Z)[self.stretch, None]
        self.straight = np.einsum("nij,nj->ni", turn, ray[self.stretch])
        by_pixel = np.linalg.inv(camera.stretching(ray, self.focal[self.reference]))
        by_pixel /= self.focal[self.reference, None, None]
        self.turned = turn[:, :, :2] @ by_pixel[self.stretch]
        self.middle = self.straight + self.shift
        self.stretching = camera.stretching(self.middle, self.focal) * self.focal[:, None, None]
        self._read_references(at)

    def _read_references(self, frame: Ints) -> None:
        """The windows of the references (S,), and how their values change: ``slopes`` (S, 6, P) are the derivatives by
        x and y, and each of these times the offset in x and y; times the weights."""
        self.shown = np.empty((len(frame), len(self.offsets)), np.float32)
        slopes = np.empty((len(frame), 6, len(self.offsets)), np.float32)
        for index in np.unique(frame):
            own = np.flatnonzero(frame == index)
            at = self.start[self.reference[own], None] + self.offsets
            steps = [at + step for step in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))]
            self.shown[own], right, left, down, up = self.pictures.values(int(index), at, *steps)
            slopes[own, 0], slopes[own, 1] = right - left, down - up
        for axis in range(2):
            slopes[:, 2 + 2 * axis : 4 + 2 * axis] = slopes[:, axis, None] * self.offsets.T.astype(np.float32)
        self.shown, self.contrast = self._normalised(self.shown)
        self.slopes = slopes * self.weights
        slopes -= self.slopes.sum(axis=2, keepdims=True)
        self.squares = ((slopes * self.weights) @ np.swapaxes(slopes, 1, 2)).astype(np.float64)

    def _normalised(self, values: Values) -> tuple[Values, Array]:
        """Values (n, P) less their mean, and their contrast (n,): the light on a thing and the exposure change."""
        values = values - (values @ self.weights)[:, None]
        return values, np.sqrt((values * values) @ self.weights).astype(np.float64)

    def match(self) -> tuple[Array, Bools]:
        """Places (N, 2), and which of them are good."""
        moved, lean, alike = np.zeros_like(self.start), np.zeros((len(self.reference), 2)), np.zeros(len(self.start))
        prior = (NOISE / LEAN) ** 2 * np.eye(2)
        for _ in range(STEPS):
            affine, speed = self._affine(lean)
            pull, alike = self._compared(moved, lean, affine)
            back = np.linalg.inv(affine)
            along = np.einsum("nij,nj->ni", back, speed)
            # What is solved for, the place (2) and the lean (2), in terms of the reference's slopes.
            terms = np.zeros((len(moved), 6, 4))
            terms[:, :2, :2] = back
            for axis in range(2):
                terms[:, 2 + axis :: 2, 2 + axis] = along
            H = np.swapaxes(terms, 1, 2) @ self.squares[self.stretch] @ terms
            b = np.einsum("nij,ni->nj", terms, pull)
            own = np.linalg.inv(H[:, :2, :2] + 1e-6 * np.eye(2))
            # The lean is one for all sightings of a stretch: the places are eliminated.
            weight = np.clip(alike, 0, 1) ** 4
            mixed = H[:, 2:, :2] @ own
            A = weight[:, None, None] * (H[:, 2:, 2:] - mixed @ H[:, :2, 2:])
            a = weight[:, None] * (b[:, 2:] - np.einsum("nij,nj->ni", mixed, b[:, :2]))
            A, a = np.add.reduceat(A, self.starts) + prior, np.add.reduceat(a, self.starts) + lean @ prior
            step = -np.clip(np.linalg.solve(A, a[:, :, None])[:, :, 0], -LEAN_STEP, LEAN_STEP)
            rest = b[:, :2] + np.einsum("nij,nj->ni", H[:, :2, 2:], step[self.stretch])
            moved -= np.clip(np.einsum("nij,nj->ni", own, rest), -MOST_STEP, MOST_STEP)
            lean = np.clip(lean + step, -MOST_LEAN, MOST_LEAN)
            moved[self.reference] = 0
        good = (np.linalg.norm(moved, axis=1) < MOST_SHIFT) & (alike >= LEAST_ALIKE)
        return self.start + moved, good

    def _affine(self, lean: Array) -> tuple[Array, Array]:
        """Derivatives of the sightings' pixels by the reference's (N, 2, 2), and by the inverse depth (N, 2)."""
        rays = np.concatenate(
            [self.turned + self.shift[:, :, None] * lean[self.stretch, None, :], self.shift[:, :, None]], axis=2
        )
        z = np.where(np.abs(self.middle[:, 2]) > LEAST_Z, self.middle[:, 2], LEAST_Z)
        by_ray = (rays[:, :2] - (self.middle[:, :2] / z[:, None])[:, :, None] * rays[:, 2:]) / z[:, None, None]
        found = self.stretching @ by_ray
        growth = np.abs(np.linalg.det(found[:, :, :2]))
        # Behind the camera, or seen from the edge: matched as it is, which is not alike.
        lost = (self.middle[:, 2] <= LEAST_Z) | ~((growth < MOST_GROWTH**2) & (growth > MOST_GROWTH**-2))
        found[lost, :, :2] = np.eye(2)
        return found[:, :, :2], found[:, :, 2]

    def _compared(self, moved: Array, lean: Array, affine: Array) -> tuple[Array, Array]:
        """How the references' slopes pull (N, 6) at the sightings, and how alike these are (N,), as a correlation."""
        pull, alike = np.empty((len(moved), 6)), np.empty(len(moved))
        for frame, own in self.by_frame.items():
            of = self.stretch[own]
            at = (self.start + moved)[own, None] + self._window(own, lean[of])
            (values,) = self.pictures.values(frame, at)
            values, contrast = self._normalised(values)
            shown, wanted = self.shown[of], self.contrast[of]
            gain = (wanted / np.maximum(contrast, LEAST_CONTRAST)).astype(np.float32)
            pull[own] = (self.slopes[of] @ (values * gain[:, None] - shown)[:, :, None])[:, :, 0]
            alike[own] = ((values * shown) @ self.weights) / np.maximum(contrast * wanted, LEAST_CONTRAST**2)
        return pull, alike

    def _window(self, own: Indices, lean: Array) -> Array:
        """(n, P, 2) where the offsets of the reference's window come to lie around the middle of sightings."""
        share = lean @ self.offsets.T
        rays = self.turned[own] @ self.offsets.T + self.shift[own, :, None] * share[:, None] + self.middle[own, :, None]
        flat = rays[:, :2] / np.where(np.abs(rays[:, 2:]) > LEAST_Z, rays[:, 2:], LEAST_Z)
        middle = self.middle[own, :2] / np.where(np.abs(self.middle[own, 2:]) > LEAST_Z, self.middle[own, 2:], LEAST_Z)
        return np.swapaxes(self.stretching[own] @ (flat - middle[:, :, None]), 1, 2)
