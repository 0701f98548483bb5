# SPDX-License-Identifier: Apache-2.0
"""The extension's zips: what is in them, for whom, and that the same tree gives the same bytes.

Building fetches pyzmq's wheels from the package index when they are not in build/extension-wheels yet.
"""

import ast
import hashlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import ex4d
from tools.extension import build as build_extension
from tools.extension.archive import collect_sources, pack
from tools.extension.manifest import BuildError, built_manifest, check_manifest
from tools.extension.validate import Validator, find_validator
from tools.extension.wheels import PLATFORMS, PYTHONS, build_project_wheel, fetch_wheels, read_pins

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = (ROOT / "blender_manifest.toml").read_text(encoding="utf-8")
NAMES = {
    "py311": f"ex4d_blender-{ex4d.__version__}-blender-4.2-to-5.0.zip",
    "py313": f"ex4d_blender-{ex4d.__version__}-blender-5.1-up.zip",
}


@pytest.fixture(scope="module")
def zips(tmp_path_factory):
    """Both zips, built once."""
    out = tmp_path_factory.mktemp("extension")
    paths = build_extension.build(out, list(PYTHONS), list(PLATFORMS))
    assert [path.name for path in paths] == list(NAMES.values())
    return dict(zip(PYTHONS, paths, strict=True))


def manifest_of(path):
    with zipfile.ZipFile(path) as archive:
        return tomllib.loads(archive.read("blender_manifest.toml").decode())


def names_of(path):
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_source_manifest_is_fit_and_has_the_packages_version():
    manifest = check_manifest(MANIFEST, ex4d.__version__)
    assert (manifest["id"], manifest["name"], manifest["type"]) == ("ex4d_blender", "EX-4D", "add-on")
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert set(manifest["permissions"]) == {"files", "network"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('version = "0.1.0"', 'version = "9.9.9"', "ex4d.__version__"),
        ("Re-shoot a video with a new, animated camera", "x" * 65, "65 characters"),
        ("Re-shoot a video with a new, animated camera", "A sentence.", "punctuation"),
        ("Read plates, write shots and results", "y" * 65, "files line"),
        ("network =", "telepathy =", "telepathy"),
        ('type = "add-on"', "", "lacks type"),
        ('type = "add-on"', 'type = "add-on"\nwheels = []', "wheels"),
        ('type = "add-on"', "type = add-on", "TOML"),
    ],
)
def test_an_unfit_manifest_is_refused(old, new, says):
    assert old in MANIFEST
    with pytest.raises(BuildError, match=says):
        check_manifest(MANIFEST.replace(old, new), "0.1.0")


def test_the_built_manifest_differs_in_nothing_else():
    text = built_manifest(MANIFEST, version_min="5.1.0", version_max=None, platforms=["linux-x64"], wheels=["a.whl"])
    built, source = tomllib.loads(text), tomllib.loads(MANIFEST)
    assert built.pop("wheels") == ["./wheels/a.whl"]
    assert built.pop("platforms") == ["linux-x64"]
    assert built.pop("blender_version_min") == "5.1.0"
    source.pop("blender_version_min")
    assert built == source


def test_the_pyzmq_of_the_extension_is_that_of_the_backend():
    pins = read_pins(ROOT / "constraints-extension.txt")
    assert list(pins) == ["pyzmq"]
    for other in ("constraints.txt", "constraints-bpy.txt"):
        assert read_pins(ROOT / other)["pyzmq"] == pins["pyzmq"]


def test_each_zip_says_what_the_backend_is_installed_with(zips):
    for path in zips.values():
        with zipfile.ZipFile(path) as archive:
            for name in ("base.txt", "gpu.txt", "gpu-unhashed.txt", "moge.txt"):
                assert archive.read(f"locks/{name}") == (ROOT / "ex4d_blender/locks" / name).read_bytes()
            wheel = archive.read(f"wheels/ex4d-{ex4d.__version__}-py3-none-any.whl")
            assert archive.read("locks/ex4d.txt").decode().strip() == hashlib.sha256(wheel).hexdigest()


