"""Near and far the right way round: solves turned inside out, and who decides where the plate does not."""

import numpy as np
import pytest
from solve_scenes import track_scene

from ex4d.camera.transforms import rotation_x
from ex4d.solve import SolveOptions
from ex4d.solve.bundle import BundleOptions
from ex4d.solve.depth_order import MUCH_BETTER, DepthOrder, order_agreement
from ex4d.solve.initial import sightings_of
from ex4d.solve.kind import Numbers, is_order_open, leads, move_refusal, order_note
from ex4d.solve.model import Model
from ex4d.solve.reversal import have_same_order, inside_out, reversal
from ex4d.solve.solve import solve_tracks
from ex4d.solve.triangulate import triangulate

HELD = BundleOptions(loss=0.6, focal="fixed", iterations=15)
FAR = {"fov": 5.0, "depth": (37.0, 43.0), "points": 1000}


def true_model(scene):
    """The scene's cameras, and points from them."""
    tracks = scene.tracks
    model = Model.empty(tracks.frames, tracks.count, scene.camera.K[0, 0, 0], np.array(tracks.size) / 2)
    model.rotation, model.position = scene.camera.E[:, :3, :3].copy(), scene.camera.E[:, :3, 3].copy()
    model.known[:] = True
    sightings = sightings_of(tracks, range(tracks.frames))
    triangulate(model, sightings)
    return model, sightings


def estimator(model, sightings, sign):
    """Sees the disparity that a model has at the nearest of its points, or its opposite."""

    def disparity(index):
        own = sightings.picked(sightings.frame == index)
        own = own.picked(model.has_point[own.track])
        at = np.stack(np.meshgrid(np.arange(64) * 4 + 2, np.arange(48) * 4 + 2), axis=-1)
        nearest = np.argmin(((at[:, :, None] - own.xy) ** 2).sum(axis=-1), axis=-1)
        return (-sign * model.in_camera(own.frame, own.track)[nearest, 2]).astype(np.float32)

    return DepthOrder(disparity, "")


def test_through_a_long_lens_the_mirror_image_moves_nearly_alike():
    model, sightings = true_model(track_scene("orbits", **FAR))
    other = reversal(model, sightings, HELD)
    assert other.is_reversed
    assert is_order_open(other.ratio)
    assert not have_same_order(model, other.model, sightings)
    assert have_same_order(model, inside_out(inside_out(model, 6), 6), sightings)


def test_where_there_is_perspective_the_mirror_image_fits_far_worse():
    model, sightings = true_model(track_scene("slides", movers=0.15))
    other = reversal(model, sightings, HELD)
    assert other.is_reversed
    assert not is_order_open(other.ratio)
    assert other.ratio > 2


def test_a_solve_that_drifts_is_not_taken_for_a_worse_one():
    """A part of a long plate: bundled by itself it is always explained better than by the whole plate's solve."""
    model, sightings = true_model(track_scene("orbits"))
    drift = np.linspace(-2e-3, 2e-3, len(model.rotation))
    model.rotation = np.array([rotation_x(angle) @ R for angle, R in zip(drift, model.rotation, strict=True)])
    other = reversal(model, sightings, HELD)
    assert not other.is_reversed
    assert other.ratio > MUCH_BETTER


@pytest.mark.parametrize("sign", [1, -1])
def test_where_the_plate_leaves_the_order_open_the_estimator_decides(sign):
    scene = track_scene("orbits", **FAR)
    model, sightings = true_model(scene)
    options = SolveOptions(fov_deg=5.0, fov_known=True)
    seen = estimator(model, sightings, sign)
    found = solve_tracks(scene.picture, scene.followed, options, lambda: None, seen)
    assert found.kind == "moves"
    n = found.numbers
    assert is_order_open(n.reversal)
    assert n.order > 0.8 > -0.5 > n.order_reversed
    assert order_note(n) in found.notes
    depth = found.points.xyz @ found.camera.E[6, 2, :3] + found.camera.E[6, 2, 3]
    true = model.points[found.points.track] @ model.rotation[6, 2] + model.position[6, 2]
    assert np.sign(np.corrcoef(depth, true)[0, 1]) == sign


def test_where_nothing_tells_the_order_the_solve_is_refused():
    scene = track_scene("orbits", **FAR)
    options = SolveOptions(fov_deg=5.0, fov_known=True)
    for order in (None, DepthOrder(lambda index: np.zeros((48, 64), np.float32), "")):
        found = solve_tracks(scene.picture, scene.followed, options, lambda: None, order)
        assert found.kind == "still"
        assert "near and far exchanged" in found.refused[-1]


def test_the_estimator_is_asked_in_frames_with_points_enough():
    scene = track_scene("slides", noise=0.02)
    model, sightings = true_model(scene)
    order = estimator(model, sightings, 1)
    assert order_agreement(model, scene.tracks, range(13), order) > 0.95
    assert order_agreement(model, scene.tracks, [], order) is None
    few = scene.tracks.picked(scene.tracks.track < 30)
    assert order_agreement(model, few, range(13), order) is None


def test_the_gate_of_the_order():
    good = Numbers(move_error=0.1, move_explained=0.9, angle_deg=3.0, frames=1.0)
    assert move_refusal(good) is None
    for ratio, order, other, is_refused in (
        (3.0, None, None, False),
        (1.5, None, None, True),
        (0.4, None, None, False),
        (1.5, 0.6, -0.5, False),
        (1.5, 0.3, 0.2, True),
        (1.5, -0.5, 0.6, True),
    ):
        numbers = Numbers(**{**vars(good), "reversal": ratio, "order": order, "order_reversed": other})
        assert (move_refusal(numbers) is not None) == is_refused
        assert (order_note(numbers) is not None) == (order is not None and leads(order, other))
