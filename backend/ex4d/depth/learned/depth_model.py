# SPDX-License-Identifier: Apache-2.0
"""What a network gives, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ex4d.depth.learned.estimator_spec import EstimatorSpec
from ex4d.media.frames import FrameSource
from ex4d.protocol.errors import BadInputError

#: Fields of view that a lens can have, degrees.
LEAST_FOV, MOST_FOV = 1.0, 170.0


@dataclass(frozen=True)
class Estimate:
    """One frame's depth, as a network says it.

    Attributes:
        disparity: (h, w) float32 at the network's own size, the plate's view: 1/z in metres for metric networks, else
            known up to a scale and a shift; larger is nearer.
        fov_deg: field of view over the longer side in degrees, where the network says it.
    """

    disparity: NDArray[np.float32]
    fov_deg: float | None = None


def check_estimate(estimate: Estimate, title: str, number: int) -> None:
    """Raise BadInputError where an estimate cannot be one.

    Args:
        title: of the estimator.
        number: of the frame.
    """
    fov = estimate.fov_deg
    problems = {
        "values that are no numbers": not np.isfinite(estimate.disparity).all(),
        "a lens that cannot be": fov is not None and not LEAST_FOV <= fov <= MOST_FOV,
    }
    if any(problems.values()):
        raise BadInputError(
            f"{title} gives {' and '.join(name for name, found in problems.items() if found)} for frame {number}.",
            "Its weights are damaged or not its own: check them with `ex4d models verify --depth`.",
        )


class DepthModel(Protocol):
    """A loaded network."""

    def run(self, frames: FrameSource) -> Iterator[Estimate]:
        """An estimate for each frame of the plate, in order; few of them are in memory at once."""
        ...


class DepthModelLoader(Protocol):
    """A module that loads one."""

    def load(self, spec: EstimatorSpec, folders: tuple[Path, ...], fov_deg: float | None) -> DepthModel:
        """Load it where ``EX4D_DEVICE`` says.

        Args:
            spec: which of its variants.
            folders: of the spec's repositories, in order.
            fov_deg: field of view over the longer side in degrees, if it is known.

        Raises:
            BadInputError: the files are not what they should be.
        """
        ...
