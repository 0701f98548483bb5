# SPDX-License-Identifier: GPL-3.0-or-later
"""One colour space under its many names: every OpenColorIO configuration calls it otherwise. No Blender in here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ex4d.protocol.results import ColourInfo, ColourSpaceInfo

#: Spaces of Color Interop identifiers have these ends; older configurations know the names without them.
_INTEROP_ENDS = ("_scene", "_display")


def _names(space: ColourSpaceInfo) -> Iterator[str]:
    yield space.name
    yield from space.aliases
    if space.interop_id:
        yield space.interop_id
        for end in _INTEROP_ENDS:
            if space.interop_id.endswith(end):
                yield space.interop_id.removesuffix(end)


def find_space(spaces: Iterable[ColourSpaceInfo], name: str) -> ColourSpaceInfo | None:
    """The space of that name, alias or identifier, in any case of letters; None where there is none."""
    wanted, known = name.casefold(), tuple(spaces)
    by_name = (space for space in known if space.name.casefold() == wanted)
    by_alias = (space for space in known if wanted in {item.casefold() for item in _names(space)})
    return next(by_name, None) or next(by_alias, None)


def translated(
    name: str, own: Iterable[ColourSpaceInfo], other: Iterable[ColourSpaceInfo], *, interop_id: str = ""
) -> str | None:
    """What another configuration calls a space; None where it has no such space.

    Args:
        name: in its own configuration, or an alias of it.
        own: the spaces of that; none where it is not known.
        other: those of the other configuration.
        interop_id: identifier of the space, where it is known without ``own``.
    """
    other = tuple(other)
    known = find_space(own, name)
    # An identifier says what a space is; names are habits.
    candidates = [interop_id, *(interop_id.removesuffix(end) for end in _INTEROP_ENDS)]
    if known is not None:
        candidates += [known.interop_id, known.name, *_names(known)]
    candidates.append(name)
    found = (find_space(other, candidate) for candidate in candidates if candidate)
    return next((space.name for space in found if space is not None), None)


def space_of_files(colour: ColourInfo | None, suffix: str) -> tuple[str, str]:
    """The space of a take's or plate's pictures: its name in the plate's configuration, and its identifier.

    Args:
        colour: None = ordinary display pictures.
        suffix: of the files: EXR files are scene-linear, all others hold the plate's own codes.

    Returns:
        Two empty texts for ordinary display pictures.
    """
    if colour is None:
        return "", ""
    if suffix.lower() == ".exr":
        return colour.linear_space, colour.interop_id
    return colour.space, ""
