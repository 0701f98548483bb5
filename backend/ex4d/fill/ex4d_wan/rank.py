# SPDX-License-Identifier: Apache-2.0
"""One of the other processes that make a take together, started by the host of the first one."""

from __future__ import annotations

from ex4d.fill.ex4d_wan.host import ModelHost, Order
from ex4d.models.parallel.group import RankGroup
from ex4d.models.parallel.team import follow
from ex4d.models.runtime import model_runtime


def main() -> None:
    """Follow rank 0 until it ends."""
    host: ModelHost | None = None

    def serve(order: Order, group: RankGroup) -> None:
        nonlocal host
        if host is None:
            host = ModelHost(order.weights, model_runtime())
        host.follow(order, group)

    follow(serve)


if __name__ == "__main__":
    main()
