# SPDX-License-Identifier: Apache-2.0
"""Reading numpy's files without pickles and without surprises."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ex4d.protocol.errors import BadInputError

#: What numpy and zipfile raise on damaged npy and npz files.
NPZ_ERRORS = (
    OSError, EOFError, ValueError, TypeError, KeyError, SyntaxError, MemoryError, OverflowError, NotImplementedError,
    RuntimeError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
)  # fmt: skip


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Those arrays of an npz file that it has; no pickles. BadInputError if it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in names if name in archive}
    except NPZ_ERRORS:
        raise BadInputError(f"{path.name} is not a readable npz file.", "Export it again.") from None
