# SPDX-License-Identifier: Apache-2.0
"""Score a result against the truth: bench quality|depth|camera RESULT --truth SCENE[/VIEW].

SCENE was made by tools/scenes/make_groundtruth.py; VIEW is one of its target cameras.

  quality   RESULT is a take's folder, a folder of pictures or a movie of the view, at its size and of all frames of
            the scene; those that the view has are scored
  depth     RESULT is an estimator's name, or depth files of the source camera's pictures, as --depth takes them
  camera    RESULT is a trajectory file: the path that the camera of a generated video was estimated to have taken
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from ex4d.commands.console import Console
from ex4d.protocol.bench import FITS, BenchRequest, BenchResult, CameraErrors, ClipScore, DepthScores, Subject
from ex4d.system.files import atomic_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("what", choices=get_args(Subject))
    parser.add_argument("result", help="what is scored, see above")
    parser.add_argument("--truth", type=Path, required=True, metavar="SCENE[/VIEW]", help="for depth a scene")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the score there")


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    # Help needs none of what scores.
    from ex4d.jobs import bench
    from ex4d.jobs.context import JobContext

    request = BenchRequest(args.what, args.result, str(args.truth))
    score = bench.run(request, JobContext(console))
    record = {"what": request.what, "result": request.result, "truth": request.truth, **clean(asdict(score))}
    if args.out is not None:
        atomic_write(args.out, (json.dumps(record, indent=1) + "\n").encode())
    console.result(record, score_text(score))


def clean(value: Any) -> Any:
    """For JSON, which has neither NaN nor inf: these become None and "inf"."""
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "inf" if value > 0 else None
    return value


def score_text(score: BenchResult) -> str:
    """For people."""
    match score:
        case ClipScore():
            return _quality_text(score)
        case DepthScores():
            return _depth_text(score)
        case CameraErrors():
            return _camera_text(score)


def _cell(value: float, digits: int) -> str:
    return f"{'-' if math.isnan(value) else f'{value:.{digits}f}':>9}"


def _quality_text(score: ClipScore) -> str:
    head = f"{'region':<12}{'share':>9}" + "".join(
        f"{name:>9}" for name in ("PSNR dB", "low-pass", "SSIM", "LPIPS", "flicker", "(truth)")
    )
    columns = {"psnr": 2, "psnr_low_pass": 2, "ssim": 3, "lpips": 3, "flicker": 2, "flicker_truth": 2}
    rows = [
        f"{name:<12}{part.share:>9.1%}" + "".join(_cell(getattr(part, key), digits) for key, digits in columns.items())
        for name, part in score.regions.items()
    ]
    names = {"precision": 3, "recall": 3, "hole_iou": 3, "seam": 2, "alignment_px": 3, "bias_px": 3}
    text = {name: _cell(getattr(score, name), digits).strip() for name, digits in names.items()}
    tail = (
        f"holes: precision {text['precision']}, recall {text['recall']}, IoU {text['hole_iou']}; seam {text['seam']}; "
        f"misalignment {text['alignment_px']} px (bias {text['bias_px']})"
    )
    return "\n".join([head, *rows, tail])


def _depth_text(scores: DepthScores) -> str:
    head = f"{'fitted':<20}{'AbsRel':>9}{'delta1':>9}{'edge F1':>9}{'wobble':>9}"
    rows = []
    for fit, words in FITS.items():
        score = getattr(scores, fit)
        cells = (_cell(value, 3) for value in (score.abs_rel, score.delta1, score.edge_f1, score.wobble))
        rows.append(f"{words:<20}" + "".join(cells))
    return "\n".join([head, *rows])


def _camera_text(errors: CameraErrors) -> str:
    return (
        f"rotation {errors.rotation_deg:.3f}° (at most {errors.rotation_max_deg:.3f}°); translation "
        f"{_cell(100 * errors.translation, 2).strip()} % of the path's length, after a scale of {errors.scale:.4g}"
    )
