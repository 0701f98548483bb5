# SPDX-License-Identifier: GPL-3.0-or-later
"""The CG example of docs/blender.md: python -m tools.scenes.make_cg_example [--out FOLDER] [--frames 1033 1049]

A toy figure walks on the floor of the sample clip, behind the train, and throws its shadow there; it is seen by the
source camera and, after the fill, by a take's. Blender does it as a Python module, with the extension's own operators
and presets (``cg_example_scene``); it needs what scripts/demo sets up and sets it up where it is absent. FOLDER gets
the .blend, the comps and the picture strip: rows are the plate, the comp over it, and the comp over the take.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tools.scenes.make_groundtruth import ROOT, blender_python, use_environment

CLIP = ROOT / "samples" / "toy_train.mp4"
PICTURE = ROOT / "docs" / "images" / "cg_in_plate.jpg"
FRAMES = (1033, 1049)
TILE, GAP, QUALITY = 576, 4, 86


def write_strip(out: Path, frames: list[int], picture: Path) -> None:
    """Lay plate and comps out as one JPEG picture."""
    import cv2
    import numpy as np

    from ex4d.media.images import read_image
    from ex4d.system.files import atomic_write

    plates = next((out / "shot" / "cache").glob("plate-*/frames"))
    rows = [
        [plates / f"{frame:06d}.png" for frame in frames],
        *([out / f"{name}.{frame}.png" for frame in frames] for name in ("plate", "take")),
    ]

    def tile(path: Path) -> np.ndarray:
        pixels = read_image(path)[..., :3]
        height = round(TILE * pixels.shape[0] / pixels.shape[1])
        small = cv2.resize(pixels, (TILE, height), interpolation=cv2.INTER_AREA)
        return np.pad(small, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)

    laid = np.vstack([np.hstack([tile(path) for path in row]) for row in rows])[:-GAP, :-GAP]
    done, data = cv2.imencode(".jpg", laid[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done
    atomic_write(picture, data.tobytes())


def main() -> None:
    """The command line."""
    use_environment("tools.scenes.make_cg_example")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "cg_example", help="folder of the .blend and comps"
    )
    parser.add_argument("--frames", type=int, nargs="+", default=list(FRAMES), help="that are rendered and shown")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="the strip")
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'backend'}",
        "EX4D_BACKEND_PYTHON": sys.executable,
        "BLENDER_USER_RESOURCES": str(out / ".blender"),
    }
    command = [str(blender_python()), "-m", "tools.scenes.cg_example_scene", str(CLIP), str(out)]
    subprocess.run([*command, *map(str, args.frames)], cwd=ROOT, env=environment, check=True)
    write_strip(out, args.frames, args.picture)
    print(args.picture)


if __name__ == "__main__":
    main()
