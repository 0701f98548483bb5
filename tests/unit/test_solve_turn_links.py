"""Turns from key frame to key frame, where something large moves by itself."""

import numpy as np
import pytest

from ex4d.camera.transforms import rotation_x, rotation_y
from ex4d.solve.model import rotation_vectors
from ex4d.solve.turn_links import chosen_turns, link

FRAMES, BEHIND = 12, 60
NOISE = 1 / 200
#: Tracks of the figure in each of the links: more than of what is behind it in the first, and in some of the others.
FIGURE = (110, 130, 90, 40, 30, 30, 40, 110, 150, 120, 40)


def unit(rays):
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def pan():
    """Links of a camera that pans along with a figure, which stays where it is in the picture and swings its limbs;
    and the turns of what is behind it."""
    rng = np.random.default_rng(3)
    far = unit(np.stack([rng.uniform(-2, 2, 400), rng.uniform(-0.5, 0.5, 400), np.ones(400)], axis=1))
    body = np.stack([rng.uniform(-0.3, 0.3, 200), rng.uniform(-0.5, 0.5, 200), np.ones(200)], axis=1)
    limb, swing = rng.choice(3, 200, p=[0.8, 0.1, 0.1]), rng.uniform(0, 6, 3)
    cameras = [rotation_y(0.06 * index) @ rotation_x(0.01 * np.sin(index)) for index in range(FRAMES)]
    links, turns = [], []
    for index, count in enumerate(FIGURE):
        turns.append(cameras[index + 1] @ cameras[index].T)
        inside = [np.abs((far @ cameras[at].T)[:, 0]) < 0.6 for at in (index, index + 1)]
        behind = np.flatnonzero(inside[0] & inside[1])[:BEHIND]
        seen = []
        for at in (index, index + 1):
            moved = body + 0.03 * np.stack([np.sin(at + swing[limb]), np.cos(2 * at + swing[limb]), 0 * limb], axis=1)
            rays = np.concatenate([(far @ cameras[at].T)[behind], unit(moved[:count])])
            seen.append(unit(rays + rng.normal(0, NOISE / 10, rays.shape)))
        links.append(link(np.concatenate([behind, 1000 + np.arange(count)]).astype(np.int32), *seen, NOISE))
    return links, turns


def errors_deg(found, true):
    return np.degrees(np.linalg.norm(rotation_vectors(np.array(found) @ np.swapaxes(np.array(true), 1, 2)), axis=1))


def test_what_is_behind_a_large_figure_tells_the_turns(pan):
    links, turns = pan
    assert errors_deg(chosen_turns(links), turns).max() < 0.1


def test_each_two_frames_by_themselves_follow_the_figure(pan):
    links, turns = pan
    alone = [chosen_turns([one])[0] for one in links]
    assert (errors_deg(alone, turns) > 1).sum() >= 3


def test_where_no_track_goes_on_each_link_decides_by_itself():
    rng = np.random.default_rng(4)
    links, turns = [], []
    for index in range(3):
        rays = unit(np.concatenate([rng.uniform(-0.5, 0.5, (80, 2)), np.ones((80, 1))], axis=1))
        turns.append(rotation_y(0.1 + 0.05 * index))
        links.append(link(np.arange(80, dtype=np.int32) + 100 * index, rays, rays @ turns[-1].T, NOISE))
    assert errors_deg(chosen_turns(links), turns).max() < 1e-6
    assert chosen_turns([]) == []


@pytest.mark.parametrize("seed", range(8))
def test_a_turn_that_few_tracks_follow_is_among_those_told(seed):
    """A tenth of them; the others are of a figure whose three parts roll, each in its own way. Where that turn is not
    among those told, nothing that is chosen is right."""
    rng = np.random.default_rng(seed)
    turn = rotation_y(0.09) @ rotation_x(0.02)
    rays = unit(np.concatenate([rng.uniform(-0.5, 0.5, (140, 2)), np.ones((140, 1))], axis=1))
    part = rng.permutation(np.repeat([0, 1, 2, 3], (14, 42, 42, 42)))
    turns = [turn, *(rotation_y(a) @ rotation_x(b) for a, b in rng.uniform(-0.05, 0.05, (3, 2)))]
    moved = np.stack([turns[k] @ ray for k, ray in zip(part, rays, strict=True)])
    told = link(np.arange(140, dtype=np.int32), rays, unit(moved + rng.normal(0, NOISE / 4, rays.shape)), NOISE).turns
    assert errors_deg(told, np.broadcast_to(turn, told.shape)).min() < 0.5
