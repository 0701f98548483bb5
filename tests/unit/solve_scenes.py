"""Scenes for the solve whose cameras are known: tracks projected by numpy, and pictures of textured planes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from ex4d.camera import Trajectory, intrinsics_from_fov
from ex4d.camera.transforms import rigid, rotation_x, rotation_y
from ex4d.media.frames import ArrayFrames
from ex4d.solve.follow import Followed
from ex4d.solve.plate_facts import PlateFacts
from ex4d.solve.tracks import Tracks, tracks_of
from ex4d.solve.work_picture import WorkPicture

RATE = Fraction(24)
FIRST = 1001


def path(kind: str, count: int) -> np.ndarray:
    """(count, 4, 4) world->camera."""
    cameras = []
    for t in np.linspace(-1, 1, count):
        turn, centre = np.eye(3), np.zeros(3)
        if kind == "slides":
            turn = rotation_y(0.08 * t) @ rotation_x(0.01 * np.sin(4 * t))
            centre = np.array([0.35 * t, 0.02 * np.sin(5 * t), 0.05 * t])
        elif kind == "walks":
            turn, centre = rotation_y(0.02 * np.sin(5 * t)), np.array([0.05 * np.sin(3 * t), 0.0, 0.8 * t])
        elif kind == "orbits":
            # Round a point 40 away.
            turn = rotation_y(0.05 * t) @ rotation_x(0.02 * np.sin(3 * t))
            centre = np.array([0, 0, 40.0]) - turn.T @ [0, 0, 40.0]
        elif kind == "turns":
            turn = rotation_y(0.3 * t) @ rotation_x(0.05 * t * t)
        elif kind == "tilts":
            turn = rotation_x(0.2 * t) @ rotation_y(0.02 * t * t)
        cameras.append(rigid(turn, -turn @ centre))
    return np.array(cameras)


@dataclass
class TrackScene:
    """Tracks and the camera that they are of."""

    picture: WorkPicture
    tracks: Tracks
    camera: Trajectory
    is_mover: np.ndarray

    @property
    def followed(self) -> Followed:
        return Followed(self.tracks, PlateFacts())


def track_scene(
    kind: str,
    *,
    count: int = 13,
    points: int = 260,
    size: tuple[int, int] = (256, 192),
    fov: float = 54.0,
    noise: float = 0.1,
    movers: float = 0.0,
    k1: float = 0.0,
    zoom: float = 1.0,
    overlay: int = 0,
    held: int = 1,
    depth: tuple[float, float] = (2.0, 9.0),
    seed: int = 1,
) -> TrackScene:
    """Points before a camera, of which a share moves by itself; ``overlay`` tracks stand on the screen; each frame is
    ``held`` for so many."""
    random = np.random.default_rng(seed)
    world = np.stack(
        [random.uniform(-4, 4, points), random.uniform(-3, 3, points), random.uniform(*depth, points)], axis=-1
    )
    is_mover = np.arange(points) < movers * points
    speed = random.normal(0, 0.05, (points, 3)) * is_mover[:, None]
    E = path(kind, count)[np.arange(count) // held * held]
    K = np.tile(intrinsics_from_fov(fov, *size), (count, 1, 1))
    K[:, (0, 1), (0, 1)] *= np.linspace(1, zoom, count)[:, None]
    middle = np.array(size) / 2
    screen = random.uniform(20, 60, (overlay, 2))
    sightings = []
    for index in range(count):
        p = (world + speed * index) @ E[index, :3, :3].T + E[index, :3, 3]
        n = p[:, :2] / p[:, 2:]
        xy = K[index, 0, 0] * n * (1 + k1 * (n**2).sum(axis=1, keepdims=True)) + middle
        xy += random.normal(0, noise, xy.shape)
        seen = np.flatnonzero((p[:, 2] > 0.3) & (xy > 4).all(axis=1) & (xy < np.array(size) - 4).all(axis=1))
        names = np.concatenate([seen, points + np.arange(overlay)]).astype(np.int32)
        sightings.append((index, names, np.concatenate([xy[seen], screen])))
    tracks = tracks_of(size, count, sightings)
    frames = ArrayFrames.of(np.zeros((count, size[1], size[0], 3), np.uint8), RATE, tuple(range(FIRST, FIRST + count)))
    camera = Trajectory(K, E, *size, frame_numbers=frames.numbers, fps=RATE)
    # Tracks are counted by their names, of those with two sightings.
    counts = np.bincount(np.concatenate([names for _, names, _ in sightings]), minlength=points + overlay)
    return TrackScene(WorkPicture.of(frames), tracks, camera, np.append(is_mover, np.zeros(overlay, bool))[counts > 1])


def texture(seed: int = 0, side: int = 700) -> np.ndarray:
    """(side, side) uint8: blotches of several sizes."""
    random = np.random.default_rng(seed)
    out = np.zeros((side, side), np.float32)
    for cell in (6, 14, 40):
        coarse = random.normal(0, 1, (side // cell + 2, side // cell + 2)).astype(np.float32)
        out += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 45 * out, 0, 255).astype(np.uint8)


def plane_picture(picture: np.ndarray, K: np.ndarray, E: np.ndarray, z: float, size: tuple[int, int]) -> np.ndarray:
    """(height, width) uint8 of a textured plane at that z, 8 units wide, as a camera sees it."""
    side = picture.shape[0]
    scale = 8.0 / side
    on_plane = np.array([[scale, 0, -4.0], [0, scale, -4.0], [0, 0, z], [0, 0, 1.0]])
    H = K @ E[:3] @ on_plane
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    return cv2.warpPerspective(
        picture, half @ H @ np.linalg.inv(half), size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
    )


def room_pictures(
    kind: str, *, count: int = 13, size: tuple[int, int] = (192, 144), fov: float = 54.0
) -> tuple[np.ndarray, Trajectory]:
    """Pictures (count, height, width, 3) uint8 of the room, and the camera."""
    E, K = path(kind, count), intrinsics_from_fov(fov, *size)
    numbers = tuple(range(FIRST, FIRST + count))
    pictures = np.stack([room_picture(K, camera, size) for camera in E])
    return pictures, Trajectory(K, E, *size, frame_numbers=numbers, fps=RATE)


def room_picture(K: np.ndarray, E: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) uint8 of a far plane with three nearer cards before it, as a camera sees them."""
    far, cards = texture(1), [texture(seed) for seed in (2, 3, 4)]
    out = plane_picture(far, K, E, 7.0, size)
    for card, (x0, x1, z) in zip(cards, ((150, 300, 4.5), (420, 560, 3.4), (300, 400, 5.5)), strict=True):
        mask = np.zeros_like(card)
        mask[250:450, x0:x1] = 255
        inside = plane_picture(mask, K, E, z, size) > 127
        out = np.where(inside, plane_picture(card, K, E, z, size), out)
    return np.repeat(out[..., None], 3, axis=-1)
