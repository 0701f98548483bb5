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

from .environment import clean_environment, environment_python
from .install_plan import InstallPlan

#: Comes before the steps where there is an environment already.
PROBE = "probe"
STEP_NAMES = {
    PROBE: "Looking at what is there",
    "venv": "Making the environment",
    "packages": "Installing packages",
    "backend": "Installing the backend",
    "check": "Checking",
}
#: Exit code of ``PROBE`` where it has removed what was incomplete.
MENDED = 3

#: The user's pip settings are respected (mirrors, proxies), but not those that install somewhere else.
_PIP_PLACES = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_NO_DEPS")

# Removes what venv and pip make, and nothing else: marker and log stay (venv's own --clear would take them), and so
# does what somebody else has put there.
_MAKE = """
import os, runpy, shutil, sys
folder = sys.argv[1]
for name in ("bin", "Scripts", "include", "Include", "lib", "Lib", "lib64", "share", "etc", "pyvenv.cfg"):
    path = os.path.join(folder, name)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
sys.argv = ["venv", folder]
runpy.run_module("venv", run_name="__main__", alter_sys=True)
"""

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


def command(step: str, plan: InstallPlan, folder: Path) -> list[str]:
    """What a step runs; the folder is the plan's, as an absolute path."""
    python = str(environment_python(folder))
    if step == PROBE:
        return [python, "-I", "-c", _LOOK]
    if step == "venv":
        base = shutil.which(str(plan.base_python)) or str(plan.base_python)
        return [str(Path(base).absolute()), "-I", "-c", _MAKE, str(folder)]
    if step == "check":
        return [python, "-I", "-m", "ex4d", "doctor", "--json"]
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-user"]
    # pip leaves a package alone that has the right version, and this may be another build of it.
    options += ["--no-deps", "--force-reinstall"] if step == "backend" else ["--upgrade"]
    if plan.wheels:
        options += ["--no-index", "--find-links", str(plan.wheels.absolute())]
    return [python, "-I", "-m", "pip", "install", *options, plan.requirement]


def variables(plan: InstallPlan) -> dict[str, str]:
    """The variables that a step inherits."""
    inherited = clean_environment(os.environ, plan.blender_folder)
    return {name: value for name, value in inherited.items() if name not in _PIP_PLACES}


def _doctor_lines(text: str) -> list[dict[str, Any]]:
    """What the doctor says, a JSON object each line, among other programs' words."""
    records = []
    for line in text.splitlines():
        with suppress(ValueError):
            record = json.loads(line)
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
