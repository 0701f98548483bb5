# SPDX-License-Identifier: Apache-2.0
"""Turns from key frame to key frame, chosen together.

What two frames say of a turn is not one thing where something large moves by itself: a figure that the camera pans
along has more tracks in some frames than what is behind it. So each two frames tell several turns, and those are taken
that the same tracks follow from frame to frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ex4d.solve.tracks import Ints

Array = NDArray[np.float64]

#: Rotations that are guessed of two rays each, rays that judge them, and rounds of improving those that are kept. Of
#: 1,000 guesses 16 are of two rays of what an eighth of the tracks shows; of 200 none may be good.
_GUESSES, _JUDGES, _ROUNDS = 1000, 250, 5
#: A guess counts a ray that it misses by less than about so many times the noise; a kept one those that it misses by so
#: many times.
_GUESS_LOSS, _LOSS = 3.0, 2.0
#: Turns that two frames tell at most: parts of a figure that rolls tell several, each by more tracks than what is
#: behind it. And how far, in multiples of the noise, the rays that one takes along are from
#: where the others take them.
_TOLD, _APART = 8, 6.0
#: What a track counts that follows one turn, against one that follows it and the next.
_ALONE = 0.25
#: What one takes away that follows only one of two turns, though both links have it.
_BROKEN = 1.0


@dataclass(frozen=True)
class Link:
    """What two key frames, one after the other, tell of the turn between them.

    Attributes:
        tracks: (M,) those that both have, rising.
        turns: (C, 3, 3) rotations that take the rays of the first to those of the second, the one that most follow
            first.
        follows: (C, M) how well each track follows each, 0 to 1.
    """

    tracks: Ints
    turns: Array
    follows: Array


def link(tracks: Ints, a: Array, b: Array, noise: float) -> Link:
    """The turns that two frames tell.

    Args:
        tracks: (M,) that both have, rising.
        a, b: (M, 3) their unit rays.
        noise: angle, radians, from which a ray counts less.
    """
    # Of two rays at a time: what moves by itself may be more than half, but says no one thing.
    random = np.random.default_rng(0)
    pairs = random.integers(0, len(a), (_GUESSES, 2))
    # Twice the same one tells no turn.
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    guesses = _frames(b[pairs]) @ np.swapaxes(_frames(a[pairs]), 1, 2)
    some = random.permutation(len(a))[:_JUDGES]
    score = _agreement(_misses(guesses, a[some], b[some]), _GUESS_LOSS * noise).sum(axis=1)
    turns: list[Array] = []
    while len(turns) < _TOLD and len(guesses):
        best = guesses[int(np.argmax(score))]
        turns.append(_improved(best, a, b, noise))
        others = np.median(_misses(guesses, a[some], a[some] @ best.T), axis=1) >= _APART * noise
        guesses, score = guesses[others], score[others]
    found = np.array(turns)
    return Link(tracks, found, _agreement(_misses(found, a, b), _LOSS * noise))


def chosen_turns(links: Sequence[Link]) -> list[Array]:
    """One (3, 3) rotation of each link: those that the same tracks follow in as many links as can be, one after the
    other."""
    if not links:
        return []
    best = _ALONE * links[0].follows.sum(axis=1)
    came_from = []
    for before, after in pairwise(links):
        _, i, j = np.intersect1d(before.tracks, after.tracks, assume_unique=True, return_indices=True)
        first, second = before.follows[:, i], after.follows[:, j]
        both = first @ second.T
        broken = first.sum(axis=1)[:, None] + second.sum(axis=1) - 2 * both
        # Where a turn is so fast that few tracks go on, each link decides by itself.
        total = best[:, None] + both - _BROKEN * broken + _ALONE * after.follows.sum(axis=1)
        came_from.append(np.argmax(total, axis=0))
        best = total.max(axis=0)
    at = int(np.argmax(best))
    order = [at]
    for source in reversed(came_from):
        at = int(source[at])
        order.append(at)
    return [one.turns[index] for one, index in zip(links, reversed(order), strict=True)]


def _improved(turn: Array, a: Array, b: Array, noise: float) -> Array:
    for _ in range(_ROUNDS):
        weights = _agreement(_misses(turn[None], a, b)[0], _LOSS * noise)
        U, _, Vt = np.linalg.svd((b * weights[:, None]).T @ a)
        turn = U @ np.diag([1.0, 1.0, np.linalg.det(U @ Vt)]) @ Vt
    return turn


def _misses(turns: Array, a: Array, b: Array) -> Array:
    """(G, M) how far rotations (G, 3, 3) take unit rays a (M, 3) from b (M, 3).

    From the cosines: a sum of nine products is all that each needs, where thousands of them are asked for.
    """
    cosines = turns.reshape(-1, 9) @ (b[:, :, None] * a[:, None, :]).reshape(-1, 9).T
    return np.asarray(np.sqrt(np.maximum(2 - 2 * cosines, 0)), np.float64)


def _agreement(missed: Array, scale: float) -> Array:
    """1 where a distance is 0, and little where it is more than ``scale``."""
    return np.asarray(1 / (1 + (missed / scale) ** 2) ** 2, np.float64)


def _frames(rays: Array) -> Array:
    """(G, 3, 3) axes in columns that two rays each (G, 2, 3) make."""
    across = np.cross(rays[:, 0], rays[:, 1])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    return np.stack([rays[:, 0], across, np.cross(rays[:, 0], across)], axis=2)
