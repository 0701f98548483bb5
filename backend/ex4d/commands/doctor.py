# SPDX-License-Identifier: Apache-2.0
"""Tell what this machine can do and why, with the licence of each part; with SHOT: whether that shot is whole.

Of a shot every file that was sealed is read and compared; nothing is changed. Exit code 10: something is damaged or
missing.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ex4d.commands.console import Console
from ex4d.diagnosis import Finding, default_rasterizer, depth_advice, diagnose, usable
from ex4d.protocol.errors import BadInputError, ResourceError
from ex4d.shot.check import check_shot


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("shot", nargs="?", type=Path, help="a shot's folder, to be checked instead of the machine")


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.works else "no  "
    licence = f" [{finding.licence}]" if finding.licence else ""
    hint = f"\n{'':<41}{finding.hint}" if finding.hint else ""
    return f"{mark}{finding.area:<8} {finding.name:<26} {finding.detail}{licence}{hint}"


def _check(shot: Path, console: Console) -> None:
    parts = check_shot(shot)
    damaged = [part for part in parts if part.state in ("damaged", "missing")]
    result = {
        "shot": str(shot),
        "whole": not damaged,
        "parts": [asdict(part) for part in parts],
    }
    lines = [f"{part.state:<11} {part.name:<34} {part.detail}".rstrip() for part in parts]
    console.result(result, "\n".join(lines))
    if damaged:
        raise BadInputError(
            f"{shot} is damaged in {len(damaged)} of {len(parts)} parts, the first is {damaged[0].name}.",
            damaged[0].detail,
        )


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
    if args.shot is not None:
        _check(args.shot, console)
        return
    findings = diagnose()
    default = default_rasterizer(findings)
    result = {"usable": usable(findings), "rasterizer": default, "findings": [asdict(finding) for finding in findings]}
    lines = [_line(finding) for finding in findings]
    lines.append("")
    if default:
        lines.append(f"The rasterizer «{default}» is used unless --raster names another.")
    lines.append(depth_advice(findings))
    console.result(result, "\n".join(lines).rstrip())
    if not usable(findings):
        first = next(finding for finding in findings if finding.area == "raster")
        raise ResourceError(f"No rasterizer works on this machine: {first.detail}", first.hint)
