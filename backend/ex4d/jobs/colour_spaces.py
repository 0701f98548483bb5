# SPDX-License-Identifier: Apache-2.0
"""The colour spaces of an OpenColorIO configuration: the plates' own, or that of a program which shows them."""

from __future__ import annotations

from typing import Any

from ex4d.jobs.context import JobContext
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import ColourSpacesRequest
from ex4d.protocol.results import ColourSpaceInfo, ColourSpacesResult

#: The configuration of plates that are told no other; by its version, as names differ between versions.
BUILT_IN = "studio-config-v4.0.0_aces-v2.0_ocio-v2.5"
#: OpenColorIO's encodings of spaces in the words of ``ColourSpaceInfo.kind``.
_KINDS = {"scene-linear": "linear", "display-linear": "linear", "log": "log", "data": "data"}


def run(request: ColourSpacesRequest, _context: JobContext) -> ColourSpacesResult:
    """List them.

    Raises:
        BadInputError: there is no such configuration, or it is damaged.
    """
    import PyOpenColorIO

    try:
        config = PyOpenColorIO.Config.CreateFromFile(request.ocio if request.ocio is not None else f"ocio://{BUILT_IN}")
    except (PyOpenColorIO.Exception, PyOpenColorIO.ExceptionMissingFile) as error:
        raise BadInputError(
            f"The OpenColorIO configuration {request.ocio} cannot be read: {str(error).splitlines()[0]}",
            "Name another one, or mend it.",
        ) from error
    spaces = config.getColorSpaces(
        PyOpenColorIO.SearchReferenceSpaceType.SEARCH_REFERENCE_SPACE_ALL, PyOpenColorIO.COLORSPACE_ACTIVE
    )
    return ColourSpacesResult(
        request.ocio or BUILT_IN,
        tuple(_info(space) for space in spaces),
        dict(config.getRoles()),
    )


def _info(space: Any) -> ColourSpaceInfo:
    encoding = str(space.getEncoding())
    kind = "data" if space.isData() else _KINDS.get(encoding, "display" if encoding.endswith("-video") else "")
    return ColourSpaceInfo(space.getName(), tuple(space.getAliases()), space.getInteropID(), kind)
