# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line says of the camera that filmed the plate."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, get_args

from ex4d.protocol.errors import BadInputError, UsageError
from ex4d.protocol.values import SourceCameraKind, check_lens

from . import menus
from .cli_values import file_path, filled_text, number_in
from .core import property_ranges as ranges


def add_camera_options(found: argparse.ArgumentParser) -> None:
    """Add the options that ``set_source_camera`` and ``set_fov`` read."""
    found.add_argument(
        "--source-camera",
        "--depth-camera",
        "--camera-file",
        type=filled_text,
        metavar="auto|still|turns|moves|FILE",
        help="how the plate's camera moves: auto, turns and moves solve it from the plate; or a trajectory file with "
        "its lens and poses, which is all that depth files take (default: as in the .blend)",
    )
    found.add_argument(
        "--source-object", type=filled_text, help="name of the camera object in the .blend that is the source camera"
    )
    found.add_argument(
        "--mattes",
        type=file_path,
        metavar="PATH",
        help="pictures of what moves by itself, white on black, one a frame: a sequence or a movie (default: as in the "
        ".blend)",
    )
    found.add_argument("--fov", type=number_in(*ranges.FOV_DEG), help="of the plate, degrees over its longer side")
    found.add_argument(
        "--focal",
        type=number_in(*ranges.FOCAL_MM),
        metavar="MM",
        help="focal length of the plate's lens, with --sensor, instead of --fov",
    )
    found.add_argument(
        "--sensor",
        type=number_in(*ranges.SENSOR_MM),
        metavar="MM",
        help="width of what the frame shows of the sensor; of an anamorphic lens, times its squeeze",
    )


def set_source_camera(state: Any, args: argparse.Namespace) -> None:
    """Write what is said of the source camera into the scene's properties.

    Raises:
        UsageError: what is said does not go together.
        BadInputError: there is no such camera.
    """
    said, name = args.source_camera, args.source_object
    if said is not None and name is not None:
        raise UsageError("Two source cameras are given.", "Give --source-camera or --source-object.")
    is_file = said is not None and said not in get_args(SourceCameraKind)
    if state.depth_source == menus.FILES and ((said is not None and not is_file) or name is not None):
        raise UsageError(
            "How the camera moves is solved for estimated depth, and depth files are given.",
            "Give the cameras of these files with --source-camera FILE.",
        )
    if is_file:
        state.depth_camera = str(Path(said).absolute())
    if said is not None and state.depth_source != menus.FILES:
        state.source_camera = "FILE" if is_file else said
    if name is not None:
        camera = state.id_data.objects.get(name)
        if camera is None or camera.type != "CAMERA":
            raise BadInputError(f"The scene has no camera «{name}».", "Name a camera of the scene.")
        state.source_camera, state.source_object = "OBJECT", camera
    if args.mattes is not None:
        state.mattes_path = str(args.mattes.absolute())


def set_fov(state: Any, args: argparse.Namespace) -> None:
    """Write the field of view that is given, in degrees or in millimetres, into the scene's properties; raises
    UsageError where it is given twice or by halves."""
    check_lens(args.focal, args.sensor, args.fov)
    if args.fov is not None:
        state.use_fov, state.fov_by, state.fov = True, "angle", math.radians(args.fov)
    if args.focal is not None:
        state.use_fov, state.fov_by, state.focal_mm, state.sensor_mm = True, "mm", args.focal, args.sensor
