# SPDX-License-Identifier: GPL-3.0-or-later
"""Why an installation has failed, in sentences, mostly from what pip has printed."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from ex4d.protocol.errors import BadInputError, CancelledError, Ex4dError, ResourceError, TransientError

from .install_plan import OLDEST_PYTHON


def interrupted(hint: str) -> Ex4dError:
    """The error of an installation that was cancelled."""
    error = CancelledError()
    error.hint = f"What is done is kept; press Install again to go on. {hint}"
    return error


def system_error(error: OSError, folder: Path, hint: str) -> Ex4dError:
    """An error of our own work with files and processes."""
    reason = error.strerror or str(error)
    known = _file_error(f"Error: {error}", hint)
    if known is not None:
        return known
    return TransientError(f"{error.filename or folder} cannot be used: {reason}.", hint)


def explain(name: str, code: int, text: str, *, folder: Path, wheels: Path | None, hint: str) -> Ex4dError:
    """Why a step has failed.

    Args:
        name: of the step.
        code: its exit code.
        text: what it printed.
        folder: of the environment.
        wheels: folder that is installed from; None = the package index.
        hint: where more is found.
    """
    known = (
        _file_error(text, hint)
        or _network_error(text, wheels, hint)
        or _hash_error(text, hint)
        or _package_error(text, folder, wheels, hint)
    )
    if known is not None:
        return known
    if code < 0:
        return TransientError(f"{name} was interrupted (signal {-code}).", f"Press Install again to go on. {hint}")
    return TransientError(f"{name} has failed.", f"Press Install again. {hint}")


def _file_error(text: str, hint: str) -> Ex4dError | None:
    # Only in what ended the step: pip's warnings about the network speak of permissions as well.
    text = "\n".join(re.findall(r"^(?:ERROR|Error|error|\w+Error)\b.*", text, re.MULTILINE))
    if re.search(r"No space left|Errno 28\b|WinError 112\b|not enough space|Disk quota|Errno 122\b", text):
        return TransientError("The disk is full.", f"Free some space and press Install again. {hint}")
    if re.search(r"Permission denied|Access is denied|Read-only|Errno (?:13|30)\b|WinError (?:5|32)\b", text):
        return BadInputError("A file cannot be written.", f"Choose another folder, or close what uses it. {hint}")
    if re.search(r"long path|File ?name too long|Errno 36\b|WinError 206\b", text, re.IGNORECASE):
        return BadInputError("The path is too long.", f"Choose a folder with a shorter one. {hint}")
    return None


def _network_error(text: str, wheels: Path | None, hint: str) -> Ex4dError | None:
    if wheels is None and re.search(
        r"NewConnectionError|NameResolutionError|Temporary failure|getaddrinfo|Connect(?:ion)?Timeout|ReadTimeout"
        r"|Read timed out|ProxyError|SSLError|SSLCertVerification|ConnectionResetError|RemoteDisconnected"
        r"|IncompleteRead|ProtocolError|(?:HTTP error|ERROR:) (?:401|403|407|429|5\d\d)",
        text,
    ):
        return TransientError(
            "The package index cannot be reached.",
            f"Check the network and proxy, or install from a folder of wheels. {hint}",
        )
    return None


def _hash_error(text: str, hint: str) -> Ex4dError | None:
    foreign = re.search(r"DO NOT MATCH THE HASH.*\n(?:.*\n)??\s+(\S+)[^\n]* from (?:\S+/)?([^\s/:#]+)", text)
    if foreign:
        return BadInputError(
            f"{foreign[2]} is not the file that this extension was tested with.",
            f"Get it again from the package index; if that gives the same, do not use it. {hint}",
        )
    return None


def _package_error(text: str, folder: Path, wheels: Path | None, hint: str) -> Ex4dError | None:
    missing = re.search(r"No matching distribution found for ([^\s;(]+)", text)
    if missing and wheels is not None:
        return BadInputError(
            f"{wheels} has no fitting wheel of {missing[1]}.",
            f"Add it, for Python {_python_version(folder)} on this system. {hint}",
        )
    if missing:
        return ResourceError(f"There is no {missing[1]} for this system and Python.", hint)
    if "requires a different Python" in text:
        return ResourceError(
            f"The backend does not run with Python {_python_version(folder)}.", f"Choose another. {hint}"
        )
    damaged = re.search(r"Wheel '?([^\s']+)'? .*is invalid|BadZipFile|DO NOT MATCH THE HASH", text)
    if damaged:
        return TransientError(
            f"{damaged[1] or 'A package'} is damaged.", f"Get it again and press Install again. {hint}"
        )
    if "ResolutionImpossible" in text:
        return BadInputError(
            "The packages do not fit together.", f"Get all wheels anew, or install from the index. {hint}"
        )
    return None


def _python_version(folder: Path) -> str:
    """The version of an environment's Python."""
    with suppress(OSError):
        config = (folder / "pyvenv.cfg").read_text(encoding="utf-8")
        found = re.search(r"version(?:_info)?\s*=\s*(\d+\.\d+)", config)
        if found:
            return found[1]
    return ".".join(map(str, OLDEST_PYTHON))
