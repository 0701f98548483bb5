# SPDX-License-Identifier: Apache-2.0
"""Reconstruct a plate: depth and mesh; with --cam also colour, mask and camera files.

As EX-4D's recon.py: ex4d recon --input_video input.mp4 --cam 180 --output_dir out --save_mesh
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.options import (
    add_camera_options,
    add_out_option,
    add_plate_options,
    cameras,
    plate_request,
    reconstruct_request,
    take_size,
)
from ex4d.commands.released import add_recon_options, first_frames, recon_notes, released_thickness
from ex4d.commands.reports import source_camera_record
from ex4d.jobs import export, reconstruct
from ex4d.jobs.context import JobContext
from ex4d.jobs.plans import reconstruct_plan
from ex4d.jobs.takes import check_rasterizer
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import CameraFormat, ExportRequest, MeshFormat, ReconstructRequest
from ex4d.protocol.results import ExportResult
from ex4d.shot.folder import Shot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_plate_options(parser)
    add_out_option(parser)
    add_camera_options(parser, required=False)
    parser.add_argument(
        "--save_mesh",
        "--save-mesh",
        nargs="?",
        const="ply",
        metavar="FORMATS",
        help="write DW-Mesh in ply (default), pc2, npz, or several: ply,pc2",
    )
    parser.add_argument(
        "--save-stmap",
        action="store_true",
        help="write stmap_undistort.exr and stmap_redistort.exr, which take the lens off pictures and put it on",
    )
    parser.add_argument(
        "--export-camera",
        nargs="?",
        const="json",
        metavar="FORMATS",
        help="write the plate's own camera as source_camera.json (default), colmap (a text model with the solve's "
        "points), chan (Nuke), or several: json,colmap,chan",
    )
    parser.add_argument(
        "--split-cuts",
        action="store_true",
        help="make a shot of its own of each shot of a plate that cuts, beside --out: OUT-FIRST-LAST",
    )
    add_recon_options(parser)
    parser.epilog = f"camera moves:\n{preset_help()}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    formats = _formats(args.save_mesh, tuple(export.WRITERS), "mesh", "--save_mesh")
    of_camera = _formats(args.export_camera, get_args(CameraFormat), "camera", "--export-camera")
    if args.save_stmap and args.lens is None:
        raise UsageError(
            "There is no lens, so there is no map of one.", "Name its file with --lens, or leave --save-stmap out."
        )
    released_thickness(args)
    out, size, chosen = str(args.out), take_size(args), tuple(cameras(args))
    files = ExportRequest(
        out,
        out,
        cast(tuple[MeshFormat, ...], formats),
        chosen,
        size,
        args.raster,
        args.take_lens,
        stmaps=args.save_stmap,
        source_camera=cast(tuple[CameraFormat, ...], of_camera),
    )
    export.check(files)
    plate, notes = first_frames(plate_request(args), args.num_frames)
    request, context = reconstruct_request(args, plate), JobContext(console)
    if chosen:
        check_rasterizer(args.raster)
    for note in (*notes, *recon_notes(args)):
        console.note(note)
    if not args.split_cuts:
        record, text = _reconstructed(request, files, context, console)
        console.result(record, text)
        return
    shots = reconstruct.split_at_cuts(request, context)
    console.note(f"The plate has {len(shots)} shots." if len(shots) > 1 else "The plate has no cut.")
    made = [_reconstructed(shot, replace(files, shot=shot.shot, out=shot.shot), context, console) for shot in shots]
    console.result({"shots": [record for record, _ in made]}, "\n".join(text for _, text in made))


def _reconstructed(
    request: ReconstructRequest, files: ExportRequest, context: JobContext, console: Console
) -> tuple[dict[str, Any], str]:
    """A shot with the files that are wanted of it: what is told of them, for machines and as text."""
    with console.whole((*reconstruct_plan(request, Shot.read_record(Path(request.shot))), *export.plan(files))):
        result = reconstruct.run(request, context)
        wanted = files.meshes or files.cameras or files.stmaps or files.source_camera
        paths = _paths(files, export.run(files, context)) if wanted else {}
    numbers = result.plate.numbers
    record = {
        "shot": request.shot,
        "frames": len(numbers),
        "size": [result.plate.width, result.plate.height],
        "depth": result.depth.label,
        "source_camera": source_camera_record(result),
        "files": paths,
    }
    return record, "\n".join([f"{request.shot}: {len(numbers)} frames reconstructed", *paths.values()])


def _formats(text: str | None, known: tuple[str, ...], kind: str, option: str) -> tuple[str, ...]:
    """The formats that an option names; raises UsageError for others."""
    named = tuple(text.split(",")) if text else ()
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise UsageError(
            f"There is no {kind} format «{unknown[0]}».", f"Use {', '.join(known)}, and name the plate before {option}."
        )
    return named


def _paths(request: ExportRequest, result: ExportResult) -> dict[str, str]:
    """All files, by what they are."""
    paths = {f"mesh_{name}": path for name, path in result.meshes.items()}
    paths |= {f"stmap_{name}": path for name, path in result.stmaps.items()}
    paths |= {f"source_camera_{name}": path for name, path in result.source_camera.items()}
    for camera, render in zip(request.cameras, result.renders, strict=True):
        for kind in ("color", "mask", "camera", "trajectory"):
            paths[f"{kind}_{export.file_name(camera)}"] = getattr(render, kind)
    return paths
