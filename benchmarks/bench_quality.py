# SPDX-License-Identifier: Apache-2.0
"""Measure every stage on scenes with known truth, which are rendered first where they are absent.

    python -m benchmarks.bench_quality --small --out build/quality     128x128, 9 frames; five minutes
    python -m benchmarks.bench_quality --out FOLDER                    512x512, 49 frames; hours, most of them rendering

Writes quality.json, quality.md (tables) and a picture sheet for each scene into --out. The scenes are kept in
--truth.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import depths, fills, raster
from ex4d.depth import BUILT_IN
from ex4d.evaluation.score import REGIONS
from ex4d.evaluation.sheet import error_picture, mask_picture, sheet
from ex4d.evaluation.truth import TruthScene
from ex4d.media.images import write_png
from ex4d.protocol.bench import FITS
from ex4d.raster import Rasterizer, create_rasterizer
from ex4d.system.files import atomic_write, make_folder
from tools.scenes import make_groundtruth

STAGES = ("raster", "fill", "depth")
#: Targets that fills are scored on; the raster is scored on all.
FILL_TARGETS = ("right_30", "left_60")
ANGLES = (30, 60, 90)
TILE_PX = 220
#: Figures of the raster stage and their digits, by the head of their column.
RASTER_COLUMNS = {
    "PSNR dB": ("psnr", 1),
    "ideal dB": ("psnr_ideal", 1),
    "inner dB": ("psnr_inner", 1),
    "low-pass dB": ("psnr_low_pass", 1),
    "misaligned px": ("alignment_px", 3),
    "bias px": ("bias_px", 3),
    "hole IoU": ("iou", 3),
    "precision": ("precision", 3),
    "recall": ("recall", 3),
    "IoU released": ("iou_released", 3),
}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def raster_tables(record: dict[str, Any]) -> str:
    """Markdown of the raster stage; left and right are one row."""
    rows, angles = [], []
    for scene, targets in record.items():
        groups: dict[str, list[dict[str, float]]] = {}
        for target, figures in targets.items():
            groups.setdefault(f"{target.split('_')[1]}°" if "_" in target else target, []).append(figures)
        for name, found in groups.items():
            means = {key: _mean([figures[key] for figures in found]) for key in found[0]}
            rows.append([scene, name, *(_cell(means[key], digits) for key, digits in RASTER_COLUMNS.values())])
    for angle in ANGLES:
        both = [f for targets in record.values() for name, f in targets.items() if name.endswith(f"_{angle}")]
        ours, released = (_mean([f[name] for f in both]) for name in ("iou", "iou_released"))
        angles.append([f"{angle}°", _cell(released, 3), _cell(ours, 3), f"{ours - released:+.3f}"])
    return "\n\n".join(
        [
            _table(["scene", "target", *RASTER_COLUMNS], rows),
            _table(["targets at", "hole IoU, released construction", "hole IoU, ours", "difference"], angles),
        ]
    )


def fill_tables(record: dict[str, Any]) -> str:
    """Markdown of the fill stage; a cell holds all fills."""
    rows, fills = [], []
    for scene, targets in record.items():
        for target, made in targets.items():
            fills = list(made)
            cells = [
                [_cell(score["regions"][region]["psnr"], 1) for score in made.values()] for region in (*REGIONS, "all")
            ]
            never = [score["regions"]["never seen"] for score in made.values()]
            cells.append([_cell(part["flicker"], 1) for part in never])
            cells.append([_cell(score["seam"], 1) for score in made.values()])
            rows.append([scene, target, *(" / ".join(cell) for cell in cells), _cell(never[0]["flicker_truth"], 1)])
    head = ["scene", "target", *(f"{region} dB" for region in (*REGIONS, "all")), "flicker", "seam", "truth's flicker"]
    return f"{' / '.join(fills)}:\n\n{_table(head, rows)}"


def depth_tables(record: dict[str, Any]) -> str:
    """Markdown of the depth stage."""
    rows = []
    for scene, scores in record.items():
        for name, fits in scores.items():
            cells = [_cell(fits[fit]["abs_rel"], 3) for fit in FITS]
            rows.append(
                [scene, name, *cells, *(_cell(fits["affine"][key], 3) for key in ("delta1", "edge_f1", "wobble"))]
            )
    heads = [f"AbsRel, fitted {words}" for words in FITS.values()]
    return _table(["scene", "estimator", *heads, "δ1", "edge F1", "wobble"], rows)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "raster": raster_tables,
    "fill": fill_tables,
    "depth": depth_tables,
}


def write_sheet(path: Path, scene: TruthScene, rasterizer: Rasterizer, results: dict[str, np.ndarray]) -> None:
    """The middle frame of every target: source, truth, render, mask, the preview fill's result where it was made, and
    the error of the result, else of the render."""
    index = len(scene.numbers) // 2
    number = scene.numbers[index]
    source, rows = scene.source.picture(number), []
    for name, color, mask in raster.pictures(scene, rasterizer, index):
        view = scene.targets[name]
        truth = view.picture(number)
        result = results.get(name)
        error = error_picture(color if result is None else result, truth)
        if result is None:
            error[mask == 0] = 0
            result = np.full_like(truth, 255)
        rows.append((name, [source, truth, color, mask_picture(truth, mask, view.regions(number)), result, error]))
    heads = ["source", "truth", "render", "mask: red wasted, blue missed", "preview fill", "error x4"]
    write_png(path, sheet(rows, heads, TILE_PX))


def measure(
    scene: TruthScene, stages: Sequence[str], work: Path, step: int, estimators: Sequence[str], rasterizer: Rasterizer
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Figures of one scene by stage, and the middle frame of the preview fill by target."""
    out: dict[str, Any] = {}
    results: dict[str, np.ndarray] = {}
    if "raster" in stages:
        indices = list(range(0, len(scene.numbers), step))
        out["raster"] = {name: result.record() for name, result in raster.run(scene, rasterizer, indices).items()}
    if "fill" in stages:
        targets = [name for name in FILL_TARGETS if name in scene.targets]
        found = fills.run(scene, work / scene.name, targets)
        out["fill"] = {t: {name: asdict(score) for name, score in made.scores.items()} for t, made in found.items()}
        results = {target: made.middle for target, made in found.items()}
    if "depth" in stages:
        out["depth"] = {
            name: {fit: asdict(score) for fit, score in fits.items()}
            for name, fits in depths.run(scene, list(estimators)).items()
        }
    return out, results


