# SPDX-License-Identifier: Apache-2.0
"""Train the adapter on ordinary videos: train, train prepare, train export.

train           trains on --data (videos, a manifest, or what prepare made) into --out; run again it goes on
train prepare   cuts videos into clips and simulates their masks with all cores, into --out; run again it goes on
train export    writes the adapter of the run in --out again, by default of its last checkpoint

Training needs the extra ex4d[train] and Wan's files; preparing needs neither. Several devices: accelerate launch
--config_file FILE -m ex4d train …, with the files that `ex4d train --configs` names. More: docs/training.md
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from ex4d.commands.console import Console
from ex4d.depth import AUTOMATIC, default_estimator, depth_names
from ex4d.fill.arguments import add_models_option
from ex4d.models.locations import model_places
from ex4d.models.packages import require_packages
from ex4d.protocol.errors import UsageError
from ex4d.protocol.values import parse_size
from ex4d.training import configs
from ex4d.training.data import DatasetSettings, find_videos, prepare
from ex4d.training.data.prepare import reasons
from ex4d.training.masking import POLICIES, MaskingParameters
from ex4d.training.masking.trackers import TRACKERS
from ex4d.training.settings import TrainingSettings

ACTIONS = ("run", "prepare", "export")
_HELP = {
    "steps": "optimizer steps in all",
    "learning_rate": "of AdamW",
    "weight_decay": "of AdamW",
    "clip_norm": "largest norm of the gradients, 0 = any",
    "warmup": "steps over which the learning rate rises",
    "batch": "clips at once on one device",
    "accumulate": "batches to a step",
    "rank": "of the LoRA",
    "alpha": "of the LoRA",
    "channels": "of the geometry encoder's middle layers",
    "shift": "of the noise levels",
    "ema": "decay of a running mean of the weights, such as 0.999; 0 = none",
    "held_out": "share of the videos for validation",
    "seed": "of the run",
    "checkpoint_every": "steps between checkpoints",
    "keep": "checkpoints that stay",
    "validate_every": "steps between validations, 0 = none",
    "sample_every": "steps between sample videos, 0 = none",
    "sample_steps": "of their sampler",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="run")
    parser.add_argument("--data", type=Path, help="folder of videos, a manifest, or a prepared folder")
    parser.add_argument("--out", type=Path, help="the run's folder; for prepare, the folder to write")
    parser.add_argument("--dry-run", action="store_true", help="check data and model, print counts and estimates")
    parser.add_argument("--configs", action="store_true", help="print accelerate's configuration files that come along")
    _add_data_options(parser)
    _add_training_options(parser)


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    settings, masking = DatasetSettings(), MaskingParameters()
    data = parser.add_argument_group("data that is not prepared yet")
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


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    training = parser.add_argument_group("training")
    add_models_option(training)
    training.add_argument("--start", type=Path, metavar="ADAPTER", help="adapter to begin with, such as ex4d.ckpt")
    defaults = TrainingSettings()
    for entry in fields(TrainingSettings):
        if entry.name in _HELP:
            default = getattr(defaults, entry.name)
            option = "--" + entry.name.replace("_", "-")
            training.add_argument(
                option, type=type(default), default=default, help=f"{_HELP[entry.name]} (default %(default)s)"
            )
    training.add_argument("--eight-bit", action="store_true", help="optimizer state in 8 bits (bitsandbytes)")
    training.add_argument("--keep-activations", action="store_true", help="no gradient checkpointing: faster, larger")
    training.add_argument("--checkpoint", type=int, metavar="STEP", help="export: of this step")


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


def training_settings(args: argparse.Namespace) -> TrainingSettings:
    """The run that was asked for."""
    plain = {name: getattr(args, name) for name in _HELP}
    return TrainingSettings(**plain, eight_bit=args.eight_bit, checkpointing=not args.keep_activations)


def _named(path: Path | None, option: str, what: str) -> Path:
    if path is None:
        raise UsageError(f"No {option} is named.", f"Give {what}.")
    return path


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    if args.configs:
        found = configs.paths()
        console.result({"configs": [str(path) for path in found]}, "\n".join(map(str, found)))
        return
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"{args.workers} processes cannot prepare anything.", "Give --workers 1 or more.")
    match args.action:
        case "prepare":
            _prepare(args, console)
        case "export":
            _export(args, console)
        case _:
            _run(args, console)


def _prepare(args: argparse.Namespace, console: Console) -> None:
    data = _named(args.data, "--data", "a folder of videos or a manifest")
    out = _named(args.out, "--out", "the folder to write")
    settings = dataset_settings(args)
    made = prepare(find_videos(data), out, settings, console, args.workers)
    console.result(
        {"folder": str(out), "clips": len(made.windows), "rejected": dict(made.rejected)},
        f"{out}: {len(made.windows)} clips of {settings.frames} frames with {settings.variants} masks each; left "
        f"out: {reasons(dict(made.rejected))}",
    )


def _export(args: argparse.Namespace, console: Console) -> None:
    require_packages()
    from ex4d.training.run import export_run

    checkpoint, adapter = export_run(_named(args.out, "--out", "the folder of a run"), args.checkpoint)
    console.result({"checkpoint": str(checkpoint), "adapter": str(adapter)}, f"{checkpoint}\n{adapter}")


def _run(args: argparse.Namespace, console: Console) -> None:
    require_packages()
    from ex4d.training.run import TrainingRequest, dry_run, dry_run_text, train

    data = _named(args.data, "--data", "a folder of videos, a manifest or a prepared folder")
    settings = training_settings(args)
    places = model_places(args.models or ())
    request = TrainingRequest(data, args.out, places, dataset_settings(args), settings, args.workers, args.start)
    if args.dry_run:
        found = dry_run(request, console)
        record = {
            "clips": found.windows[0],
            "held_out": found.windows[1],
            "rejected": found.rejected,
            "parameters": found.counts,
            "memory_gib": found.estimate.memory,
            "seconds_per_step_at_least": found.estimate.seconds,
        }
        console.result(record, dry_run_text(found, settings))
        return
    _named(args.out, "--out", "a folder for the run")
    result = train(request, console)
    if result is None:
        # Of several processes the main one tells.
        return
    record = {
        "folder": str(result.folder),
        "steps": result.steps,
        "parameters": result.parameters,
        "checkpoint": str(result.checkpoint),
        "adapter": str(result.adapter),
    }
    text = f"{result.folder}: {result.steps} steps\n{result.checkpoint}\n{result.adapter}"
    console.result(record, text)
