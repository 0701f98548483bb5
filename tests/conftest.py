# SPDX-License-Identifier: Apache-2.0
"""For all tests."""

from __future__ import annotations

import os
import shutil
import signal
import tarfile
from pathlib import Path

import pytest

# A shell starts background jobs with SIGINT ignored, and so would be every process that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where processes share the tests, they share the processors, with all that the tests start.
if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    threads = str(max(1, (os.cpu_count() or 1) // int(processes)))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "LP_NUM_THREADS"):
        os.environ.setdefault(variable, threads)

#: Inputs of the cases from public bug reports, see the README there.
CASES = Path(__file__).parent / "cases"
_EARLIER_JOB = Path(__file__).parent / "data" / "job_by_0f2baa4.tar.xz"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--long`` also runs the tests that take minutes."""
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out unless they are asked for."""
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: scripts/test --long"))


@pytest.fixture
def case(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the inputs of the case that the mark ``case`` names; tests may write beside them."""
    mark = request.node.get_closest_marker("case")
    assert mark is not None, "name the case: @pytest.mark.case('ts_joined')"
    return Path(shutil.copytree(CASES / mark.args[0], tmp_path / mark.args[0]))


@pytest.fixture
def earlier_job(tmp_path: Path) -> Path:
    """The folder ``job`` that 0f2baa4 made (tests/data/README.md), in a place of its own."""
    with tarfile.open(_EARLIER_JOB) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "job"
