# SPDX-License-Identifier: GPL-3.0-or-later
"""Render scenes with known truth: python -m tools.scenes.make_groundtruth --out FOLDER [--small]

Five procedural scenes (still_life, subject, thin, street, glossy), each seen by its source camera and by eight targets:
30, 60 and 90 degrees to the left and to the right, a dolly and a zoom. Layout of the files: ex4d/evaluation/truth.py.
Needs what scripts/test sets up and sets it up where it is absent. Interrupted, it goes on where it was.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Of the renders: another version of Blender renders other noise.
BLENDER = "4.5"
FAMILIES = ("still_life", "subject", "thin", "street", "glossy")
TARGETS = {
    **{
        f"{side}_{angle}": f"orbit:{sign * angle}..{sign * angle}"
        for angle in (30, 60, 90)
        for side, sign in (("left", -1), ("right", 1))
    },
    "dolly": "dolly_in:0.35,ease=linear",
    "zoom": "zoom_in:1.5,ease=linear",
}


@dataclass(frozen=True)
class Setting:
    """Size of the pictures, length of the clips, rays a pixel."""

    size: int
    frames: int
    samples: int


FULL = Setting(512, 49, 8)
SMALL = Setting(128, 9, 4)


def use_environment() -> None:
    """Go on in the project's environment where this Python lacks ex4d."""
    if importlib.util.find_spec("ex4d"):
        return
    script = 'source scripts/_environment.sh && exec python -m tools.scenes.make_groundtruth "$@"'
    os.execvp("bash", ["bash", "-c", f"cd '{ROOT}' && {script}", "bash", *sys.argv[1:]])


def blender_python() -> Path:
    """Python with bpy; its environment is made where it is absent."""
    script = "source scripts/_environment.sh; source scripts/_bpy_environment.sh; "
    script += 'bpy_environment "$0" || { echo "$bpy_problem"; exit 20; }'
    done = subprocess.run(["bash", "-c", script, BLENDER], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: Blender {BLENDER} as a Python module is needed to render: {done.stdout.strip()}")
    return ROOT / f".venv-bpy-{BLENDER}" / "bin" / "python"


def _check_setting(folder: Path, wanted: dict[str, object], step: int) -> bool:
    """Whether the scene is whole; refuses to mix two settings in one folder. How many frames the targets have is none
    of them: more can be added."""
    path = folder / "job.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != wanted:
        sys.exit(f"error: {folder} was begun with other settings.\n       Give another --out, or remove that folder.")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(wanted), encoding="utf-8")
    return _is_whole(folder, step)


def _is_whole(folder: Path, step: int) -> bool:
    """Whether all is rendered, targets at every ``step`` frames, the first one in any case."""
    try:
        record = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return bool(step % record.get("step", 1) == 0 or step >= record["frames"])


def render_scene(
    python: Path,
    folder: Path,
    family: str,
    seed: int,
    setting: Setting,
    threads: int,
    targets: Mapping[str, str],
    step: int,
) -> None:
    """One scene, in a process of its own; what is there already is kept."""
    wanted = {"family": family, "seed": seed, **vars(setting), "targets": dict(targets)}
    if _check_setting(folder, wanted, step):
        return
    job = {**wanted, "folder": str(folder), "threads": threads, "step": step}
    for line in run_job(python, "tools.scenes.truth.render", job, f"{family} could not be rendered."):
        if line.startswith("frame "):
            print(f"{family}: {line.strip()} of {setting.frames}", flush=True)


def run_job(python: Path, module: str, job: Mapping[str, object], problem: str) -> Iterator[str]:
    """The lines that a module prints which reads its job, JSON, from its input.

    Where it fails, this exits with ``problem`` and its last lines.
    """
    paths = os.pathsep.join([str(ROOT), str(ROOT / "backend")])
    process = subprocess.Popen(
        [str(python), "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(job))
    process.stdin.close()
    tail: list[str] = []
    for line in process.stdout:
        tail = [*tail[-15:], line]
        yield line
    if process.wait():
        sys.exit(f"error: {problem}\n{''.join(tail)}")


def make(
    out: Path,
    families: Sequence[str],
    seed: int,
    setting: Setting,
    workers: int,
    targets: Mapping[str, str] = TARGETS,
    step: int = 1,
) -> list[Path]:
    """The folders of the scenes, rendered and with region maps, where they are not there already.

    Args:
        out: folder of the set.
        families: of the scenes.
        seed: of layout and textures.
        setting: size and length.
        workers: scenes rendered at a time.
        targets: camera moves (``ex4d.camera.presets``) by the names of their views.
        step: targets are rendered at every so many frames; the others can be added later.
    """
    from ex4d.evaluation.regions import write_region_maps
    from ex4d.evaluation.truth import TruthScene
    from ex4d.system.progress import Silent

    folders = [out.resolve() / family for family in families]
    if not all(_is_whole(folder, step) for folder in folders):
        python = blender_python()
        threads = max(1, (os.cpu_count() or 1) // workers)
        with ThreadPoolExecutor(workers) as pool:
            jobs = [
                pool.submit(render_scene, python, folder, family, seed, setting, threads, targets, step)
                for folder, family in zip(folders, families, strict=True)
            ]
            for job in jobs:
                job.result()
    for folder in folders:
        write_region_maps(TruthScene.open(folder), Silent())
    return folders


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the set")
    parser.add_argument("--small", action="store_true", help="128x128, 9 frames: two minutes instead of hours")
    parser.add_argument("--scenes", nargs="+", choices=FAMILIES, default=FAMILIES, metavar="NAME", help="default: all")
    parser.add_argument("--seed", type=int, default=1, help="of layout and textures; default %(default)s")
    parser.add_argument("--workers", type=int, default=2, help="scenes rendered at a time; default %(default)s")
    parser.add_argument("--step", type=int, default=1, help="of the targets only every so many frames")
    args = parser.parse_args()
    use_environment()
    begun = time.monotonic()
    make(args.out, args.scenes, args.seed, SMALL if args.small else FULL, max(1, args.workers), step=max(1, args.step))
    print(f"{args.out}: {len(args.scenes)} scenes, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
