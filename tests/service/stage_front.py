# SPDX-License-Identifier: Apache-2.0
"""A front in a thread of the test's process."""

from __future__ import annotations

import threading

from ex4d_blender.core.client import JobClient

from ex4d.protocol.runtime import read_handshake
from ex4d.server.front import Front, FrontSettings
from service import until


class FrontThread:
    """A front in a thread of this process, with puppets for workers."""

    def __init__(self, settings: FrontSettings) -> None:
        self.runtime = settings.runtime
        self.front = Front(settings)
        self._thread = threading.Thread(target=self.front.run)
        self.clients: list[JobClient] = []

    def open(self) -> None:
        self._thread.start()
        until(lambda: read_handshake(self.runtime))

    def client(self) -> JobClient:
        client = JobClient("test")
        handshake = read_handshake(self.runtime)
        assert handshake is not None
        client.connect(handshake)
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.disconnect()
        self.front.stop("the test is over")
        if self._thread.ident is not None:
            self._thread.join(20)
            assert not self._thread.is_alive()
