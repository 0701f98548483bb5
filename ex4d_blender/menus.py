# SPDX-License-Identifier: GPL-3.0-or-later
"""The menus of what the backend offers: ways to fill, to get depth, to draw, and the choices of a generator's options.

A menu's numbers are made from names, so that a saved file means the same whatever else is offered; its own choice is
among the items even where it is not offered.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ex4d.protocol.capabilities import EstimatorInfo
from ex4d.protocol.values import PARALLAX

from . import capabilities
from .core.generator_options import find_option
from .core.records import name_number
from .localisation import localised

Item: TypeAlias = tuple[str, str, str, int]

#: The backend's own choice, and the user's files; what else there is, it says when it answers.
AUTOMATIC, FILES = "auto", "FILES"
#: The estimator that every backend has: a small network, whose depth is coarse.
BUILT_IN = "small"
#: Numbers of sources of depth that .blend files of version 0 keep; those of estimators come from their names.
_DEPTH_NUMBERS = {AUTOMATIC: 0, FILES: 1}
#: Rasterizers with the numbers that .blend files keep.
_RASTERIZERS = (
    (AUTOMATIC, "Automatic", "The first that works on this machine", 0),
    ("opengl", "OpenGL", "On the graphics card's driver", 1),
    ("embree", "Embree", "On the processor", 2),
    ("nvdiffrast", "nvdiffrast", "On CUDA; its licence allows research and evaluation only", 3),
)

#: Blender does not keep the strings of dynamic items alive.
_kept: dict[tuple[Item, ...], list[Item]] = {}


def _keep(items: list[Item]) -> list[Item]:
    """These items, in the list that they had when they first came."""
    return _kept.setdefault(tuple(items), items)


def _title(name: str) -> str:
    return name.replace("_", " ").title()


def _not_offered(name: str) -> tuple[str, str, str]:
    """The item of a name that the .blend has and the backend doesn't offer."""
    return name, localised(f"{_title(name)} (Not Offered)"), "The backend does not offer this, or has not said"


def generator_items(owner: Any, _context: Any) -> list[Item]:
    """Items of the profile menu."""
    rows = [(found.name, found.name.title(), found.label) for found in capabilities.generators()]
    if owner is not None and owner.profile not in [row[0] for row in rows]:
        rows.append(_not_offered(owner.profile))
    return _keep([(*row, name_number(row[0])) for row in rows])


def estimator_used(chosen: str) -> EstimatorInfo | None:
    """The estimator that a choice of the menu stands for, None where it is not known."""
    known = capabilities.estimators()
    if chosen in (AUTOMATIC, PARALLAX):
        return known[0] if known else None
    return next((estimator for estimator in known if estimator.name == chosen), None)


def depth_number(name: str) -> int:
    """The number that stands for a source of depth in the menu."""
    return _DEPTH_NUMBERS.get(name, name_number(name))


def depth_items(owner: Any, _context: Any) -> list[Item]:
    """Items of the depth menu."""
    best = estimator_used(AUTOMATIC)
    automatic = "The best that works here and is free to use"
    if best is not None:
        automatic = f"The best that works here and is free to use: {best.label}"
    rows = [
        (AUTOMATIC, "Automatic", localised(f"{automatic}. Measured where the source camera moves")),
        (PARALLAX, "Parallax", "Measured from the motion of the source camera, which must not be said to stand still"),
        *(
            (found.name, _title(found.name), localised(f"{found.label}. {found.licence}"))
            for found in capabilities.estimators()
        ),
        (FILES, "Depth Files", "Depth from npz, npy, OpenEXR or 16-bit PNG files"),
    ]
    if owner is not None and owner.depth_source not in [row[0] for row in rows]:
        rows.append(_not_offered(owner.depth_source))
    return _keep([(*row, depth_number(row[0])) for row in rows])


def rasterizer_items(_owner: Any, _context: Any) -> list[Item]:
    """Items of the rasterizer menu: those that every backend may have, and what else this one has."""
    offered = {found.name: found for found in capabilities.rasterizers()}
    items: list[Item] = []
    for name, label, text, number in _RASTERIZERS:
        lacks = offered and name != AUTOMATIC and name not in offered
        items.append((name, localised(f"{label} (Not Offered)") if lacks else label, text, number))
    known = {item[0] for item in items}
    items += [
        (found.name, _title(found.name), found.licence, name_number(found.name))
        for found in offered.values()
        if found.name not in known
    ]
    return _keep(items)


def rasterizer_names() -> list[str]:
    """What the command line takes."""
    return [name for name, *_ in rasterizer_items(None, None)]


def choice_items(owner: Any, _context: Any) -> list[Item]:
    """Items of an option that is one of several; ``owner`` is its ``props.EX4D_PG_option``."""
    generator = capabilities.find_generator(owner.generator) if owner is not None else None
    option = find_option(generator, owner.name) if generator is not None else None
    rows = [(choice, _title(choice), "") for choice in (option.choices if option is not None else ())]
    if owner is not None and owner.text not in [row[0] for row in rows]:
        rows.append(_not_offered(owner.text))
    return _keep([(*row, name_number(row[0])) for row in rows])
