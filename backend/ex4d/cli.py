# SPDX-License-Identifier: Apache-2.0
"""The command line: ``ex4d run | recon | render | generate | doctor``.

Exit codes: 0 done, 2 wrong usage, 10 bad input (do not retry), 20 this machine lacks something, 30 try again,
130 and 143 cancelled, 1 a bug of ours.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from ex4d import __version__
from ex4d.commands import doctor, generate, recon, render, run
from ex4d.console import Console, open_console
from ex4d.protocol.errors import CancelledError, Ex4dError, ResourceError, UsageError

COMMANDS = (run, recon, render, generate, doctor)
SIGTERM_EXIT = 143
INTERNAL_ERROR_EXIT = 1


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage like every other error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", f"`{self.prog} --help` shows what it takes.")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _Parser(prog="ex4d", description="Re-shoot an ordinary video with a new camera.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"ex4d {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        name = module.__name__.rsplit(".", 1)[1]
        summary = (module.__doc__ or "").splitlines()[0]
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        common = command.add_argument_group("output")
        common.add_argument("--json", action="store_true", help="events and result as JSON lines on standard output")
        common.add_argument("--debug", action="store_true", help="show where an error comes from")
        command.set_defaults(execute=module.execute)
    return parser


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise CancelledError(SIGTERM_EXIT)


def _out_of_memory() -> ResourceError:
    return ResourceError(
        "This machine has too little memory for a plate of this size.",
        "Use a machine with more memory, or fewer vertices with --mesh-grid.",
    )


def _fail(console: Console, error: Ex4dError, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    console.error(error)
    return error.exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    console = open_console(as_json="--json" in arguments)
    debug = "--debug" in arguments
    former = signal.signal(signal.SIGTERM, _terminate)
    try:
        args = build_parser().parse_args(arguments)
        args.execute(args, console)
    except Ex4dError as error:
        return _fail(console, error, debug=debug)
    except KeyboardInterrupt:
        return _fail(console, CancelledError(), debug=debug)
    except MemoryError:
        return _fail(console, _out_of_memory(), debug=debug)
    except BrokenPipeError:
        # Whoever read our output has gone; nobody is left to tell.
        sys.stderr.close()
        return SIGTERM_EXIT
    except Exception as error:  # noqa: BLE001  the last line of defence
        if debug:
            traceback.print_exc()
        console.close()
        print(f"error: ex4d has a bug: {type(error).__name__}: {error}", file=sys.stderr)
        print("       Please report it with the output of the same command with --debug.", file=sys.stderr)
        return INTERNAL_ERROR_EXIT
    finally:
        console.close()
        signal.signal(signal.SIGTERM, former)
    return 0


if __name__ == "__main__":
    sys.exit(main())
