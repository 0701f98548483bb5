# SPDX-License-Identifier: Apache-2.0
"""A job's progress as the worker reports it: stage, step, of, eta."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ex4d.files import atomic_write, make_folder
from ex4d.protocol.errors import CancelledError, Ex4dError

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
    "generate": ("raster", "fill", "composite"),
    "doctor": ("doctor",),
    "free_memory": ("free_memory",),
}


@dataclass
class JobProgress:
    """``Progress`` of one job.

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
    _stage: str = ""
    _index: int = 0
    _step: int = 0
    _of: int = 0
    _started: float = 0.0
    _reported: float = 0.0

    def begin(self, stage: str, of: int | None) -> None:
        """See ``Progress``."""
        plan = STAGES[self.kind]
        if stage in plan:
            self._index = plan.index(stage)
        self._stage, self._step, self._of = stage, 0, of or 0
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
        if self._stage in STAGES[self.kind]:
            # Others are parts of one.
            self._index = min(self._index + 1, len(STAGES[self.kind]))
        self._step, self._of = 0, 0
        self._check()

    def check(self) -> None:
        """See ``Progress``."""
        self._check()

    def note(self, text: str) -> None:
        """See ``Progress``."""
        if text not in self.notes:
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
        with suppress(Ex4dError):
            make_folder(path.parent)
            atomic_write(path, data.tobytes())
            self.send({"look": str(path)})
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
                "stage": self._stage,
                "stage_index": self._index,
                "stage_count": len(STAGES[self.kind]),
                "step": self._step,
                "of": self._of,
                "eta": round(eta, 1) if eta is not None else None,
            }
        )

    def _check(self) -> None:
        if self.cancelled():
            raise CancelledError
