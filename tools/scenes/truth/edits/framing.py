# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of where rays meet the picture: lenses, windows, rotations about the camera's centre. Pictures are resampled;
depth, ids and normals are taken from the nearest pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Lens
from tools.scenes.truth.edits.clip import Clip

Array = NDArray[np.float64]
#: Factor on the focal length at most, so that a picture without black edges is left; and how exactly it is sought.
MOST_ZOOM, HALVINGS = 4.0, 30
#: Waves that a shake is made of, and cycles of each per frame.
WAVES, SHAKE = 6, (0.02, 0.19)


def distorted(clip: Clip, k1: float, k2: float = 0.0) -> Clip:
    """Seen through a lens with radial distortion (the model polynomial), zoomed in as far as no edge shows."""
    if clip.camera.lens is not None:
        raise ValueError("the clip has a lens with distortion already")
    lens = Lens("polynomial", (k1, k2))

    def places(index: int, factor: float, pixels: Array) -> Array:
        K = clip.camera.K[index]
        xy = (pixels - K[:2, 2]) / (factor * K[(0, 1), (0, 1)])
        return lens.undistort(xy) * K[(0, 1), (0, 1)] + K[:2, 2]

    # Frames of one focal length have one lens; to invert it takes long.
    _, alike, which = np.unique(clip.camera.K, axis=0, return_index=True, return_inverse=True)
    factor = _least_zoom(clip, places, alike.tolist())
    found = [places(index, factor, _centres(clip)) for index in alike.tolist()]
    moved = _resampled(clip, lambda index: found[which.ravel()[index]])
    return replace(moved, camera=replace(clip.camera, K=_zoomed(clip.camera.K, factor), lens=lens))


def shaken(clip: Clip, degrees: float, seed: int = 1) -> Clip:
    """The camera turned to and fro about its centre, in pan, tilt and half as much in roll, by about so many degrees;
    zoomed in as far as no edge shows."""
    if clip.camera.lens is not None:
        raise ValueError("a clip through a lens with distortion cannot be turned: shake it before it is distorted")
    turns = [_rotation(np.radians(angles)) for angles in degrees * _noise(len(clip), seed)]

    def rays(index: int, factor: float, pixels: Array) -> Array:
        """(..., 3) rays of the new pixels in the axes of the old camera."""
        K = clip.camera.K[index]
        xy = (pixels - K[:2, 2]) / (factor * K[(0, 1), (0, 1)])
        return np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1) @ turns[index]

    def places(index: int, factor: float, pixels: Array) -> Array:
        K, ray = clip.camera.K[index], rays(index, factor, pixels)
        return ray[..., :2] / ray[..., 2:] * K[(0, 1), (0, 1)] + K[:2, 2]

    factor = _least_zoom(clip, places, range(len(clip)))
    moved = _resampled(clip, lambda index: places(index, factor, _centres(clip)))
    # A ray of length 1 along the new axis is so long along the old one.
    along = np.stack([rays(index, factor, _centres(clip))[..., 2] for index in range(len(clip))])
    E = clip.camera.E.copy()
    E[:, :3] = np.stack(turns) @ E[:, :3]
    return replace(
        moved,
        z=(moved.z / along).astype(np.float32),
        camera=replace(clip.camera, K=_zoomed(clip.camera.K, factor), E=E),
    )


def mirrored(clip: Clip) -> Clip:
    """Left and right exchanged, of the world too: it is the picture of the scene that is its mirror image."""
    if clip.camera.lens is not None:
        raise ValueError("mirror the clip before it is distorted")
    mirror = np.array([-1, 1, 1, 1])
    K = clip.camera.K.copy()
    K[:, 0, 2] = clip.width - K[:, 0, 2]
    return replace(
        clip,
        pictures=clip.pictures[:, :, ::-1],
        z=clip.z[:, :, ::-1],
        ids=clip.ids[:, :, ::-1],
        normals=clip.normals[:, :, ::-1] * mirror[:3].astype(np.float32),
        camera=replace(clip.camera, K=K, E=clip.camera.E * np.outer(mirror, mirror)),
    )


