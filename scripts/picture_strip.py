# SPDX-License-Identifier: Apache-2.0
"""One picture of a take: columns are moments, rows are plate, render, mask and result.

    python scripts/picture_strip.py SHOT MOVE|FILE OUT.png|OUT.jpg [--columns 6] [--width 1536]

SHOT was made by `ex4d run` with the same camera, a move or a trajectory file; what is not in its cache any more is
computed again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.commands.options import camera_named
from ex4d.composite.result_files import sequence_file
from ex4d.fill import create_generator
from ex4d.jobs.takes import TakePipeline
from ex4d.media.images import read_image
from ex4d.protocol.requests import Camera
from ex4d.shot.folder import Shot
from ex4d.shot.reconstruction import open_reconstruction
from ex4d.system.files import atomic_write
from ex4d.system.progress import Silent

GAP_PX = 4


def picture_strip(shot: Shot, camera: Camera, columns: int, width: int) -> NDArray[np.uint8]:
    """The picture, (H, ``width``, 3) uint8 RGB, of ``columns`` frames spread evenly over the take."""
    reconstruction = open_reconstruction(shot)
    pipeline = TakePipeline(shot, reconstruction, "auto", Silent())
    rendered = pipeline.render(pipeline.camera(camera))
    take = pipeline.deliver(rendered, create_generator("preview"))
    numbers = reconstruction.frames.numbers
    shown = [numbers[i] for i in np.linspace(0, len(numbers) - 1, min(columns, len(numbers))).round().astype(int)]
    tile = (width - GAP_PX * (len(shown) - 1)) // len(shown)

    def scaled(picture: NDArray[np.generic]) -> NDArray[np.uint8]:
        eight = picture if picture.dtype == np.uint8 else (picture.astype(np.uint16) >> 8).astype(np.uint8)
        colour = np.repeat(eight[..., None], 3, axis=2) if eight.ndim == 2 else eight
        height = round(tile * colour.shape[0] / colour.shape[1])
        return np.asarray(cv2.resize(colour, (tile, height), interpolation=cv2.INTER_AREA), np.uint8)

    rows = [
        [reconstruction.frames.read_8bit(number) for number in shown],
        [rendered.raster.color(number) for number in shown],
        [rendered.raster.mask(number) for number in shown],
        [read_image(sequence_file(take / "result", number))[..., :3] for number in shown],
    ]
    return _stacked([_stacked([scaled(picture) for picture in row], axis=1) for row in rows], axis=0)


def _stacked(pictures: list[NDArray[np.uint8]], axis: int) -> NDArray[np.uint8]:
    """Pictures in a row (axis 1) or a column (axis 0) with white gaps."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP_PX
    gap = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)][:-1]
    return np.concatenate(parts, axis=axis)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shot", type=Path)
    parser.add_argument("camera", metavar="MOVE|FILE")
    parser.add_argument("out", type=Path)
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--width", type=int, default=1536, help="of the picture in pixels")
    args = parser.parse_args()
    picture = picture_strip(Shot(args.shot), camera_named(args.camera), args.columns, args.width)
    _, data = cv2.imencode(args.out.suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    atomic_write(args.out, data.tobytes())


if __name__ == "__main__":
    main()
