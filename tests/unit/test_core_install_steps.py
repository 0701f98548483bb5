# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of an installation go by."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from ex4d_blender.core.install_steps import command, plain_version, told_version
from installations import answer, plan_in


def test_versions_that_wheels_write_in_another_way() -> None:
    for own, in_name in (("1.0.0-rc1", "1.0.0rc1"), ("1.0.dev2", "1.0.dev2"), ("1.0+ab.1", "1.0_ab.1")):
        assert plain_version(own) == plain_version(in_name)
    assert plain_version("1.10") != plain_version("1.1.0")


def test_what_the_doctor_says_is_found_among_other_words() -> None:
    line = answer("9.9").removeprefix("print('").removesuffix("')")
    assert told_version("\n".join(["a warning", "[" * 100_000, "[]", line])) == "9.9"
    assert told_version("[" * 100_000) is None


def test_packages_are_installed_by_their_checksums_and_as_wheels_alone(tmp_path: Path) -> None:
    plan = plan_in(tmp_path, extra="gpu", base_python=Path(sys.executable))
    *_, runs = command("packages", plan, plan.place)
    hashed, loose = json.loads(runs)
    for words in (hashed, loose):
        assert {"--only-binary=:all:", "--no-deps", "--no-index"} <= set(words)
        assert "--upgrade" not in words
    assert "--require-hashes" in hashed
    assert "--require-hashes" not in loose
    named = [Path(after).name for before, after in itertools.pairwise(hashed) if before == "--requirement"]
    assert named == ["base.txt", "gpu.txt"]
    assert Path(loose[-1]).name == "gpu-unhashed.txt"
    assert command("backend", plan, plan.place)[-1].endswith(f"#sha256={plan.digest()}")
