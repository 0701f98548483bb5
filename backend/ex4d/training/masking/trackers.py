# SPDX-License-Identifier: Apache-2.0
"""Trackers of points: dense optical flow, which needs nothing, and CoTracker3 where it is installed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.depth.cues import LEAST_FLOW_SIDE
from ex4d.protocol.errors import BadInputError, ResourceError, UsageError
from ex4d.training.masking.tracking import Frames, Tracker, Tracks

#: Names the file with CoTracker3's offline weights, ``scaled_offline.pth``.
COTRACKER_VARIABLE = "EX4D_COTRACKER"
#: A point is lost when the way there and back ends farther from the start than this: a share of the squared lengths
#: of both ways, and half a pixel. Source: Sundaram, Brox, Keutzer, "Dense point trajectories by GPU-accelerated large
#: displacement optical flow", ECCV 2010, equation 5.
_SQUARED_SHARE, _SQUARED_FLOOR = 0.01, 0.5


def _sample(flow: NDArray[np.float32], at: NDArray[np.float32]) -> NDArray[np.float32]:
    """Flow (N, 2) at pixel positions (N, 2)."""
    maps = np.ascontiguousarray(at[None] - np.float32(0.5))
    out = cv2.remap(flow, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, dtype=np.float32).reshape(-1, 2)


def _flow(solver: Any, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(solver.calc(a, b, None), dtype=np.float32)


class FlowTracker:
    """Follows points along dense optical flow (OpenCV's DIS) from frame to frame; a point that is lost stays lost.

    It is lost where the flow back does not lead where it came from (something covers it), and outside the picture.
    """

    name = "flow"

    def track(self, frames: Frames, points: NDArray[np.float32]) -> Tracks:
        """See ``Tracker``."""
        count, height, width = frames.shape[:3]
        if min(height, width) < LEAST_FLOW_SIDE:
            raise BadInputError(
                f"Optical flow needs pictures of at least {LEAST_FLOW_SIDE} pixels a side, not {width}x{height}.",
                "Use larger clips.",
            )
        # The finer preset: steps add up over a clip, and so do their errors.
        solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        positions = np.empty((count, len(points), 2), dtype=np.float32)
        visible = np.ones((count, len(points)), dtype=np.bool_)
        positions[0] = points
        grey = cv2.cvtColor(frames[0], cv2.COLOR_RGB2GRAY)
        for index in range(1, count):
            following = cv2.cvtColor(frames[index], cv2.COLOR_RGB2GRAY)
            there, back = _flow(solver, grey, following), _flow(solver, following, grey)
            moved = _sample(there, positions[index - 1])
            at = positions[index - 1] + moved
            returned = _sample(back, at)
            error = np.sum((moved + returned) ** 2, axis=1)
            allowed = _SQUARED_SHARE * np.sum(moved**2 + returned**2, axis=1) + _SQUARED_FLOOR
            inside = ((at >= 0) & (at <= (width, height))).all(axis=1)
            positions[index] = at
            visible[index] = visible[index - 1] & (error <= allowed) & inside
            grey = following
        return Tracks(positions, visible)


class CoTracker:
    """CoTracker3 (arXiv 2410.11831) from its own package and weights, which users install themselves: its licence,
    CC-BY-NC-4.0, forbids commercial use. It also finds points again that were covered for a while.

    Args:
        weights: file of the offline model.

    Raises:
        ResourceError: the package or torch is missing.
        BadInputError: the weights are.
    """

    name = "cotracker"

    def __init__(self, weights: Path) -> None:
        for package in ("torch", "cotracker"):
            if importlib.util.find_spec(package) is None:
                raise ResourceError(
                    f"The package {package} is not installed.", "Install CoTracker3 from its authors, or use flow."
                )
        if not weights.is_file():
            raise BadInputError(
                f"There are no weights of CoTracker3 at {weights}.",
                f"Get scaled_offline.pth from its authors and name it in {COTRACKER_VARIABLE}, or use flow.",
            )
        from cotracker.predictor import CoTrackerPredictor

        from ex4d.models.torch_device import pick_device

        self._device = pick_device()
        self._model: Any = CoTrackerPredictor(checkpoint=str(weights)).to(self._device).eval()

    def track(self, frames: Frames, points: NDArray[np.float32]) -> Tracks:
        """See ``Tracker``."""
        import torch

        video = torch.from_numpy(frames).to(self._device).permute(0, 3, 1, 2)[None].float()
        # Its positions have pixel centres at whole numbers; a query is the frame's index and a position.
        queries = np.concatenate([np.zeros((len(points), 1), np.float32), points - np.float32(0.5)], axis=1)
        with torch.no_grad():
            tracks, visible = self._model(video, queries=torch.from_numpy(queries)[None].to(self._device))
        positions = tracks[0].float().cpu().numpy() + np.float32(0.5)
        return Tracks(positions.astype(np.float32), visible[0].reshape(len(frames), -1).cpu().numpy() > 0.5)


def _cotracker() -> Tracker:
    return CoTracker(Path(os.environ.get(COTRACKER_VARIABLE, "scaled_offline.pth")))


TRACKERS: dict[str, Callable[[], Tracker]] = {"flow": FlowTracker, "cotracker": _cotracker}


def create_tracker(name: str) -> Tracker:
    """The tracker of that name.

    Raises:
        UsageError: there is none.
        ResourceError, BadInputError: as ``CoTracker``.
    """
    if name not in TRACKERS:
        raise UsageError(f"There is no tracker «{name}».", f"Use one of: {', '.join(TRACKERS)}.")
    return TRACKERS[name]()
