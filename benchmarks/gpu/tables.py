# SPDX-License-Identifier: Apache-2.0
"""Tables in Markdown, row by row. Nothing but the standard library is imported: see ``benchmarks.gpu.cold``."""

from __future__ import annotations


def cells(*values: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(str(value) for value in values) + " |", flush=True)


def head(*titles: str) -> None:
    """A table's first rows."""
    cells(*titles)
    cells(*["---"] * len(titles))
