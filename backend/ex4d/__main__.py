# SPDX-License-Identifier: Apache-2.0
"""``python -m ex4d`` and the command ``ex4d``."""

import os
import sys


def _forget_current_folder() -> None:
    """Python's -m looks for modules in the current folder first: a json.py beside the plate would be run."""
    try:
        if sys.path[:1] == [os.getcwd()]:  # noqa: PTH109  pathlib would be looked for there as well
            del sys.path[0]
    except OSError:
        pass  # a folder that is gone holds nothing


# The two modules above are part of Python itself; no other may be imported before this.
if __name__ == "__main__" and not sys.flags.safe_path:
    _forget_current_folder()

import signal  # noqa: E402
from types import FrameType  # noqa: E402
from typing import NoReturn  # noqa: E402


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"error: Cancelled.\n")
    os._exit(128 + number)


def main() -> int:
    """Run the command line. Its imports take a while, so that a signal may come before any of our code can take it."""
    # Nor shall the Pythons that are started from here look there: workers, the processes of a pool.
    os.environ["PYTHONSAFEPATH"] = "1"
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    from ex4d.system.memory import memory_error

    try:
        from ex4d.cli import main as run
    except Exception as error:
        # Libraries that find no room to be loaded.
        short = memory_error(error)
        if short is None:
            raise
        os.write(2, f"error: {short.message}\n       {short.hint}\n".encode())
        return short.exit_code
    code = run()
    # All is delivered; Python's own shutdown would still die of a late signal.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return code


if __name__ == "__main__":
    sys.exit(main())
