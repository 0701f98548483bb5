# SPDX-License-Identifier: Apache-2.0
"""Fill a render: of a reconstructed shot (SHOT --cam ...), or of two movies, colour and mask.

As EX-4D's generate.py: ex4d generate --color_video color.mp4 --mask_video mask.mp4 --output_video out.mp4
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.options import (
    add_camera_options,
    add_fill_options,
    add_output_options,
    cameras,
    output_request,
    take_size,
)
from ex4d.commands.released import add_generate_options, released_fill
from ex4d.commands.reports import report_takes
from ex4d.jobs import fill_movies, generate
from ex4d.jobs.context import JobContext
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import FillMoviesRequest, FillRequest, GenerateRequest
from ex4d.protocol.results import result_record
from ex4d.protocol.values import MASK_EROSION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("shot", nargs="?", type=Path, help="the shot's folder, made by `ex4d recon` or `ex4d run`")
    add_camera_options(parser, required=False)
    add_fill_options(parser)
    add_output_options(parser)
    parser.add_argument(
        "--handles",
        type=int,
        default=0,
        metavar="N",
        help="deliver so many frames before and after those of the shot as well, where it was read with handles",
    )
    movies = parser.add_argument_group("movies instead of a shot")
    movies.add_argument("--color_video", "--color-video", type=Path, help="the render, black in the holes")
    movies.add_argument("--mask_video", "--mask-video", type=Path, help="its mask: white = real, black = to be filled")
    movies.add_argument(
        "--output_video", "--output-video", type=Path, help="the movie to write, with a .json beside it"
    )
    movies.add_argument(
        "--mask-erode",
        type=int,
        default=MASK_EROSION,
        help="pixels to take off the mask's edge, which compression has blurred (default %(default)s)",
    )
    add_generate_options(parser)
    parser.epilog = f"camera moves:\n{preset_help()}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    movies = (args.color_video, args.mask_video, args.output_video)
    fill, notes = released_fill(args)
    for note in notes:
        console.note(note)
    if args.shot and not any(movies):
        _of_shot(args, fill, console)
    elif args.shot or args.cam or not all(movies):
        raise UsageError(
            "A shot with cameras or a pair of movies is needed.",
            "Give SHOT --cam MOVE, or all of --color_video, --mask_video and --output_video.",
        )
    else:
        _of_movies(args, fill, console)


def _of_shot(args: argparse.Namespace, fill: FillRequest, console: Console) -> None:
    if not args.cam:
        raise UsageError("No camera is named.", "Give --cam, for example --cam orbit:60.")
    if args.num_frames is not None:
        raise UsageError(
            "--num_frames is for movies; a shot has the frames it was reconstructed with.", "Leave it out."
        )
    size = take_size(args)
    output = output_request(args)
    takes = [
        GenerateRequest(
            str(args.shot),
            camera,
            size,
            raster=args.raster,
            lens=args.take_lens,
            fill=fill,
            handles=args.handles,
            output=output,
        )
        for camera in cameras(args)
    ]
    report_takes(takes, generate.run_all(takes, JobContext(console)), console)


def _of_movies(args: argparse.Namespace, fill: FillRequest, console: Console) -> None:
    request = FillMoviesRequest(
        str(args.color_video), str(args.mask_video), str(args.output_video), args.mask_erode, args.num_frames, fill
    )
    result = fill_movies.run(request, JobContext(console))
    console.result(
        result_record(result),
        f"{result.movie}  {result.generated_mean:.0%} of the pixels are filled; {result.fill.label}",
    )
