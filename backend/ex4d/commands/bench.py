# SPDX-License-Identifier: Apache-2.0
"""Score a result against the truth: bench quality|depth|camera RESULT --truth SCENE[/VIEW].

SCENE was made by tools/scenes/make_groundtruth.py; VIEW is one of its target cameras.

  quality   RESULT is a take's folder, a folder of pictures or a movie of the view, at its size and of all its frames
  depth     RESULT is an estimator's name, or depth files of the source camera's pictures, as --depth takes them
  camera    RESULT is a trajectory file: the path that the camera of a generated video was estimated to have taken
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ex4d.commands.console import Console
from ex4d.protocol.errors import BadInputError
from ex4d.system.files import atomic_write

if TYPE_CHECKING:
    from ex4d.evaluation.truth import TruthScene, TruthView

#: What an evaluation gives: the record for JSON, and the same as text.
Scored = tuple[dict[str, Any], str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("what", choices=list(SUBJECTS))
    parser.add_argument("result", help="what is scored, see above")
    parser.add_argument("--truth", type=Path, required=True, metavar="SCENE[/VIEW]", help="for depth a scene")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the score there")


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    score, text = SUBJECTS[args.what](args.result, args.truth, console)
    record = {"what": args.what, "result": args.result, "truth": str(args.truth), **clean(score)}
    if args.out is not None:
        atomic_write(args.out, (json.dumps(record, indent=1) + "\n").encode())
    console.result(record, text)


def clean(value: Any) -> Any:
    """For JSON, which has neither NaN nor inf: these become None and "inf"."""
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "inf" if value > 0 else None
    return value


def _view(path: Path) -> tuple[TruthScene, TruthView]:
    from ex4d.evaluation.truth import TruthScene

    scene = TruthScene.open(path.parent)
    if path.name not in scene.targets:
        raise BadInputError(
            f"{scene.folder} has no target camera «{path.name}».", f"It has {', '.join(scene.targets)}."
        )
    return scene, scene.targets[path.name]


def quality(result: str, truth: Path, console: Console) -> Scored:
    """Pictures against those of a target camera."""
    from ex4d.evaluation.perceptual import open_lpips
    from ex4d.evaluation.score import read_result, score_clip

    scene, view = _view(truth)
    lpips = open_lpips()
    if isinstance(lpips, str):
        console.note(lpips)
    console.begin("score", len(scene.numbers))

    def counted() -> Any:
        for frame in read_result(Path(result)):
            yield frame
            console.advance()

    score = asdict(score_clip(counted(), scene, view, None if isinstance(lpips, str) else lpips))
    console.end()
    return score, quality_table(score)


def depth(result: str, truth: Path, console: Console) -> Scored:
    """An estimator, or depth files, against the true depth of the plate."""
    from ex4d.depth import create_depth_source
    from ex4d.evaluation.depth import FITS, score_depth
    from ex4d.evaluation.plates import estimated_depth
    from ex4d.evaluation.truth import TruthScene

    scene, source = TruthScene.open(truth), create_depth_source(result)
    source.prepare()
    with tempfile.TemporaryDirectory() as folder:
        pairs = estimated_depth(scene, source, Path(folder), console)
        score: dict[str, Any] = {fit: asdict(score_depth(pairs, fit)) for fit in FITS}
    head = f"{'fitted':<20}{'AbsRel':>9}{'delta1':>9}{'edge F1':>9}{'wobble':>9}"
    rows = [
        f"{words:<20}" + "".join(_cell(score[fit][key], 3) for key in ("abs_rel", "delta1", "edge_f1", "wobble"))
        for fit, words in FITS.items()
    ]
    return score, "\n".join([head, *rows])


def camera(result: str, truth: Path, console: Console) -> Scored:
    """A camera path against that of a target camera."""
    from ex4d.camera import read_trajectory
    from ex4d.evaluation.poses import camera_errors

    scene, view = _view(truth)
    path = read_trajectory(Path(result))
    if len(path.E) != len(scene.numbers):
        raise BadInputError(
            f"{result} has {len(path.E)} cameras, the truth {len(scene.numbers)}.", "Give one camera for each frame."
        )
    score = asdict(camera_errors(path.E, view.camera.E))
    text = (
        f"rotation {score['rotation_deg']:.3f}° (at most {score['rotation_max_deg']:.3f}°); translation "
        f"{_cell(100 * score['translation'], 2).strip()} % of the path's length, after a scale of {score['scale']:.4g}"
    )
    return score, text


SUBJECTS: dict[str, Callable[[str, Path, Console], Scored]] = {"quality": quality, "depth": depth, "camera": camera}


def _cell(value: float, digits: int) -> str:
    return f"{'-' if math.isnan(value) else f'{value:.{digits}f}':>9}"


def quality_table(score: Mapping[str, Any]) -> str:
    """A ``ClipScore`` as text."""
    head = f"{'region':<12}{'share':>9}" + "".join(
        f"{name:>9}" for name in ("PSNR dB", "SSIM", "LPIPS", "flicker", "(truth)")
    )
    columns = {"psnr": 2, "ssim": 3, "lpips": 3, "flicker": 2, "flicker_truth": 2}
    rows = [
        f"{name:<12}{part['share']:>9.1%}" + "".join(_cell(part[key], digits) for key, digits in columns.items())
        for name, part in score["regions"].items()
    ]
    names = {"precision": 3, "recall": 3, "hole_iou": 3, "seam": 2, "alignment_px": 3, "bias_px": 3}
    text = {name: _cell(score[name], digits).strip() for name, digits in names.items()}
    tail = (
        f"holes: precision {text['precision']}, recall {text['recall']}, IoU {text['hole_iou']}; seam {text['seam']}; "
        f"misalignment {text['alignment_px']} px (bias {text['bias_px']})"
    )
    return "\n".join([head, *rows, tail])
