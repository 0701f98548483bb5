# SPDX-License-Identifier: Apache-2.0
"""What other frames show in a take, as the other stages see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ex4d.fill.base import OtherFrame
from ex4d.media.encoding import TruthEncoding
from ex4d.media.exr_values import read_exr_values
from ex4d.plate.store import frame_name
from ex4d.raster import Texture
from ex4d.raster.store import truth_suffix
from ex4d.stages.stage_files import StageFiles

BACKGROUND_FILE = "background.json"
#: Codes of the maps that say where anything is known: in holes, and beside them, where the frame shows the same itself.
KNOWN, OVERLAP = 255, 128


@dataclass(frozen=True)
class BackgroundStore:
    """Output of a finished background stage.

    Attributes:
        files: its output.
        encoding: of the truth; None = it is the working picture.
    """

    files: StageFiles
    encoding: TruthEncoding | None

    @classmethod
    def open(cls, folder: Path) -> BackgroundStore:
        """The store in a finished stage's folder; raises DamagedCacheError, as reading a frame does."""
        files = StageFiles.open(folder)
        record = files.json(BACKGROUND_FILE)
        with files.decoding(BACKGROUND_FILE):
            return cls(files, TruthEncoding(**record["encoding"]) if record["encoding"] else None)

    def known(self, number: int) -> NDArray[np.bool_]:
        """(H, W) bool, where other frames show what this one does not."""
        return self._codes(number) == KNOWN

    def _codes(self, number: int) -> NDArray[np.uint8]:
        return np.asarray(self.files.png(f"known/{frame_name(number, '.png')}"), np.uint8)

    def working(self, number: int) -> OtherFrame:
        """With the working picture's values."""
        color: Texture = self.files.png(f"color/{frame_name(number, '.png')}")
        z = np.asarray(self.files.npy(f"z/{frame_name(number, '.npy')}"), np.float32)
        codes = self._codes(number)
        return OtherFrame(color, codes == KNOWN, codes == OVERLAP, z)

    def truth(self, number: int) -> Texture:
        """(H, W, 3) of the plate's truth, 0 where nothing is known."""
        if self.encoding is None:
            return self.files.png(f"color/{frame_name(number, '.png')}")
        name = f"truth/{frame_name(number, truth_suffix(self.encoding))}"
        if not self.encoding.is_float:
            return self.files.png(name)
        data = self.files.bytes(name)
        with self.files.decoding(name):
            return read_exr_values(data)
