# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the service tests."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ex4d.jobs import reconstruct
from ex4d.jobs.context import JobContext

# The tests' client is the add-on's own, which is not installed.
from service import Server, make_sequence, reconstruct_request

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


@pytest.fixture(scope="session")
def long_reconstruction(long_plate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long plate's shot, made once and without a backend."""
    folder = tmp_path_factory.mktemp("reconstruction") / "shot"
    reconstruct.run(reconstruct_request(folder, long_plate), JobContext())
    return folder


@pytest.fixture
def long_shot(long_reconstruction: Path, tmp_path: Path) -> Path:
    """A copy of the long plate's shot for takes."""
    return Path(shutil.copytree(long_reconstruction, tmp_path / "shot"))
