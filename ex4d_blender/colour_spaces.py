# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the backend for the colour spaces of configurations: Blender itself tells names only."""

from __future__ import annotations

import logging

import bpy

from ex4d.protocol.errors import Ex4dError
from ex4d.protocol.requests import ColourSpacesRequest

from . import job_list
from .scene import colour_tables

log = logging.getLogger(__name__)

#: Configurations whose answer is on its way, by the job's id.
_asked: dict[str | None, str] = {}


def ask(scene: bpy.types.Scene, *, block: bool) -> None:
    """Ask for what is not known yet: Blender's own configuration and the one of plates.

    Pictures whose space is not known keep what Blender chose: a failure is logged, no more.

    Args:
        scene: that waits.
        block: wait for the answers.
    """
    jobs = job_list.current()
    for config in colour_tables.unknown_configs():
        pending = _asked.get(config)
        known = jobs.link.client.jobs.get(pending) if pending is not None else None
        try:
            if known is None or known.is_final:
                pending = _asked[config] = jobs.submit(
                    scene,
                    ColourSpacesRequest(config),
                    action="colour_spaces",
                    data={"config": config},
                    title="Colour Spaces",
                    block=block,
                )
            if block and pending is not None:
                jobs.wait(pending)
        except Ex4dError as error:
            log.warning("EX-4D: the colour spaces of %s are not known: %s", config or "plates", error)


def forget() -> None:
    """Know nothing, and wait for nothing."""
    _asked.clear()
    colour_tables.forget()
