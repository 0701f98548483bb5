# SPDX-License-Identifier: GPL-3.0-or-later
"""Milliseconds to evaluate a frame of a shot's mesh: without holes, with them, with slits closed too, and with a take
projected on it.

Runs where Blender is a Python module, from the repository's root:

    PYTHONPATH=.:backend .venv-bpy-4.5/bin/python benchmarks/blender_playback.py --side 512

Drawing is not in it: that needs a window.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "blender"))

import bpy  # noqa: E402
import numpy as np  # noqa: E402


def frame_times(scene: bpy.types.Scene, frames: range) -> list[float]:
    """Milliseconds of each frame."""
    times = []
    for frame in frames:
        start = time.perf_counter()
        scene.frame_set(frame)
        times.append(1e3 * (time.perf_counter() - start))
    return times


def by_turns(scene: bpy.types.Scene, frames: range, states: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Milliseconds of each frame in each state, the shortest of three rounds: the first one reads files.

    Args:
        states: what brings each about, by its name.
    """
    rounds: dict[str, list[list[float]]] = {name: [] for name in states}
    for _ in range(3):
        for name, set_up in states.items():
            set_up()
            rounds[name].append(frame_times(scene, frames))
    return {name: [min(times) for times in zip(*found, strict=True)] for name, found in rounds.items()}


def report(times: dict[str, list[float]]) -> None:
    """Print a line for each state."""
    for name, found in times.items():
        middle = statistics.median(found)
        print(
            f"{bpy.app.version_string}: {name}: {middle:.1f} ms, at most {max(found):.1f}; {1e3 / middle:.0f} frames/s"
        )


def deliver(placed: Any, source: Path, side: int) -> Path:
    """A version of a take that sees the whole plate from where its source camera stands; returns its folder."""
    from viewport_factory import write_png

    from ex4d.camera import read_trajectory, write_json

    version, random = Path(placed.folder) / "takes" / "v001", np.random.default_rng(1)
    for number in placed.numbers:
        picture = random.integers(0, 256, (side, side, 3)).astype(np.uint8)
        write_png(version / "result" / f"result.{number}.png", picture)
        write_png(version / "seen" / f"{number:06d}.png", np.full((side, side - 1), 255, np.uint8))
    write_json(version / "trajectory.json", read_trajectory(source))
    frames = [{"frame": number, "generated": 0.5} for number in placed.numbers]
    fill = {"name": "preview", "label": "Preview", "seed": None}
    told = {"frames": frames, "fill": fill, "generated_mean": 0.5, "trajectory": "trajectory.json"}
    (version / "take.json").write_text(json.dumps(told))
    return version


def main() -> None:
    """Print a line for each state."""
    from ex4d_blender.core.deliveries import read_take
    from ex4d_blender.scene import closing, mesh, mesh_switches, projection, shot
    from viewport_factory import make_shot

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="vertices and pixels of a side")
    parser.add_argument("--frames", type=int, default=49)
    options = parser.parse_args()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    side = (options.side, options.side)
    with tempfile.TemporaryDirectory() as folder:
        record = make_shot(Path(folder), grid=side, plate=side, count=options.frames)
        placed = shot.import_shot(scene, record)
        elsewhere = bpy.data.objects.new("Elsewhere", bpy.data.cameras.new("Elsewhere"))
        elsewhere.location = (3, 1, 1)
        scene.collection.objects.link(elsewhere)
        modifier = placed.mesh.modifiers[closing.MODIFIER]

        version, viewport = deliver(placed, Path(record["source"]), options.side), Path(record["viewport"])
        surface, described = mesh_switches.plate_material(placed.mesh), mesh.described_viewport(viewport)

        def look(camera: bpy.types.Object, *, holes: bool, projected: bool = False) -> None:
            scene.camera, modifier.show_viewport, first = camera, holes, placed.first_frame
            if projected:
                made, seen, title = read_take(version), version / "seen", "Take 01 v001"
                projection.show(placed.mesh, surface, described, made, seen, title=title, first_frame=first)
            elif projection.shown(placed.mesh) is not None:
                projection.hide(placed.mesh, surface, described, title=surface.name, first_frame=first)

        states = {
            "mesh cache alone": partial(look, elsewhere, holes=False),
            "holes, seen from elsewhere": partial(look, elsewhere, holes=True),
            "holes and closed slits": partial(look, placed.source_camera, holes=True),
            "holes, a take projected": partial(look, elsewhere, holes=True, projected=True),
        }
        report(by_turns(scene, placed.frames, states))


if __name__ == "__main__":
    main()
