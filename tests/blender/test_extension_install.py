# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip in a clean Blender: installed as "Install from Disk" does it, enabled, and all of it there.

Blender runs in a process of its own, with an empty user folder and without the project's sources on its path, so that
``ex4d`` and pyzmq can come only from the zip's wheels.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = "bl_ext.user_default.ex4d_blender"
EXTENSIONS = "extensions"

#: Before anything else in each process: Blender's own Python has no pyzmq, the one of these tests has.
ONLY_WHEELS = """
import importlib.machinery, json, os, sys
from pathlib import Path
import bpy, addon_utils

class OnlyWheels:
    def find_spec(self, name, path=None, target=None):
        if path is not None or name not in ("zmq", "ex4d", "ex4d_blender"):
            return None
        extensions = Path(bpy.utils.user_resource("EXTENSIONS"))
        site = [str(folder) for folder in extensions.glob(".local/lib/*/site-packages")]
        spec = importlib.machinery.PathFinder.find_spec(name, site)
        if spec is None:
            raise ModuleNotFoundError(name)
        return spec

sys.meta_path.insert(0, OnlyWheels())
MODULE = "bl_ext.user_default.ex4d_blender"

def registered():
    return sorted(name for name in dir(bpy.types) if name.startswith("EX4D_"))

def tell(**facts):
    print("FACTS " + json.dumps(facts), flush=True)
"""

INSTALL = """
before = registered()
bpy.ops.extensions.package_install_files(repo="user_default", filepath=sys.argv[1], enable_on_install=True)
bpy.ops.wm.save_userpref()
import zmq, ex4d, ex4d.protocol, ex4d.camera
tell(before=before, after=registered(), enabled=MODULE in bpy.context.preferences.addons, zmq=zmq.__file__,
     zmq_version=zmq.__version__, ex4d=ex4d.__file__, version=ex4d.__version__, operators=dir(bpy.ops.ex4d))
"""

# As a module Blender starts with factory settings; a program would have read the user's by now. The module of 4.2
# crashes in reading them, with or without extensions.
NEXT_START = """
if bpy.app.version >= (4, 5):
    bpy.ops.wm.read_userpref()
else:
    addon_utils.enable(MODULE, default_set=True)
enabled = MODULE in bpy.context.preferences.addons and MODULE in sys.modules
first = registered()
addon_utils.disable(MODULE)
off = registered()
addon_utils.enable(MODULE)
tell(enabled=enabled, first=first, off=off, again=registered())
"""

ROUND_TRIP = """
import zmq, ex4d.protocol
context = zmq.Context()
server = context.socket(zmq.ROUTER); server.linger = 0
port = server.bind_to_random_port("tcp://127.0.0.1")
client = context.socket(zmq.DEALER); client.linger = 0
client.connect(f"tcp://127.0.0.1:{port}")
client.send(b"ping")
server.poll(5000)
tell(got=server.recv_multipart(zmq.NOBLOCK)[-1].decode(), curve=zmq.has("curve"))
client.close(); server.close(); context.term()
"""


#: The add-on's whole way, with the backend's own Python.
WORK = """
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
addon_utils.enable(MODULE, default_set=True)
scene = bpy.context.scene
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[2])
scene.ex4d.viewport_side = 64
bpy.ops.ex4d.load_plate(filepath=sys.argv[1])
bpy.ops.ex4d.reconstruct()
bpy.ops.ex4d.add_take_camera(move="orbit:15")
bpy.ops.ex4d.generate()
editor = next(other for other in bpy.data.scenes if other.get("ex4d_results_of")).sequence_editor
strips = editor.strips if hasattr(editor, "strips") else editor.sequences
tell(objects=sorted(obj.type for obj in scene.objects), runtime=str(os.environ.get("EX4D_RUNTIME_DIR")),
     strips=[[strip.frame_final_start, strip.frame_final_duration] for strip in strips],
     modifiers=[modifier.type for obj in scene.objects for modifier in obj.modifiers])
addon_utils.disable(MODULE)
"""


def in_blender(user: Path, code: str, *arguments: str, variables: dict[str, str] | None = None) -> dict[str, Any]:
    """Run code in a new process with Blender as a module, and what it tells."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BLENDER_", "EX4D_"))}
    kept |= variables or {}
    done = subprocess.run(
        [sys.executable, "-c", ONLY_WHEELS + code, *arguments],
        env={**kept, "BLENDER_USER_RESOURCES": str(user)},
        cwd=user,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("FACTS ")]
    assert done.returncode == 0, done.stdout + done.stderr
    assert told, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(told[-1].removeprefix("FACTS "))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip for this Blender's Python, built by the backend's Python, which has ``build``."""
    out = tmp_path_factory.mktemp("zip")
    python = os.environ.get("EX4D_BACKEND_PYTHON", sys.executable)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, str(ROOT / "scripts/build_extension.py"), "--output-dir", str(out), "--python", "py311"],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.zip"))


@pytest.fixture(scope="module")
def installed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A user folder with the extension, and what its installation told."""
    user = tmp_path_factory.mktemp("user")
    return user, in_blender(user, INSTALL, str(archive))


def test_installing_enables_it_and_registers_its_classes(installed: tuple[Path, dict[str, Any]]) -> None:
    user, facts = installed
    assert facts["enabled"]
    assert facts["before"] == []
    assert any("_PT_" in name for name in facts["after"])
    assert {"load_plate", "reconstruct", "add_take_camera", "generate"} <= set(facts["operators"])
    assert (user / EXTENSIONS / "user_default/ex4d_blender/blender_manifest.toml").is_file()


def test_what_it_imports_comes_from_its_wheels(installed: tuple[Path, dict[str, Any]], archive: Path) -> None:
    user, facts = installed
    local = str(user / EXTENSIONS / ".local")
    assert facts["zmq"].startswith(local)
    assert facts["ex4d"].startswith(local)
    with zipfile.ZipFile(archive) as content:
        manifest = tomllib.loads(content.read("blender_manifest.toml").decode())
    assert facts["version"] == manifest["version"]
    assert any(f"pyzmq-{facts['zmq_version']}-" in wheel for wheel in manifest["wheels"])


def test_the_next_start_has_it_and_disabling_leaves_nothing(installed: tuple[Path, dict[str, Any]]) -> None:
    user, facts = installed
    again = in_blender(user, NEXT_START)
    assert again["enabled"]
    assert again["first"] == facts["after"]
    assert again["off"] == []
    assert again["again"] == facts["after"]


def test_its_pyzmq_carries_messages_and_encrypts(installed: tuple[Path, dict[str, Any]]) -> None:
    user, _ = installed
    assert in_blender(user, ROUND_TRIP) == {"got": "ping", "curve": True}


def test_it_does_a_job(
    installed: tuple[Path, dict[str, Any]], tmp_path: Path, backend_python: str, plate: Path
) -> None:
    user, _ = installed
    variables = {"EX4D_BACKEND_PYTHON": backend_python, "EX4D_RUNTIME_DIR": str(tmp_path / "run")}
    facts = in_blender(user, WORK, str(plate), str(tmp_path / "shot.blend"), variables=variables)
    assert facts["objects"].count("CAMERA") == 2
    assert facts["objects"].count("MESH") == 1
    assert facts["modifiers"] == ["MESH_CACHE", "NODES"]
    assert facts["strips"] == [[1001, 6]]
    assert (tmp_path / "ex4d" / "plate" / "takes" / "v001" / "result.mp4").is_file()
