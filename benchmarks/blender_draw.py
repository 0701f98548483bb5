# SPDX-License-Identifier: GPL-3.0-or-later
"""Milliseconds to draw all of the add-on's panels, to tell it of a change, and to place a shot, in a full scene.

Runs where Blender is a Python module, from the repository's root:

    PYTHONPATH=.:backend .venv-bpy-4.5/bin/python benchmarks/blender_draw.py --objects 500

Blender's own layout needs a window; one that only asks what Blender's asks stands for it. Another version is measured
with its own code: PYTHONPATH=OTHER:OTHER/backend.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "blender"))

import bpy  # noqa: E402


def milliseconds(action: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Shortest and median time of an action."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        times.append(1e3 * (time.perf_counter() - start))
    return min(times), statistics.median(times)


def make_scene(folder: Path, objects: int) -> bpy.types.Scene:
    """A scene with props, a shot with three takes and a delivered version, an offered set of profiles."""
    from ex4d_blender.scene import shot, takes
    from viewport_factory import make_shot

    scene = bpy.context.scene
    cube = bpy.data.meshes.new("Cube")
    for number in range(objects):
        scene.collection.objects.link(bpy.data.objects.new(f"Prop {number:04d}", cube))
    placed = shot.import_shot(scene, make_shot(folder, count=49))
    state = scene.ex4d
    state.plate_path = str(folder / "plate.mp4")
    numbers = list(range(1001, 1050))
    for index in range(3):
        take = state.takes.add()
        take.uid = take.name = f"Take {index}"
        take.shot, take.camera = placed.root, takes.add_take_camera(scene, placed)
        take.coverage = json.dumps({"numbers": numbers, "coverage": [0.5] * len(numbers)})
        take.versions.add().name = "v001"
    bpy.context.view_layer.update()
    return scene


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=500)
    parser.add_argument("--repeat", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EX4D_RUNTIME_DIR"] = str(Path(folder) / "runtime")
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        import addon_utils
        from ex4d_blender.scene import shot
        from panel_drawing import draw_panels
        from viewport_factory import large_shot

        addon_utils.enable("ex4d_blender", default_set=True)
        scene = make_scene(Path(folder), args.objects)
        draw_panels(scene)
        prop = scene.objects["Prop 0001"]
        camera = scene.ex4d.takes[0].camera

        def move(obj: bpy.types.Object) -> None:
            obj.location.x += 0.1
            bpy.context.view_layer.update()

        print(f"Blender {bpy.app.version_string}, {len(scene.objects)} objects, ms: minimum, median of {args.repeat}")
        for name, action in (
            ("draw all panels", lambda: draw_panels(scene)),
            ("move another object", lambda: move(prop)),
            ("move a take's camera", lambda: move(camera)),
            ("next frame", lambda: scene.frame_set(scene.frame_current + 1)),
        ):
            least, median = milliseconds(action, args.repeat)
            print(f"{name:22} {least:7.3f} {median:7.3f}", flush=True)
        records = iter([large_shot(Path(folder) / f"large {index}", 512, 49) for index in range(5)])
        least, median = milliseconds(lambda: shot.import_shot(scene, next(records)), 5)
        print(f"{'place 512x512, 49 fr.':22} {least:7.1f} {median:7.1f}", flush=True)
        addon_utils.disable("ex4d_blender", default_set=True)
    # The module of Blender 4.2 crashes at its end.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
