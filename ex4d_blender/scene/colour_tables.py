# SPDX-License-Identifier: GPL-3.0-or-later
"""The colour spaces of Blender's configuration and of plates' ones, as the backend has told them in this session.

Blender tells the names of its own spaces, but neither their aliases nor what they are.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.results import ColourInfo, ColourSpaceInfo, ColourSpacesResult

from ..core.colour_names import find_space, space_of_files, translated
from ..core.shot_folders import same_path
from .data import enum_items

_known: dict[str | None, ColourSpacesResult] = {}


def environment_config() -> str | None:
    """The configuration that $OCIO names, which Blender and plates have; None where it names none, or Blender's own."""
    named = os.environ.get("OCIO", "")
    if not named or named.startswith("ocio://"):
        return named or None
    # Since 5.2 Blender itself writes its own there: nobody has chosen that for plates.
    return str(Path(named).absolute()) if not same_path(named, Path(_own_config())) else None


def backend_variables() -> dict[str, str]:
    """Variables of a backend that is to have the configuration of plates: not Blender's own from $OCIO."""
    return {} if environment_config() or not os.environ.get("OCIO") else {"OCIO": ""}


def _own_config() -> str:
    # The stubs lack it.
    utilities: Any = bpy.utils
    return str(Path(utilities.system_resource("DATAFILES"), "colormanagement", "config.ocio"))


def blender_config() -> str:
    """The configuration that this Blender has."""
    return environment_config() or _own_config()


def remember(config: str | None, spaces: ColourSpacesResult) -> None:
    """Keep what a configuration has; None is the plates' built-in one."""
    _known[config] = spaces


def forget() -> None:
    """Know nothing."""
    _known.clear()


def known_spaces(config: str | None) -> tuple[ColourSpaceInfo, ...]:
    """The spaces of a configuration, none before the backend has told them; costs nothing."""
    found = _known.get(config)
    return found.spaces if found is not None else ()


def plate_space_names() -> list[str]:
    """Names that a plate's colour space can be chosen by: its configuration's, then those of Blender's own that mean
    one of them."""
    own = known_spaces(environment_config())
    names = [space.name for space in own]
    listed = {name.casefold() for name in names}
    others = (space.name for space in known_spaces(blender_config()) if space.name.casefold() not in listed)
    return [*names, *(name for name in others if plate_space(name) != name)]


def plate_space(name: str) -> str:
    """A space by its name in the plates' configuration, where it is given by its name in Blender's; as it is where it
    is known to neither."""
    own, blenders = known_spaces(environment_config()), known_spaces(blender_config())
    if not name or find_space(own, name) is not None or find_space(blenders, name) is None:
        return name
    return translated(name, blenders, own) or name


def unknown_configs() -> list[str | None]:
    """The configurations that are needed and were not told yet: Blender's own and the one of plates."""
    return [config for config in dict.fromkeys((blender_config(), environment_config())) if config not in _known]


def space_names() -> tuple[str, ...]:
    """The colour spaces that pictures can have in this Blender."""
    return tuple(item.identifier for item in enum_items(bpy.types.ColorManagedInputColorspaceSettings, "name"))


def blender_space(colour: ColourInfo | None, suffix: str) -> str | None:
    """What this Blender calls the space of pictures; None where it has no such space, or is not known to.

    Args:
        colour: of the plate.
        suffix: of the files, see ``core.colour_names.space_of_files``.
    """
    name, interop_id = space_of_files(colour, suffix)
    if colour is None or not name:
        return None
    own = known_spaces(colour.config_file) or known_spaces(environment_config())
    # What Blender has loaded may be another configuration than $OCIO says, where that one is broken.
    names = space_names()
    listed = [space for space in known_spaces(blender_config()) if space.name in names]
    return translated(name, own, listed or [ColourSpaceInfo(item) for item in names], interop_id=interop_id)
