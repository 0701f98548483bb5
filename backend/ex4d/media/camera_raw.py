# SPDX-License-Identifier: Apache-2.0
"""Files of cameras that hold what the sensor saw: they are not read, and the reason is said."""

from __future__ import annotations

from pathlib import Path

from ex4d.protocol.errors import BadInputError

#: By the ending of the file's name: of movies, of stills, and of a scan in DPX's forerunner.
CAMERA_RAW = {
    ".r3d": "RED raw",
    ".nev": "Nikon raw",
    ".braw": "Blackmagic RAW",
    ".ari": "ARRIRAW",
    ".arx": "ARRIRAW",
    ".crm": "Canon Cinema RAW",
    ".rmf": "Canon raw",
    ".dng": "DNG",
    ".cr2": "Canon raw",
    ".cr3": "Canon raw",
    ".nef": "Nikon raw",
    ".arw": "Sony raw",
    ".raf": "Fujifilm raw",
    ".rw2": "Panasonic raw",
    ".orf": "Olympus raw",
    ".pef": "Pentax raw",
    ".3fr": "Hasselblad raw",
    ".iiq": "Phase One raw",
    ".cin": "a Cineon file",
}


def refuse_camera_raw(path: Path) -> None:
    """Raise BadInputError for a file or pattern that by its name is camera raw, or a Cineon scan."""
    kind = CAMERA_RAW.get(path.suffix.lower())
    if kind is None:
        return
    what = f"{path} is {kind}" + ("" if path.suffix.lower() == ".cin" else ", camera raw") + ", which is not read."
    raise BadInputError(what, "Export it as scene-linear OpenEXR files, as ProRes 4444, or as 10-bit DPX files.")
