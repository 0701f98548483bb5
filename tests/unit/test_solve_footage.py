"""The solve of pictures that no test has drawn: a real plate, and one of an animated film (tests/data/README.md)."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ex4d.cli import main
from ex4d.media.frames import ArrayFrames
from ex4d.solve import Solve, SolveOptions, read_solve, solve_camera
from ex4d.system.progress import Silent

DATA = Path(__file__).parents[1] / "data"


def pictures_of(movie: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(movie)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def strayed(movie: Path) -> NDArray[np.float64]:
    """(N,) px: how far what can be followed from the first frame to the last one has gone by then."""
    pictures = pictures_of(movie)
    first, last = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (pictures[0], pictures[-1]))
    start = cv2.goodFeaturesToTrack(first, 300, 0.01, 6)
    there, _, _ = cv2.calcOpticalFlowPyrLK(first, last, start, None, winSize=(15, 15), maxLevel=3)
    back, _, _ = cv2.calcOpticalFlowPyrLK(last, first, there, None, winSize=(15, 15), maxLevel=3)
    good = np.linalg.norm(back - start, axis=-1).ravel() < 0.3
    assert good.sum() > 60
    return np.linalg.norm(there - start, axis=-1).ravel()[good]


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The towers, reconstructed as people have it done."""
    shot = tmp_path_factory.mktemp("towers") / "shot"
    assert main(["recon", str(DATA / "towers.mp4"), "--out", str(shot)]) == 0
    return shot


@pytest.fixture(scope="module")
def towers(shot: Path) -> Solve:
    (folder,) = (shot / "cache").glob("solve-*")
    return read_solve(folder)


def test_towers_by_night_give_the_camera_that_passes_them_and_its_lens(towers: Solve) -> None:
    assert (towers.kind, towers.interpolated) == ("moves", ())
    assert towers.numbers.move_error < 0.2
    # Four sizes and rates of this shot say 58.9 to 60.7 degrees.
    assert towers.lens in ("known", "within 5 %")
    fov = 2 * np.degrees(np.arctan(160 / towers.camera.K[:, 0, 0]))
    assert np.abs(fov - 60).max() < 3
    # It goes one way.
    centre = -np.einsum("tji,tj->ti", towers.camera.E[:, :3, :3], towers.camera.E[:, :3, 3])
    steps = np.diff(centre, axis=0)
    assert ((steps[1:] * steps[:-1]).sum(axis=1) > 0).all()


def test_the_big_tower_is_nearest_the_one_behind_it_farthest(towers: Solve) -> None:
    """A solve that is turned inside out explains the pictures nearly as well."""
    at, z = towers.camera[0].project(towers.points.xyz)
    x, y = at.T
    low = (y > 130) & (y < 180)
    big, left, behind = (np.median(z[low & (x > a) & (x < b)]) for a, b in ((160, 250), (20, 110), (285, 315)))
    assert 1.15 * big < left < behind


def test_the_film_camera_turns_while_a_rabbit_fills_the_picture() -> None:
    pictures = pictures_of(DATA / "rabbit.mp4")
    frames = ArrayFrames.of(pictures, Fraction(24), tuple(range(1001, 1001 + len(pictures))))
    found = solve_camera(frames, SolveOptions(), Silent())
    assert found.kind == "turns"
    assert found.numbers.turn_error < 0.2
    assert len(found.repeats) == 2


def test_clouds_that_drift_by_night_stand_where_the_sky_is(shot: Path) -> None:
    (folder,) = (shot / "cache").glob("depth-*")
    maps = [np.load(path) for path in sorted((folder / "z").iterdir())]
    assert len(maps) == 13
    # Left of the big tower, above the other one.
    assert min(np.isinf(z[:70, :130]).mean() for z in maps) > 0.98
    assert max(np.isinf(z[120:, 160:250]).mean() for z in maps) == 0


def test_a_locked_camera_stands_still(shot: Path, tmp_path: Path) -> None:
    """Solve, depth and mesh together: what is nearer or farther than was measured would drift."""
    assert np.median(strayed(DATA / "towers.mp4")) > 5
    assert main(["render", str(shot), "--cam", "lock", "--raster", "embree", "--out", str(tmp_path)]) == 0
    far = strayed(tmp_path / "color_lock.mp4")
    assert np.median(far) < 0.3
    assert np.percentile(far, 80) < 0.7
