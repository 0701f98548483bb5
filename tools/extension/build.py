# SPDX-License-Identifier: Apache-2.0
"""Build the Blender extension: one zip for Blender 4.2 to 5.0 and one for 5.1 and later.

Each zip holds the add-on, the wheel of ``ex4d`` and pyzmq's wheels for Linux, Windows and macOS, so that nothing is
downloaded when it is installed, and the lock of the packages that the backend is installed with
(tools/lock_packages.py). Where Blender's validator is found, each zip is checked with it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.extension.archive import collect_sources, describe, pack
from tools.extension.manifest import MANIFEST_NAME, BuildError, built_manifest, check_manifest, read_package_version
from tools.extension.validate import find_validator
from tools.extension.wheels import PLATFORMS, PYTHONS, BlenderPython, build_project_wheel, fetch_wheels

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "constraints-extension.txt"
CACHE = ROOT / "build" / "extension-wheels"
#: In the zip, beside the lock files: the sha256 of the wheel of ex4d.
OWN_HASH = "locks/ex4d.txt"


def assemble(
    python: BlenderPython, wheels: Sequence[Path], platforms: Sequence[str], package: Path = ROOT / "ex4d_blender"
) -> bytes:
    """One zip's content.

    Args:
        python: the Blender versions that it is for.
        wheels: all that it carries.
        platforms: that the wheels are for, keys of ``PLATFORMS``.
        package: folder of the add-on.

    Raises:
        BuildError: the manifest or the add-on's folder is not fit for a build.
    """
    text = (ROOT / MANIFEST_NAME).read_text(encoding="utf-8")
    check_manifest(text, read_package_version(ROOT / "backend/ex4d/__init__.py"))
    # A wheel that fits several platforms comes from each of them.
    by_name = {wheel.name: wheel for wheel in wheels}
    files = collect_sources(package, ROOT / "LICENSES")
    files[MANIFEST_NAME] = built_manifest(
        text,
        version_min=python.version_min,
        version_max=python.version_max,
        platforms=platforms,
        wheels=sorted(by_name),
    ).encode()
    files.update({f"wheels/{name}": wheel.read_bytes() for name, wheel in by_name.items()})
    # The installer compares: it is the one wheel that the lock of the backend's packages cannot name.
    own = next(content for name, content in files.items() if name.startswith("wheels/ex4d-"))
    files[OWN_HASH] = f"{hashlib.sha256(own).hexdigest()}\n".encode()
    return pack(files)


def build(out: Path, pythons: Sequence[str], platforms: Sequence[str], *, split: bool = False) -> list[Path]:
    """Build the zips.

    Args:
        out: folder for them, made when it is not there.
        pythons: keys of ``PYTHONS``, a zip each.
        platforms: keys of ``PLATFORMS``.
        split: make a zip for each platform instead of one for all.

    Returns:
        Their paths.

    Raises:
        BuildError: see ``check_manifest``, ``collect_sources``, ``build_project_wheel``, ``fetch_wheels``.
    """
    manifest = check_manifest(
        (ROOT / MANIFEST_NAME).read_text(encoding="utf-8"), read_package_version(ROOT / "backend/ex4d/__init__.py")
    )
    own = build_project_wheel(ROOT, CACHE)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for python in (PYTHONS[name] for name in pythons):
        fetched = fetch_wheels(REQUIREMENTS, python, platforms, CACHE)
        for group in [[platform] for platform in platforms] if split else [list(platforms)]:
            wheels = [own, *(wheel for platform in group for wheel in fetched[platform])]
            suffix = "" if len(group) == len(PLATFORMS) else "-" + "-".join(group)
            path = out / f"{manifest['id']}-{manifest['version']}-{python.label}{suffix}.zip"
            path.write_bytes(assemble(python, wheels, group))
            written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line: 0 built (and valid, where that could be checked), 1 not."""
    options = _parse(arguments)
    pythons = options.python or list(PYTHONS)
    platforms = [name for name in PLATFORMS if name in (options.platform or PLATFORMS)]
    try:
        paths = build(options.output_dir, pythons, platforms, split=options.split_platforms)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    validator = find_validator(ROOT)
    bad = False
    for path in paths:
        print(describe(path))
        if validator is None:
            print("    NOT validated: neither the bpy package nor a blender program was found")
            bad |= options.require_validation
            continue
        problem = validator.check(path)
        print(f"    valid, says {validator.label}" if problem is None else f"    NOT valid, says {validator.label}:")
        if problem is not None:
            print(problem)
            bad = True
    if validator is None and options.require_validation:
        print(
            "error: No validator was found. Run scripts/test once, it installs bpy; or install Blender.",
            file=sys.stderr,
        )
    return 1 if bad else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_extension.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output-dir", type=Path, required=True, metavar="DIR", help="folder for the zips")
    parser.add_argument(
        "--python",
        action="append",
        choices=list(PYTHONS),
        help="py311: only the zip for Blender 4.2 to 5.0; py313: only that for 5.1 and later (default: both)",
    )
    parser.add_argument(
        "--platform", action="append", choices=list(PLATFORMS), help="only these platforms; may be repeated"
    )
    parser.add_argument("--split-platforms", action="store_true", help="a zip for each platform")
    parser.add_argument("--require-validation", action="store_true", help="fail when Blender's validator is not found")
    return parser.parse_args(arguments)
