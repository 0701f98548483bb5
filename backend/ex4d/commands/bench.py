# SPDX-License-Identifier: Apache-2.0
"""Score a result against the truth: bench quality RESULT --truth SCENE/VIEW.

RESULT is a take's folder, a folder of pictures or a movie, of all frames of the truth and at its size; SCENE was made
by scripts/make_groundtruth.py, VIEW is one of its target cameras.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ex4d.console import Console
from ex4d.files import atomic_write
from ex4d.protocol.errors import BadInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("what", choices=["quality"])
    parser.add_argument("result", type=Path, help="a take's folder, a folder of pictures, or a movie")
    parser.add_argument("--truth", type=Path, required=True, metavar="SCENE/VIEW")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="also write the score there")


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    from ex4d.evaluation.perceptual import open_lpips
    from ex4d.evaluation.score import read_result, score_clip
    from ex4d.evaluation.truth import TruthScene

    scene = TruthScene.open(args.truth.parent)
    view = scene.targets.get(args.truth.name)
    if view is None:
        raise BadInputError(
            f"{scene.folder} has no target camera «{args.truth.name}».", f"It has {', '.join(scene.targets)}."
        )
    lpips = open_lpips()
    if isinstance(lpips, str):
        console.note(lpips)
    console.begin("score", len(scene.numbers))

    def counted() -> Any:
        for frame in read_result(args.result):
            yield frame
            console.advance()

    score = score_clip(counted(), view, scene.numbers, None if isinstance(lpips, str) else lpips).record()
    console.end()
    record = {"result": str(args.result), "truth": f"{scene.name}/{view.name}", **score}
    if args.out is not None:
        atomic_write(args.out, (json.dumps(record, indent=1) + "\n").encode())
    console.result(record, table(score))


def table(score: Mapping[str, Any]) -> str:
    """A score's record as text."""

    def number(value: Any, digits: int) -> str:
        return f"{'-' if value is None or value == math.inf else value if value == 'inf' else f'{value:.{digits}f}':>9}"

    head = f"{'region':<12}{'share':>9}{'PSNR dB':>9}{'SSIM':>9}{'LPIPS':>9}{'flicker':>9}"
    rows = [
        f"{name:<12}{part['share']:>9.1%}{number(part['psnr'], 2)}{number(part['ssim'], 3)}{number(part['lpips'], 3)}"
        f"{number(part['flicker'], 2)}"
        for name, part in score["regions"].items()
    ]
    tail = [
        f"holes: precision {number(score['precision'], 3).strip()}, recall {number(score['recall'], 3).strip()}, "
        f"IoU {number(score['hole_iou'], 3).strip()}; seam {number(score['seam'], 2).strip()}; misalignment "
        f"{number(score['alignment_px'], 3).strip()} px (bias {number(score['bias_px'], 3).strip()})"
    ]
    return "\n".join([head, *rows, *tail])
