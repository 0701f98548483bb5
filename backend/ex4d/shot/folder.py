# SPDX-License-Identifier: Apache-2.0
"""The shot: a folder that holds one plate and all that is made from it.

shot.json            which plate, which finished stages are current
cache/<stage>-<key>/ outputs of the stages (see ``cache``)
takes/v001/ …        delivered takes
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.protocol.seal import NewerFormatError, checksum, read_ours
from ex4d.stages.cache import StageCache
from ex4d.stages.work_folder import remove_leftovers
from ex4d.system.files import atomic_write, writing
from ex4d.system.progress import Progress

T = TypeVar("T")
SHOT_FILE = "shot.json"
SHOT_FORMAT = "ex4d-shot"
SHOT_VERSION = 1


def _is_shot(record: Any) -> bool:
    match record:
        case {
            "format": "ex4d-shot",
            "version": 1,
            "plate": {"path": str(), "sha256": str(), "files": list()},
            "stages": {"plate": str(), "depth": str(), "mesh": str()},
        }:
            # Those of earlier versions have no checksum.
            rest = {name: value for name, value in record.items() if name != "checksum"}
            return "checksum" not in record or record["checksum"] == checksum(rest)
    return False


def _is_newer(record: Any) -> bool:
    match record:
        case {"format": "ex4d-shot", "version": int(version)}:
            return version > SHOT_VERSION
    return False


class Shot:
    """A shot folder.

    Raises (when made):
        BadInputError: the folder is a file, or its shot.json is not ours.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = StageCache(root / "cache")
        self.takes = root / "takes"
        with writing(root):
            if root.exists() and not root.is_dir():
                raise BadInputError(f"{root} is a file, not a folder.", "Choose a folder for the shot.")
            for folder in (self.root, self.cache.root, self.takes):
                remove_leftovers(folder)
            self._record = self.read_record(root)

    @staticmethod
    def read_record(root: Path) -> dict[str, Any]:
        """What shot.json says, empty where there is none; raises BadInputError where it is not ours or damaged."""
        path = root / SHOT_FILE
        if not path.exists():
            return {}
        try:
            record = parse_json(read_ours(path))
        except (OSError, ValueError):
            record = None
        if _is_newer(record):
            raise NewerFormatError(path)
        if not _is_shot(record):
            raise BadInputError(
                f"{path} is damaged or belongs to something else.",
                "Choose another folder; if the shot was yours, delete the file: the next run finds its cache again.",
            )
        return record

    def heal(self, work: Callable[[], T], progress: Progress) -> T:
        """See ``StageCache.heal``; ``work`` begins with what ``ex4d.shot.reconstruction`` makes or opens."""
        return self.cache.heal(work, progress)

    @property
    def record(self) -> Mapping[str, Any]:
        """What shot.json says, empty where there is none."""
        return self._record

    def write_record(self, record: dict[str, Any]) -> None:
        """Write shot.json: ``record`` besides what says whose file it is."""
        whole = {"format": SHOT_FORMAT, "version": SHOT_VERSION, **record}
        self._record = {**whole, "checksum": checksum(whole)}
        atomic_write(self.root / SHOT_FILE, json.dumps(self._record, indent=1).encode())
