# SPDX-License-Identifier: Apache-2.0
"""Takes of moving plates against the truth, by the whole chain: solved camera, depth, meshes, preview fill.

    python -m benchmarks.bench_takes FOLDER [NAME …] --out WORK [--source auto truth …] [--targets right_30 …]

FOLDER holds scenes with known truth (``tools.scenes.make_groundtruth``); their targets may have every so many frames
(``--step``), and only these frames of a take are made. A source is what ``ex4d recon --source-camera`` takes, or
"truth": true depth with true cameras. The plate is reconstructed as ``ex4d recon`` does, and the frames come as takes
deliver them, with the preview fill; the take's camera stands to the plate's as the target's stands to the true one.
Shots are kept in WORK, and the table is written there.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import get_args

from benchmarks.quality import takes
from ex4d.evaluation.truth import find_scenes
from ex4d.protocol.values import SourceCameraKind
from ex4d.system.files import atomic_write, make_folder

HEAD = (
    "scene",
    "target",
    "source",
    "camera",
    "co-visible dB",
    "low-pass dB",
    "drawn, low-pass dB",
    "drawn",
    "other frame, low-pass dB",
    "found",
    "never seen dB",
    "hole IoU",
    "frames",
)


def row(scene: str, target: str, source: str, take: takes.ScoredTake) -> str:
    """A row of the table."""
    regions = take.score.regions
    visible, other, never = (regions[name] for name in ("co-visible", "other frame", "never seen"))
    cells = (
        scene,
        target,
        source,
        take.camera,
        *(_decibels(value) for value in (visible.psnr, visible.psnr_low_pass, take.drawn.psnr)),
        f"{take.drawn_share:.1%}",
        _decibels(other.psnr_low_pass),
        "-" if math.isnan(take.found_share) else f"{take.found_share:.1%}",
        _decibels(never.psnr),
        f"{take.score.hole_iou:.2f}",
        str(take.score.frames),
    )
    return "| " + " | ".join(cells) + " |"


def _decibels(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="of scenes; default all")
    parser.add_argument("--out", type=Path, required=True, metavar="WORK")
    parser.add_argument(
        "--source",
        nargs="+",
        choices=[*get_args(SourceCameraKind), "truth"],
        default=["auto"],
        help="default %(default)s",
    )
    parser.add_argument("--fov", type=float, help="as ex4d recon takes it")
    parser.add_argument("--targets", nargs="+", default=["right_30"], help="default %(default)s")
    args = parser.parse_args()
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    print("\n".join(lines), flush=True)
    make_folder(args.out)
    for scene in find_scenes(args.folder):
        if args.names and scene.name not in args.names:
            continue
        for source in args.source:
            began = time.monotonic()
            shot = args.out / f"{scene.name}-{source}"
            for target, take in takes.run(scene, source, args.targets, shot, args.fov).items():
                lines.append(row(scene.name, target, source, take))
                print(lines[-1], flush=True)
            print(f"<!-- {scene.name}, {source}: {time.monotonic() - began:.0f} s -->", flush=True)
            atomic_write(args.out / "takes.md", ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
