# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the command line for film plates and for what takes deliver: what is not given is as in the .blend."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, get_args

from ex4d.protocol.values import (
    CodesAs,
    ColourMatrix,
    ColourRange,
    EditMovie,
    ExrCompression,
    OverRange,
    TakeLens,
)

from .cli_values import file_path, filled_text, whole_in
from .core import property_ranges as ranges

#: By the option: the scene's property.
_PLATE = {
    "colour_space": "plate_colour_space",
    "layer": "plate_layer",
    "handles": "plate_handles",
    "over_range": "plate_over_range",
    "colour_matrix": "plate_colour_matrix",
    "colour_range": "plate_colour_range",
    "pixel_aspect": "plate_pixel_aspect",
}
_TAKE = {"take_lens": "take_lens"}
_OUTPUT = {
    "handles": "take_handles",
    "pictures": "result_pictures",
    "exr_compression": "result_compression",
    "aov": "result_aov",
    "movie": "result_movie",
    "audio": "result_audio",
    "grain": "result_grain",
    "colour_match": "result_colour_match",
}


def add_plate_options(parser: argparse.ArgumentParser) -> None:
    """Options of a plate."""
    parser.add_argument("--colour-space", type=filled_text, help="of the plate; auto for what the file says")
    parser.add_argument("--layer", help="of EXR files with several; empty for the picture without a layer's name")
    parser.add_argument(
        "--handles", type=whole_in(*ranges.HANDLES), help="frames before and after --frames that are reconstructed too"
    )
    parser.add_argument("--over-range", choices=get_args(OverRange), help="values beyond black and white of a movie")
    parser.add_argument("--colour-matrix", choices=get_args(ColourMatrix), help="of a movie; auto for what it says")
    parser.add_argument("--colour-range", choices=get_args(ColourRange), help="of a movie; auto for what it says")
    parser.add_argument("--pixel-aspect", type=filled_text, help="width of a pixel by its height, such as 2 or 4/3")
    parser.add_argument("--lens", type=file_path, help="lens file: JSON, or a calibration that OpenCV saved")


def add_take_options(parser: argparse.ArgumentParser) -> None:
    """Options of every take."""
    parser.add_argument("--take-lens", choices=get_args(TakeLens), help="what the take is drawn through")


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Options of what is delivered of a take."""
    switch = argparse.BooleanOptionalAction
    parser.add_argument(
        "--handles", type=whole_in(*ranges.HANDLES), help="frames before and after the take that are delivered too"
    )
    parser.add_argument("--pictures", choices=get_args(CodesAs), help="what the files of log and HDR plates hold")
    parser.add_argument("--exr-compression", choices=get_args(ExrCompression), help="of EXR files")
    parser.add_argument("--aov", action=switch, help="a second EXR sequence for compositing")
    parser.add_argument("--movie", choices=get_args(EditMovie), help="a movie for editing")
    parser.add_argument("--audio", action=switch, help="the plate's sound goes into the movies")
    parser.add_argument("--grain", action=switch, help="give the plate's noise to what a model drew")
    parser.add_argument("--colour-match", action=switch, help="take a model's shift of colours off its fill")


def set_plate(state: Any, args: argparse.Namespace) -> None:
    """Write what is given of the plate into the scene's properties."""
    for name, value in _given(args, _PLATE).items():
        setattr(state, name, "" if name == "plate_colour_space" and value == "auto" else value)
    if args.lens is not None:
        state.plate_lens, state.plate_lens_file = "FILE", str(args.lens.absolute())


@contextmanager
def take_settings(state: Any, args: argparse.Namespace) -> Iterator[None]:
    """What is given of a take, in the scene's properties, for this command only: a saved file keeps its own."""
    given = _given(args, {**_TAKE, **_OUTPUT})
    former = {name: getattr(state, name) for name in given}
    try:
        for name, value in given.items():
            setattr(state, name, value)
        yield
    finally:
        for name, value in former.items():
            setattr(state, name, value)


def _given(args: argparse.Namespace, options: Mapping[str, str]) -> dict[str, Any]:
    values = {name: getattr(args, option, None) for option, name in options.items()}
    return {name: value for name, value in values.items() if value is not None}