def cropped(clip: Clip, left: int, top: int, width: int, height: int) -> Clip:
    """A window of the picture: the lens's axis is no longer in its middle."""
    if min(left, top) < 0 or min(width, height) < 1 or left + width > clip.width or top + height > clip.height:
        raise ValueError("the window has to lie in the picture")
    window = np.s_[:, top : top + height, left : left + width]
    return replace(
        clip,
        pictures=clip.pictures[window],
        z=clip.z[window],
        ids=clip.ids[window],
        normals=clip.normals[window],
        camera=clip.camera.cropped(left, top, width, height),
    )


def _centres(clip: Clip) -> Array:
    """(H, W, 2) positions of the pixels' centres."""
    return np.stack(np.meshgrid(np.arange(clip.width) + 0.5, np.arange(clip.height) + 0.5), axis=-1)


def _zoomed(K: Array, factor: float) -> Array:
    out = K.copy()
    out[:, (0, 1), (0, 1)] *= factor
    return out


def _least_zoom(clip: Clip, places: Callable[[int, float, Array], Array], indices: Sequence[int]) -> float:
    """The least factor from 1 on at which all pixels of these frames come from inside the picture.

    Args:
        places: of a frame's index, a factor and pixels (..., 2): (..., 2) where each of these comes from.

    Raises:
        ValueError: there is none up to ``MOST_ZOOM``.
    """

    all_ = _centres(clip)
    border = np.concatenate([all_[0], all_[-1], all_[:, 0], all_[:, -1]])

    def inside(factor: float) -> bool:
        found = (places(index, factor, border) for index in indices)
        return all((at >= 0).all() and (at <= (clip.width, clip.height)).all() for at in found)

    if inside(1.0):
        return 1.0
    low, high = 1.0, MOST_ZOOM
    if not inside(high):
        raise ValueError("so strong an edit leaves no picture")
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if inside(middle) else (middle, high)
    return high


def _resampled(clip: Clip, places: Callable[[int], Array]) -> Clip:
    """Pixels taken from (H, W, 2) places of each frame, all of them inside the picture."""
    pictures = np.empty_like(clip.pictures)
    z, ids, normals = np.empty_like(clip.z), np.empty_like(clip.ids), np.empty_like(clip.normals)
    for index in range(len(clip)):
        at = places(index)
        # OpenCV counts pixels from their centres.
        x, y = (at[..., k].astype(np.float32) - np.float32(0.5) for k in (0, 1))
        smooth = cv2.remap(clip.pictures[index], x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        # Cubic interpolation goes below the darkest.
        pictures[index] = np.maximum(smooth, 0)
        column = np.clip(np.floor(at[..., 0]), 0, clip.width - 1).astype(np.intp)
        row = np.clip(np.floor(at[..., 1]), 0, clip.height - 1).astype(np.intp)
        z[index], ids[index], normals[index] = (
            values[index][row, column] for values in (clip.z, clip.ids, clip.normals)
        )
    return replace(clip, pictures=pictures, z=z, ids=ids, normals=normals)


def _noise(count: int, seed: int) -> Array:
    """(count, 3) smooth noise of about ±1, its third column half of that."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(*SHAKE, (WAVES, 3)), rng.uniform(0, 2 * np.pi, (WAVES, 3))
    waves = np.sin(2 * np.pi * frequency * np.arange(count)[:, None, None] + phase)
    return waves.sum(axis=1) * np.sqrt(2 / WAVES) / 2 * np.array([1, 1, 0.5])


def _rotation(angles: Array) -> Array:
    """Old camera's axes to new ones: pan, tilt, roll in radians."""
    return np.asarray(cv2.Rodrigues(np.array([angles[1], angles[0], angles[2]]))[0], np.float64)
