# SPDX-License-Identifier: Apache-2.0
"""The runtime folder: where a backend leaves its address and keys for the clients of the same user."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ex4d.protocol.errors import TransientError

HANDSHAKE_FILE = "backend.json"
LOCK_FILE = "backend.lock"
LOG_FILE = "backend.log"
RUNTIME_VARIABLE = "EX4D_RUNTIME_DIR"


@dataclass(frozen=True)
class Handshake:
    """How to reach a backend. Who can read it may use the backend, so its file is the user's alone (mode 0600).

    Attributes:
        endpoint: ZeroMQ address on the loopback interface.
        server_public: CURVE key of the backend, 40 characters of Z85.
        client_public, client_secret: the key pair that clients must use.
        pid: of the backend.
        version: of ex4d.
        protocol: such as "ex4d/1".
    """

    endpoint: str
    server_public: str
    client_public: str
    client_secret: str
    pid: int
    version: str
    protocol: str


def default_runtime_dir() -> Path:
    """Where a backend that was started by hand leaves its address: ``EX4D_RUNTIME_DIR``, or the user's own folder."""
    if named := os.environ.get(RUNTIME_VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir())) / "ex4d" / "run"
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(base) / "ex4d"
    return Path.home() / ".cache" / "ex4d" / "run"


def write_handshake(folder: Path, handshake: Handshake) -> None:
    """Leave the handshake for clients, at once and readable by the user alone."""
    path = folder / HANDSHAKE_FILE
    temporary = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        temporary.unlink()
    try:
        # Created with its mode: there is no moment at which others could read it.
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({"format": "ex4d-backend", **asdict(handshake)}, file, indent=1)
        temporary.replace(path)
    except OSError as error:
        raise TransientError(
            f"{path} cannot be written: {error.strerror or error}.", "Choose another folder with --runtime-dir."
        ) from error


def read_handshake(folder: Path) -> Handshake | None:
    """The handshake in a runtime folder, or None where there is none, or a damaged one."""
    try:
        record = json.loads((folder / HANDSHAKE_FILE).read_text(encoding="utf-8"))
        if record.pop("format") != "ex4d-backend":
            return None
        handshake = Handshake(**record)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    texts = (handshake.endpoint, handshake.server_public, handshake.client_public, handshake.client_secret)
    return handshake if all(isinstance(text, str) for text in texts) and isinstance(handshake.pid, int) else None


def remove_handshake(folder: Path, pid: int) -> None:
    """Take the handshake of that process back."""
    found = read_handshake(folder)
    if found is not None and found.pid == pid:
        with suppress(OSError):
            (folder / HANDSHAKE_FILE).unlink()
