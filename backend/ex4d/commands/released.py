# SPDX-License-Identifier: Apache-2.0
"""The options of EX-4D's own recon.py and generate.py, as they are spelled there. What has no meaning here is answered
with a note that says why."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ex4d.commands.options import fill_request
from ex4d.fill.registry import check_options
from ex4d.jobs.fills import create_generator
from ex4d.models.locations import candidate_files, model_places
from ex4d.plate import PlateOptions, open_plate
from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.requests import FillRequest, PlateRequest
from ex4d.protocol.values import THICKNESS, FrameRange, parse_size
from ex4d.system.devices import DEVICE_VARIABLE

#: Side in pixels that generate.py works at where only the other one is named.
_SIDE = 512
#: The options that name files of the model, with the start of the released files' names.
_MODEL_FILES = {
    "ex4d_path": "ex4d.ckpt",
    "text_encoder_path": "models_t5_umt5-xxl-enc-bf16",
    "vae_path": "Wan2.1_VAE",
    "clip_path": "models_clip_open-clip-xlm-roberta-large-vit-huge-14",
    "dit_dir": "diffusion_pytorch_model",
}
#: Where Wan's download has the text encoder's tokenizer, beside the text encoder.
_TOKENIZER = Path("google", "umt5-xxl")


def add_recon_options(parser: argparse.ArgumentParser) -> None:
    """Those of recon.py that `ex4d recon` has not anyway."""
    group = parser.add_argument_group("as EX-4D's recon.py has them")
    group.add_argument("--num_frames", type=int, metavar="N", help="use the plate's first N frames (default: all)")
    group.add_argument(
        "--save_camera", action="store_true", help="write camera_CAM.npz; each --cam writes it here in any case"
    )
    group.add_argument(
        "--use_dwmesh",
        type=int,
        choices=[0, 1],
        default=1,
        help="0: faces over depth jumps hide nothing: --thickness 0",
    )
    group.add_argument(
        "--filter_type", choices=["angle", "boundary"], help="angle: --min-angle; boundary has no counterpart"
    )
    group.add_argument(
        "--only_first_frame", type=int, metavar="0|1", help="1 has no counterpart: each frame has a mesh"
    )
    group.add_argument("--save_depth", type=int, metavar="0|1", help="no effect, as there: depth is kept in any case")
    group.add_argument("--input_size", type=int, metavar="PIXELS", help="no effect, as there")


def recon_notes(args: argparse.Namespace) -> list[str]:
    """Sentences on options that do something else than their names say."""
    notes = []
    if args.save_camera and not args.cam:
        notes.append("--save_camera has nothing to save without --cam.")
    if args.filter_type == "boundary":
        notes.append(
            "--filter_type boundary has no counterpart: faces are left out by --min-angle and --max-depth-ratio."
        )
    if args.only_first_frame:
        notes.append(
            "--only_first_frame has no counterpart: each frame is rendered from its own mesh. For a moment that stands "
            "still, give its picture as every frame of a sequence."
        )
    if args.save_depth:
        notes.append("--save_depth wrote nothing in recon.py; the z-depth of each frame is in cache/depth-…/z here.")
    if args.input_size is not None:
        notes.append("--input_size had no use in recon.py, and has none: each depth estimator has a size of its own.")
    return notes


def released_thickness(args: argparse.Namespace) -> None:
    """Let --use_dwmesh 0 do here what it did there: faces over depth jumps hide nothing."""
    if not args.use_dwmesh:
        if args.thickness not in (0, THICKNESS):
            raise UsageError("--use_dwmesh 0 and --thickness contradict each other.", "Leave one of them out.")
        args.thickness = 0.0


def first_frames(request: PlateRequest, count: int | None) -> tuple[PlateRequest, list[str]]:
    """The request for the plate's first ``count`` frames, and sentences for the report.

    Raises:
        UsageError: frames are chosen in another way too, or no frame is.
        BadInputError: the plate cannot be opened.
    """
    if count is None:
        return request, []
    if count < 1:
        raise UsageError(f"{count} frames are none.", "Give --num_frames 1 or more.")
    if request.frames is not None:
        raise UsageError("--frames and --num_frames are both given.", "Leave one of them out.")
    reader = open_plate(
        Path(request.path), fps=request.rate, first_frame=request.first_frame, options=PlateOptions.of(request)
    )
    has = reader.info.frame_count
    if has is None:
        # Only decoding tells, and so far only as is needed.
        has = sum(1 for _ in islice(reader.frames(), count + 1))
    if has < count:
        return request, [f"The plate has {has} frames, fewer than --num_frames {count}: all were taken."]
    if has == count:
        return request, []
    first = reader.info.first_frame
    return replace(request, frames=str(FrameRange(first, first + count))), []


def add_generate_options(parser: argparse.ArgumentParser) -> None:
    """Those of generate.py that `ex4d generate` has not anyway."""
    group = parser.add_argument_group("as EX-4D's generate.py has them")
    group.add_argument("--height", type=int, help="of the size a model works at: --fill-size")
    group.add_argument("--width", type=int, help="of the size a model works at: --fill-size")
    group.add_argument("--num_frames", type=int, metavar="N", help="fill N frames, evenly out of all (default: all)")
    group.add_argument("--num_inference_steps", type=int, metavar="N", help="steps of a model (default: the profile's)")
    group.add_argument("--device", help="what a model runs on: cuda, cuda:1, cpu (default: the first GPU)")
    group.add_argument("--ex4d_path", type=Path, metavar="FILE", help="EX-4D's checkpoint")
    group.add_argument("--text_encoder_path", type=Path, metavar="FILE", help="Wan's text encoder")
    group.add_argument("--vae_path", type=Path, metavar="FILE", help="Wan's VAE")
    group.add_argument("--clip_path", type=Path, metavar="FILE", help="Wan's image encoder")
    group.add_argument("--dit_dir", type=Path, metavar="FOLDER", help="folder of Wan's transformer")


def released_fill(args: argparse.Namespace) -> tuple[FillRequest, list[str]]:
    """The fill that was asked for, by the options of both, and sentences for the report.

    A named file of the model asks for the model. Without one and without --fill the preview fills, and what only a
    model has a use for is noted; with --fill it is an error, as everywhere.

    Raises:
        UsageError: options contradict each other or are out of range.
        BadInputError: a named folder of the model does not exist.
    """
    notes = []
    fill = fill_request(args)
    named = {name: getattr(args, name) for name in _MODEL_FILES if getattr(args, name) is not None}
    is_chosen = args.fill is not None
    if named and not is_chosen:
        fill, is_chosen = replace(fill, generator="exact"), True
        notes.append("Files of the model are named, so it fills: --fill exact.")
    options = dict(fill.options)
    if (size := _size(args)) is not None:
        options["fill_size"] = size
    if args.num_inference_steps is not None:
        options["steps"] = args.num_inference_steps
    check_options(options)
    models = tuple(map(str, _places(named, tuple(map(Path, fill.models)))))
    if not is_chosen:
        notes += _notes_of_preview(args)
        # What only these spellings say is noted; what ours say is an error, as everywhere.
        fill = replace(fill, options={name: value for name, value in fill.options.items() if name != "seed"})
    else:
        fill = replace(fill, options=options, models=models)
        if args.device is not None:
            os.environ[DEVICE_VARIABLE] = args.device
    create_generator(fill)
    return fill, notes


def _size(args: argparse.Namespace) -> str | None:
    """The size that --width and --height say."""
    if args.height is None and args.width is None:
        return None
    if args.fill_size is not None:
        raise UsageError("The model's size is given twice.", "Give --fill-size, or --width and --height.")
    size = f"{args.width or _SIDE}x{args.height or _SIDE}"
    parse_size(size)
    return size


def _notes_of_preview(args: argparse.Namespace) -> list[str]:
    given = {
        "--seed": args.seed,
        "--num_inference_steps": args.num_inference_steps,
        "--height": args.height,
        "--width": args.width,
        "--device": args.device,
    }
    unused = [name for name, value in given.items() if value is not None]
    if not unused:
        return []
    return [
        f"The fill preview is no model and has no use for {', '.join(unused)}; --fill exact fills with the model, as "
        "generate.py does."
    ]


def _places(named: dict[str, Path], models: tuple[Path, ...]) -> tuple[Path, ...]:
    """Files of the model: those named, and for the other parts what lies in its usual places."""
    if not named:
        return models
    places = [path for name, path in named.items() if name != "dit_dir"]
    if "dit_dir" in named:
        folder = named["dit_dir"]
        if not folder.is_dir():
            raise BadInputError(f"There is no model folder {folder}.", "Check --dit_dir.")
        # The other parts lie there too, and may be named elsewhere.
        places += sorted(folder.glob(f"{_MODEL_FILES['dit_dir']}*.safetensors")) or [folder]
    if "text_encoder_path" in named and (named["text_encoder_path"].parent / _TOKENIZER).is_dir():
        places.append(named["text_encoder_path"].parent / _TOKENIZER)
    if len(named) < len(_MODEL_FILES):
        taken = tuple(_MODEL_FILES[name] for name in named)
        rest = candidate_files(model_places(models))
        tokenized = any(place.name == _TOKENIZER.name for place in places)
        places += [
            path
            for path in rest
            if not path.name.startswith(taken) and not (tokenized and path.parent.name == _TOKENIZER.name)
        ]
    return tuple(dict.fromkeys(places))
