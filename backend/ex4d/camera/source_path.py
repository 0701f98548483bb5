# SPDX-License-Identifier: Apache-2.0
"""What a take makes of the source camera's own path before a move rides on it: steadier, or still.

``stabilise[:AMOUNT][,level]``, ``lock[:FRAME]``, ``match:FRAME``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory
from ex4d.camera.transforms import invert_rigid
from ex4d.protocol.errors import UsageError

Array = NDArray[np.float64]

#: Of ``stabilise`` where no amount is given, 0..1.
DEFAULT_AMOUNT = 0.5
#: At half the amount, the standard deviation of the smoothing as a share of the clip.
HALF_AMOUNT_SIGMA = 0.1
#: Seconds by which a path may be smoothed.
MOST_SECONDS = 3600.0
#: Cameras that turn farther away from the shortest way between the first and the last one have no such way, radians.
FARTHEST_TURN = 2.6
#: Axes of cameras that spread less than this (second moment) do not tell by themselves which way is up.
LEAST_SPREAD = 1e-3

_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_PATH = re.compile(
    rf"(?:(?P<still>lock|match)(?::(?P<frame>-?\d{{1,9}}))?"
    rf"|stabilise(?::(?P<amount>{_NUMBER})(?P<unit>s?))?(?P<level>,level)?)(?:\+(?P<move>.+))?"
)


@dataclass(frozen=True)
class SourcePath:
    """What is made of the source camera's path.

    Attributes:
        kind: "stabilise" or "lock".
        frame: of "lock": the plate's frame whose camera is held, None = the first one that is no handle.
        amount: of "stabilise": 0 = as it was … 1 = straight and even from the first to the last camera; or seconds.
        in_seconds: whether it is seconds: the standard deviation of a Gaussian.
        level: of "stabilise": whether the horizon is levelled.
    """

    kind: Literal["stabilise", "lock"]
    frame: int | None = None
    amount: float = DEFAULT_AMOUNT
    in_seconds: bool = False
    level: bool = False


def parse_source_path(text: str) -> tuple[SourcePath, str] | None:
    """The path that a move's text begins with, and the move that is to ride on it, "" = none; None where it begins with
    none.

    Raises:
        UsageError: naming what is not understood.
    """
    match = _PATH.fullmatch(text)
    if match is None:
        if re.match(r"(stabilise|lock|match)\b", text):
            raise UsageError(
                f"The camera path «{text[:80]}» is not understood.",
                "Give stabilise:0.5, stabilise:2s, stabilise:0.5,level, lock, lock:FRAME or match:FRAME; a move may "
                "follow, as in lock:1001+orbit:30.",
            )
        return None
    move = match["move"] or ""
    if match["still"]:
        if match["still"] == "match" and match["frame"] is None:
            raise UsageError("The camera path «match» needs a frame.", "Give match:FRAME, a frame number of the plate.")
        return SourcePath("lock", None if match["frame"] is None else int(match["frame"])), move
    amount, in_seconds = float(match["amount"] or DEFAULT_AMOUNT), match["unit"] == "s"
    if amount > (MOST_SECONDS if in_seconds else 1):
        raise UsageError(
            f"The amount of «{text[:80]}» is out of range.",
            f"stabilise takes 0 to 1, or seconds from 0s to {MOST_SECONDS:g}s.",
        )
    return SourcePath("stabilise", None, amount, in_seconds, match["level"] is not None), move


def follow_path(path: SourcePath, source: Trajectory, handles: tuple[int, int] = (0, 0)) -> Trajectory:
    """The source camera on that path.

    Args:
        path: what is made of it.
        source: one camera per frame.
        handles: how many frames, at the beginning and at the end, are handles. The others are as they are without
            them; in handles the source camera goes on as it does.

    Raises:
        UsageError: there is no such frame, or the camera turns too far to be stabilised.
    """
    if path.kind == "lock":
        index = handles[0] if path.frame is None else _index_of(path.frame, source)
        return replace(source, E=np.broadcast_to(source.E[index], source.E.shape), K=source.K[[index] * len(source)])
    inner = slice(handles[0], len(source) - handles[1])
    E, K = source.E.copy(), source.K.copy()
    E[inner], K[inner] = _stabilised(path, source.E[inner], source.K[inner], source.fps)
    if path.level:
        E = levelled(E, upward(source.E[inner]))
    return replace(source, E=E, K=K)


def path_notes(path: SourcePath, source: Trajectory) -> tuple[str, ...]:
    """Sentences for the report: a camera that stands still has no path to be made steadier."""
    if path.level or not (np.allclose(source.E, source.E[0]) and np.allclose(source.K, source.K[0])):
        return ()
    return (
        f"The source camera stands still in this shot, so «{path.kind}» changes nothing. Where it moves in the plate, "
        "reconstruct the shot with --source-camera auto.",
    )


def _index_of(frame: int, source: Trajectory) -> int:
    if frame not in source.frame_numbers:
        first, last = (source.frame_numbers[0], source.frame_numbers[-1]) if source.frame_numbers else (0, 0)
        raise UsageError(
            f"There is no frame {frame} among those of the take, {first}-{last}.", "Choose one of these frames."
        )
    return source.frame_numbers.index(frame)


def _stabilised(path: SourcePath, E: Array, K: Array, fps: Fraction | None) -> tuple[Array, Array]:
    """Smoothed E (T, 4, 4) and K (T, 3, 3)."""
    count = len(E)
    if count < 3:
        return E, K
    if path.in_seconds:
        sigma = path.amount * float(fps or 1)
    else:
        sigma = np.inf if path.amount == 1 else HALF_AMOUNT_SIGMA * (count - 1) * path.amount / (1 - path.amount)
    poses = invert_rigid(E)
    first = poses[0, :3, :3]
    whole = rotation_vectors((first.T @ poses[-1, :3, :3])[None])[0]
    way = first @ rotations(np.linspace(0, 1, count)[:, None] * whole)
    aside = rotation_vectors(np.swapaxes(way, 1, 2) @ poses[:, :3, :3])
    if np.linalg.norm(aside, axis=1).max() > FARTHEST_TURN:
        raise UsageError(
            "The source camera turns too far to be stabilised as a whole.", "Choose a range of frames with less turn."
        )
    poses[:, :3, :3] = way @ rotations(smoothed(aside, sigma))
    poses[:, :3, 3] = smoothed(poses[:, :3, 3], sigma)
    lens = K.copy()
    lens[:, (0, 1), (0, 1)] = np.exp(smoothed(np.log(K[:, (0, 1), (0, 1)]), sigma))
    lens[:, :2, 2] = smoothed(K[:, :2, 2], sigma)
    return invert_rigid(poses), lens


def smoothed(values: Array, sigma: float) -> Array:
    """Values (T, N) through a Gaussian of ``sigma`` frames that leaves the first and the last as they are: what is left
    beside the straight line between these goes on behind them turned round, so an infinite one gives that line."""
    count = len(values)
    line = values[0] + np.linspace(0, 1, count)[:, None] * (values[-1] - values[0])
    rest = values - line
    if sigma == 0:
        return values.copy()
    if not np.isfinite(sigma):
        return line
    period = 2 * (count - 1)
    turned = np.concatenate([rest, -rest[-2:0:-1]])
    frequency = 2 * np.pi * np.fft.rfftfreq(period)
    spectrum = np.fft.rfft(turned, axis=0) * np.exp(-0.5 * (sigma * frequency) ** 2)[:, None]
    soft = np.fft.irfft(spectrum, period, axis=0)[:count]
    soft[0] = soft[-1] = 0
    return np.asarray(line + soft)


def upward(E: Array) -> Array:
    """(3,) unit vector that points up for cameras E (T, 4, 4): people hold them level but for tremble, so their x axes
    lie in one plane. Cameras that hardly turn tell only which way their pictures are up."""
    across, down = E[:, 0, :3], E[:, 1, :3]
    spread, axes = np.linalg.eigh(across.T @ across / len(across))
    up = axes[:, 0]
    if spread[1] < LEAST_SPREAD:
        level = axes[:, 2]
        mean = -down.mean(axis=0)
        up = mean - (mean @ level) * level
    up = up / np.linalg.norm(up)
    return np.asarray(up if -down.mean(axis=0) @ up >= 0 else -up)


def levelled(E: Array, up: Array) -> Array:
    """Cameras E (T, 4, 4) turned about their axes until their x axes are level; those that look straight up or down
    stay as they are."""
    poses = invert_rigid(E)
    ahead = poses[:, :3, 2]
    across = np.cross(-up, ahead)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    turnable = length[:, 0] > 1e-6
    across = across / np.where(turnable[:, None], length, 1)
    turned = np.stack([across, np.cross(ahead, across), ahead], axis=-1)
    poses[turnable, :3, :3] = turned[turnable]
    return invert_rigid(poses)


def rotations(vectors: Array) -> Array:
    """Rotation vectors (T, 3) in radians -> matrices (T, 3, 3)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    # sin(a)/a and (1 − cos(a))/a², which have limits at 0.
    sine, cosine = np.sinc(angle / np.pi), 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.asarray(np.eye(3) + sine * cross + cosine * cross @ cross)


def rotation_vectors(matrices: Array) -> Array:
    """The inverse of ``rotations`` for matrices (T, 3, 3), angles up to π."""
    skew = 0.5 * (matrices - np.swapaxes(matrices, 1, 2))
    axis = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
    sine = np.linalg.norm(axis, axis=1)
    angle = np.arctan2(sine, 0.5 * (np.trace(matrices, axis1=1, axis2=2) - 1))
    small = sine < 1e-12
    return np.asarray(axis * np.where(small, 1.0, angle / np.where(small, 1, sine))[:, None])
