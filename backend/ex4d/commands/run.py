# SPDX-License-Identifier: Apache-2.0
"""Do all: plate, depth, mesh, raster, fill, composite.

Finished stages are kept in the shot's folder: another camera reuses plate, depth and mesh, and a command that was
stopped goes on where it was.
"""

from __future__ import annotations

import argparse

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.options import (
    add_camera_options,
    add_fill_options,
    add_out_option,
    add_plate_options,
    camera_requests,
    check_rasterizer,
    depth_source,
    fill_generator,
    mesh_settings,
    plate_request,
)
from ex4d.commands.takes import deliver_takes
from ex4d.jobs.plans import RECONSTRUCT, take_plan
from ex4d.shot.folder import Shot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_plate_options(parser)
    add_out_option(parser)
    add_camera_options(parser, required=True)
    add_fill_options(parser)
    parser.epilog = f"camera moves:\n{preset_help()}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    cameras, request = camera_requests(args), plate_request(args)
    source, settings, generator = depth_source(args), mesh_settings(args), fill_generator(args)
    check_rasterizer(args.raster)
    shot = Shot(args.out)

    console.expect((*RECONSTRUCT, *(len(cameras) * take_plan(generator))))

    def work() -> None:
        reconstruction = shot.reconstruct(request, source, settings, console)
        deliver_takes(shot, reconstruction, cameras, args.raster, generator, console)

    with generator.read_ahead():
        generator.prepare(None)
        shot.heal(work, console)
