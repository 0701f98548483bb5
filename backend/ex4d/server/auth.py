# SPDX-License-Identifier: Apache-2.0
"""Who may connect: holders of the keys in the handshake file, and the workers that the front has started."""

from __future__ import annotations

from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

CLIENT_DOMAIN = "client"


class _Keys:
    """pyzmq's credentials provider for one domain."""

    def __init__(self) -> None:
        self.allowed: set[bytes] = set()

    def callback(self, _domain: str, key: bytes) -> bool:
        """Whether this public key (Z85) may connect."""
        return key in self.allowed


class Gate:
    """Checks the CURVE keys of all connections of a context."""

    def __init__(self, context: zmq.Context[Any]) -> None:
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._domains: dict[str, _Keys] = {}

    def allow(self, domain: str, key: bytes, *, only: bool = False) -> None:
        """Let a public key in; ``only`` shuts the domain's former ones out."""
        keys = self._domains.get(domain)
        if keys is None:
            keys = self._domains[domain] = _Keys()
            self._authenticator.configure_curve_callback(domain, credentials_provider=keys)
        keys.allowed = {key} if only else {*keys.allowed, key}

    def close(self) -> None:
        """Stop checking."""
        self._authenticator.stop()
