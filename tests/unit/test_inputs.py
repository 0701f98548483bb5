# SPDX-License-Identifier: Apache-2.0
"""Files, numbers and JSON from outside."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.ordinary_files import NotOrdinaryFileError, open_ordinary
from ex4d.protocol.parsing import fraction_from, parse_json
from ex4d.protocol.runtime import open_private
from ex4d.protocol.seal import read_ours
from ex4d.system.inputs import check_input, open_input, read_bytes


def test_an_ordinary_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert read_bytes(tmp_path / "a") == read_bytes(tmp_path / "b") == b"abc"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system, which Windows has not")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name in ("pipe", "zero", "socket", ".", "missing"):
            with pytest.raises(BadInputError):
                check_input(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in the file system, which Windows has not")
def test_all_who_open_files_refuse_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    openers: list[Callable[[Path], int]] = [open_ordinary, lambda path: open_private(path, os.O_RDONLY)]
    for opener in openers:
        for name, kind in (("pipe", stat.S_IFIFO), (".", stat.S_IFDIR)):
            with pytest.raises(NotOrdinaryFileError) as caught:
                os.close(opener(tmp_path / name))
            assert (caught.value.errno, caught.value.kind) == (errno.ENXIO, kind)
        descriptor = opener(tmp_path / "file")
        assert os.read(descriptor, 9) == b"abc"
        os.close(descriptor)
    os.close(open_ordinary(tmp_path / "link"))
    with pytest.raises(OSError, match="symbolic"):
        os.close(open_private(tmp_path / "link", os.O_RDONLY))
    assert read_ours(tmp_path / "link") == b"abc"
    with pytest.raises(NotOrdinaryFileError):
        read_ours(tmp_path / "pipe")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to count descriptors")
def test_what_is_refused_is_closed_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(8):
        for name in ("pipe", "."):
            with pytest.raises(BadInputError):
                check_input(tmp_path / name)
            with pytest.raises(OSError, match="ordinary"):
                open_private(tmp_path / name, os.O_RDONLY)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadInputError, match="bytes"):
        read_bytes(tmp_path / "large")


def test_a_path_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(BadInputError), open_input(Path("a\ud800.png")):
        pass


@pytest.mark.parametrize(
    ("text", "value"), [("24", 24), (24, 24), ("24000/1001", Fraction(24000, 1001)), ("23.976", Fraction(23976, 1000))]
)
def test_fractions(text: object, value: Fraction) -> None:
    assert fraction_from(text) == value


@pytest.mark.parametrize("text", ["1e99999999", "1/0", "", "nan", "inf", None, True, [], "9" * 40, "1e9", "0x10", " 1"])
def test_what_is_no_fraction_is_refused_at_once(text: object) -> None:
    with pytest.raises(ValueError, match=r"number|zero"):
        fraction_from(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_every_encoding(encoding: str) -> None:
    assert parse_json('{"ä": 1}'.encode(encoding)) == {"ä": 1}


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "[" * 100_000, b"\xff\xfe\xff", "1" * 10_000])
def test_what_is_no_json_is_a_value_error(text: bytes | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the text is Python's
        parse_json(text)
