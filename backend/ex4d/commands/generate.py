# SPDX-License-Identifier: Apache-2.0
"""Fill a render: of a reconstructed shot (SHOT --cam ...), or of two movies, colour and mask.

As EX-4D's generate.py: ex4d generate --color_video color.mp4 --mask_video mask.mp4 --output_video out.mp4
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.options import add_camera_options, add_fill_options, camera_requests
from ex4d.commands.released import add_generate_options, released_generator
from ex4d.commands.takes import deliver_takes
from ex4d.composite.movies import MovieTake, fill_movies, is_record, record_file
from ex4d.protocol.errors import UsageError
from ex4d.shot.folder import Shot
from ex4d.stages.work_folder import remove_leftovers
from ex4d.system.files import writing

#: Compression blurs the edge between a render and its black holes by about this many pixels.
DEFAULT_EROSION_PX = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("shot", nargs="?", type=Path, help="the shot's folder, made by `ex4d recon` or `ex4d run`")
    add_camera_options(parser, required=False)
    add_fill_options(parser)
    movies = parser.add_argument_group("movies instead of a shot")
    movies.add_argument("--color_video", "--color-video", type=Path, help="the render, black in the holes")
    movies.add_argument("--mask_video", "--mask-video", type=Path, help="its mask: white = real, black = to be filled")
    movies.add_argument(
        "--output_video", "--output-video", type=Path, help="the movie to write, with a .json beside it"
    )
    movies.add_argument(
        "--mask-erode",
        type=int,
        default=DEFAULT_EROSION_PX,
        help="pixels to take off the mask's edge, which compression has blurred (default %(default)s)",
    )
    add_generate_options(parser)
    parser.epilog = f"camera moves:\n{preset_help()}"


def _check_output(output: Path, inputs: Sequence[Path]) -> None:
    """Raise UsageError for an output that is no movie's name, or that would write over what is no earlier result."""
    with writing(output):
        if output.suffix.lower() != ".mp4" or output.is_dir():
            raise UsageError(f"The output «{output}» is not the name of an .mp4 file.", "Name it like out.mp4.")
        if output.exists() and any(path.exists() and output.samefile(path) for path in inputs):
            raise UsageError(f"The output {output} is also an input.", "Give the output another name.")
        record = record_file(output)
        for path in (output, record):
            if path.exists() and not is_record(record):
                raise UsageError(
                    f"{path} exists, and is no earlier result of this command.",
                    "Give the output another name, or move the file away.",
                )


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    movies = (args.color_video, args.mask_video, args.output_video)
    generator, notes = released_generator(args)
    for note in notes:
        console.note(note)
    if args.shot and not any(movies):
        if not args.cam:
            raise UsageError("No camera is named.", "Give --cam, for example --cam orbit:60.")
        if args.num_frames is not None:
            raise UsageError(
                "--num_frames is for movies; a shot has the frames it was reconstructed with.", "Leave it out."
            )
        cameras = camera_requests(args)
        shot = Shot(args.shot)
        with generator.read_ahead():
            shot.heal(
                lambda: deliver_takes(shot, shot.reconstruction(console), cameras, args.raster, generator, console),
                console,
            )
        return
    if args.shot or args.cam or not all(movies):
        raise UsageError(
            "A shot with cameras or a pair of movies is needed.",
            "Give SHOT --cam MOVE, or all of --color_video, --mask_video and --output_video.",
        )
    if not 0 <= args.mask_erode <= 64:
        raise UsageError("The mask can be eroded by 0 to 64 pixels.", "Give a number in that range.")
    _check_output(args.output_video, (args.color_video, args.mask_video))
    take = MovieTake.open(args.color_video, args.mask_video, args.mask_erode, args.num_frames)
    remove_leftovers(args.output_video.parent)
    with generator.read_ahead():
        generator.prepare(take.count)
        result = fill_movies(take, generator, args.output_video, console)
    console.result(
        result,
        f"{args.output_video}  {result['generated_mean']:.0%} of the pixels are filled; {result['fill']['label']}",
    )
