# SPDX-License-Identifier: Apache-2.0
"""Writing files: whole under the final name, or not at all."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

import pytest
from command import leftovers

from ex4d.protocol.errors import BadInputError, TransientError
from ex4d.protocol.identity import linux_start_ticks
from ex4d.system.files import (
    atomic_path,
    atomic_write,
    host_name,
    make_folder,
    output_error,
    remove_tree,
    temporary_sibling,
    writing,
)
from ex4d.system.processes import process_space

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="permissions and links work otherwise there")
not_root = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")


def test_temporary_names_tell_host_and_process_and_differ(tmp_path: Path) -> None:
    names = {temporary_sibling(tmp_path / "a-b.png") for _ in range(50)}
    assert len(names) == 50
    for path in names:
        assert path.parent == tmp_path
        owner = rf"{process_space()}\.{os.getpid()}\.{linux_start_ticks(os.getpid()) or 'x'}"
        assert re.fullmatch(rf"\.tmp-{owner}-[0-9a-f]{{8}}-a-b\.png", path.name)
    assert "-" not in host_name()


def test_atomic_write_replaces_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic_write(path, b"old and longer")
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError])
def test_a_failed_write_keeps_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            assert path.read_bytes() == b"old"
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TransientError), atomic_path(tmp_path / "a"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(TransientError, match=re.escape(f"{tmp_path / 'a'} cannot be written: ")):
        atomic_write(tmp_path / "a", b"x")
    assert leftovers(tmp_path) == []


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="no/a cannot be written: No such file") as caught:
        atomic_write(tmp_path / "no" / "a", b"x")
    assert caught.value.hint.endswith(".")


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, TransientError, "The disk that holds a/b is full."),
        (errno.EDQUOT, TransientError, "The disk that holds a/b is full."),
        (errno.EFBIG, TransientError, "allows no file of that size"),
        (errno.EACCES, TransientError, "a/b cannot be written: "),
        (errno.EROFS, TransientError, "a/b cannot be written: "),
        (errno.EIO, TransientError, "a/b cannot be written: "),
        (errno.ENOTDIR, BadInputError, "a/b cannot be made a folder: "),
        (errno.ENAMETOOLONG, BadInputError, "a/b cannot be made a folder: "),
    ],
)
def test_what_the_system_says_in_words(number: int, kind: type, words: str) -> None:
    error = output_error(OSError(number, os.strerror(number)), Path("a/b"))
    assert type(error) is kind
    assert words in error.message.replace("\\", "/")
    assert error.hint


def test_temporary_names_are_not_shown_to_the_user() -> None:
    inside = temporary_sibling(Path("shot/cache/plate-1")) / "frames" / "1.png"
    error = output_error(OSError(errno.ENOSPC, ""), inside)
    assert error.message.replace("\\", "/") == "The disk that holds shot/cache is full."


def test_an_error_without_a_number_is_no_full_disk(tmp_path: Path) -> None:
    error = output_error(OSError("12 requested and 0 written"), tmp_path / "no" / "a")
    assert "cannot be written: 12 requested and 0 written." in error.message


def test_writing_lets_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="mine"), writing(tmp_path):
        raise BadInputError("mine", "hint")
    with pytest.raises(ZeroDivisionError), writing(tmp_path):
        raise ZeroDivisionError


def test_make_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == make_folder(folder) == folder
    assert folder.is_dir()
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file", tmp_path / "file" / "b"):
        with pytest.raises(BadInputError, match="cannot be made a folder"):
            make_folder(bad)
    with pytest.raises(BadInputError, match="cannot be made a folder"):
        make_folder(tmp_path / ("x" * 300))


@not_root
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(TransientError, match="cannot be written: Permission denied"):
            make_folder(tmp_path / "a")
        with pytest.raises(TransientError, match="cannot be written: Permission denied"):
            atomic_write(tmp_path / "a", b"x")
    finally:
        tmp_path.chmod(0o700)


def test_remove_tree(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").touch()
    (tmp_path / "file").touch()
    for name in ("a", "file", "was never there"):
        remove_tree(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@posix_only
def test_remove_tree_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    remove_tree(tmp_path / "link")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "precious" / "file").exists()
