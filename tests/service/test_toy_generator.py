# SPDX-License-Identifier: Apache-2.0
"""A generator of somebody else's, one folder and one line, behind the service: offered with its option, and drawing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ex4d.media.images import read_image
from service import Server, finish, generate_request, make_sequence, reconstruct_request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the helpers read /proc")

UNIT = Path(__file__).parents[1] / "unit"
#: The line, for processes that the test does not run in.
SITE = "from ex4d.fill import registry\nregistry.GENERATORS.append('toy_generator')\n"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    already = [path for path in [os.environ.get("PYTHONPATH", "")] if path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(UNIT), *already]))
    made = Server(tmp_path / "run")
    yield made
    made.close()


def test_a_toy_generator_is_offered_and_fills(server: Server, tmp_path: Path) -> None:
    server.start()
    client = server.client()
    assert client.welcome is not None
    assert client.welcome.capabilities is not None
    offered = {info.name: info for info in client.welcome.capabilities.generators}
    assert next(iter(offered)) == "preview"
    share = next(option for option in offered["toy"].options if option.name == "paint_share")
    assert (share.kind, share.default, share.minimum, share.maximum) == ("number", 0.5, 0, 1)

    shot, plate = tmp_path / "shot", make_sequence(tmp_path / "plate", 2, 64, 48)
    assert finish(client, client.submit(reconstruct_request(shot, plate))).state == "done"
    takes = []
    for options in ({}, {"paint_share": 1}, {"paint_share": 1.0}, {"seed": 4}):
        done = finish(client, client.submit(generate_request(shot, "orbit:30", "toy", options)))
        assert done.state == "done", done.error
        takes.append(done.result)
    # The option is a part of the key, and draws.
    assert [take.take for take in takes] == ["v001", "v002", "v002", "v003"]
    assert takes[0].label == "one colour"
    grey, white = (read_image(Path(take.folder) / "result" / "result.1002.png") for take in takes[:2])
    assert (white.astype(int) - grey).max() > 100

    failed = finish(client, client.submit(generate_request(shot, "orbit:30", "toy", {"paint_share": 2})))
    assert failed.state == "failed"
    assert failed.error is not None
    assert "«paint_share» is out of range" in failed.error.message