def target_step(stages: Sequence[str], step: int, frames: int) -> int:
    """Of the targets every so many frames must be there: fills are judged over time and need all, the raster stage
    needs those that it looks at, depth is estimated on the plate alone."""
    if "fill" in stages:
        return 1
    return step if "raster" in stages else frames


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures")
    parser.add_argument("--truth", type=Path, help="folder of the scenes; default OUT/truth")
    parser.add_argument("--small", action="store_true", help="128x128, 9 frames")
    parser.add_argument("--scenes", nargs="+", choices=make_groundtruth.FAMILIES, default=make_groundtruth.FAMILIES)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--seed", type=int, default=1, help="of the scenes; default %(default)s")
    parser.add_argument(
        "--step",
        type=int,
        default=1,
        help="the raster stage looks at every so many frames of the targets; without the fill stage only they are "
        "rendered, and with the depth stage alone only the first ones",
    )
    parser.add_argument(
        "--depth", nargs="+", default=[BUILT_IN, "prior"], help="estimators for the depth stage; default %(default)s"
    )
    return parser.parse_args()


def main() -> None:
    """Make the scenes, measure, write."""
    args = parse_arguments()
    setting = make_groundtruth.SMALL if args.small else make_groundtruth.FULL
    truth = args.truth or args.out / "truth"
    step = target_step(args.stages, args.step, setting.frames)
    folders = make_groundtruth.make(truth, args.scenes, args.seed, setting, 2, step=step)
    make_folder(args.out)
    rasterizer, _ = create_rasterizer()
    figures: dict[str, dict[str, Any]] = {stage: {} for stage in args.stages}
    for folder in folders:
        scene, begun = TruthScene.open(folder), time.monotonic()
        measured, results = measure(scene, args.stages, args.out / "work", args.step, args.depth, rasterizer)
        for stage, found in measured.items():
            figures[stage][scene.name] = found
        if "raster" in args.stages:
            write_sheet(args.out / f"{scene.name}.png", scene, rasterizer, results)
        print(f"{scene.name}: {time.monotonic() - begun:.0f} s", flush=True)
    rasterizer.close()
    record = {"setting": vars(setting), "seed": args.seed, "step": args.step, **figures}
    # JSON has no NaN: what could not be measured is null.
    text = json.dumps(_without_nan(record), indent=1)
    atomic_write(args.out / "quality.json", text.encode())
    tables = "\n\n".join(f"## {stage}\n\n{TABLES[stage](figures[stage])}" for stage in args.stages)
    atomic_write(args.out / "quality.md", (tables + "\n").encode())
    print(tables)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()
