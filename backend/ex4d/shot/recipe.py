# SPDX-License-Identifier: Apache-2.0
"""What a reconstruction was made of, as shot.json keeps it: enough to make a damaged stage anew without asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ex4d.camera import LensCalibration
from ex4d.depth.estimators import create_estimator, estimator_names
from ex4d.depth.files import FileDepth
from ex4d.depth.solved import SolvedDepth
from ex4d.mesh import MeshSettings
from ex4d.mesh.stage import settings_record
from ex4d.shot.depth_plan import DepthPlan
from ex4d.solve import SolveOptions

#: Fields of ``FileDepth`` that are paths.
_PATHS = {"path", "camera"}


@dataclass(frozen=True)
class Recipe:
    """Inputs of the stages of a reconstruction besides the plate's path and content.

    Attributes:
        selection: see ``PlateStage``.
        depth: ``{"files": fields of FileDepth}`` or ``{"estimator": name, "fov_deg": …}``, JSON-able; None where the
            source cannot be made again from words. With ``"solve"``, its options, ``"measured"`` and ``"mattes"``,
            their path, where the source camera was solved.
        mesh: ``settings_record``.
        lens: that was given, as ``ex4d.camera.parse_lens`` reads it; None = none.
    """

    selection: dict[str, Any]
    depth: dict[str, Any] | None
    mesh: dict[str, Any]
    lens: str | None = None

    @classmethod
    def of(
        cls,
        selection: dict[str, Any],
        plan: DepthPlan,
        settings: MeshSettings,
        lens: LensCalibration | None = None,
    ) -> Recipe:
        """That of a reconstruction."""
        depth: dict[str, Any] | None = None
        source = plan.source
        if isinstance(source, FileDepth):
            values = {item.name: getattr(source, item.name) for item in fields(source)}
            # Another working folder must find them too.
            paths = {name: str(value.absolute()) for name in _PATHS if (value := values.get(name))}
            depth = {"files": values | paths}
        elif source.name in estimator_names() and not isinstance(source, SolvedDepth):
            depth = {"estimator": source.name, "fov_deg": getattr(source, "fov_deg", None)}
        if plan.solve is not None and plan.solve.given is not None:
            # Cameras that were given are nowhere to be read again.
            depth = None
        elif depth is not None and plan.solve is not None:
            depth |= {"solve": plan.solve.record(), "measured": plan.measured}
            if plan.mattes is not None:
                depth["mattes"] = str(Path(plan.mattes).absolute())
        return cls(selection, depth, settings_record(settings), None if lens is None else lens.text())

    @classmethod
    def from_seals(cls, plate: Mapping[str, Any], depth: Mapping[str, Any], mesh: Mapping[str, Any]) -> Recipe:
        """As far as the inputs tell that the three stages were sealed with; raises KeyError, TypeError."""
        options, name = depth["options"], str(depth["source"])
        source = {"estimator": name, "fov_deg": options.get("fov_deg")} if name in estimator_names() else None
        return cls(dict(plate["selection"]), source, dict(mesh["settings"]))

    @classmethod
    def from_record(cls, record: Any) -> Recipe | None:
        """What ``record`` gave; None where it is none."""
        match record:
            case {"selection": dict(), "depth": dict() | None, "mesh": dict()}:
                return cls(record["selection"], record["depth"], record["mesh"], record.get("lens"))
        return None

    def record(self) -> dict[str, Any]:
        """JSON-able; the lens only where there is one."""
        return {name: value for name, value in asdict(self).items() if name != "lens" or value is not None}

    def plan(self) -> DepthPlan | None:
        """The plan of the depth, None where it cannot be made again; raises Ex4dError as its maker does, and KeyError,
        TypeError."""
        depth = self.depth or {}
        if (name := depth.get("estimator")) in estimator_names():
            source = create_estimator(name, depth.get("fov_deg"))
            if "solve" not in depth:
                return DepthPlan(source)
            options = SolveOptions.from_record(depth["solve"])
            return DepthPlan(source, options, bool(depth["measured"]), mattes=depth.get("mattes"))
        if not isinstance(files := depth.get("files"), dict):
            return None
        values: dict[str, Any] = {item.name: files[item.name] for item in fields(FileDepth) if item.name in files}
        for name in _PATHS & values.keys():
            values[name] = Path(values[name]) if values[name] else None
        return DepthPlan(FileDepth(**values))

    def settings(self) -> MeshSettings:
        """The mesh settings; raises TypeError, ValueError, KeyError."""
        return MeshSettings(**{**self.mesh, "thickness": float(self.mesh["thickness"])})
