# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the service tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tests' client is the add-on's own, which is not installed.
from service import Server, make_sequence

if sys.platform != "linux":
    collect_ignore_glob = ["test_server*.py", "test_abuse*.py", "test_doors*.py"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A runtime folder, empty; whatever runs in it ends with the test."""
    made = Server(tmp_path / "run")
    yield made
    made.close()


@pytest.fixture(scope="session")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small pictures."""
    return make_sequence(tmp_path_factory.mktemp("plate") / "six", 6)


@pytest.fixture(scope="session")
def long_plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures enough that each stage lasts a while."""
    return make_sequence(tmp_path_factory.mktemp("plate") / "long", 40, 320, 240)
