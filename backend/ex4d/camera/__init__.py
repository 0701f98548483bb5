# SPDX-License-Identifier: Apache-2.0
"""Cameras, lenses, trajectories, presets and trajectory files; numpy only."""

from ex4d.camera.camera import (
    Camera,
    Trajectory,
    intrinsics,
    intrinsics_from_fov,
    pixel_rays,
    resize_intrinsics,
    static_trajectory,
)
from ex4d.camera.formats import (
    json_bytes,
    names_file,
    parse_trajectory,
    read_trajectory,
    write_json,
    write_released_npz,
    write_transforms_json,
)
from ex4d.camera.lens import (
    CalibratedCamera,
    Lens,
    LensCalibration,
    camera_from_blender,
    lens_from_blender,
    parse_lens,
)
from ex4d.camera.pivot import subject_distance
from ex4d.camera.presets import PRESETS, PresetSpec, build_take, parse_preset, preset_help
from ex4d.camera.source_path import SourcePath, follow_path

__all__ = [
    "PRESETS",
    "CalibratedCamera",
    "Camera",
    "Lens",
    "LensCalibration",
    "PresetSpec",
    "SourcePath",
    "Trajectory",
    "build_take",
    "camera_from_blender",
    "follow_path",
    "intrinsics",
    "intrinsics_from_fov",
    "json_bytes",
    "lens_from_blender",
    "names_file",
    "parse_lens",
    "parse_preset",
    "parse_trajectory",
    "pixel_rays",
    "preset_help",
    "read_trajectory",
    "resize_intrinsics",
    "static_trajectory",
    "subject_distance",
    "write_json",
    "write_released_npz",
    "write_transforms_json",
]
