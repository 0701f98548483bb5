# SPDX-License-Identifier: GPL-3.0-or-later
"""Render scenes with known truth: python -m tools.scenes.make_groundtruth --out FOLDER [--small]

Five procedural scenes (still_life, subject, thin, street, glossy), each seen by its source camera and by eight targets:
30, 60 and 90 degrees to the left and to the right, a dolly and a zoom. On demand also a crowd, and the same scenes
filmed by cameras that turn, ride, fly, shake or zoom (SHOTS). Layout of the files: ex4d/evaluation/truth.py.
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
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Of the renders: another version of Blender renders other noise.
BLENDER = "4.5"
FAMILIES = ("still_life", "subject", "thin", "street", "glossy")
#: Not in the set of docs/quality.md: one more family, and the shots of truth/shots.py.
SHOTS = (
    "crowd",
    *(f"still_life_{camera}" for camera in ("tilt", "little", "dolly", "orbit", "zoom")),
    *(f"subject_{camera}" for camera in ("hand", "pan", "close", "breath", "zoom", "dolly")),
    *(f"thin_{camera}" for camera in ("slide", "hand", "pan")),
    *(f"street_{camera}" for camera in ("hand", "walk", "pan", "drone", "truck")),
    *(f"crowd_{camera}" for camera in ("pan", "hand")),
    *(f"glossy_{camera}" for camera in ("dolly", "pan")),
)
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
    """What all clips of a set have.

    Attributes:
        size: side of the pictures, pixels.
        frames: of a clip.
        samples: rays a pixel.
        fps: frames a second.
        fov: field of view of the source camera, degrees; None = the released model's.
    """

    size: int
    frames: int
    samples: int
    fps: int = 24
    fov: float | None = None

    def record(self) -> dict[str, object]:
        """Of the fields; without those that are as ever, which folders begun earlier do not have."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if each.default is MISSING or getattr(self, each.name) != each.default
        }


FULL = Setting(512, 49, 8)
SMALL = Setting(128, 9, 4)


def use_environment(module: str) -> None:
    """Start this command, of that module, again in the project's environment where this Python lacks ex4d."""
    if importlib.util.find_spec("ex4d"):
        return
    script = f'source scripts/_environment.sh && exec python -m {module} "$@"'
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
    wanted = {"family": family, "seed": seed, **setting.record(), "targets": dict(targets)}
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
        families: of the scenes, or shots of them.
        seed: of layout and textures.
        setting: size, length, lens.
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


def _move(text: str) -> tuple[str, str]:
    """A target as the command line has it: NAME=MOVE."""
    name, _, move = text.partition("=")
    if not name.isidentifier() or not move:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=MOVE, such as right_30=orbit:30..30")
    return name, move


def _angle(text: str) -> float:
    """A field of view."""
    value = float(text)
    if not 1 <= value <= 170:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 170 degrees")
    return value


def _count(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return value


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the set")
    parser.add_argument("--small", action="store_true", help="128x128, 9 frames: two minutes instead of hours")
    parser.add_argument(
        "--scenes",
        nargs="+",
        choices=FAMILIES + SHOTS,
        default=FAMILIES,
        metavar="NAME",
        help=f"default: {', '.join(FAMILIES)}; also {', '.join(SHOTS)}",
    )
    parser.add_argument("--seed", type=int, default=1, help="of layout and textures; default %(default)s")
    parser.add_argument("--workers", type=_count, default=2, help="scenes rendered at a time; default %(default)s")
    parser.add_argument("--step", type=_count, default=1, help="of the targets only every so many frames")
    parser.add_argument("--size", type=_count, help="pixels to a side")
    parser.add_argument("--frames", type=_count, help="of a clip")
    parser.add_argument("--samples", type=_count, help="rays a pixel")
    parser.add_argument("--fps", type=_count, help="frames a second; default 24")
    parser.add_argument("--fov", type=_angle, help="the source camera's field of view, degrees; default 54.2")
    parser.add_argument(
        "--targets", nargs="*", type=_move, metavar="NAME=MOVE", help="in place of the eight; none: the plate alone"
    )
    args = parser.parse_args()
    use_environment("tools.scenes.make_groundtruth")
    begun = time.monotonic()
    given = {name: getattr(args, name) for name in ("size", "frames", "samples", "fps", "fov")}
    setting = replace(SMALL if args.small else FULL, **{n: value for n, value in given.items() if value is not None})
    targets = TARGETS if args.targets is None else dict(args.targets)
    make(args.out, args.scenes, args.seed, setting, args.workers, targets, args.step)
    print(f"{args.out}: {len(args.scenes)} scenes, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
