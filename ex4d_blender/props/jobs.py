# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for jobs in a scene, and what mirrors them in the window."""

from typing import TYPE_CHECKING

import bpy
from bpy.props import CollectionProperty, IntProperty, StringProperty


class EX4D_PG_pending(bpy.types.PropertyGroup):
    """A job whose result this scene waits for."""

    if TYPE_CHECKING:
        job: str
        action: str
        data: str
    else:
        job: StringProperty()
        action: StringProperty()
        data: StringProperty(description="What the action needs besides the result, JSON")


class EX4D_PG_job(bpy.types.PropertyGroup):
    """One job of the list; the job list's rows say where it is."""

    if TYPE_CHECKING:
        job: str
    else:
        job: StringProperty()


class EX4D_PG_line(bpy.types.PropertyGroup):
    """One line of a text in a list."""


class EX4D_PG_window(bpy.types.PropertyGroup):
    """What mirrors running jobs."""

    if TYPE_CHECKING:
        jobs: bpy.types.bpy_prop_collection_idprop[EX4D_PG_job]
        active_job: int
        error_lines: bpy.types.bpy_prop_collection_idprop[EX4D_PG_line]
        active_error_line: int
        install_lines: bpy.types.bpy_prop_collection_idprop[EX4D_PG_line]
        active_install_line: int
    else:
        jobs: CollectionProperty(type=EX4D_PG_job)
        active_job: IntProperty(name="Job")
        error_lines: CollectionProperty(type=EX4D_PG_line)
        active_error_line: IntProperty(name="Line")
        install_lines: CollectionProperty(type=EX4D_PG_line)
        active_install_line: IntProperty(name="Line")
