# SPDX-License-Identifier: Apache-2.0
"""What a job gets besides its request."""

from __future__ import annotations

from dataclasses import dataclass, field

from ex4d.jobs.proxies import ProxyShots
from ex4d.system.progress import Progress, Silent


@dataclass(frozen=True)
class JobContext:
    """Who listens to a job, and what is kept from one job to the next.

    Attributes:
        progress: hears how far it is; may stop it.
        proxies: small copies of shots, for previews.
    """

    progress: Progress = field(default_factory=Silent)
    proxies: ProxyShots = field(default_factory=ProxyShots)
