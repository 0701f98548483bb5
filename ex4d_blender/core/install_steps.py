# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of an installation: what each of them runs, and what the backend's doctor answers to the last one."""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ex4d.protocol.errors import Ex4dError, error_from_record
from ex4d.protocol.parsing import parse_json

from . import environment_files
from .environment import clean_environment, environment_python
from .environment_files import ENVIRONMENT
from .install_plan import InstallPlan

#: Comes before the steps where there is an environment already.
PROBE = "probe"
#: Comes after them where an environment was replaced.
CLEAR = "clear"
STEP_NAMES = {
    PROBE: "Looking at what is there",
    "venv": "Making the environment",
    "packages": "Installing packages",
    "backend": "Installing the backend",
    "check": "Checking",
    CLEAR: "Removing what was replaced",
}
#: Exit code of ``PROBE`` where it has removed what was incomplete.
MENDED = 3

#: The user's pip settings are respected (mirrors, proxies), but not those that install somewhere else.
_PIP_PLACES = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_NO_DEPS")
#: Nor those that would have it install other packages than the lock's.
_PIP_CHOICES = (
    "PIP_CONSTRAINT",
    "PIP_REQUIREMENT",
    "PIP_EDITABLE",
    "PIP_NO_BINARY",
    "PIP_REQUIRE_HASHES",
    "PIP_UPGRADE",
)

# pip takes a package for installed once its METADATA is there, also where it was killed before it had copied the rest.
# It writes RECORD last. Packages without it, or with less than it tells, lose their metadata: pip installs them again.
_LOOK = f"""
import csv, pathlib, shutil, sys, sysconfig
import pip._internal.cli.main
def whole(site, info):
    try:
        with open(info / "RECORD", encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == 3 and row[2]]
        return all((site / row[0]).stat().st_size >= int(row[2]) for row in rows)
    except OSError:
        return False
mended = False
for site in {{pathlib.Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}}:
    for rest in site.glob("~*"):
        shutil.rmtree(rest, ignore_errors=True)
    for info in site.glob("*.dist-info"):
        if not info.name.startswith("pip-") and not whole(site, info):
            print("Incomplete, will be installed again:", info.name.partition("-")[0])
            shutil.rmtree(info)
            mended = True
sys.exit({MENDED} if mended else 0)
"""


# One step, several runs of pip: ends with the first that fails.
_EACH = """
import json, subprocess, sys
for words in json.loads(sys.argv[1]):
    code = subprocess.call([sys.executable, "-I", "-m", "pip", "install", *words])
    if code:
        sys.exit(code)
"""


def command(step: str, plan: InstallPlan, folder: Path) -> list[str]:
    """What a step runs; the folder is the plan's ``place``."""
    python = str(environment_python(folder / ENVIRONMENT))
    if step == PROBE:
        return [python, "-I", "-c", _LOOK]
    if step == "venv":
        base = shutil.which(str(plan.base_python)) or str(plan.base_python)
        return [str(Path(base).absolute()), "-I", environment_files.__file__, "make", str(folder)]
    if step == CLEAR:
        return [python, "-I", environment_files.__file__, "clear", str(folder)]
    if step == "check":
        return [python, "-I", "-m", "ex4d", "doctor", "--json"]
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-user", "--no-deps"]
    if plan.wheels:
        options += ["--no-index", "--find-links", str(plan.wheels.absolute())]
    if step == "backend":
        # pip leaves a package alone that has the right version, and this may be another build of it.
        return [python, "-I", "-m", "pip", "install", *options, "--force-reinstall", plan.requirement]
    # Wheels alone, and those that were tested: other code would run already while it is installed.
    options.append("--only-binary=:all:")
    runs = []
    for hashed in (True, False):
        files = [str(path.absolute()) for path in plan.locks(hashed=hashed)]
        if files:
            named = [word for path in files for word in ("--requirement", path)]
            runs.append([*options, *(["--require-hashes"] if hashed else []), *named])
    return [python, "-I", "-c", _EACH, json.dumps(runs)]


def variables(plan: InstallPlan) -> dict[str, str]:
    """The variables that a step inherits."""
    inherited = clean_environment(os.environ, plan.blender_folder)
    return {name: value for name, value in inherited.items() if name not in (*_PIP_PLACES, *_PIP_CHOICES)}


def _doctor_lines(text: str) -> list[dict[str, Any]]:
    """What the doctor says, a JSON object each line, among other programs' words."""
    records = []
    for line in text.splitlines():
        with suppress(ValueError):
            record = parse_json(line)
            if isinstance(record, dict):
                records.append(record)
    return records


def told_version(text: str) -> str | None:
    """The backend's version, by what the doctor says."""
    for record in reversed(_doctor_lines(text)):
        with suppress(TypeError, KeyError, IndexError, AttributeError, StopIteration):
            findings = record["result"]["findings"]
            return str(next(item["detail"].split()[1] for item in findings if item["name"] == "ex4d"))
    return None


def told_error(text: str) -> Ex4dError | None:
    """The error that the doctor ends with, where it gets as far as to tell one."""
    found = [record for record in _doctor_lines(text) if record.get("event") == "error"]
    return error_from_record(found[-1]) if found else None


def plain_version(version: str) -> str:
    """A version without what a wheel's name writes in another way: «1.0.0-rc1» is «1.0.0rc1» there."""
    return re.sub(r"[-_+]|\.(?=[a-z])", "", version.lower())
