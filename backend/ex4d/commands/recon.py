# SPDX-License-Identifier: Apache-2.0
"""Reconstruct a plate: depth and mesh; with --cam also colour, mask and camera files.

As EX-4D's recon.py: ex4d recon --input_video input.mp4 --cam 180 --output_dir out --save_mesh
"""

from __future__ import annotations

import argparse

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.exports import MESH_FORMATS, camera_slug, check_names, check_outputs, export_mesh, export_render
from ex4d.commands.options import (
    add_camera_options,
    add_out_option,
    add_plate_options,
    camera_requests,
    check_rasterizer,
    depth_source,
    mesh_settings,
    plate_request,
)
from ex4d.commands.released import add_recon_options, first_frames, recon_notes, released_thickness
from ex4d.depth import DepthSource
from ex4d.mesh import MeshSettings
from ex4d.pipeline import CameraRequest, Pipeline, take_camera
from ex4d.protocol.errors import UsageError
from ex4d.shot.folder import PlateRequest, Shot


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
    add_recon_options(parser)
    parser.epilog = f"camera moves:\n{preset_help()}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    formats = args.save_mesh.split(",") if args.save_mesh else []
    unknown = sorted(set(formats) - set(MESH_FORMATS))
    if unknown:
        raise UsageError(
            f"There is no mesh format «{unknown[0]}».",
            f"Use {', '.join(MESH_FORMATS)}, and name the plate before --save_mesh.",
        )
    released_thickness(args)
    cameras = camera_requests(args)
    check_names(cameras)
    check_outputs(args.out, cameras, formats)
    request, notes = first_frames(plate_request(args), args.num_frames)
    source, settings = depth_source(args), mesh_settings(args)
    if cameras:
        check_rasterizer(args.raster)
    for note in (*notes, *recon_notes(args)):
        console.note(note)
    shot = Shot(args.out)
    shot.heal(lambda: _reconstruct(args, shot, request, source, settings, cameras, formats, console), console)


def _reconstruct(
    args: argparse.Namespace,
    shot: Shot,
    request: PlateRequest,
    source: DepthSource,
    settings: MeshSettings,
    cameras: list[CameraRequest],
    formats: list[str],
    console: Console,
) -> None:
    reconstruction = shot.reconstruct(request, source, settings, console)
    for camera in cameras:
        take_camera(camera, reconstruction)
    paths = export_mesh(reconstruction, args.out, formats, console)
    pipeline = Pipeline(shot, reconstruction, args.raster, console)
    for camera in cameras:
        slug = camera_slug(camera.camera)
        exported = export_render(pipeline.render(camera), reconstruction, args.out, slug, console)
        paths |= {f"{name}_{slug}": path for name, path in exported.items()}
    result = {
        "shot": str(args.out),
        "frames": len(reconstruction.frames),
        "size": list(reconstruction.frames.size),
        "depth": reconstruction.depth.label,
        "files": paths,
    }
    console.result(
        result, "\n".join([f"{args.out}: {len(reconstruction.frames)} frames reconstructed", *paths.values()])
    )
