# SPDX-License-Identifier: Apache-2.0
"""What a solve can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ex4d.camera import Lens, Trajectory
from ex4d.protocol.values import DEFAULT_FOV_DEG

SourceCamera = Literal["auto", "still", "turns", "moves"]


@dataclass(frozen=True)
class SolveOptions:
    """See the attributes.

    Attributes:
        source_camera: what kind of shot it is; "auto" = as the plate tells.
        fov_deg: field of view over the longer side of the frame, degrees.
        fov_known: whether that is so, or only expected.
        lens: distortion of the plate; None = none, or what the plate tells where it is seen.
        given: cameras of some or all frames, by the plate's frame numbers, of the frame at any pixel size or of all the
            plate's pixels: they stay as they are.
    """

    source_camera: SourceCamera = "auto"
    fov_deg: float = DEFAULT_FOV_DEG
    fov_known: bool = False
    lens: Lens | None = None
    given: Trajectory | None = None

    def record(self) -> dict[str, Any]:
        """JSON-able, without cameras that were given."""
        record: dict[str, Any] = {
            "source_camera": self.source_camera,
            "fov_deg": self.fov_deg,
            "fov_known": self.fov_known,
        }
        if self.lens is not None:
            record["lens"] = self.lens.record()
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SolveOptions:
        """What ``record`` gave; raises KeyError, TypeError, ValueError."""
        lens = Lens.from_record(record["lens"]) if "lens" in record else None
        return cls(record["source_camera"], float(record["fov_deg"]), bool(record["fov_known"]), lens)
