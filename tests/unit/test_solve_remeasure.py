# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from solve_scenes import FIRST, RATE, room_pictures

from ex4d.camera import Lens, Trajectory
from ex4d.media.frames import ArrayFrames
from ex4d.solve.bundle import Sightings
from ex4d.solve.follow import follow
from ex4d.solve.ideal import IdealView
from ex4d.solve.model import Model
from ex4d.solve.remeasure import remeasure
from ex4d.solve.tracks import Tracks
from ex4d.solve.triangulate import triangulate
from ex4d.solve.turning import directions
from ex4d.solve.work_picture import WorkPicture


@cache
def followed(kind: str) -> tuple[WorkPicture, Tracks, Trajectory]:
    pictures, camera = room_pictures(kind, count=11)
    picture = WorkPicture.of(ArrayFrames.of(pictures, RATE, tuple(range(FIRST, FIRST + len(pictures)))))
    return picture, follow(picture, lambda: None).tracks, camera


def true_model(tracks: Tracks, camera: Trajectory) -> Model:
    model = Model.empty(tracks.frames, tracks.count, float(camera.K[0, 0, 0]), np.array(tracks.size) / 2)
    model.rotation, model.position = camera.E[:, :3, :3].copy(), camera.E[:, :3, 3].copy()
    model.known[:] = True
    return model


def sightings(tracks: Tracks) -> Sightings:
    return Sightings(tracks.frame, tracks.track, tracks.xy)


def view(picture: WorkPicture, camera: Trajectory, lens: Lens | None = None) -> IdealView:
    return IdealView(picture.centre, lens, float(camera.K[0, 0, 0]))


def error(tracks: Tracks, camera: Trajectory, chosen: np.ndarray, *, moves: bool) -> float:
    """Median distance, px, of sightings from where the true cameras see the points that these tell."""
    model, kept = true_model(tracks, camera), sightings(tracks.picked(chosen))
    (triangulate if moves else directions)(model, kept)
    can = model.has_point[kept.track]
    return float(np.median(model.errors(kept.frame[can], kept.track[can], kept.xy[can])))


@pytest.mark.parametrize(("kind", "moves"), [("walks", True), ("turns", False)])
def test_tracks_that_are_measured_again_are_nearer_to_the_truth(kind, moves):
    picture, tracks, camera = followed(kind)
    model = true_model(tracks, camera)
    (triangulate if moves else directions)(model, sightings(tracks))
    found = remeasure(tracks, model, view(picture, camera), picture.read, lambda: None)
    assert found is not None
    again, sure = found
    assert np.array_equal(again.frame, tracks.frame)
    assert np.array_equal(again.track, tracks.track)
    assert sure.mean() > 0.6
    assert error(again, camera, sure, moves=moves) < 0.6 * error(tracks, camera, sure, moves=moves)


def test_a_solve_that_is_a_little_wrong_measures_as_well():
    picture, tracks, camera = followed("walks")
    model = true_model(tracks, camera)
    model.log_focal += np.log(1.05)
    triangulate(model, sightings(tracks))
    found = remeasure(tracks, model, view(picture, camera), picture.read, lambda: None)
    assert found is not None
    assert error(found[0], camera, found[1], moves=True) < 0.6 * error(tracks, camera, found[1], moves=True)


def test_pictures_that_show_nothing_measure_nothing():
    picture, tracks, camera = followed("walks")
    model = true_model(tracks, camera)
    triangulate(model, sightings(tracks))
    size = (picture.size[1], picture.size[0])
    assert remeasure(tracks, model, view(picture, camera), lambda _: np.full(size, 90, np.uint8), lambda: None) is None


def test_a_frame_that_shows_something_else_keeps_its_places():
    picture, tracks, camera = followed("walks")
    model = true_model(tracks, camera)
    triangulate(model, sightings(tracks))

    def read(index: int) -> np.ndarray:
        return np.ascontiguousarray(picture.read(index)[::-1]) if index == 4 else picture.read(index)

    found = remeasure(tracks, model, view(picture, camera), read, lambda: None)
    assert found is not None
    again, sure = found
    of_frame = tracks.frame == 4
    assert np.array_equal(again.xy[of_frame], tracks.xy[of_frame])
    assert sure[of_frame].mean() > 0.6
    assert not np.array_equal(again.xy[~of_frame], tracks.xy[~of_frame])


def test_all_pictures_are_read_once():
    picture, tracks, camera = followed("walks")
    model = true_model(tracks, camera)
    triangulate(model, sightings(tracks))
    reads: list[int] = []

    def read(index: int) -> np.ndarray:
        reads.append(index)
        return picture.read(index)

    remeasure(tracks, model, view(picture, camera), read, lambda: None)
    assert sorted(reads) == list(range(tracks.frames))


@pytest.mark.parametrize("lens", [None, Lens("polynomial", (-0.12, 0.02)), Lens("division", (0.1,))])
def test_what_a_pinhole_sees_lies_where_the_plate_shows_it(lens):
    picture, tracks, camera = followed("walks")
    made = replace(view(picture, camera, lens), centre=picture.centre + np.array([3, -2]))
    offsets = made.ideal(tracks.xy, tracks.size) - np.array(tracks.size) / 2
    assert np.allclose(made.seen(offsets), tracks.xy, atol=1e-6)
