# SPDX-License-Identifier: Apache-2.0
"""Rasterizers that are made once and used again: each OpenGL context leaves some memory with its driver for good."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator

from ex4d.mesh import DWMesh
from ex4d.protocol.errors import Ex4dError, ResourceError
from ex4d.raster import select
from ex4d.raster.base import RasterFrame, Rasterizer, RasterScene, Texture, View
from ex4d.raster.select import AUTOMATIC, create_rasterizer, none_works
from ex4d.system.devices import DEVICE_VARIABLE

#: What makes a rasterizer, and the device that was named meanwhile.
_Maker = tuple[Callable[[], Rasterizer], str | None]


class _Kept(threading.local):
    """By name, with what made them; a context belongs to the thread that made it."""

    def __init__(self) -> None:
        self.made: dict[str, tuple[_Maker, Rasterizer]] = {}


_kept = _Kept()


class KeptRasterizer:
    """A ``Rasterizer`` that is lent: ``close`` gives it back, without what it held for one size of frames."""

    def __init__(self, rasterizer: Rasterizer) -> None:
        self._rasterizer = rasterizer
        self.name, self.device, self.licence = rasterizer.name, rasterizer.device, rasterizer.licence

    def upload(self, mesh: DWMesh, texture: Texture) -> RasterScene:
        """See ``Rasterizer.upload``."""
        return self._rasterizer.upload(mesh, texture)

    def render_sequence(self, views: Iterable[View], *, positions: bool = False) -> Iterator[RasterFrame]:
        """See ``Rasterizer.render_sequence``."""
        try:
            yield from self._rasterizer.render_sequence(views, positions=positions)
        except Ex4dError:
            raise
        except Exception:
            # A driver that has failed may go on failing; the next job gets a fresh one.
            _kept.made.pop(self.name, None)
            raise

    def trim(self) -> None:
        """See ``Rasterizer.trim``."""
        self._rasterizer.trim()

    def close(self) -> None:
        """Give it back."""
        self._rasterizer.trim()


def borrow_rasterizer(name: str = "auto") -> tuple[Rasterizer, tuple[str, ...]]:
    """As ``create_rasterizer``, but what this thread has made before is used again. What "auto" stands for is tried
    anew each time: a driver that failed once may work now."""
    if name != "auto":
        return _lent(name), ()
    failures: list[Ex4dError] = []
    for candidate in AUTOMATIC:
        try:
            return _lent(candidate), tuple(str(failure) for failure in failures)
        except ResourceError as error:
            failures.append(error)
    raise none_works(failures)


def _lent(name: str) -> Rasterizer:
    if name not in AUTOMATIC:
        # Its memory is wanted by others; or there is none of that name.
        return create_rasterizer(name)[0]
    maker = select.RASTERIZERS[name], os.environ.get(DEVICE_VARIABLE)
    made = _kept.made.get(name)
    if made is None or made[0] != maker:
        made = _kept.made[name] = maker, create_rasterizer(name)[0]
    return KeptRasterizer(made[1])
