# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps of an installation go by."""

from __future__ import annotations

from ex4d_blender.core.install_steps import plain_version


def test_versions_that_wheels_write_in_another_way() -> None:
    for own, in_name in (("1.0.0-rc1", "1.0.0rc1"), ("1.0.dev2", "1.0.dev2"), ("1.0+ab.1", "1.0_ab.1")):
        assert plain_version(own) == plain_version(in_name)
    assert plain_version("1.10") != plain_version("1.1.0")
