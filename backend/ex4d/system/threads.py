# SPDX-License-Identifier: Apache-2.0
"""Threads beside the main one: a few for file work (compressing, writing), all of them for bands of rows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class BoundedPool:
    """Runs calls on threads; ``submit`` waits while too many are under way. A context manager.

    The first exception of a call is raised again by the next ``submit`` or at the end of the block.
    """

    def __init__(self, threads: int = 2, waiting: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._pending: deque[Future[Any]] = deque()
        self._limit = threads + waiting

    def submit(self, call: Callable[..., Any], *args: Any) -> None:
        """Run ``call(*args)`` soon."""
        while len(self._pending) >= self._limit or (self._pending and self._pending[0].done()):
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(call, *args))

    def wait(self) -> None:
        """Return when all calls so far have ended; raises the first one's exception."""
        while self._pending:
            self._pending.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)


def prefetched(load: Callable[[T], R], items: Iterable[T], ahead: int = 1, threads: int = 1) -> Iterator[R]:
    """``load(item)`` for each item in order, loaded on threads while the caller works on the former ones; ``ahead``
    items at most lie ready or are loaded meanwhile."""
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(load, item))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def in_bands(work: Callable[[int, int], object], rows: int, band: int) -> None:
    """``work(first, last)`` for bands of ``band`` rows that together are 0 … ``rows``, on all cores; a single one on
    the caller's thread. Raises the first exception of a band."""
    starts = range(0, rows, band)
    threads = min(os.cpu_count() or 1, len(starts))
    if threads < 2:
        for first in starts:
            work(first, min(first + band, rows))
        return
    with ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(work, first, min(first + band, rows)) for first in starts]:
            future.result()
