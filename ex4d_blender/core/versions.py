# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether extension and backend are of one version and speak the same protocol, and which of them to update."""

from __future__ import annotations

import re

from ex4d.protocol.errors import Ex4dError, ResourceError, TransientError

_INSTALL = "Install the backend again (Preferences, Install Backend)."
_UPDATE = "Update the extension, or install the backend of the extension's version (Preferences, Install Backend)."


def version_difference(backend: str, extension: str) -> Ex4dError | None:
    """What to say of a backend of another version: which to update; None where they are the same.

    Both speak the same protocol, so this is no reason not to work; but one may know what the other does not.
    """
    if backend == extension:
        return None
    return TransientError(
        f"The backend is version {backend}, the extension version {extension}.",
        _UPDATE if _numbers(backend) > _numbers(extension) else _INSTALL,
    )


def protocol_difference(backend: str, extension: str) -> Ex4dError:
    """What to say of a backend that cannot be spoken with.

    Args:
        backend, extension: versions of the protocol, such as "ex4d/1".
    """
    return ResourceError(
        f"The backend speaks {backend}, the extension {extension}: they cannot work together.",
        _UPDATE if _numbers(backend) > _numbers(extension) else _INSTALL,
    )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
