# SPDX-License-Identifier: Apache-2.0
"""Generators' options on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ex4d.fill.registry import all_options, check_options, specs
from ex4d.protocol.capabilities import OptionInfo, OptionKind, OptionValue

#: A group of options, or a whole parser.
Parser = argparse.ArgumentParser | argparse._ArgumentGroup

_TYPES: dict[OptionKind, Any] = {"integer": int, "number": float, "file": Path}


def add_generator_options(parser: Parser) -> None:
    """All that any generator can be told, then where models are, then files."""
    elsewhere = frozenset[str]().union(*(spec.spelled_otherwise for spec in specs()))
    options = [option for option in all_options().values() if option.name not in elsewhere]
    for option in options:
        if option.kind != "file":
            _add(parser, option)
    add_models_option(parser)
    for option in options:
        if option.kind == "file":
            _add(parser, option)


def _add(parser: Parser, option: OptionInfo) -> None:
    given: dict[str, Any] = {"help": option.help.replace("%", "%%")}
    if option.kind == "flag":
        given |= {"action": "store_const", "const": True}
    else:
        given |= {"type": _TYPES.get(option.kind, str), "choices": option.choices or None}
    parser.add_argument(f"--{option.name.replace('_', '-')}", **given)


def add_models_option(parser: Parser) -> None:
    """Where the model is."""
    parser.add_argument(
        "--models",
        type=Path,
        action="append",
        metavar="FOLDER|FILE",
        help="where the model is; may be given more than once (default: EX4D_MODELS, or that of `models download`)",
    )


def generator_options(args: argparse.Namespace) -> dict[str, OptionValue]:
    """What ``add_generator_options`` was given, by the options' names.

    Raises:
        UsageError: a value that no generator can use.
    """
    found: dict[str, OptionValue] = {}
    for name in all_options():
        value = getattr(args, name, None)
        if value is not None:
            found[name] = str(value) if isinstance(value, Path) else value
    check_options(found)
    return found


def model_options(args: argparse.Namespace) -> tuple[Path, ...]:
    """The folders or files of ``--models``."""
    return tuple(args.models or ())
