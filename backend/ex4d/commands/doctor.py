# SPDX-License-Identifier: Apache-2.0
"""Tell what this machine can do and why, with the licence of each part; with SHOT: whether that shot is whole.

Of a shot every file that was sealed is read and compared; nothing is changed. Exit code 10: something is damaged or
missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ex4d.commands.console import Console
from ex4d.commands.model_table import model_infos, needs_line
from ex4d.jobs import check, doctor
from ex4d.jobs.context import JobContext
from ex4d.protocol.errors import BadInputError, ResourceError
from ex4d.protocol.models import ModelInfo
from ex4d.protocol.requests import CheckRequest
from ex4d.protocol.results import Finding, result_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("shot", nargs="?", type=Path, help="a shot's folder, to be checked instead of the machine")


def _line(finding: Finding, infos: dict[str, ModelInfo]) -> str:
    mark = "ok  " if finding.works else "no  "
    licence = f" [{finding.licence}]" if finding.licence else ""
    hint = f"\n{'':<41}{finding.hint}" if finding.hint else ""
    needs = f"\n{'':<41}{needs_line(infos[finding.model], finding.name)}" if finding.model in infos else ""
    return f"{mark}{finding.area:<8} {finding.name:<26} {finding.detail}{licence}{hint}{needs}"


def _check(shot: Path, console: Console) -> None:
    result = check.run(CheckRequest(str(shot)), JobContext(console))
    lines = [f"{part.state:<11} {part.name:<34} {part.detail}".rstrip() for part in result.parts]
    console.result(result_record(result), "\n".join(lines))
    damaged = [part for part in result.parts if part.state in ("damaged", "missing")]
    if damaged:
        raise BadInputError(
            f"{shot} is damaged in {len(damaged)} of {len(result.parts)} parts, the first is {damaged[0].name}.",
            damaged[0].detail,
        )


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    if args.shot is not None:
        _check(args.shot, console)
        return
    result = doctor.diagnosis()
    infos = model_infos()
    lines = [_line(finding, infos) for finding in result.findings]
    lines.append("")
    if result.rasterizer:
        lines.append(f"The rasterizer «{result.rasterizer}» is used unless --raster names another.")
    lines.append(doctor.depth_advice(result.findings))
    console.result(result_record(result), "\n".join(lines).rstrip())
    if not result.usable:
        first = next(finding for finding in result.findings if finding.area == "raster")
        raise ResourceError(f"No rasterizer works on this machine: {first.detail}", first.hint)
