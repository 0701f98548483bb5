# SPDX-License-Identifier: Apache-2.0
"""``python -m ex4d`` and the command ``ex4d``."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    os.write(2, b"error: Cancelled.\n")
    os._exit(128 + number)


def main() -> int:
    """Run the command line. Its imports take a while, so that a signal may come before any of our code can take it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    from ex4d.memory import memory_error

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
