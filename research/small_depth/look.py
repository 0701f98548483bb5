# SPDX-License-Identifier: Apache-2.0
"""Estimators on a clip without known depth: a sheet to look at, and how much each of them flickers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from ex4d.depth import create_depth_source
from ex4d.depth.cues import carry, flow_between
from ex4d.depth.stage import DepthStage
from ex4d.depth.store import DepthStore
from ex4d.plate import open_plate
from ex4d.plate.stage import PlateStage
from ex4d.plate.store import FrameStore
from ex4d.stages.cache import StageCache
from ex4d.system.progress import Silent

#: Pixels whose flow returns within this, and whose grey level changes less, show the same thing in both frames.
RETURN_PX, SAME_GREY = 0.5, 8.0


def flicker(frames: FrameStore, store: DepthStore) -> float:
    """Mean |change of ln z| from a frame to the next along the flow, in percent, less each pair's median change (which
    is the camera's or the unit's)."""
    changes = []
    for first, second in zip(frames.numbers[:-1], frames.numbers[1:], strict=True):
        a, b = (np.asarray(cv2.cvtColor(frames.read_8bit(n), cv2.COLOR_RGB2GRAY), np.uint8) for n in (first, second))
        back = flow_between(b, a)
        there = carry(flow_between(a, b), back)
        former = carry(np.dstack([np.log(store.read(first)), a.astype(np.float32)]), back)
        same = (np.linalg.norm(back + there, axis=-1) < RETURN_PX) & (np.abs(former[..., 1] - b) < SAME_GREY)
        change = (np.log(store.read(second)) - former[..., 0])[same]
        changes.append(np.abs(change - np.median(change)).mean())
    return 100 * float(np.mean(changes))


def look(clip: Path, names: list[str], out: Path) -> None:
    """Write the sheet, three frames below each other: the picture, then disparity by each estimator."""
    with tempfile.TemporaryDirectory() as folder:
        cache = StageCache(Path(folder))
        reader = open_plate(clip)
        plate = PlateStage(str(clip), {}, reader)
        frames = FrameStore.open(cache.ensure(plate, Silent()))
        picked = [frames.numbers[i] for i in (0, len(frames) // 2, -1)]
        columns = [[frames.read_8bit(n)[..., ::-1] for n in picked]]
        for name in names:
            stage = DepthStage(plate.key(), frames, create_depth_source(name))
            store = DepthStore.open(cache.ensure(stage, Silent()))
            top = max(float(np.percentile(1 / store.read(n), 99.5)) for n in picked)
            column = []
            for number in picked:
                shown = np.clip(1 / store.read(number) / top, 0, 1)
                column.append(cv2.applyColorMap(np.uint8(255 * shown), cv2.COLORMAP_INFERNO))
            columns.append(column)
            print(f"{name}: flicker {flicker(frames, store):.2f} %")
        cv2.imwrite(str(out), np.vstack([np.hstack(row) for row in zip(*columns, strict=True)]))
