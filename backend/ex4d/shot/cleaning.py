# SPDX-License-Identifier: Apache-2.0
"""What of a shot's cache may go: what can be made again, and neither plays in Blender nor is what takes are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from ex4d.composite.projection import ProjectionStage
from ex4d.mesh.viewport import ViewportStage
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.results import CachedStage
from ex4d.shot.folder import SHOT_FILE, Shot
from ex4d.stages.cache import StageCache
from ex4d.system.files import remove_tree, temporary_sibling, writing

#: Files of Blender play from these, and nobody knows all such files.
_PLAYED = (ViewportStage.name, ProjectionStage.name)


def cleanable(root: Path, keep: Collection[str] = ()) -> list[CachedStage]:
    """The stages in a shot's cache that may go, by name: all but the current ones of plate, camera, depth and mesh, and
    what Blender plays. Deliveries lie in ``takes`` and are no part of the cache.

    Args:
        root: the shot's folder.
        keep: names of folders in the cache that a client shows.

    Raises:
        BadInputError: the folder holds no shot, or its record is damaged.
        TransientError: the system does not let it be read.
    """
    if not (root / SHOT_FILE).exists():
        raise BadInputError(f"{root} holds no shot.", "Name the folder that was given as --out.")
    stages = Shot.read_record(root).get("stages", {})
    current = {f"{stage}-{key}" for stage, key in stages.items()}
    found = []
    for folder in StageCache(root / "cache").stages():
        stage = folder.name.rpartition("-")[0]
        if folder.name in current or folder.name in keep or stage in _PLAYED or not stage:
            continue
        sizes = list(_sizes(folder))
        found.append(CachedStage(folder.name, stage, len(sizes), sum(sizes)))
    return found


def clean(root: Path, stages: Collection[CachedStage]) -> None:
    """Remove stages that ``cleanable`` found: each is gone at once, and none is ever half there.

    Raises:
        TransientError: the system does not let it.
    """
    for stage in stages:
        folder = root / "cache" / stage.name
        going = temporary_sibling(folder)
        # Somebody else may have removed it meanwhile.
        with writing(folder), suppress(FileNotFoundError):
            folder.rename(going)
        remove_tree(going)


def _sizes(folder: Path) -> Iterator[int]:
    """Bytes of each file; of one that goes meanwhile nothing."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                yield path.stat().st_size
