# SPDX-License-Identifier: Apache-2.0
"""Stage 6: source pixels and fill in one picture, delivered as a take."""

from ex4d.composite.blend import composite
from ex4d.composite.take import TakeJob, existing_takes

__all__ = ["TakeJob", "composite", "existing_takes"]
