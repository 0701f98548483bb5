# SPDX-License-Identifier: Apache-2.0
"""How long work reports where it is, whoever listens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    # The service's front process stays small.
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


class Progress(Protocol):
    """Receives the progress of one job. Any of its methods may raise to stop the work."""

    def begin(self, stage: str, of: int | None) -> None:
        """A stage starts; ``of`` is its number of steps where that is known."""

    def advance(self) -> None:
        """One step of the current stage is done."""

    def end(self, *, cached: bool = False) -> None:
        """The current stage is done; ``cached`` when its output was there already."""

    def check(self) -> None:
        """Nothing has got on, but this is a place to stop at."""

    def note(self, text: str) -> None:
        """A sentence that the user should read: an assumption, a fallback, a label."""

    def look(self, picture: NDArray[np.uint8]) -> None:
        """A quick look (h, w, 3) RGB at what is being made; may be shown, or not."""


class Silent:
    """A ``Progress`` that nobody listens to."""

    def begin(self, stage: str, of: int | None) -> None:
        """See ``Progress``."""

    def advance(self) -> None:
        """See ``Progress``."""

    def end(self, *, cached: bool = False) -> None:
        """See ``Progress``."""

    def check(self) -> None:
        """See ``Progress``."""

    def note(self, text: str) -> None:
        """See ``Progress``."""

    def look(self, picture: NDArray[np.uint8]) -> None:
        """See ``Progress``."""


def steps(progress: Progress, items: Iterable[T]) -> Iterator[T]:
    """Iterate and report a step after each item."""
    for item in items:
        yield item
        progress.advance()
