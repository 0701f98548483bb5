# SPDX-License-Identifier: Apache-2.0
"""ex4d colour-spaces."""

import json

from ex4d.cli import main
from ex4d.colour.config import BUILT_IN


def test_lists_names_and_aliases(capsys, monkeypatch):
    monkeypatch.delenv("OCIO", raising=False)
    assert main(["colour-spaces", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    text = json.dumps(result)
    assert BUILT_IN in text
    for name in ("ACEScg", "lin_ap1_scene", "S-Log3 S-Gamut3.Cine", "Rec.2100-PQ - Display"):
        assert name in text
    assert '"Raw"' not in text  # holds data


def test_a_configuration_that_is_gone(capsys, tmp_path):
    assert main(["colour-spaces", "--ocio", str(tmp_path / "gone.ocio")]) == 10
    assert "gone.ocio" in capsys.readouterr().err
