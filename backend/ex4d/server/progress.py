# SPDX-License-Identifier: Apache-2.0
"""A job's progress as the worker reports it: stage, step, of, eta."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ex4d.protocol.errors import CancelledError, Ex4dError
from ex4d.protocol.runtime import open_private
from ex4d.system.files import atomic_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Seconds between two reports of one stage.
REPORT_SECONDS = 0.1

#: Longer side of a look at what is being made, pixels.
LOOK_SIDE = 320

#: The stages of each kind of job, in order.
STAGES: dict[str, tuple[str, ...]] = {
    "reconstruct": ("plate", "depth", "mesh", "viewport"),
    "render": ("raster",),
    "preview": ("raster",),
    "generate": ("raster", "fill", "composite"),
    "doctor": ("doctor",),
    "free_memory": ("free_memory",),
}


#: The parts of a stage that is not one piece of work, with their usual shares of its time.
PARTS: dict[str, dict[str, float]] = {
    "fill": {"read": 0.02, "prompt": 0.03, "load": 0.1, "encode": 0.05, "denoise": 0.65, "decode": 0.15},
}

#: Notes of a job, and characters of one.
MAX_NOTES, MAX_NOTE = 100, 1000


@dataclass
class JobProgress:
    """``Progress`` of one job.

    A stage of the job may consist of parts, which are begun and ended inside it; a stage whose first part begins has
    begun itself.

    Attributes:
        kind: of the job.
        send: takes what changed, fields of ``JobSnapshot``.
        cancelled: asked at every step; when it says so the work ends with ``CancelledError``.
        looks: path of the looks at what is being made, without suffix; each has a number of its own, and only the last
            one stays. None = none are kept.
    """

    kind: str
    send: Callable[[dict[str, Any]], None]
    cancelled: Callable[[], bool]
    looks: Path | None = None
    notes: list[str] = field(default_factory=list)
    _look: Path | None = None
    _look_count: int = 0
    #: Stages that have ended, in the order of ``STAGES``.
    _index: int = 0
    _is_open: bool = False
    _part: str = ""
    #: Share of the stage that is done in its parts before this one.
    _before: float = 0.0
    _name: str = ""
    _step: int = 0
    _of: int = 0
    _share: float = 0.0
    _started: float = 0.0
    _reported: float = 0.0

    def begin(self, stage: str, of: int | None) -> None:
        """See ``Progress``."""
        plan = STAGES[self.kind]
        if stage in plan:
            # What is begun once more (a part of the plate for another stage) does not set the job back.
            self._index = max(self._index, plan.index(stage))
            self._part, self._before = "", 0.0
        else:
            self._part = stage
        self._is_open = True
        self._name, self._step, self._of = stage, 0, of or 0
        self._started = time.monotonic()
        self._report()
        self._check()

    def advance(self) -> None:
        """See ``Progress``."""
        self._step += 1
        if time.monotonic() - self._reported >= REPORT_SECONDS or self._step == self._of:
            self._report()
        self._check()

    def end(self, *, cached: bool = False) -> None:
        """See ``Progress``."""
        if self._part:
            self._before += self._weight()
            self._part = ""
        elif self._is_open:
            self._index = min(self._index + 1, len(STAGES[self.kind]))
            self._is_open, self._before = False, 0.0
        self._step, self._of = 0, 0
        self._check()

    def check(self) -> None:
        """See ``Progress``."""
        self._check()

    def _weight(self) -> float:
        """Of the part that is open, within its stage; of a whole stage 1."""
        if not self._part:
            return 1.0
        plan = STAGES[self.kind]
        return PARTS.get(plan[min(self._index, len(plan) - 1)], {}).get(self._part, 0.0)

    def _done(self) -> float:
        """Share of the job that is done; never less than it was."""
        step = min(self._step / self._of, 1.0) if self._of else 0.0
        inside = min(self._before + self._weight() * step, 1.0)
        self._share = max(self._share, min((self._index + inside) / len(STAGES[self.kind]), 1.0))
        return self._share

    def note(self, text: str) -> None:
        """See ``Progress``."""
        text = text if len(text) <= MAX_NOTE else f"{text[: MAX_NOTE - 2]} …"
        if text not in self.notes and len(self.notes) < MAX_NOTES:
            self.notes.append(text)
            self.send({"notes": list(self.notes)})

    def look(self, picture: NDArray[np.uint8]) -> None:
        """See ``Progress``."""
        if self.looks is None:
            return
        import cv2

        height, width = picture.shape[:2]
        scale = min(1.0, LOOK_SIDE / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        _, data = cv2.imencode(".jpg", cv2.resize(picture, size, interpolation=cv2.INTER_AREA)[..., ::-1])
        self._look_count += 1
        path = self.looks.with_name(f"{self.looks.name}-{self._look_count}.jpg")
        # A look is a courtesy: a full disk is the work's own business.
        with suppress(Ex4dError, OSError):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            with (
                atomic_path(path) as temporary,
                # Unlike shots it lies in the runtime folder, which is the user's alone.
                os.fdopen(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file,
            ):
                file.write(data.tobytes())
            self.send({"thumbnail": str(path)})
            self.forget_look()
            self._look = path

    def forget_look(self) -> None:
        """Delete the last look."""
        if self._look is not None:
            self._look.unlink(missing_ok=True)

    def _report(self) -> None:
        now = time.monotonic()
        self._reported = now
        eta = (now - self._started) / self._step * (self._of - self._step) if self._of and self._step else None
        self.send(
            {
                "stage": self._name,
                "stage_index": min(self._index, len(STAGES[self.kind]) - 1),
                "stage_count": len(STAGES[self.kind]),
                "step": self._step,
                "of": self._of,
                "share": round(self._done(), 6),
                "eta": round(eta, 1) if eta is not None else None,
            }
        )

    def _check(self) -> None:
        if self.cancelled():
            raise CancelledError
