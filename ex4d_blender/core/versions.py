# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether extension and backend are of one version, and which of them to update."""

from __future__ import annotations

import re

from ex4d.protocol.errors import Ex4dError, TransientError


def version_difference(backend: str, extension: str) -> Ex4dError | None:
    """What to say of a backend of another version: which to update; None where they are the same.

    Both speak the same protocol, so this is no reason not to work; but one may know what the other does not.
    """
    if backend == extension:
        return None
    older, newer = ([int(part) for part in re.findall(r"\d+", text)] for text in (backend, extension))
    hint = "Install the backend again (Preferences, Install Backend)."
    if older > newer:
        hint = "Update the extension, or install the backend of the extension's version (Preferences, Install Backend)."
    return TransientError(f"The backend is version {backend}, the extension version {extension}.", hint)