def test_each_zip_says_which_blenders_it_is_for(zips):
    old, new = manifest_of(zips["py311"]), manifest_of(zips["py313"])
    assert (old["blender_version_min"], old["blender_version_max"]) == ("4.2.0", "5.1.0")
    assert new["blender_version_min"] == old["blender_version_max"]
    assert "blender_version_max" not in new
    for manifest in (old, new):
        assert manifest["platforms"] == ["linux-x64", "windows-x64", "macos-arm64"]


@pytest.mark.parametrize(("python", "tag"), [("py311", "cp311-cp311"), ("py313", "cp312-abi3")])
def test_each_zip_has_the_wheels_of_its_python_and_no_others(zips, python, tag):
    """cp311 and abi3 wheels side by side would make Blender refuse the extension on every other Python."""
    wheels = [name for name in names_of(zips[python]) if name.endswith(".whl")]
    assert sorted(manifest_of(zips[python])["wheels"]) == sorted(f"./{name}" for name in wheels)
    pyzmq = [name for name in wheels if name.startswith("wheels/pyzmq-")]
    assert len(pyzmq) == 3
    assert all(f"-{tag}-" in name for name in pyzmq)
    assert sum("manylinux_2_28_x86_64" in name for name in pyzmq) == 1
    assert sum("win_amd64" in name for name in pyzmq) == 1
    assert sum("macosx" in name and ("arm64" in name or "universal2" in name) for name in pyzmq) == 1
    assert set(wheels) - set(pyzmq) == {f"wheels/ex4d-{ex4d.__version__}-py3-none-any.whl"}


@pytest.mark.parametrize("python", list(PYTHONS))
def test_a_zip_holds_the_add_on_at_its_top_and_nothing_foreign(zips, python):
    names = names_of(zips[python])
    assert {"__init__.py", "blender_manifest.toml", "LICENSES/GPL-3.0-or-later.txt"} <= set(names)
    assert {"core/client.py", "scene/mesh.py"} <= set(names)
    for name in names:
        assert Path(name).suffix in {".py", ".toml", ".txt", ".whl", ".json", ".png", ".svg", ".md"}
        assert not any(part.startswith((".", "__pycache__", "test")) for part in Path(name).parts)
        assert not name.startswith(("/", "ex4d_blender/", "backend/", "tests/"))
    assert zips[python].stat().st_size < 11e6


