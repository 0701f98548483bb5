# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension adds to Blender, and takes away again: classes, properties, handlers, a timer, a command."""

from __future__ import annotations

import logging
import sys
import time

import bpy

from . import (
    arrivals,
    backend_link,
    capabilities,
    changes,
    cli,
    colour_spaces,
    disk_watch,
    error_dialog,
    folder_sizes,
    handlers,
    installation,
    job_list,
    job_results,
    left_jobs,
    live_preview,
    localisation,
    migrations,
    model_downloads,
    panel_updates,
    preferences,
    props,
    timer,
)
from .core import call_times
from .ops import (
    alignment,
    backend,
    cg,
    clean_cache,
    closing,
    compare_strips,
    errors,
    generate,
    heat_maps,
    jobs,
    models,
    move_shot,
    picking,
    pivot,
    plate,
    preview,
    projection,
    reconstruct,
    separate,
    sequencer,
    shots,
    take_cameras,
    wipe,
)
from .scene import hooks
from .ui import cached, coverage, lists, menu_entries, panels, status_bar, thumbnails, tracks
from .ui import wipe as wipe_view

log = logging.getLogger(__name__)

#: In the order of registration: what others refer to comes first.
CLASSES: tuple[type, ...] = (
    *props.CLASSES,
    *preferences.CLASSES,
    *errors.CLASSES,
    *plate.CLASSES,
    *reconstruct.CLASSES,
    *separate.CLASSES,
    *closing.CLASSES,
    *heat_maps.CLASSES,
    *move_shot.CLASSES,
    *shots.CLASSES,
    *clean_cache.CLASSES,
    *alignment.CLASSES,
    *pivot.CLASSES,
    *take_cameras.CLASSES,
    *preview.CLASSES,
    *cg.CLASSES,
    *projection.CLASSES,
    *generate.CLASSES,
    *sequencer.CLASSES,
    *compare_strips.CLASSES,
    *wipe.CLASSES,
    *jobs.CLASSES,
    *backend.CLASSES,
    *models.CLASSES,
    *lists.CLASSES,
    *menu_entries.CLASSES,
    *panels.CLASSES,
    *wipe_view.CLASSES,
)


def _hold_modules() -> None:
    """Let each module of the add-on hold itself.

    As a Python module Blender ends in order only once nothing holds ``bpy`` any more, else 4.2 crashes. When Python
    ends it empties the modules that are alive. One of which Blender holds but functions, as callbacks of properties,
    is not alive by that, and what those functions see would keep ``bpy``.
    """
    for name, module in list(sys.modules.items()):
        if module is not None and (name == __package__ or name.startswith(f"{__package__}.")):
            vars(module)["_held"] = module


def register() -> None:
    """Add everything; whatever a former, failed registration has left is taken away first."""
    if hasattr(bpy.types.Scene, "ex4d"):
        unregister()
    try:
        _hold_modules()
        call_times.begin()
        for cls in CLASSES:
            hooks.add_class(cls)
        localisation.register(CLASSES)
        props.attach()
        capabilities.forget()
        colour_spaces.forget()
        capabilities.refresh()
        _take_up_open_file()
        handlers.register()
        _start()
        status_bar.register()
        menu_entries.register()
        coverage.register()
        wipe_view.register()
        tracks.register()
        cli.register()
    except Exception:
        unregister()
        raise


def _take_up_open_file() -> None:
    # While Blender starts its add-ons there is no file yet, and ``bpy.data`` is closed to them.
    if hasattr(bpy.data, "scenes"):
        migrations.migrate()
        move_shot.find_stray_shots()


def _take_news() -> None:
    job_list.current().pump()


def _look_at_disk() -> None:
    disk_watch.look(time.monotonic())


def _look_at_moves() -> None:
    live_preview.look(time.monotonic())


def _prepare_thumbnails() -> None:
    thumbnails.prepare(row.thumbnail for row in job_list.current().rows)


def _start() -> None:
    """The timer, and the jobs that the open file waits for."""
    disk_watch.forget()
    timer.register(
        steps=(
            _take_news,
            capabilities.follow,
            installation.pump,
            model_downloads.follow,
            _look_at_disk,
            folder_sizes.look,
            _look_at_moves,
            _prepare_thumbnails,
            panel_updates.flush,
        ),
        busy=(
            lambda: backend_link.current().is_busy(),
            lambda: job_list.current().is_preparing,
            installation.is_running,
            folder_sizes.is_counting,
            changes.is_recent,
            live_preview.is_waiting,
            panel_updates.is_due,
        ),
    )
    handlers_of_results = {action: call_times.timed(take) for action, take in job_results.RESULT_HANDLERS.items()}
    job_list.register(handlers_of_results, job_results.PREPARATIONS)


def _stop() -> None:
    """What has been started; the backend ends by itself when Blender does, or by its idle limit."""
    timer.unregister()
    picking.forget()
    installation.cancel()
    job_list.unregister()
    backend_link.close()
    error_dialog.clear()
    arrivals.forget()
    left_jobs.forget()
    model_downloads.forget()
    live_preview.forget()


def unregister() -> None:
    """Take everything away; one part that fails must not keep the others."""
    parts = (
        cli.unregister,
        thumbnails.unregister,
        coverage.unregister,
        wipe_view.unregister,
        tracks.unregister,
        status_bar.unregister,
        menu_entries.unregister,
        _stop,
        cached.forget,
        handlers.unregister,
        props.detach,
        localisation.unregister,
    )
    for part in parts:
        try:
            part()
        except Exception:
            log.exception("EX-4D: %s could not be unregistered", part.__module__)
    for cls in reversed(CLASSES):
        try:
            hooks.remove_class(cls)
        except RuntimeError:
            log.debug("EX-4D: %s was not registered", cls.__name__)
    try:
        call_times.end()
    except OSError:
        log.exception("EX-4D: the times of calls could not be written")
