# SPDX-License-Identifier: Apache-2.0
"""One array per frame in a scratch file. Unlike a mapped file its pages never count as the process's memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class FrameMaps:
    """Arrays of one shape and dtype, read and written by the frame's index."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self._path = path
        self._bytes = int(np.prod(shape)) * self.dtype.itemsize
        path.touch()

    def __getitem__(self, index: int) -> NDArray[Any]:
        data = np.fromfile(self._path, self.dtype, int(np.prod(self.shape)), offset=index * self._bytes)
        return data.reshape(self.shape)

    def __setitem__(self, index: int, values: NDArray[Any]) -> None:
        with self._path.open("r+b") as file:
            file.seek(index * self._bytes)
            file.write(np.ascontiguousarray(values, dtype=self.dtype).tobytes())
