# SPDX-License-Identifier: Apache-2.0
"""List the names that --colour-space takes.

Of the built-in ACES studio configuration, of $OCIO, or of --ocio FILE: scene-linear spaces first, then logs, then those
of displays, each with its aliases and interop ID. Any of them is a name.
"""

from __future__ import annotations

import argparse
import os

from ex4d.colour.config import Configuration, open_configuration
from ex4d.commands.console import Console

_LINEAR, _LOG, _DATA = "scene-linear", "log", "data"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--ocio", metavar="FILE", help="OpenColorIO configuration (default: $OCIO, or the built-in one)"
    )


def execute(args: argparse.Namespace, console: Console) -> None:
    """Run the command; raises BadInputError if there is no such configuration."""
    configuration = open_configuration(args.ocio, os.environ)
    kinds = {name: _kind(configuration, name) for name in configuration.names()}
    named = {name: kind for name, kind in kinds.items() if kind != _DATA}
    order = {_LINEAR: 0, _LOG: 1}
    names = sorted(named, key=lambda name: order.get(named[name], 2))
    aliases = {name: list(dict.fromkeys(configuration.names_of(name)[1:])) for name in names}
    lines = [f"{configuration.name}:"]
    lines += [f"  {name}  [{named[name]}]  {', '.join(aliases[name])}".rstrip() for name in names]
    record = {
        "configuration": configuration.file or configuration.name,
        "spaces": [{"name": name, "kind": named[name], "aliases": aliases[name]} for name in names],
    }
    console.result(record, "\n".join(lines))


def _kind(configuration: Configuration, name: str) -> str:
    encoding = configuration.encoding(name)
    return encoding or (_LINEAR if configuration.is_linear(name) else "other")
