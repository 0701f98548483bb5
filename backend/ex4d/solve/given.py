# SPDX-License-Identifier: Apache-2.0
"""Cameras that were given: checked against the tracks, and where some frames have none, those solved in their world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Trajectory
from ex4d.protocol.errors import BadInputError
from ex4d.solve.bundle import BundleOptions, Sightings, bundle
from ex4d.solve.initial import place, usable
from ex4d.solve.kind import Kind
from ex4d.solve.model import Model
from ex4d.solve.moving import LIMITS, place_between
from ex4d.solve.tracks import Tracks
from ex4d.solve.triangulate import angles, triangulate
from ex4d.solve.turning import directions, place_turns

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class GivenCameras:
    """Given cameras by the frames of the plate.

    Attributes:
        known: (T,) which frames have one.
        E: (T, 4, 4) world->camera; the identity where there is none.
        focal: (T,) work pixels; between given ones what lies between.
    """

    known: Bools
    E: Array
    focal: Array

    @classmethod
    def of(cls, given: Trajectory, numbers: tuple[int, ...], K: Array) -> GivenCameras:
        """Those of a plate's frames.

        Args:
            given: cameras with frame numbers, or one per frame.
            numbers: of the plate's frames.
            K: (len(given), 3, 3) their intrinsics in work pixels.

        Raises:
            BadInputError: none of them is of one of these frames.
        """
        place_of = {number: index for index, number in enumerate(given.frame_numbers or numbers)}
        at = np.array([place_of.get(number, -1) for number in numbers])
        known = at >= 0
        E = np.where(known[:, None, None], given.E[at], np.eye(4))
        if not known.any():
            raise BadInputError(
                "None of the given cameras is of a frame of this plate.", "Give them by the plate's frame numbers."
            )
        frames = np.flatnonzero(known)
        focal = np.exp(np.interp(np.arange(len(numbers)), frames, np.log(K[at[known], 0, 0])))
        return cls(known, E, focal)

    def kind(self) -> Kind:
        """What the cameras themselves say."""
        R, t = self.E[self.known, :3, :3], self.E[self.known, :3, 3]
        centres = -np.einsum("tji,tj->ti", R, t)
        if np.ptp(centres, axis=0).max() > 0:
            return "moves"
        return "turns" if np.abs(R - R[0]).max() > 0 else "still"

    def model(self, tracks: Tracks) -> Model:
        """Their cameras, no points yet."""
        model = Model.empty(tracks.frames, tracks.count, 1.0, np.array(tracks.size) / 2)
        model.rotation, model.position = self.E[:, :3, :3].copy(), self.E[:, :3, 3].copy()
        model.log_focal, model.known = np.log(self.focal), self.known.copy()
        return model


def solve_around(given: GivenCameras, tracks: Tracks, tick: Callable[[], None]) -> tuple[Model, Kind]:
    """The points, and the cameras of the frames that have none, in the world of the given ones, which stay.

    Args:
        given: at least one frame.
        tracks: of a pinhole with its principal point in the middle.
        tick: called now and then; may raise to stop.

    Returns:
        the model, and whether the camera moves. A camera that was not found is not known.
    """
    model = given.model(tracks)
    sightings = Sightings(tracks.frame, tracks.track, tracks.xy)
    kind = given.kind()
    if kind == "moves":
        triangulate(model, sightings)
        angle = angles(model, sightings)
        if given.known.all() or (angle > 0).sum() >= 12:
            _grow(model, sightings, given, tick)
        return model, kind
    # All stand in one place, which becomes the origin for as long as directions are looked for.
    centre = model.centres()[np.flatnonzero(given.known)[0]]
    model.position[:] = 0
    directions(model, sightings)
    place_turns(model, sightings)
    if not given.known.all():
        _bundle_turns(model, sightings, given)
        kind = "turns"
    model.position = -np.einsum("tij,j->ti", model.rotation, centre)
    model.points += centre
    return model, kind


def _bundle_turns(model: Model, sightings: Sightings, given: GivenCameras) -> None:
    for limit in LIMITS[1:]:
        directions(model, sightings)
        bundle(
            model,
            usable(model, sightings, limit),
            BundleOptions(turns_only=True, focal="fixed", iterations=10),
            given.known,
        )


def _grow(model: Model, sightings: Sightings, given: GivenCameras, tick: Callable[[], None]) -> None:
    """Outwards from the given frames, the nearest first."""
    known = np.flatnonzero(given.known)
    missing = np.flatnonzero(~given.known)
    distance = np.abs(missing[:, None] - known[None, :]).min(axis=1) if len(missing) else missing
    for index, frame in enumerate(missing[np.argsort(distance, kind="stable")]):
        tick()
        place(model, sightings, int(frame))
        if index % 4 == 3:
            triangulate(model, sightings, ~model.has_point)
    if len(missing):
        for limit in LIMITS:
            triangulate(model, sightings)
            bundle(model, usable(model, sightings, limit), BundleOptions(focal="fixed", iterations=15), given.known)
        place_between(model, sightings)
    triangulate(model, sightings)
