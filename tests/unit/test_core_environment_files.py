# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer and files that are not its own: they stay, wherever they lie."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ex4d_blender.core import environment_files
from ex4d_blender.core.environment import backend_python, environment_python
from ex4d_blender.core.environment_files import ENVIRONMENT, STAMP, clear, is_stamped
from ex4d_blender.core.environment_state import MARKER, STEPS, check_ours, environment_state
from ex4d_blender.core.install_plan import InstallPlan
from ex4d_blender.core.install_steps import STEP_NAMES
from installations import install, installed_once, plan_in, posix, set_done

from ex4d.protocol.errors import BadInputError

ALL = [STEP_NAMES[step] for step in STEPS]
CLEAR = STEP_NAMES["clear"]
OURS = json.dumps({"format": "ex4d-environment", "done": []})
#: Places within an environment that people put things into.
MINE = (
    "bin/mytool",
    "lib/mine.txt",
    "share/mine.txt",
    "share/fonts/a b.ttf",
    "etc/mine.conf",
    "include/mine.h",
    "x.txt",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> InstallPlan:
    return installed_once(tmp_path_factory)


@pytest.fixture
def copied(made: InstallPlan, tmp_path: Path) -> InstallPlan:
    shutil.copytree(made.folder, tmp_path / "env", symlinks=True)
    return replace(made, folder=tmp_path / "env")


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink())


def assert_whole(root: Path, *names: str) -> None:
    assert {name: (root / name).read_text(encoding="utf-8") for name in names} == {name: name for name in names}


def earlier_layout(plan: InstallPlan) -> None:
    """Make the folder what it was before the environment was a folder of its own in it."""
    shutil.copytree(plan.folder / ENVIRONMENT, plan.folder, symlinks=True, dirs_exist_ok=True)
    # Its marker has the stamp's name.
    shutil.rmtree(plan.folder / ENVIRONMENT)
    (plan.folder / MARKER).write_text(OURS, encoding="utf-8")
    set_done(plan.folder, *STEPS)


# Folders that are refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "marker",
    ['{"format": "thesis"}', "[]", "damaged", "[" * 100_000, '{"format": "ex4d-environment"', None],
    ids=["other", "list", "damaged", "deep", "cut", "folder"],
)
def test_a_marker_that_is_not_ours_makes_no_folder_ours(tmp_path: Path, marker: str | None) -> None:
    plan = plan_in(tmp_path)
    put(plan.folder, "lib/thesis.txt", "share/photo.jpg", "pyvenv.cfg")
    if marker is None:
        put(plan.folder, f"{MARKER}/a.txt")
    else:
        (plan.folder / MARKER).write_text(marker, encoding="utf-8")
    before = tree(plan.folder)
    assert not environment_state(plan.folder).installed
    with pytest.raises(BadInputError, match="not an environment of ours"):
        plan.check()
    with pytest.raises(BadInputError, match="not an environment of ours"):
        install(plan)
    assert tree(plan.folder) == before


@posix
def test_a_marker_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MARKER)
    assert not environment_state(tmp_path).installed
    with pytest.raises(BadInputError, match="not an environment of ours"):
        check_ours(tmp_path)


@pytest.mark.parametrize("marker", [True, False])
def test_somebody_elses_folder_where_the_environment_would_be(tmp_path: Path, marker: bool) -> None:
    plan = plan_in(tmp_path)
    put(plan.folder, f"{ENVIRONMENT}/photo.jpg")
    if marker:
        (plan.folder / MARKER).write_text(OURS, encoding="utf-8")
    with pytest.raises(BadInputError, match="not of ours" if marker else "not empty"):
        install(plan)
    assert_whole(plan.folder, f"{ENVIRONMENT}/photo.jpg")


@posix
def test_an_environment_that_is_a_link_is_not_ours(copied: InstallPlan, tmp_path: Path) -> None:
    (copied.folder / ENVIRONMENT).rename(tmp_path / "elsewhere")
    (copied.folder / ENVIRONMENT).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInputError, match="not of ours"):
        install(copied)
    assert environment_python(tmp_path / "elsewhere").exists()


