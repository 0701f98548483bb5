# SPDX-License-Identifier: Apache-2.0
"""Options that several commands share, and the requests that are made of them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ex4d.camera import names_file, parse_preset
from ex4d.depth import BUILT_IN, depth_names
from ex4d.depth.learned.estimator_spec import DEFAULT
from ex4d.fill.arguments import add_generator_options, generator_options, model_options
from ex4d.fill.registry import generator_names
from ex4d.jobs.cameras import camera_from_file
from ex4d.jobs.lens_files import read_lens
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import (
    Camera,
    DepthRequest,
    FillRequest,
    MeshRequest,
    MoveCamera,
    OutputRequest,
    PlateRequest,
    ReconstructRequest,
)
from ex4d.protocol.values import (
    AUTOMATIC,
    DEFAULT_GENERATOR,
    FIRST_FRAME,
    PARALLAX,
    CodesAs,
    ColourMatrix,
    ColourRange,
    EditMovie,
    ExrCompression,
    OverRange,
    SourceCameraKind,
    TakeLens,
    parse_size,
)
from ex4d.raster import RASTERIZERS


def add_plate_options(parser: argparse.ArgumentParser) -> None:
    """The plate, its depth and its mesh."""
    parser.add_argument(
        "input",
        nargs="?",
        type=Path,
        help="the plate: a movie, a folder, a pattern plate.####.exr (%%04d, $F4, @@@@, [1001-1049]), an image",
    )
    plate = parser.add_argument_group("plate")
    plate.add_argument("--input_video", dest="input_option", type=Path, help="the plate, as EX-4D's recon.py names it")
    plate.add_argument("--frames", help="frames to use by the plate's own numbers, such as 1001-1049, or --frames=-4-4")
    plate.add_argument("--fps", help="frame rate: of an image sequence (default 24), or instead of a movie's own")
    plate.add_argument(
        "--first-frame", type=int, default=FIRST_FRAME, help="number of a movie's first frame (default %(default)s)"
    )
    plate.add_argument(
        "--colour-space",
        metavar="NAME",
        default=AUTOMATIC,
        help="colour space of the plate, such as ACEScg or 'S-Log3 S-Gamut3.Cine': a name, alias or interop ID; "
        "`ex4d colour-spaces` lists them (default: what the files say)",
    )
    plate.add_argument(
        "--ocio", metavar="FILE", help="OpenColorIO configuration (default: $OCIO, or the built-in ACES studio one)"
    )
    plate.add_argument(
        "--pixel-aspect",
        metavar="N",
        help="width of a pixel by its height, such as 2 or 4/3 (default: the file's)",
    )
    plate.add_argument(
        "--lens", type=Path, metavar="FILE", help="lens of the plate: JSON (docs/film.md), or OpenCV's calibration file"
    )
    plate.add_argument("--layer", help="of EXR files with several (default: the picture without a layer's name)")
    plate.add_argument(
        "--over-range",
        choices=get_args(OverRange),
        help="values beyond black and white of a limited-range movie (default: clip those of 8 bits, else keep)",
    )
    plate.add_argument(
        "--colour-matrix",
        choices=get_args(ColourMatrix),
        default=AUTOMATIC,
        help="of a movie's luma and chroma, before what it says (default: what it says, else bt709 from a height of "
        "720 on and of codecs for high definition, bt601 of others)",
    )
    plate.add_argument(
        "--colour-range",
        choices=get_args(ColourRange),
        default=AUTOMATIC,
        help="of a movie's luma and chroma codes, before what it says (default: what it says, else limited)",
    )
    plate.add_argument(
        "--handles",
        type=int,
        default=0,
        metavar="N",
        help="read so many frames before and after --frames as well, where the plate has them (default %(default)s)",
    )
    depth = parser.add_argument_group("depth")
    depth.add_argument(
        "--depth",
        default=AUTOMATIC,
        help=f"{', '.join(depth_names())}, {PARALLAX}, or files: npz, npy, a sequence of EXR, 16-bit PNG, npy "
        f"(default: {DEFAULT} where its weights are, else {BUILT_IN}; {PARALLAX} where a solved camera moves)",
    )
    depth.add_argument("--depth-kind", choices=["depth", "disparity"], help="what the files hold (default: depth)")
    depth.add_argument("--depth-scale", type=float, help="depth (or disparity) per code value; needed for PNG")
    depth.add_argument(
        "--source-camera",
        "--depth-camera",
        metavar="auto|still|turns|moves|FILE",
        help="how the plate's camera moves: auto, turns and moves solve it from the plate; or a trajectory file with "
        "its K and poses (default: auto where depth is estimated; a shot reconstructed before keeps what it has)",
    )
    depth.add_argument(
        "--fov",
        type=float,
        help="field of view over the longer side in degrees, instead of an assumed one or that of an npz file or the "
        "plate's files; of the frame in square pixels, without what a lens bends",
    )
    depth.add_argument(
        "--focal", type=float, metavar="MM", help="focal length of the plate's lens, with --sensor, instead of --fov"
    )
    depth.add_argument(
        "--sensor",
        type=float,
        metavar="MM",
        help="width of what the frame shows of the sensor; of an anamorphic lens, times its squeeze",
    )
    depth.add_argument(
        "--mattes",
        metavar="PATH",
        help="pictures of what moves by itself, white on black, one a frame: a sequence or a movie (default: it is "
        "found)",
    )
    mesh = parser.add_argument_group("mesh")
    defaults = MeshRequest()
    mesh.add_argument(
        "--min-angle",
        type=float,
        default=defaults.min_angle,
        help="smallest angle of a valid face (default %(default)s°)",
    )
    mesh.add_argument(
        "--max-depth-ratio",
        type=float,
        default=defaults.max_depth_ratio,
        help="largest ratio of depths inside a valid face (default %(default)s)",
    )
    mesh.add_argument(
        "--thickness",
        type=float,
        default=defaults.thickness,
        help="how deep things are thought to be, as a share of their width; what is farther behind them and was seen "
        "beside them stays seen (default %(default)s; inf: it never does, as in EX-4D)",
    )
    mesh.add_argument(
        "--mesh-grid",
        type=int,
        default=defaults.max_grid_side,
        help="vertices along the longer side at most (default %(default)s; smaller plates get one per pixel)",
    )
    mesh.add_argument(
        "--compat", choices=["none", "ex4d"], default="none", help="ex4d: build the mesh as the released code does"
    )


def plate_request(args: argparse.Namespace) -> PlateRequest:
    """The plate that was asked for; raises UsageError if none was."""
    paths = [path for path in (args.input, args.input_option) if path is not None]
    if len(paths) != 1:
        raise UsageError(
            "Two plates are named." if paths else "No plate is named.", "Give one movie or image sequence."
        )
    return PlateRequest(
        str(paths[0]),
        args.frames,
        args.fps,
        args.first_frame,
        colour_space=args.colour_space,
        ocio=args.ocio,
        layer=args.layer,
        over_range=args.over_range,
        pixel_aspect=args.pixel_aspect,
        lens=read_lens(args.lens).text() if args.lens is not None else None,
        handles=args.handles,
        colour_matrix=args.colour_matrix,
        colour_range=args.colour_range,
    )


def reconstruct_request(args: argparse.Namespace, plate: PlateRequest) -> ReconstructRequest:
    """The reconstruction that was asked for, of that plate; raises UsageError for what is out of range, and for a
    source camera that is neither a word nor a file."""
    kinds: tuple[SourceCameraKind, ...] = get_args(SourceCameraKind)
    kind = next((known for known in kinds if known == args.source_camera), None)
    camera = None if kind else args.source_camera
    if camera is not None and not Path(camera).exists():
        raise UsageError(
            f"«{camera}» is no source camera, and there is no such file.",
            f"Choose one of {', '.join(kinds)}, or check the path of the trajectory file.",
        )
    depth = DepthRequest(
        args.depth, args.depth_kind, args.depth_scale, camera, args.fov, args.focal, args.sensor, args.mattes
    )
    mesh = MeshRequest(args.min_angle, args.max_depth_ratio, args.mesh_grid, args.thickness, args.compat)
    return ReconstructRequest(str(args.out), plate, depth, mesh, viewport_side=None, source_camera=kind)


def add_camera_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """The take camera and the rasterizer."""
    camera = parser.add_argument_group("camera")
    camera.add_argument(
        "--cam",
        action="append",
        required=required,
        metavar="MOVE|FILE",
        help="a move such as orbit:60 (see below) or a trajectory file: *.json, *.npz, ./name; can be repeated",
    )
    camera.add_argument(
        "--pivot",
        default=AUTOMATIC,
        help="what a move turns about: auto, a distance, or x,y,z (world units; --pivot=-1,0,3 where x is negative)",
    )
    camera.add_argument(
        "--no-follow", action="store_true", help="start from the first frame's source camera instead of riding on it"
    )
    camera.add_argument("--size", help="size to render, such as 1280x720 (default: the plate's)")
    camera.add_argument(
        "--take-lens",
        choices=get_args(TakeLens),
        default="plate",
        help="draw as the plate's lens does (default), or as a pinhole",
    )
    camera.add_argument(
        "--raster",
        choices=[AUTOMATIC, *RASTERIZERS],
        default=AUTOMATIC,
        help="rasterizer (default: the first that works)",
    )


def take_size(args: argparse.Namespace) -> tuple[int, int] | None:
    """The size to render; raises UsageError."""
    return parse_size(args.size) if args.size is not None else None


def cameras(args: argparse.Namespace) -> list[Camera]:
    """The cameras that were asked for; raises as ``camera_named``."""
    return [camera_named(text, args.pivot, follow=not args.no_follow) for text in args.cam or ()]


def camera_named(text: str, pivot: str = AUTOMATIC, *, follow: bool = True) -> Camera:
    """A camera that people have named: here, and nowhere below, a text may be a move or name a file.

    Raises:
        UsageError, BadInputError: there is no such move, or the file is no trajectory.
    """
    if not names_file(text):
        parse_preset(text)
        return MoveCamera(text, pivot, follow)
    if pivot != AUTOMATIC or not follow:
        raise UsageError("A trajectory file takes no --pivot and no --no-follow.", "Leave them out.")
    return replace(camera_from_file(Path(text)), file=text)


def add_fill_options(parser: argparse.ArgumentParser) -> None:
    """The generator."""
    fill = parser.add_argument_group("fill")
    fill.add_argument("--fill", choices=generator_names(), help=f"what fills the holes (default {DEFAULT_GENERATOR})")
    add_generator_options(fill)


def fill_request(args: argparse.Namespace) -> FillRequest:
    """The fill that was asked for; raises UsageError for what is out of range."""
    models = tuple(map(str, model_options(args)))
    return FillRequest(args.fill or DEFAULT_GENERATOR, generator_options(args), models)


def add_out_option(parser: argparse.ArgumentParser) -> None:
    """The shot folder, under both names."""
    parser.add_argument("--out", "--output_dir", dest="out", type=Path, required=True, help="the shot's folder")


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Options of what is delivered, and of how a model's fill is brought to the plate."""
    files = parser.add_argument_group("what is delivered")
    files.add_argument(
        "--aov",
        action="store_true",
        help="also aov/aov.####.exr: fill, matte, origin, depth, UV of the plate, motion, for compositing",
    )
    files.add_argument(
        "--pictures",
        choices=get_args(CodesAs),
        default="linear",
        help="of log, PQ and HLG plates: scene-linear EXR (default), or codes of the plate's own curve as 16-bit PNG",
    )
    files.add_argument(
        "--movie",
        choices=get_args(EditMovie),
        help="also a movie of 10 bits for editing: result.mov or result_h265.mp4, in the plate's own curve",
    )
    files.add_argument("--audio", action="store_true", help="the plate's sound goes into the movies")
    files.add_argument(
        "--exr-compression", choices=get_args(ExrCompression), default="zip", help="of EXR files (default %(default)s)"
    )
    group = parser.add_argument_group("a model's fill")
    group.add_argument(
        "--no-colour-match",
        dest="colour_match",
        action="store_false",
        help="leave the model's colours as it drew them (default: its shift of colours is taken off)",
    )
    group.add_argument("--grain", action="store_true", help="give the plate's grain to what a model drew")


def output_request(args: argparse.Namespace) -> OutputRequest:
    """What ``add_output_options`` asked for."""
    return OutputRequest(
        args.pictures, args.exr_compression, args.aov, args.movie, args.audio, args.grain, args.colour_match
    )
