# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of jobs, as a backend would send them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ex4d_blender.core.deliveries import DeliveredTake, delivered_take

from ex4d.protocol.capabilities import Capabilities, Welcome
from ex4d.protocol.models import ModelInfo
from ex4d.protocol.results import GenerateResult, ReconstructResult, RenderResult, parse_result


def generate_result(folder: Path, numbers: Sequence[int], **changes: Any) -> GenerateResult:
    """A take in its folder, of 48 x 32 pixels, with all its pictures there."""
    values: dict[str, Any] = {
        "take": folder.name,
        "folder": str(folder),
        "numbers": tuple(numbers),
        "fps": "24",
        "result": str(folder / "result"),
        "movie": str(folder / "movie.mp4"),
        "profile": "preview",
        "label": "preview fill",
        "generated_mean": 0.1,
        "generated_max": 0.2,
        "color": str(folder / "color"),
        "mask": str(folder / "mask"),
        "coverage": (1.0,) * len(numbers),
        "size": (48, 32),
        "rasterizer": "embree",
        "device": "a processor",
    }
    return GenerateResult(**{**values, **changes})


def delivered(result: GenerateResult) -> DeliveredTake:
    """The take of a result."""
    return delivered_take(result, title="", seed=None, prompt=None, options={})


def render_result(folder: Path, numbers: Sequence[int], **changes: Any) -> RenderResult:
    """A render in its folder."""
    values: dict[str, Any] = {
        "folder": str(folder),
        "color": str(folder / "color"),
        "mask": str(folder / "mask"),
        "numbers": tuple(numbers),
        "coverage": (1.0,) * len(numbers),
        "size": (48, 32),
        "rasterizer": "embree",
        "device": "a processor",
    }
    return RenderResult(**{**values, **changes})


def reconstruct_result(record: dict[str, Any]) -> ReconstructResult:
    """A reconstruction with this record of its shot; what the record lacks is filled in."""
    plate = {"sha256": "0" * 64, "bit_depth": 8, "alpha": False, "variable_rate": False, **record["plate"]}
    depth = {"name": "toy", "label": "toy", "licence": "MIT", **record["depth"]}
    depth = {"source_poses_known": True, "intrinsics_known": True, **depth}
    result = parse_result("reconstruct", {**record, "plate": plate, "depth": depth})
    assert isinstance(result, ReconstructResult)
    return result


def welcome(capabilities: Capabilities | None, **changes: Any) -> Welcome:
    """A backend that is ready and offers this."""
    return Welcome(
        **{"protocol": "ex4d/2", "version": "", "pid": 1, "ready": True, "capabilities": capabilities, **changes}
    )


def model_info(title: str, **changes: Any) -> ModelInfo:
    """A depth model that can be downloaded, may be used for whatever, and needs nothing."""
    values: dict[str, Any] = {
        "name": title.lower().replace(" ", "_"),
        "kind": "depth",
        "title": title,
        "label": "learned",
        "licence": "Apache-2.0",
        "commercial": "yes",
        "repositories": ("somebody/model",),
        "size": 116_000_000,
        "size_known": False,
        "pinned": False,
        "gated": False,
        "state": "absent",
        "got": 0,
        "missing": (),
        "extra": "gpu",
        "install": "pip install ex4d[gpu]",
        "folder": "/models/depth",
    }
    return ModelInfo(**{**values, **changes})
