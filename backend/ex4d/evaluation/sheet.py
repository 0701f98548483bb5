# SPDX-License-Identifier: Apache-2.0
"""Picture sheets: what the figures are about, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.evaluation.pictures import unit
from ex4d.evaluation.truth import Region

Picture = NDArray[np.uint8]

GAP_PX = 4
LABEL_PX = 18
#: Errors are shown this much brighter than they are.
ERROR_GAIN = 4
#: RGB of holes that are right, thrown-away surface, and holes that pass for surface.
HOLE, WASTED, MISSED = (40, 110, 40), (255, 70, 70), (80, 80, 255)


def error_picture(result: NDArray[Any], truth: NDArray[Any]) -> Picture:
    """Absolute error of pictures (H, W, 3), four times as bright."""
    error = np.abs(unit(result) - unit(truth)) * np.float32(255 * ERROR_GAIN)
    return np.asarray(np.clip(error, 0, 255), np.uint8)


def mask_picture(truth: NDArray[Any], mask: NDArray[np.uint8], regions: NDArray[np.uint8]) -> Picture:
    """The true picture darkened, with holes green, thrown-away surface red, holes that pass for surface blue.

    Args:
        mask: (H, W), 0 = hole.
        regions: (H, W) ``Region`` codes.
    """
    out = np.asarray(unit(truth) * 255 * 0.4, np.uint8)
    hole, true_hole = mask == 0, regions != Region.CO_VISIBLE
    out[hole & true_hole], out[hole & ~true_hole], out[~hole & true_hole] = HOLE, WASTED, MISSED
    return out


def sheet(rows: Sequence[tuple[str, Sequence[NDArray[Any]]]], heads: Sequence[str], tile: int) -> Picture:
    """Rows of pictures (H, W, 3) with a name each, below the names of the columns; ``tile`` pixels wide each."""

    def label(text: str, width: int) -> Picture:
        strip = np.full((LABEL_PX, width, 3), 255, np.uint8)
        cv2.putText(strip, text, (3, LABEL_PX - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
        return strip

    def scaled(picture: NDArray[Any]) -> Picture:
        eight = np.asarray(unit(picture) * 255 + 0.5, np.uint8)
        size = (tile, round(tile * picture.shape[0] / picture.shape[1]))
        how = cv2.INTER_AREA if tile <= picture.shape[1] else cv2.INTER_NEAREST
        return np.asarray(cv2.resize(eight, size, interpolation=how), np.uint8)

    def beside(parts: Sequence[Picture]) -> Picture:
        gap = np.full((parts[0].shape[0], GAP_PX, 3), 255, np.uint8)
        return np.concatenate([piece for part in parts for piece in (part, gap)][:-1], axis=1)

    lines = [beside([label(head, tile) for head in heads])]
    for name, pictures in rows:
        line = beside([scaled(picture) for picture in pictures])
        lines += [label(name, line.shape[1]), line]
    return np.concatenate(lines)
