# SPDX-License-Identifier: Apache-2.0
"""Files of cameras and scanners that only their makers' programs read rightly: refused with the way out."""

from __future__ import annotations

from pathlib import Path

from ex4d.protocol.errors import BadInputError

#: Sensor data, as stills and as movies.
CAMERA_RAW_SUFFIXES = (
    *(".3fr", ".ari", ".arw", ".arx", ".braw", ".cin", ".cr2", ".cr3", ".crm", ".dng", ".fff", ".iiq", ".nef", ".nev"),
    *(".orf", ".pef", ".r3d", ".raf", ".raw", ".rw2", ".rwl", ".srw", ".x3f"),
)
_CINEON = ".cin"


def refuse_camera_raw(path: Path) -> None:
    """Raise BadInputError for a file that is camera raw or Cineon by its name."""
    suffix = path.suffix.lower()
    if suffix == _CINEON:
        raise BadInputError(f"{path} is a Cineon file, which is not read.", "Export DPX or EXR.")
    if suffix in CAMERA_RAW_SUFFIXES:
        raise BadInputError(
            f"{path} is camera raw, which is not read.",
            "Develop it with the camera's program or a grading program, and export EXR or ProRes.",
        )
