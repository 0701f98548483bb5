# SPDX-License-Identifier: GPL-3.0-or-later
"""Milliseconds to evaluate a frame of a shot's mesh: without holes, with them, and with slits closed too.

Runs where Blender is a Python module, from the repository's root:

    PYTHONPATH=.:backend .venv-bpy-4.5/bin/python benchmarks/blender_playback.py --side 512

Drawing is not in it: that needs a window.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "blender"))

import bpy  # noqa: E402


def per_frame(scene: bpy.types.Scene, frames: range) -> list[float]:
    """Milliseconds of each frame, the shortest of three rounds: the first one reads files."""
    rounds = []
    for _ in range(3):
        times = []
        for frame in frames:
            start = time.perf_counter()
            scene.frame_set(frame)
            times.append(1e3 * (time.perf_counter() - start))
        rounds.append(times)
    return [min(times) for times in zip(*rounds, strict=True)]


def main() -> None:
    """Print a line for each state."""
    from ex4d_blender.scene import closing, shot
    from viewport_factory import make_shot

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="vertices and pixels of a side")
    parser.add_argument("--frames", type=int, default=49)
    options = parser.parse_args()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    side = (options.side, options.side)
    with tempfile.TemporaryDirectory() as folder:
        placed = shot.import_shot(scene, make_shot(Path(folder), grid=side, plate=side, count=options.frames))
        elsewhere = bpy.data.objects.new("Elsewhere", bpy.data.cameras.new("Elsewhere"))
        elsewhere.location = (3, 1, 1)
        scene.collection.objects.link(elsewhere)
        modifier = placed.mesh.modifiers[closing.MODIFIER]
        for label, camera, on in (
            ("mesh cache alone", elsewhere, False),
            ("holes, seen from elsewhere", elsewhere, True),
            ("holes and closed slits", placed.source_camera, True),
        ):
            scene.camera, modifier.show_viewport = camera, on
            times = per_frame(scene, placed.frames)
            print(f"{bpy.app.version_string}: {label}: {statistics.median(times):.1f} ms, at most {max(times):.1f}")


if __name__ == "__main__":
    main()
