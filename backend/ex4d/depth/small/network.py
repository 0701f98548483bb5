# SPDX-License-Identifier: Apache-2.0
"""The network of ``research/small_depth/network.py``, run by OpenCV."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

Float = NDArray[np.float32]

#: Trained by ``research/small_depth``; the project's own work under its own licence.
WEIGHTS = Path(__file__).with_name("weights.onnx")
SHA256 = "4670a7660b9f239e4870c5130a47e06025a69b2e3c604243e7d1a4d07579daba"
LICENCE = "Apache-2.0 (code and weights)"
#: Pixels that the network looks at: about those of the frames that it learned from. More shows finer detail and less of
#: the whole.
PIXELS = 288 * 288
#: Sides that it takes: multiples of this, and four of them at least.
MULTIPLE, LEAST = 32, 128
#: Longest side against the shortest one that it is shown; plates beyond that are squeezed.
LONGEST = 3.0


def input_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the picture that the network is shown of a frame."""
    aspect = min(max(width / height, 1 / LONGEST), LONGEST)
    wanted = math.sqrt(PIXELS * aspect), math.sqrt(PIXELS / aspect)
    across, down = (max(LEAST, MULTIPLE * round(side / MULTIPLE)) for side in wanted)
    return across, down


@dataclass
class SmallNetwork:
    """ln of relative disparity from a picture: same picture, same result.

    Attributes:
        path: of the weights.
    """

    path: Path = WEIGHTS
    _net: Any = None

    def check(self) -> None:
        """Raise BadInputError where the weights are missing or damaged."""
        self._read()

    def _read(self) -> bytes:
        again = "Install the package again."
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise BadInputError(
                f"The weights of the depth estimator «small», {self.path}, are missing.", again
            ) from error
        if hashlib.sha256(data).hexdigest() != SHA256:
            raise BadInputError(f"The weights of the depth estimator «small», {self.path}, are damaged.", again)
        return data

    def __call__(self, picture: NDArray[np.uint8]) -> Float:
        """ln disparity (h, w) float32, up to a constant, at half the size of ``input_size``.

        Args:
            picture: RGB (H, W, 3) uint8.

        Raises:
            BadInputError: the weights are missing or damaged.
        """
        if self._net is None:
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(self._read(), np.uint8))
        height, width = picture.shape[:2]
        size = input_size(width, height)
        smaller = size[0] * size[1] < width * height
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        values = np.empty((1, 5, size[1], size[0]), np.float32)
        values[0, :3] = np.moveaxis(small, -1, 0) * np.float32(2 / 255) - 1
        values[0, 3] = np.linspace(-1, 1, size[0], dtype=np.float32)
        values[0, 4] = np.linspace(-1, 1, size[1], dtype=np.float32)[:, None]
        self._net.setInput(values)
        return np.array(self._net.forward()[0, 0], dtype=np.float32)
