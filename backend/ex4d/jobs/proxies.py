# SPDX-License-Identifier: Apache-2.0
"""Small copies of shots that stay in memory from one preview to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

from ex4d.mesh.viewport import ProxyShot
from ex4d.raster.preview import PREVIEW_SCALE
from ex4d.shot.reconstruction import Reconstruction

#: Longer side of a copy, pixels and vertices: a quarter of the plate's, as previews are a quarter of a take's, within
#: these.
PROXY_SIDES = (96, 256)
#: Memory for all of them.
PROXY_BYTES = 512 << 20


@dataclass
class ProxyShots:
    """The copies, by the keys of plate and mesh; the most recently used one is the last."""

    _proxies: dict[str, ProxyShot] = field(default_factory=dict)

    def of(self, reconstruction: Reconstruction) -> ProxyShot:
        """The copy of a shot; the least recently used ones go when memory is short."""
        key = f"{reconstruction.mesh_key}:{reconstruction.plate_key}"
        side = min(max(max(reconstruction.frames.size) // PREVIEW_SCALE, PROXY_SIDES[0]), PROXY_SIDES[1])
        proxy = self._proxies.pop(key, None) or ProxyShot(reconstruction.frames, reconstruction.mesh, side)
        self._proxies[key] = proxy
        while len(self._proxies) > 1 and self._bytes() > PROXY_BYTES:
            del self._proxies[next(iter(self._proxies))]
        return proxy

    def _bytes(self) -> int:
        return sum(len(proxy.frames) * proxy.bytes_per_frame for proxy in self._proxies.values())
