# SPDX-License-Identifier: Apache-2.0
"""The command line: ``ex4d run | recon | render | viewport | generate | train | models | doctor | bench |
colour-spaces | serve``.

Exit codes: 0 done, 2 wrong usage, 10 bad input (do not retry), 20 this machine lacks something, 30 try again,
130 and 143 cancelled, 1 a bug of ours.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import NoReturn

from ex4d import __version__
from ex4d.commands.console import Console, open_console
from ex4d.protocol.errors import CancelledError, Ex4dError, InternalError, UsageError
from ex4d.system.heap import share_heap
from ex4d.system.memory import check_address_space, memory_error

COMMANDS = (
    "run",
    "recon",
    "render",
    "viewport",
    "generate",
    "train",
    "models",
    "doctor",
    "bench",
    "colour-spaces",
    "serve",
)
# Those that load what computes.
_HEAVY_COMMANDS = ("run", "recon", "render", "viewport", "generate", "train", "bench")


class _Parser(argparse.ArgumentParser):
    """Reports wrong usage like every other error."""

    def error(self, message: str) -> NoReturn:
        hint = f"`{self.prog} --help` shows what it takes."
        if missing := re.fullmatch(r"argument (?:.*/)?(--[\w-]+): expected one argument", message):
            hint = f"Give a value; one that begins with a minus is written {missing[1]}=-…; {hint}"
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", hint)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser with all commands, or with ``only`` one: each imports what it works with, and the service's front
    process must stay small."""
    parser = _Parser(prog="ex4d", description="Re-shoot an ordinary video with a new camera.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"ex4d {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS if only is None else (only,):
        module = import_module(f"ex4d.commands.{name.replace('-', '_')}")
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


class _StoppedError(KeyboardInterrupt):
    """Like Ctrl-C not an ``Exception``: no library swallows it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise _StoppedError(number)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into an exception, unless whoever started us had them ignored."""
    signals = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    former = [signal.signal(number, _stop) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, former, strict=True):
            signal.signal(number, handler)


def _stop_behind(error: BaseException | None) -> _StoppedError | None:
    """The signal that an error is about: an extension module that it hits while it is loaded says ImportError."""
    while error is not None and not isinstance(error, _StoppedError):
        error = error.__cause__
    return error


def _silence_libraries() -> None:
    """What numpy and OpenCV say of single pixels and bytes is for us, with --debug, and not for the user."""
    warnings.simplefilter("ignore")
    if "cv2" in sys.modules:
        import cv2

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _fail(console: Console, error: Ex4dError, *, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    with suppress(Ex4dError):
        console.error(error)
    return error.exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    console = open_console(as_json="--json" in arguments)
    debug = "--debug" in arguments
    try:
        with _stoppable():
            named = arguments[0] if arguments and arguments[0] in COMMANDS else None
            if named in _HEAVY_COMMANDS:
                share_heap()
                check_address_space()
            args = build_parser(named).parse_args(arguments)
            if not debug:
                _silence_libraries()
            args.execute(args, console)
    except Ex4dError as error:
        return _fail(console, error, debug=debug)
    except _StoppedError as stop:
        return _fail(console, CancelledError(stop.exit_code), debug=debug)
    except Exception as error:  # noqa: BLE001  the last line of defence
        if (behind := _stop_behind(error)) is not None:
            return _fail(console, CancelledError(behind.exit_code), debug=debug)
        return _fail(console, memory_error(error) or InternalError(error), debug=debug)
    finally:
        console.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
