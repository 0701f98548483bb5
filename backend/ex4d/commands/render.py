# SPDX-License-Identifier: Apache-2.0
"""Render a reconstructed shot from a camera: colour, mask, camera files, coverage; nothing is filled.

With --preview a quarter of the size, drawn from a coarse copy of the shot, as pictures in the shot's cache.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ex4d.camera import preset_help
from ex4d.commands.console import Console
from ex4d.commands.options import add_camera_options, cameras, take_size
from ex4d.jobs import export, preview
from ex4d.jobs.cameras import camera_name
from ex4d.jobs.context import JobContext
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import ExportRequest, PreviewRequest
from ex4d.protocol.results import ExportedRender, RenderResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("shot", type=Path, help="the shot's folder, made by `ex4d recon` or `ex4d run`")
    add_camera_options(parser, required=True)
    parser.add_argument("--out", type=Path, help="folder for the files (default: SHOT/renders)")
    parser.add_argument("--preview", action="store_true", help="a quick look instead of files; takes no --out")
    parser.epilog = f"camera moves:\n{preset_help()}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    if args.preview:
        _preview(args, console)
        return
    size, chosen = take_size(args), tuple(cameras(args))
    out = args.out or args.shot / "renders"
    request = ExportRequest(
        str(args.shot), str(out), cameras=chosen, size=size, raster=args.raster, lens=args.take_lens
    )
    result = export.run(request, JobContext(console))
    renders, lines = [], []
    for camera, render in zip(chosen, result.renders, strict=True):
        name = camera_name(camera)
        files = {"color": render.color, "mask": render.mask, "camera": render.camera, "trajectory": render.trajectory}
        coverage = dict(zip(render.numbers, render.coverage, strict=True))
        low = min(coverage, key=lambda number: coverage[number])
        renders.append({"camera": name, "files": files, **_shares(render)})
        lines.append(f"{render.color}  {name}: {coverage[low]:.0%} seen at least, in frame {low}{_rest(render)}")
    console.result({"renders": renders}, "\n".join(lines))


def _preview(args: argparse.Namespace, console: Console) -> None:
    if args.out is not None:
        raise UsageError("A preview takes no --out.", "Leave it out: the pictures are in the shot's cache.")
    context, size = JobContext(console), take_size(args)
    previews, lines = [], []
    for camera in cameras(args):
        name = camera_name(camera)
        result = preview.run(
            PreviewRequest(str(args.shot), camera, size, raster=args.raster, lens=args.take_lens), context
        )
        previews.append({"camera": name, "color": result.color, "mask": result.mask, **_shares(result)})
        lines.append(f"{result.color}  {name}: {min(result.coverage):.0%} seen at least{_rest(result)}")
    console.result({"previews": previews}, "\n".join(lines))


def _shares(drawn: RenderResult | ExportedRender) -> dict[str, dict[int, float]]:
    """Shares of each frame's pixels, by frame number."""
    never = {"never_covered": drawn.never_covered} if drawn.never_covered else {}
    told = {"coverage": drawn.coverage, **never}
    return {name: dict(zip(drawn.numbers, shares, strict=True)) for name, shares in told.items()}


def _rest(drawn: RenderResult | ExportedRender) -> str:
    """Why the rest is not seen, for the end of a line; "" where all is seen, or it is not known."""
    unseen = sum(1 - share for share in drawn.coverage)
    if not drawn.never_covered or unseen <= 0:
        return ""
    never = min(sum(drawn.never_covered) / unseen, 1.0)
    return f"; of the rest {1 - never:.0%} is revealed by the move, {never:.0%} in no frame's view"
