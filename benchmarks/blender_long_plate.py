# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a long moving plate stops Blender: milliseconds of each thing that is done in its main thread.

Runs where Blender is a Python module, from the repository's root:

    PYTHONPATH=.:backend .venv-bpy-4.5/bin/python benchmarks/blender_long_plate.py --frames 250

The shot is made of zeros with a solve of as many points and tracks as real ones have. Drawing itself needs a window:
scripts/gui_test measures what that takes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "blender"))

import bpy  # noqa: E402

#: A name of a move, and what becomes of the source camera's path under it.
MOVES = (("orbit", "source"), ("orbit", "stabilise"), ("hold", "lock"))


def measured(name: str, action: Callable[[], Any]) -> Any:
    """Do it once, and print what it took: on the clock, and of the processor in this thread."""
    clock, processor = time.perf_counter(), time.thread_time()
    result = action()
    clock, processor = time.perf_counter() - clock, time.thread_time() - processor
    print(f"{name:34} {1e3 * clock:8.1f} {1e3 * processor:8.1f}", flush=True)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--side", type=int, default=512, help="pixels and vertices along each side")
    parser.add_argument("--points", type=int, default=3000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EX4D_RUNTIME_DIR"] = str(Path(folder) / "runtime")
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        import addon_utils
        from panel_drawing import draw_panels
        from results_factory import reconstruct_result
        from viewport_factory import add_solve, long_shot

        addon_utils.enable("ex4d_blender", default_set=True)
        from ex4d_blender import job_results
        from ex4d_blender.ops.take_cameras import sample_take
        from ex4d_blender.scene import shot
        from ex4d_blender.ui import tracks

        scene: Any = bpy.context.scene
        scene.ex4d.show_tracks = True
        result = reconstruct_result(add_solve(long_shot(Path(folder), args.side, args.frames), points=args.points))
        print(
            f"Blender {bpy.app.version_string}, {args.frames} frames of {args.side}x{args.side}, {args.points} points"
        )
        print(f"{'':34} {'ms':>8} {'of it':>8}")
        # In a thread of its own where there is a window.
        measured("(seals compared, in a thread)", lambda: job_results.check_reconstruction(result))
        data = {"match_scene": True, "name": "long"}
        measured("shot imported", lambda: job_results.import_reconstruction(scene, result, data))
        measured("shot imported again", lambda: job_results.import_reconstruction(scene, result, data))
        measured("panels drawn first", lambda: draw_panels(scene))
        measured("panels drawn", lambda: draw_panels(scene))
        measured("tracks found first", lambda: tracks.shown(scene))
        measured("tracks found", lambda: tracks.shown(scene))
        measured("next frame", lambda: scene.frame_set(scene.frame_current + 1))
        placed = shot.find_shots(scene)[0]
        for move, path in MOVES:
            scene.ex4d.move, scene.ex4d.move_path = move, path
            measured(f"take camera {move}, {path}", bpy.ops.ex4d.add_take_camera)
        for take in scene.ex4d.takes:
            measured(f"{take.name} sampled", lambda take=take: sample_take(scene, placed, take, list(placed.frames)))
        addon_utils.disable("ex4d_blender", default_set=True)
    # The module of Blender 4.2 crashes at its end.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