def test_the_packages_wheel_is_whole(zips, tmp_path):
    with zipfile.ZipFile(zips["py313"]) as archive:
        wheel = archive.extract(f"wheels/ex4d-{ex4d.__version__}-py3-none-any.whl", tmp_path)
    have = {name for name in names_of(wheel) if not name.split("/")[0].endswith(".dist-info")}
    want = {path.relative_to(ROOT / "backend").as_posix() for path in (ROOT / "backend/ex4d").rglob("*.py")}
    assert {name for name in have if name.endswith(".py")} == want
    assert {"ex4d/py.typed", "ex4d/depth/small/weights.onnx", "ex4d/models/pins.json"} <= have
    # What the Blender side imports comes up with numpy and pyzmq alone, as in Blender's own Python.
    code = (
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in {'cv2', 'av', 'moderngl', 'embreex', 'OpenEXR', 'rich', 'torch'}:\n"
        "            raise ImportError(name)\n"
        f"sys.meta_path.insert(0, Gone()); sys.path.insert(0, {wheel!r})\n"
        "import ex4d.protocol, ex4d.camera, zmq\n"
        "print(ex4d.protocol.__file__)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(wheel)


def test_the_same_tree_gives_the_same_bytes(zips, tmp_path):
    wheel = build_project_wheel(ROOT, tmp_path)
    python = PYTHONS["py311"]
    cache = build_extension.CACHE
    fetched = fetch_wheels(build_extension.REQUIREMENTS, python, list(PLATFORMS), cache)
    again = build_extension.assemble(
        python, [wheel, *(w for group in fetched.values() for w in group)], list(PLATFORMS)
    )
    assert hashlib.sha256(again).hexdigest() == hashlib.sha256(zips["py311"].read_bytes()).hexdigest()


def test_packing_depends_neither_on_order_nor_on_dates():
    files = {"b.py": b"b", "a/c.whl": b"c" * 1000, "a.py": b"a"}
    assert pack(files) == pack(dict(reversed(files.items())))


def test_a_wheel_of_another_hash_is_not_taken_from_the_cache(tmp_path):
    python = PYTHONS["py311"]
    wheels = fetch_wheels(build_extension.REQUIREMENTS, python, ["linux-x64"], tmp_path)["linux-x64"]
    good = wheels[0].read_bytes()
    wheels[0].write_bytes(good[:-1] + b"x")
    assert fetch_wheels(build_extension.REQUIREMENTS, python, ["linux-x64"], tmp_path)["linux-x64"] == wheels
    assert wheels[0].read_bytes() == good


@pytest.mark.parametrize("stray", [".hidden.py", "scene/notes.orig", "weights.safetensors"])
def test_files_that_do_not_belong_stop_the_build(tmp_path, stray):
    package = tmp_path / "package"
    (package / "scene").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__pycache__").mkdir()
    (package / "__pycache__/x.pyc").touch()
    assert list(collect_sources(package, tmp_path)) == ["__init__.py"]
    (package / stray).touch()
    with pytest.raises(BuildError, match="does not belong"):
        collect_sources(package, tmp_path)


def test_one_platform_a_zip(tmp_path):
    paths = build_extension.build(tmp_path, ["py313"], ["linux-x64", "windows-x64"], split=True)
    assert [path.stem.rpartition("-up-")[2] for path in paths] == ["linux-x64", "windows-x64"]
    for path, tag in zip(paths, ("manylinux", "win_amd64"), strict=True):
        pyzmq = [name for name in names_of(path) if "pyzmq" in name]
        assert len(pyzmq) == 1
        assert tag in pyzmq[0]


def test_blenders_own_validator_accepts_the_zips(zips):
    validator = find_validator(ROOT)
    if validator is None:
        pytest.skip("neither the bpy package nor a blender program is here")
    for path in zips.values():
        assert validator.check(path) is None


def test_blenders_own_validator_refuses_a_bad_zip(zips, tmp_path):
    validator = find_validator(ROOT)
    if validator is None:
        pytest.skip("neither the bpy package nor a blender program is here")
    with zipfile.ZipFile(zips["py311"]) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["blender_manifest.toml"] = files["blender_manifest.toml"].replace(b'"Camera"', b'"No such tag"')
    bad = tmp_path / "bad.zip"
    bad.write_bytes(pack(files))
    assert "No such tag" in (validator.check(bad) or "")


def test_without_a_validator_the_build_says_so(monkeypatch, capsys, tmp_path):
    zipped = tmp_path / "x.zip"
    zipped.write_bytes(pack({"a.py": b""}))
    monkeypatch.setattr(build_extension, "build", lambda *_args, **_options: [zipped])
    monkeypatch.setattr(build_extension, "find_validator", lambda _root: None)
    assert build_extension.main(["--output-dir", str(tmp_path)]) == 0
    assert "NOT validated" in capsys.readouterr().out
    assert build_extension.main(["--output-dir", str(tmp_path), "--require-validation"]) == 1
    refuses = Validator((sys.executable, "-c", "import sys; sys.exit('bad tag')"), "a stand-in")
    monkeypatch.setattr(build_extension, "find_validator", lambda _root: refuses)
    assert build_extension.main(["--output-dir", str(tmp_path)]) == 1
    assert "bad tag" in capsys.readouterr().out


def test_the_add_on_imports_nothing_that_blender_does_not_have():
    allowed = {"bpy", "bpy_extras", "bmesh", "mathutils", "gpu", "gpu_extras", "blf", "bl_ui", "addon_utils"}
    allowed |= {"numpy", "zmq", "ex4d_blender"} | set(sys.stdlib_module_names)
    found = set()
    for path in (ROOT / "ex4d_blender").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {(path.name, alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [f"ex4d.{alias.name}" for alias in node.names] if node.module == "ex4d" else [node.module or ""]
                found |= {(path.name, name) for name in names}
    ours = {"ex4d.__version__", "ex4d.protocol", "ex4d.camera", "ex4d.system"}
    foreign = {
        (file, name)
        for file, name in found
        if name.split(".")[0] not in allowed and ".".join(name.split(".")[:2]) not in ours
    }
    assert not foreign
