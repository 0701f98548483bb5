# SPDX-License-Identifier: Apache-2.0
"""The extension's manifest: reading and checking the source, writing the one of a zip.

The format is Blender's: https://docs.blender.org/manual/en/latest/advanced/extensions/getting_started.html
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MANIFEST_NAME = "blender_manifest.toml"
#: Blender's validator refuses longer taglines and permission reasons, and such as end like a sentence.
LONGEST_LINE = 64
PERMISSIONS = {"files", "network", "clipboard", "camera", "microphone"}
REQUIRED = (
    "schema_version",
    "id",
    "version",
    "name",
    "tagline",
    "maintainer",
    "type",
    "blender_version_min",
    "license",
)
#: What a build writes; it has no place in the source.
BUILT = ("wheels", "platforms", "blender_version_max", "build")


class BuildError(Exception):
    """The extension cannot be built; the text says what is wrong and what to do."""


def check_manifest(text: str, package_version: str) -> dict[str, Any]:
    """Parse the source manifest and check what Blender checks and what must agree within the project.

    Args:
        text: content of blender_manifest.toml.
        package_version: version of the ``ex4d`` package, which the zip carries.

    Returns:
        The manifest as a dictionary.

    Raises:
        BuildError: the manifest is not fit for a build.
    """
    try:
        manifest = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{MANIFEST_NAME} is not valid TOML: {error}.") from error
    missing = [key for key in REQUIRED if not manifest.get(key)]
    if missing:
        raise BuildError(f"{MANIFEST_NAME} lacks {', '.join(missing)}. Add it.")
    foreign = [key for key in BUILT if key in manifest]
    if foreign:
        raise BuildError(
            f"{MANIFEST_NAME} sets {', '.join(foreign)}, which the build writes. Take it out of the source."
        )
    if manifest["version"] != package_version:
        raise BuildError(
            f"{MANIFEST_NAME} says version {manifest['version']}, ex4d.__version__ is {package_version}. "
            "Give both the same version."
        )
    permissions: dict[str, str] = manifest.get("permissions", {})
    unknown = sorted(set(permissions) - PERMISSIONS)
    if unknown:
        raise BuildError(f"Blender knows no permission {', '.join(unknown)}. Use {', '.join(sorted(PERMISSIONS))}.")
    for name, line in [("tagline", manifest["tagline"]), *permissions.items()]:
        if len(line) > LONGEST_LINE or not line[-1].isalnum():
            raise BuildError(
                f"The {name} line has {len(line)} characters or ends with punctuation: {line!r}. "
                f"Use at most {LONGEST_LINE} and no final punctuation."
            )
    return manifest


def built_manifest(
    text: str, *, version_min: str, version_max: str | None, platforms: Sequence[str], wheels: Sequence[str]
) -> str:
    """The manifest of a zip: the source's text with the range of Blender versions, platforms and wheels set.

    Args:
        text: the source manifest; its comments are kept.
        version_min: first Blender version that the zip is for.
        version_max: first one that it is no longer for; None where there is no such version yet.
        platforms: in Blender's words, ``linux-x64``.
        wheels: file names in the zip's folder ``wheels``.

    Raises:
        BuildError: the source has no line ``blender_version_min`` of its own.
    """
    added = [f'blender_version_min = "{version_min}"']
    if version_max is not None:
        added.append(f'blender_version_max = "{version_max}"')
    added.append(_toml_list("platforms", platforms))
    added.append(_toml_list("wheels", [f"./wheels/{name}" for name in wheels]))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    places = [i for i, line in enumerate(lines) if line.startswith("blender_version_min")]
    if len(places) != 1:
        raise BuildError(f'{MANIFEST_NAME} needs one line blender_version_min = "...". Write it on a line of its own.')
    lines[places[0] : places[0] + 1] = added
    out = "\n".join(["# SPDX-License-Identifier: GPL-3.0-or-later", *lines, ""])
    expected = tomllib.loads(text) | {"blender_version_min": version_min, "platforms": list(platforms)}
    expected["wheels"] = [f"./wheels/{name}" for name in wheels]
    if version_max is not None:
        expected["blender_version_max"] = version_max
    if tomllib.loads(out) != expected:
        raise BuildError(f"{MANIFEST_NAME} is written in a way that the build cannot extend. Keep tables at its end.")
    return out


def read_package_version(init: Path) -> str:
    """``__version__`` of a package, read without importing it.

    Raises:
        BuildError: there is no such line.
    """
    for line in init.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "__version__":
            return value.strip().strip("\"'")
    raise BuildError(f'{init} has no line __version__ = "...". Add it.')


def _toml_list(key: str, values: Sequence[str]) -> str:
    return "\n".join([f"{key} = [", *(f'  "{value}",' for value in values), "]"])
