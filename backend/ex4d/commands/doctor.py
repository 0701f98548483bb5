# SPDX-License-Identifier: Apache-2.0
"""Tell what this machine can do and why, with the licence of each part."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ex4d.console import Console
from ex4d.diagnosis import Finding, default_rasterizer, depth_advice, diagnose, usable
from ex4d.protocol.errors import ResourceError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no options of its own."""


def _line(finding: Finding) -> str:
    mark = "ok  " if finding.works else "no  "
    licence = f" [{finding.licence}]" if finding.licence else ""
    hint = f"\n{'':<41}{finding.hint}" if finding.hint else ""
    return f"{mark}{finding.area:<8} {finding.name:<26} {finding.detail}{licence}{hint}"


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command."""
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
