# SPDX-License-Identifier: GPL-3.0-or-later
"""What backends have said that they offer, kept on disk until they say it again. No Blender in here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from ex4d.protocol.capabilities import Capabilities
from ex4d.protocol.errors import UsageError
from ex4d.protocol.parse_dataclass import from_record
from ex4d.protocol.parsing import parse_json

#: The version that this module reads and writes; what earlier ones wrote ("ex4d-offers") counts as nothing.
FORMAT = "ex4d-capabilities/2"


def capabilities_path(runtime: Path, python: Path | None) -> Path:
    """The file of a backend's capabilities.

    Args:
        runtime: folder of the backend's handshake.
        python: that has the backend installed; another one may offer others.
    """
    name = hashlib.sha256(str(python or "").encode()).hexdigest()[:12]
    return runtime / f"offers-{name}.json"


def read_capabilities(path: Path) -> Capabilities | None:
    """What was kept; None where there is nothing, or nothing that can be read."""
    try:
        record = parse_json(path.read_bytes())
        if record["format"] != FORMAT:
            return None
        return from_record(Capabilities, record["capabilities"], "capabilities", lenient=True)
    except (OSError, ValueError, KeyError, TypeError, UsageError):
        return None


def write_capabilities(path: Path, capabilities: Capabilities) -> None:
    """Keep them, at once and readable by the user alone; raises OSError."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        temporary.unlink()
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "capabilities": dataclasses.asdict(capabilities)}, file, indent=1)
    temporary.replace(path)