@posix
def test_a_link_to_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "photos", "lib/a.jpg")
    (tmp_path / "env").symlink_to(tmp_path / "photos")
    with pytest.raises(BadInputError, match="not empty"):
        install(plan_in(tmp_path, folder=tmp_path / "env"))
    assert tree(tmp_path / "photos") == ["lib/a.jpg"]


# Folders that are taken --------------------------------------------------------------------------------------------


@posix
def test_what_a_link_leads_to_is_the_folder(tmp_path: Path) -> None:
    (tmp_path / "env").symlink_to(tmp_path / "disk" / "big")
    plan = plan_in(tmp_path, folder=tmp_path / "env")
    # It leads to nothing yet, then to an empty folder.
    plan.check()
    assert plan.place == tmp_path / "disk" / "big"
    plan.place.mkdir(parents=True)
    plan.check()
    assert install(plan) == ALL
    assert (tmp_path / "env").is_symlink()
    assert is_stamped(tmp_path / "disk" / "big" / ENVIRONMENT)
    assert environment_state(tmp_path / "env").complete


@posix
def test_what_was_put_into_an_environment_is_there_after_it_was_made_anew(copied: InstallPlan) -> None:
    root = copied.folder / ENVIRONMENT
    put(root, *MINE)
    (root / "share" / "link").symlink_to("/nowhere")
    put(copied.folder, "notes.txt", "environment.old/photo.jpg")
    old = environment_python(root)
    old.unlink()
    old.symlink_to(copied.folder / "gone")
    stray = next(root.glob("lib/python*/site-packages")) / "planted.pth"
    stray.write_text("import os", encoding="utf-8")
    assert "gone" in environment_state(copied.folder).problem
    assert install(copied) == [*ALL, CLEAR]
    assert_whole(root, *MINE)
    assert (root / "share" / "link").is_symlink()
    assert_whole(copied.folder, "notes.txt", "environment.old/photo.jpg")
    # What lay among the packages does not come back, and nothing of the old environment stays.
    assert not stray.exists()
    assert sorted(path.name for path in copied.folder.glob("environment*")) == ["environment", "environment.old"]
    assert environment_state(copied.folder).complete


@posix
def test_an_environment_of_the_earlier_layout_is_found_and_replaced(copied: InstallPlan, tmp_path: Path) -> None:
    earlier_layout(copied)
    put(copied.folder, *MINE)
    stray = next(copied.folder.glob("lib/python*/site-packages")) / "mine.pth"
    put(stray.parent, stray.name)
    state = environment_state(copied.folder)
    assert state.complete
    assert state.usable
    assert backend_python(copied.folder) == environment_python(copied.folder)
    copied.check()
    # As long as the new one is not whole, nothing of the old one goes.
    before = tree(copied.folder)
    (tmp_path / "none").mkdir()
    with pytest.raises(BadInputError, match="no fitting wheel of helper"):
        install(replace(copied, wheels=tmp_path / "none"))
    assert set(before) <= set(tree(copied.folder))
    assert not environment_state(copied.folder).usable
    assert install(copied) == [STEP_NAMES["probe"], *ALL[1:], CLEAR]
    assert backend_python(copied.folder) == environment_python(copied.folder / ENVIRONMENT)
    assert environment_state(copied.folder).complete
    assert_whole(copied.folder, *MINE)
    assert_whole(stray.parent, stray.name)
    left = {name for name in tree(copied.folder) if not name.startswith(ENVIRONMENT + os.sep)}
    assert left == {*MINE, MARKER, "install.log", str(stray.relative_to(copied.folder))}
    # It is done once.
    assert CLEAR not in install(copied)


# Removing ----------------------------------------------------------------------------------------------------------


