# SPDX-License-Identifier: Apache-2.0
"""The pictures of the panel in README.md and docs, made of the window run's screenshots.

    scripts/gui_test && python scripts/gui_pictures.py build/gui
    scripts/gui_test --only walkthrough && python scripts/gui_pictures.py build/gui

Each screenshot in the folder that a page shows becomes a JPEG of at most 150 kB in docs/images; the comps of the
walk-through are laid out as one picture, plate above and take below.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.media.images import read_image
from ex4d.system.files import atomic_write

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
#: Of a whole run: screenshot, and the picture that is made of it.
SCREENSHOTS = {
    "3-reconstructing": "gui_reconstructing",
    "5-take": "gui_take_preview",
    "6-mesh-from-aside": "gui_mesh",
    "8-strips": "gui_strips",
    "16-preferences": "gui_preferences",
    "17-error": "gui_error",
}
#: Rows and columns of the walk-through's comps.
COMPS, COLUMNS = ("plate", "take"), 3
MOST_BYTES, WIDTH, GAP = 150_000, 1280, 4


def write_jpeg(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture, (H, W, 3) uint8 RGB, as well as ``MOST_BYTES`` allow.

    Raises:
        SystemExit: it is larger even at the lowest quality that is fit to look at.
    """
    for quality in range(92, 40, -4):
        done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        if done and data.nbytes <= MOST_BYTES:
            atomic_write(path, data.tobytes())
            print(f"{path}: {data.nbytes / 1e3:.0f} kB, quality {quality}")
            return
    raise SystemExit(f"{path.name} does not fit into {MOST_BYTES / 1e3:.0f} kB. Make it smaller: WIDTH.")


def scaled(path: Path, width: int) -> NDArray[np.uint8]:
    """A picture at a width in pixels."""
    pixels = read_image(path)[..., :3]
    size = (width, round(width * pixels.shape[0] / pixels.shape[1]))
    way = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)


def comps(folder: Path) -> NDArray[np.uint8]:
    """The comps of the walk-through: rows over the plate and over the take, columns first, middle and last frame."""
    width = (WIDTH - (COLUMNS - 1) * GAP) // COLUMNS

    def tile(path: Path) -> NDArray[np.uint8]:
        return np.pad(scaled(path, width), ((0, GAP), (0, GAP), (0, 0)), constant_values=255)

    rows = [np.hstack([tile(folder / f"comp_{name}_{index}.png") for index in range(COLUMNS)]) for name in COMPS]
    return np.vstack(rows)[:-GAP, :-GAP]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that scripts/gui_test has filled")
    folder = parser.parse_args().folder
    found = {folder / f"{name}.png": image for name, image in SCREENSHOTS.items()}
    found |= {path: path.stem for path in sorted(folder.glob("walkthrough_*.png"))}
    for path, image in found.items():
        if path.exists():
            write_jpeg(IMAGES / f"{image}.jpg", scaled(path, WIDTH))
    if (folder / "comp_take_0.png").exists():
        write_jpeg(IMAGES / "walkthrough_10_comps.jpg", comps(folder))


if __name__ == "__main__":
    main()
