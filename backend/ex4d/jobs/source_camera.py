# SPDX-License-Identifier: Apache-2.0
"""Whether the source camera of a shot is solved: what was asked for, and what the shot has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ex4d.depth import depth_names
from ex4d.protocol.errors import UsageError
from ex4d.protocol.requests import ReconstructRequest
from ex4d.protocol.values import AUTOMATIC, PARALLAX, SourceCameraKind
from ex4d.shot.recipe import Recipe

#: Said of shots that were made before cameras were solved.
KEPT_STILL = (
    "This shot was reconstructed with a source camera that stands still, and keeps it. Solve the camera with "
    "--source-camera auto."
)


def is_estimated(request: ReconstructRequest) -> bool:
    """Whether depth is estimated, and does not come from files."""
    return request.depth.source in (AUTOMATIC, PARALLAX, *depth_names())


def wanted_solve(request: ReconstructRequest, record: Mapping[str, Any]) -> SourceCameraKind | Literal["given"] | None:
    """What the solve is told of the source camera.

    Args:
        request: what was asked for.
        record: what shot.json says; empty for a new shot.

    Returns:
        the kind of shot, "given" where a trajectory file is checked; None where nobody looks and nobody looked: depth
        files, the released construction and solves from elsewhere have cameras of their own, and shots of before keep
        theirs.

    Raises:
        UsageError: what was asked for does not go together.
    """
    _check(request)
    if not is_estimated(request):
        return None
    if request.solved is not None:
        # Nobody looks at it unless asked to: who sends a solve may have sent its points too.
        return "given" if request.source_camera not in (None, "still") else None
    if request.depth.camera is not None:
        return "given"
    if request.mesh.compat == "ex4d":
        return None
    return request.source_camera or _of_shot(record)


def keeps_still(request: ReconstructRequest, record: Mapping[str, Any]) -> bool:
    """Whether the camera would be looked for, were this a new shot."""
    return wanted_solve(request, record) is None and wanted_solve(request, {}) is not None


def _of_shot(record: Mapping[str, Any]) -> SourceCameraKind | None:
    """What the shot was reconstructed with; None where that was when no camera was solved."""
    stages, recipe = record.get("stages", {}), Recipe.from_record(record.get("recipe"))
    told = (recipe.depth or {}).get("solve", {}).get("source_camera") if recipe is not None else None
    if told in ("auto", "still", "turns", "moves"):
        return told
    # A camera that came as a file is nowhere to be read again.
    return "auto" if not stages or "solve" in stages else None


def _check(request: ReconstructRequest) -> None:
    """Raise UsageError where how the source camera moves goes with nothing else that was asked for."""
    said = request.source_camera
    if said not in (None, "still") and not is_estimated(request):
        raise UsageError(
            "How the camera moves is solved for estimated depth, and depth files are given.",
            "Give the cameras of these files with --source-camera FILE.",
        )
    moves = said not in (None, "still") or (request.depth.camera is not None and is_estimated(request))
    if request.mesh.compat == "ex4d" and moves:
        raise UsageError(
            "The released construction knows no camera that moves.", "Leave out --compat ex4d, or --source-camera."
        )
