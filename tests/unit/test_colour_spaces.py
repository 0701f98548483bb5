# SPDX-License-Identifier: Apache-2.0
"""What a configuration's colour spaces are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from ex4d.jobs import colour_spaces as job
from ex4d.jobs.context import JobContext
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import ColourSpacesRequest
from ex4d.protocol.results import parse_result, result_record


def test_plates_own_configuration() -> None:
    result = job.run(ColourSpacesRequest(), JobContext())
    known = {space.name: space for space in result.spaces}
    assert known["ACEScg"].interop_id == "lin_ap1_scene"
    assert "lin_ap1" in known["ACEScg"].aliases
    assert known["ACEScg"].kind == "linear"
    assert known["S-Log3 S-Gamut3.Cine"].kind == "log"
    assert known["sRGB - Display"].kind == "display"
    assert known["Raw"].kind == "data"
    assert result.roles["scene_linear"] == "ACEScg"
    assert parse_result("colour_spaces", result_record(result)) == result


def test_other_configurations(tmp_path: Path) -> None:
    assert any(space.name == "ACEScg" for space in job.run(ColourSpacesRequest("ocio://default"), JobContext()).spaces)
    for path in (tmp_path / "none.ocio", tmp_path / "bad.ocio"):
        (tmp_path / "bad.ocio").write_text("no configuration")
        with pytest.raises(BadInputError, match=path.name):
            job.run(ColourSpacesRequest(str(path)), JobContext())
