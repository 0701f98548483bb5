# SPDX-License-Identifier: Apache-2.0
"""The colour spaces of an OpenColorIO configuration: the plates' own, or that of a program which shows them."""

from __future__ import annotations

from typing import Any

from ex4d.colour.config import open_configuration
from ex4d.jobs.context import JobContext
from ex4d.protocol.requests import ColourSpacesRequest
from ex4d.protocol.results import ColourSpaceInfo, ColourSpacesResult

#: OpenColorIO's encodings of spaces in the words of ``ColourSpaceInfo.kind``.
_KINDS = {"scene-linear": "linear", "display-linear": "linear", "log": "log", "data": "data"}


def run(request: ColourSpacesRequest, _context: JobContext) -> ColourSpacesResult:
    """List them.

    Raises:
        BadInputError: there is no such configuration, or it is damaged.
    """
    # The client says what its environment does; the backend's own may be another.
    configuration = open_configuration(request.ocio, {})
    return ColourSpacesResult(
        configuration.name,
        tuple(_info(space) for space in configuration.spaces()),
        dict(configuration.config.getRoles()),
    )


def _info(space: Any) -> ColourSpaceInfo:
    encoding = str(space.getEncoding())
    kind = "data" if space.isData() else _KINDS.get(encoding, "display" if encoding.endswith("-video") else "")
    return ColourSpaceInfo(space.getName(), tuple(space.getAliases()), space.getInteropID(), kind)