def old_environment(folder: Path, record: str) -> Path:
    """An environment that was renamed aside, of one package with this record."""
    site = "lib/python3.11/site-packages"
    aside = folder / "environment.old"
    put(aside, "pyvenv.cfg", "bin/python3.11", "bin/pipx", f"{site}/a/__init__.py")
    put(aside, f"{site}/a/__pycache__/__init__.cpython-311.pyc")
    (aside / site / "a-1.dist-info").mkdir()
    (aside / site / "a-1.dist-info" / "RECORD").write_text(record, encoding="utf-8")
    (aside / STAMP).write_text(OURS, encoding="utf-8")
    put(folder / ENVIRONMENT, "pyvenv.cfg")
    (folder / ENVIRONMENT / STAMP).write_text(OURS, encoding="utf-8")
    return aside


@pytest.mark.parametrize(
    "line", ["../../../../mine.txt", "{root}/mine.txt", "../../../..", "/", "../../../../../../x", ""]
)
def test_a_record_that_leads_outside_removes_nothing_there(tmp_path: Path, line: str) -> None:
    put(tmp_path, "mine.txt", "environment.olds/mine.txt")
    aside = old_environment(tmp_path, f"{line.format(root=tmp_path)},,\na/__init__.py,sha256=x,1\n")
    clear(tmp_path)
    assert_whole(tmp_path, "mine.txt", "environment.olds/mine.txt")
    assert not aside.exists()
    assert_whole(tmp_path / ENVIRONMENT, "bin/pipx")


@posix
@pytest.mark.parametrize("name", ["lib", "lib/python3.11", "lib/python3.11/site-packages", "share", "bin"])
def test_a_link_that_leads_outside_removes_nothing_there(tmp_path: Path, name: str) -> None:
    aside = old_environment(tmp_path, "a/__init__.py,,\n../../../share/mine.txt,,\n../../../bin/python3.11,,\n")
    put(aside, "share/mine.txt")
    outside = tmp_path / "outside"
    (aside / name).rename(outside)
    (aside / name).symlink_to(outside)
    before = tree(outside)
    clear(tmp_path)
    assert tree(outside) == before


def test_what_a_making_that_was_ended_has_left_goes_too(tmp_path: Path) -> None:
    old_environment(tmp_path, "")
    put(tmp_path, "environment.new-7/mine.txt")
    put(tmp_path, f"environment.new-8/{STAMP}")
    clear(tmp_path)
    assert_whole(tmp_path, "environment.new-7/mine.txt")
    assert not (tmp_path / "environment.new-8").exists()


def test_an_empty_folder_is_left_where_an_installation_was_ended_early(tmp_path: Path) -> None:
    (tmp_path / ENVIRONMENT).mkdir()
    (tmp_path / MARKER).write_text(OURS, encoding="utf-8")
    check_ours(tmp_path)
    # With anything in it, it is not taken for ours.
    put(tmp_path / ENVIRONMENT, "a")
    with pytest.raises(BadInputError, match="not of ours"):
        check_ours(tmp_path)


def test_damaged_records_and_stamps_are_no_error(tmp_path: Path) -> None:
    aside = old_environment(tmp_path, "a\0,,\n")
    (tmp_path / "environment.old-2").mkdir()
    (tmp_path / "environment.old-2" / STAMP).write_text("[" * 100_000, encoding="utf-8")
    (tmp_path / "environment.old-3").write_text("a file", encoding="utf-8")
    clear(tmp_path)
    assert not aside.exists()
    assert (tmp_path / "environment.old-2" / STAMP).is_file()
    assert (tmp_path / "environment.old-3").is_file()


def test_what_is_in_the_new_environment_is_not_overwritten(tmp_path: Path) -> None:
    aside = old_environment(tmp_path, "")
    put(aside, "share/mine.txt")
    (tmp_path / ENVIRONMENT / "share").mkdir()
    (tmp_path / ENVIRONMENT / "share" / "mine.txt").write_text("new", encoding="utf-8")
    clear(tmp_path)
    assert (tmp_path / ENVIRONMENT / "share" / "mine.txt").read_text(encoding="utf-8") == "new"
    assert_whole(aside, "share/mine.txt")
    assert not (aside / "lib").exists()


def test_it_runs_in_any_python_without_the_add_on() -> None:
    text = Path(environment_files.__file__).read_text(encoding="utf-8")
    assert "from ." not in text
    assert "ex4d." not in text.replace("from ex4d.", "")
