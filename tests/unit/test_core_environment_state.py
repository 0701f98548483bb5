# SPDX-License-Identifier: GPL-3.0-or-later
"""What folders hold of an environment, and which of them are ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ex4d_blender.core.environment_state import MARKER, STEPS, environment_state
from installations import install, plan_in, set_done

from ex4d.protocol.errors import BadInputError


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    plan = plan_in(tmp_path)
    plan.folder.mkdir(parents=True)
    (plan.folder / "thesis.txt").write_text("words", encoding="utf-8")
    (plan.folder / "lib").mkdir()
    with pytest.raises(BadInputError, match="not empty"):
        plan.check()
    with pytest.raises(BadInputError, match="not empty"):
        install(plan)
    assert sorted(path.name for path in plan.folder.iterdir()) == ["lib", "thesis.txt"]


def test_states_of_folders(tmp_path: Path) -> None:
    assert not environment_state(tmp_path).installed
    for text in ("damaged", "[]", '{"format": "other"}'):
        (tmp_path / MARKER).write_text(text, encoding="utf-8")
        assert not environment_state(tmp_path).installed
    record = {"format": "ex4d-environment", "done": 3, "version": 4}
    (tmp_path / MARKER).write_text(json.dumps(record), encoding="utf-8")
    state = environment_state(tmp_path)
    assert (state.installed, state.complete, state.version) == (True, False, None)
    set_done(tmp_path, *STEPS)
    assert "gone" in environment_state(tmp_path).problem
