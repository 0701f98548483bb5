# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the sample clip: a wooden toy train that rounds a bend in a child's room, seen by a camera that stands still.

Everything is built here from a seed with the ``bpy`` module (Blender 4.2 to 5.0 as a Python package); the only file
used is a CC0 studio light that comes with Blender. The scene has layers from 3 to 12 units away, so that a new
viewpoint shows parallax and uncovers what the plate never saw. One unit is about 8 cm.

    python3.11 -m venv .venv-sample
    .venv-sample/bin/pip install bpy==4.5.15 av OpenEXR numpy
    .venv-sample/bin/python scripts/make_sample.py                            # samples/toy_train.mp4
    .venv-sample/bin/python scripts/make_sample.py --out /tmp/truth --depth   # and true depth, camera.json
    .venv-sample/bin/python scripts/make_sample.py --out /tmp/yaw30 --target-yaw 30 --only 1,25,49

It writes ``toy_train.mp4``; with ``--only`` PNG stills of these frames instead; with ``--depth`` also
``depth/0001.exr`` … (z-depth along the camera axis in units, float32 channel Z, of the surface in the centre of each
pixel, without depth of field) and ``camera.json`` (K and E per frame in the trajectory format of ``ex4d``).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sample_clip.output import encode, render_beauty, render_depth, set_up_cycles, write_cameras
from sample_clip.stage import build_scene
from sample_clip.train import FPS

NAME = "toy_train"


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Render the toy train, the sample clip.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "samples")
    parser.add_argument("--size", default="640x360", metavar="WxH", help="even numbers; default %(default)s")
    parser.add_argument("--frames", type=int, default=49, help="default %(default)s")
    parser.add_argument("--samples", type=int, default=20, help="Cycles samples a pixel; default %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="of the props' small irregularities")
    parser.add_argument("--depth", action="store_true", help="also write depth/*.exr and camera.json")
    parser.add_argument("--target-yaw", type=float, default=0.0, metavar="DEG", help="orbit the camera to its right")
    parser.add_argument("--only", metavar="N,N,…", help="only these frames (from 1), as PNG, no clip")
    options = parser.parse_args(arguments)
    size = re.fullmatch(r"(\d+)x(\d+)", options.size)
    if not size or any(int(side) < 2 or int(side) % 2 for side in size.groups()):
        parser.error("--size wants two even numbers, such as 640x360")
    options.width, options.height = (int(side) for side in size.groups())
    if options.frames < 1 or options.samples < 1:
        parser.error("--frames and --samples start at 1")
    try:
        options.chosen = [int(n) for n in options.only.split(",")] if options.only else range(1, options.frames + 1)
    except ValueError:
        parser.error("--only wants frame numbers, such as 1,25,49")
    return options


def main(arguments: Sequence[str]) -> None:
    """Build the scene, render its frames, encode them."""
    options = parse_arguments(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    scene, train = build_scene(options.frames, options.seed, options.target_yaw)
    set_up_cycles(scene, options.width, options.height)
    with tempfile.TemporaryDirectory() as folder:
        stills = options.out if options.only else Path(folder)
        pictures = []
        for number in options.chosen:
            train.pose((number - 1) / FPS)
            pictures.append(stills / f"{NAME}_{number:04d}.png")
            render_beauty(scene, pictures[-1], options.samples)
            if options.depth:
                render_depth(scene, options.out / "depth" / f"{number:04d}.exr")
        if not options.only:
            encode(pictures, options.out / f"{NAME}.mp4")
    if options.depth:
        write_cameras(options.out / "camera.json", scene, options.chosen)


if __name__ == "__main__":
    main(sys.argv[1:])
