# SPDX-License-Identifier: Apache-2.0
"""Train the adapter on ordinary videos: train prepare makes the data.

prepare cuts a folder of videos (or those of a manifest) into clips and simulates their masks, with all cores; run again
after an interruption it goes on. More: docs/training.md
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ex4d.commands.options import parse_size
from ex4d.console import Console
from ex4d.depth import AUTOMATIC, default_estimator, depth_names
from ex4d.protocol.errors import UsageError
from ex4d.training.data import DatasetSettings, find_videos, prepare
from ex4d.training.data.prepare import reasons
from ex4d.training.masking import POLICIES, MaskingParameters
from ex4d.training.masking.trackers import TRACKERS

ACTIONS = ("prepare",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("action", choices=ACTIONS)
    _add_data_options(parser)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    settings, masking = DatasetSettings(), MaskingParameters()
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, required=True, help="folder of videos, or a manifest")
    data.add_argument("--out", type=Path, required=True, help="folder to write")
    data.add_argument("--size", default="x".join(map(str, settings.size)), help="of the clips (default %(default)s)")
    data.add_argument("--frames", type=int, default=settings.frames, help="of a clip, 4k+1 (default %(default)s)")
    data.add_argument("--variants", type=int, default=settings.variants, help="masks of a clip (default %(default)s)")
    data.add_argument(
        "--masks", choices=POLICIES, default=masking.policy, help="which masks are simulated (default %(default)s)"
    )
    data.add_argument("--depth", choices=[AUTOMATIC, *depth_names()], default=AUTOMATIC, help="estimator of depth")
    data.add_argument("--tracker", choices=list(TRACKERS), default=settings.tracker, help="(default %(default)s)")
    data.add_argument("--data-seed", type=int, default=settings.seed, help="of the masks (default %(default)s)")
    data.add_argument("--workers", type=int, help="processes that prepare (default: one a core)")


def dataset_settings(args: argparse.Namespace) -> DatasetSettings:
    """The data that was asked for."""
    return DatasetSettings(
        size=parse_size(args.size),
        frames=args.frames,
        variants=args.variants,
        seed=args.data_seed,
        depth=default_estimator() if args.depth == AUTOMATIC else args.depth,
        tracker=args.tracker,
        masking=MaskingParameters(policy=args.masks),
    )


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"{args.workers} processes cannot prepare anything.", "Give --workers 1 or more.")
    settings = dataset_settings(args)
    made = prepare(find_videos(args.data), args.out, settings, console, args.workers)
    result = {"folder": str(args.out), "clips": len(made.windows), "rejected": dict(made.rejected)}
    console.result(
        result,
        f"{args.out}: {len(made.windows)} clips of {settings.frames} frames with {settings.variants} masks each; left "
        f"out: {reasons(dict(made.rejected))}",
    )
