"""Tracks of pictures: where their points are, what of the plate is noticed, and going on from a kept state."""

from itertools import pairwise

import numpy as np
import pytest
from solve_scenes import FIRST, RATE, path, plane_picture, room_pictures, texture

from ex4d.camera import intrinsics_from_fov
from ex4d.media.frames import ArrayFrames
from ex4d.solve.bars import BarFinder
from ex4d.solve.follow import follow
from ex4d.solve.plate_facts import notes_of
from ex4d.solve.tracker import Tracker
from ex4d.solve.work_picture import WORK_SIDE, WorkPicture

SIZE = (192, 144)


def followed(pictures):
    picture = WorkPicture.of(ArrayFrames.of(pictures, RATE, tuple(range(FIRST, FIRST + len(pictures)))))
    return follow(picture, lambda: None)


def plane_pictures(kind="slides", count=8):
    """A plane before a camera, and what takes pixels of the first frame to each other one."""
    K, E = intrinsics_from_fov(54, *SIZE), path(kind, count)
    grey = np.stack([plane_picture(texture(), K, camera, 5.0, SIZE) for camera in E])
    on_plane = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 5.0], [0, 0, 1]])
    planes = [K @ camera[:3] @ on_plane for camera in E]
    return np.repeat(grey[..., None], 3, axis=-1), [plane @ np.linalg.inv(planes[0]) for plane in planes]


def test_tracks_are_where_the_plane_moves_its_points():
    pictures, moves = plane_pictures()
    tracks = followed(pictures).tracks
    names, first, last = tracks.common(0, len(pictures) - 1)
    assert len(names) > 100
    at = np.concatenate([first, np.ones((len(first), 1))], axis=1) @ moves[-1].T
    error = last - at[:, :2] / at[:, 2:]
    assert np.median(np.linalg.norm(error, axis=1)) < 0.08
    # No drift: as a whole they are off by next to nothing.
    assert np.abs(error.mean(axis=0)).max() < 0.03


def test_positions_have_pixel_centres_at_a_half():
    # A picture that is its own mirror image has its corners on both sides of the middle, which is at half its width.
    pictures = np.full((2, 100, 120, 3), 60, np.uint8)
    pictures[:, 40:60, 50:70] = 255
    tracks = followed(pictures).tracks
    assert len(tracks) == 8
    assert np.abs(tracks.xy.mean(axis=0) - [60, 50]).max() < 0.3


def test_large_plates_are_brought_to_the_work_size():
    picture = WorkPicture.of(ArrayFrames.of(np.zeros((1, 720, 1920, 3), np.uint8), RATE))
    assert picture.size == (WORK_SIDE, 240)
    K = picture.to_plate(np.array([[300.0, 0, 320], [0, 300, 120], [0, 0, 1]]))
    assert np.allclose(K, [[900, 0, 960], [0, 900, 360], [0, 0, 1]])


def test_a_cut_is_found_and_no_track_goes_across():
    pictures, _ = plane_pictures()
    other = np.repeat(texture(9)[None, :144, :192, None], 3, axis=-1)
    both = np.concatenate([pictures[:5], np.repeat(other, 5, axis=0)])
    found = followed(both)
    assert found.facts.breaks == (5,)
    first, second = (set(found.tracks.track[found.tracks.in_frame(index)].tolist()) for index in (4, 5))
    assert not first & second
    assert "cut at frame 1006" in notes_of(found.facts, range(FIRST, FIRST + 10))[0]


def test_a_pan_along_something_large_is_no_cut():
    """All but a strip shows something else in each frame, as a figure that rolls does."""
    tracker, seen = Tracker(SIZE), []
    for index in range(8):
        grey = texture(20 + index)[:144, :192].copy()
        grey[:40] = np.roll(texture(9), -3 * index, axis=1)[:40, :192]
        seen += tracker.add(index, grey)
    assert [one.index for one in seen if not (one.is_break or one.is_skipped)] == list(range(8))
    # In some frames less than a fifth is followed; across a cut next to nothing is.
    shares = [len(np.intersect1d(a.name, b.name)) / len(a.name) for a, b in pairwise(seen)]
    assert 0.1 < min(shares) < 0.2


def test_a_flash_is_stepped_over():
    pictures, _ = plane_pictures()
    pictures[4] = 255
    found = followed(pictures)
    assert (found.facts.breaks, found.facts.skipped) == ((), (4,))
    assert len(found.tracks.common(3, 5)[0]) > 100


def test_an_undecided_end_is_a_cut():
    pictures, _ = plane_pictures()
    pictures[-1] = texture(9)[:144, :192, None]
    assert followed(pictures).facts.breaks == (len(pictures) - 1,)


def test_frames_on_twos_are_noticed():
    pictures, _ = plane_pictures(count=8)
    found = followed(np.repeat(pictures, 2, axis=0))
    assert found.facts.repeats == tuple(range(1, 16, 2))
    still = followed(np.repeat(pictures[:1], 6, axis=0))
    assert still.facts.repeats == ()


def test_no_track_lies_along_black_bars():
    pictures, _ = plane_pictures()
    pictures[:, :20] = 10
    pictures[:, -20:] = 12
    found = followed(pictures)
    left, top, right, bottom = found.facts.bars
    assert (left, right) == (0, 192)
    assert abs(top - 20) <= 2
    assert abs(bottom - 124) <= 2
    assert found.tracks.xy[:, 1].min() > 24
    assert found.tracks.xy[:, 1].max() < 120


def test_a_dark_picture_is_no_bar():
    bars = BarFinder((40, 30))
    bars.add(np.full((30, 40), 8, np.uint8))
    assert not bars.has_bars()
    assert (bars.inside(5) == 255).all()


@pytest.mark.parametrize("stop", [3, 9])
def test_going_on_from_a_kept_state_gives_the_same_tracks(stop):
    pictures, _ = room_pictures("slides")
    pictures[8] = 0
    grey = [np.ascontiguousarray(picture[..., 0]) for picture in pictures]
    whole = Tracker(SIZE)
    all_seen = [seen for index, picture in enumerate(grey) for seen in whole.add(index, picture)]
    first = Tracker(SIZE)
    seen = [one for index in range(stop) for one in first.add(index, grey[index])]
    state = {name: np.array(values) for name, values in first.state().items()}
    needed = {index: grey[index] for index in Tracker.pictures_needed(state)}
    second = Tracker.restored(SIZE, state, needed)
    seen += [one for index in range(stop, len(grey)) for one in second.add(index, grey[index])]
    assert [one.index for one in seen] == [one.index for one in all_seen]
    for one, other in zip(seen, all_seen, strict=True):
        assert np.array_equal(one.name, other.name)
        assert np.array_equal(one.xy, other.xy)
