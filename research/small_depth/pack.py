# SPDX-License-Identifier: Apache-2.0
"""All frames in one file of some 20 KB a frame, to be carried to where the training runs; and reading it."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from research.small_depth.codes import decode_z

PICTURE_QUALITY, TRUTH_SIDE = 75, 256


@dataclass(frozen=True)
class Frames:
    """Pictures with their depth.

    Attributes:
        pictures: (N, H, W, 3) uint8 sRGB.
        depth: (N, H, W) float16 of ln z, metres; inf = sky. Rounded to 254 steps between a frame's ends.
        steps: (N,) float32, the size of those steps.
        ids: (N, H, W) uint8 of objects.
        labels: of the frames: the names of the folders that they come from.
    """

    pictures: NDArray[np.uint8]
    depth: NDArray[np.float16]
    steps: NDArray[np.float32]
    ids: NDArray[np.uint8]
    labels: list[str]


def _bytes(suffix: str, image: NDArray[np.uint8], options: list[int]) -> bytes:
    return bytes(cv2.imencode(suffix, image, options)[1])


Raw = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]


def _rendered(stem: Path) -> Raw:
    """A frame of ``small_depth render``: picture (BGR), z, ids."""
    codes = cv2.imread(f"{stem}.z.png", cv2.IMREAD_UNCHANGED)
    return cv2.imread(f"{stem}.jpg"), decode_z(codes), cv2.imread(f"{stem}.id.png", cv2.IMREAD_UNCHANGED)


def _truth(scene: Any, number: int) -> Raw:
    """The same of the plate of a scene of ``make_groundtruth.py``, brought to ``TRUTH_SIDE`` pixels."""
    surface, size = scene.source.surface(number), (TRUTH_SIDE, TRUTH_SIDE)
    picture = cv2.resize(scene.source.picture(number)[..., ::-1], size, interpolation=cv2.INTER_CUBIC)
    ids = cv2.resize(surface.ids.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return picture, cv2.resize(surface.z, size, interpolation=cv2.INTER_NEAREST), ids


def _pack_one(load: Callable[[], Raw]) -> tuple[list[bytes], tuple[float, float]]:
    picture, z, ids = load()
    log = np.log(z.astype(np.float64))
    finite = np.isfinite(log)
    low, high = (float(log[finite].min()), float(log[finite].max())) if finite.any() else (0.0, 1.0)
    step = max((high - low) / 254, 1e-6)
    coarse = np.where(finite, 1 + np.rint((np.where(finite, log, low) - low) / step), 0).astype(np.uint8)
    parts = [
        _bytes(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, PICTURE_QUALITY]),
        _bytes(".png", coarse, [cv2.IMWRITE_PNG_COMPRESSION, 9]),
        _bytes(".png", ids, [cv2.IMWRITE_PNG_COMPRESSION, 9]),
    ]
    return parts, (low, step)


def pack(folders: list[Path], out: Path) -> int:
    """Write all frames of ``folders`` (of ``small_depth render``, or scenes of ``make_groundtruth.py``, of which
    every fourth frame is taken) into ``out``; returns how many there are."""
    loads: list[Callable[[], Raw]] = []
    labels: list[str] = []
    for folder in folders:
        if (folder / "scene.json").exists():
            # Not needed where the training runs.
            from ex4d.evaluation.truth import TruthScene

            scene = TruthScene.open(folder)
            loads += [partial(_truth, scene, number) for number in scene.numbers[::4]]
        else:
            loads += [partial(_rendered, path.with_suffix("")) for path in sorted(folder.glob("*.jpg"))]
        labels += [folder.name] * (len(loads) - len(labels))
    with ThreadPoolExecutor() as pool:
        packed = list(pool.map(_pack_one, loads))
    parts = [part for frame, _ in packed for part in frame]
    record = {"labels": labels, "ranges": [r for _, r in packed]}
    np.savez(
        out,
        data=np.frombuffer(b"".join(parts), np.uint8),
        sizes=np.array([len(part) for part in parts], np.int64),
        record=np.frombuffer(json.dumps(record).encode(), np.uint8),
    )
    return len(loads)


def unpack(*paths: Path) -> Frames:
    """What ``pack`` wrote into these files, all frames of one size."""
    parts = [_unpacked(path) for path in paths]

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    labels = [label for part in parts for label in part.labels]
    return Frames(joined("pictures"), joined("depth"), joined("steps"), joined("ids"), labels)


def _unpacked(path: Path) -> Frames:
    with np.load(path) as file:
        data, sizes, record = file["data"], file["sizes"], json.loads(bytes(file["record"]))
    ends = np.cumsum(sizes)
    pieces = [data[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda piece: cv2.imdecode(piece, cv2.IMREAD_UNCHANGED), pieces))
    low, step = np.array(record["ranges"], np.float32).T
    codes = np.stack(images[1::3])
    depth = low[:, None, None] + step[:, None, None] * (codes.astype(np.float32) - 1)
    return Frames(
        np.stack(images[0::3])[..., ::-1].copy(),
        np.where(codes > 0, depth, np.inf).astype(np.float16),
        step,
        np.stack(images[2::3]),
        record["labels"],
    )
