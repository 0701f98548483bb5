# SPDX-License-Identifier: GPL-3.0-or-later
"""The animated depth-watertight mesh: an ordinary mesh with a Mesh Cache modifier that plays a PC2 file.

It needs no handler and no add-on to play or to render. Vertices are in the shot world (OpenCV axes); see ``axes``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import bpy

from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import fraction_from, parse_json
from ex4d.protocol.seal import DamagedCacheError
from ex4d.protocol.values import picture_numbers

from ..core.checked_folders import check_files
from ..core.frame_mapping import check_consecutive
from . import scan
from .files import absolute_path, stored_path

VIEWPORT_FILE = "viewport.json"
VIEWPORT_FORMAT = "ex4d-viewport"
VIEWPORT_VERSION = 1
PC2_FILE = "mesh.pc2"
PC2_MAGIC = b"POINTCACHE2\0"
PC2_HEADER = struct.Struct("<12siiffi")
#: UV map of the plate's pictures, and that of the picture with one pixel per quad.
PLATE_UV = "UVMap"
VALIDITY_UV = "Validity"
MODIFIER = "EX-4D Mesh Cache"
#: Behind it: see ``closing``.
CLOSING_MODIFIER = "EX-4D Holes and Slits"
#: Between the two: see ``projection``.
PROJECTION_MODIFIER = "EX-4D Take Projection"


@dataclass(frozen=True)
class ViewportFolder:
    """What a viewport folder says about itself.

    Attributes:
        folder: where it is.
        grid: (width, height) of the vertex grid.
        plate: (width, height) of the plate in pixels.
        vertices, quads, triangles: how many.
        numbers: the plate's frame numbers, rising by one.
        fps: frames per second.
        color, valid: the folders of the pictures.
    """

    folder: Path
    grid: tuple[int, int]
    plate: tuple[int, int]
    vertices: int
    quads: int
    triangles: int
    numbers: tuple[int, ...]
    fps: Fraction
    color: Path
    valid: Path

    @property
    def pictures(self) -> tuple[int, ...]:
        """The numbers in the names of the pictures, one a frame."""
        return picture_numbers(self.numbers)

    @property
    def pc2(self) -> Path:
        """The point cache."""
        return self.folder / PC2_FILE


def damaged(path: Path, problem: str) -> BadInputError:
    """The error of a file that is not as the backend has left it."""
    return BadInputError(f"{path} is damaged: {problem}.", "Reconstruct the shot again.")


def read_viewport(folder: Path) -> ViewportFolder:
    """Read a folder's ``viewport.json``, and compare what Blender is going to show with the backend's seal.

    Raises:
        BadInputError: see ``described_viewport``; or a file is not as the backend has left it.
    """
    viewport = described_viewport(folder)
    _check_contents(viewport)
    return viewport


def described_viewport(folder: Path) -> ViewportFolder:
    """What a folder's ``viewport.json`` says.

    Raises:
        BadInputError: it is missing, of another version or lacks something.
    """
    path = folder / VIEWPORT_FILE
    try:
        record = parse_json(path.read_bytes())
    except OSError:
        raise BadInputError(
            f"There is no reconstructed mesh in {folder}.",
            "Reconstruct the shot, or choose the folder it was moved to.",
        ) from None
    except ValueError:
        raise damaged(path, "it is no JSON") from None
    if not isinstance(record, dict) or record.get("format") != VIEWPORT_FORMAT:
        raise damaged(path, "it does not describe a mesh")
    if record.get("version") != VIEWPORT_VERSION:
        raise BadInputError(
            f"{path} is of version {record.get('version')}, not {VIEWPORT_VERSION}.",
            "Update EX-4D, or reconstruct the shot again.",
        )
    try:
        viewport = ViewportFolder(
            folder=folder,
            grid=(int(record["grid"][0]), int(record["grid"][1])),
            plate=(int(record["plate"][0]), int(record["plate"][1])),
            vertices=int(record["vertices"]),
            quads=int(record["quads"]),
            triangles=int(record["triangles"]),
            numbers=tuple(int(number) for number in record["numbers"]),
            fps=fraction_from(record["fps"]),
            # resolve: «..» in a path survives neither a link nor Blender's relative paths.
            color=(folder / record["color"]).resolve(),
            valid=folder / record["valid"],
        )
    except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError):
        raise damaged(path, "it lacks a value") from None
    check_consecutive(viewport.numbers, "The reconstructed mesh")
    return viewport


def sealed_parts(folder: Path) -> list[tuple[Path, str]]:
    """What ``read_viewport`` compares with the seals, as ``checked_folders.check_files`` takes it; touches no data of
    Blender's. Nothing where the folder does not tell."""
    try:
        record = parse_json((folder / VIEWPORT_FILE).read_bytes())
        color = (folder / record["color"]).resolve()
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [(folder, ""), *([] if color.is_relative_to(folder.resolve()) else [(color.parent, f"{color.name}/")])]


def _check_contents(viewport: ViewportFolder) -> None:
    """Raise BadInputError for a file that is not as it was sealed. Blender itself would show what is there."""
    try:
        check_files(viewport.folder)
        if not viewport.color.is_relative_to(viewport.folder.resolve()) and viewport.color.is_dir():
            # The plate's own frames. Where they are gone whoever loads them says so.
            check_files(viewport.color.parent, f"{viewport.color.name}/")
    except DamagedCacheError as error:
        raise damaged(error.folder / error.name, "it is not as the backend wrote it") from error


def check_point_cache(path: Path, vertices: int, frames: int) -> None:
    """Check a PC2 file against the mesh it is for; Blender itself would silently show a still mesh.

    Raises:
        BadInputError: it is missing, no PC2 file, for another mesh or cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(PC2_HEADER.size)
    except OSError as error:
        raise BadInputError(
            f"The mesh's point cache {path} cannot be read: {error.strerror or error}.",
            "Relink the shot to the folder it was moved to, or reconstruct it.",
        ) from None
    if len(head) < PC2_HEADER.size or not head.startswith(PC2_MAGIC):
        raise damaged(path, "it is not a PC2 point cache")
    _, version, points, _, _, samples = PC2_HEADER.unpack(head)
    if version != 1 or points != vertices or samples != frames:
        raise damaged(path, f"it holds {points} points and {samples} frames, the mesh has {vertices} and {frames}")
    expected = PC2_HEADER.size + 12 * points * samples
    if size != expected:
        raise damaged(path, f"it has {size} bytes, not {expected}, and was cut short")


def attach_cache(obj: bpy.types.Object, viewport: ViewportFolder, first_frame: int) -> None:
    """Give an object the Mesh Cache modifier that shows the folder's first frame at scene frame ``first_frame``.

    A modifier of a former import is taken over; others stay.
    """
    modifier: Any = obj.modifiers.get(MODIFIER)
    if modifier is None:
        obj.modifiers.new(MODIFIER, "MESH_CACHE")
        # It replaces the mesh's own points: others work on its.
        obj.modifiers.move(len(obj.modifiers) - 1, 0)
        modifier = obj.modifiers[0]
    modifier.cache_format = "PC2"
    modifier.filepath = stored_path(viewport.pc2)
    modifier.time_mode = "FRAME"
    modifier.play_mode = "SCENE"
    modifier.interpolation = "LINEAR"
    modifier.frame_start = first_frame
    modifier.frame_scale = 1.0


@contextmanager
def at_rest(scene: bpy.types.Scene) -> Iterator[None]:
    """Let the meshes of a scene's shots not be played within the block, where nothing else in the file can depend on
    what they look like: going through frames takes a tenth of the time."""
    playing = [(obj, modifiers) for obj in scan.scene_objects(scene) if (modifiers := _playing(obj))]
    free = [modifier for obj, modifiers in playing if _nobody_looks_at(obj) for modifier in modifiers]
    for modifier in free:
        modifier.show_viewport = False
    try:
        yield
    finally:
        for modifier in free:
            modifier.show_viewport = True


def _playing(obj: bpy.types.Object) -> list[Any]:
    """The object's modifiers that play a shot's mesh and are switched on; none where the mesh isn't played."""
    if obj.library is not None:
        return []
    found = [obj.modifiers.get(name) for name in (MODIFIER, PROJECTION_MODIFIER, CLOSING_MODIFIER)]
    on = [modifier for modifier in found if modifier is not None and modifier.show_viewport]
    return on if found[0] in on else []


def _nobody_looks_at(obj: bpy.types.Object) -> bool:
    """Whether no other object, and no geometry nodes, use a mesh object or a collection that it is in."""
    items: list[bpy.types.ID] = [obj, *scan.collections_of(obj)]
    users: set[bpy.types.ID] = set().union(*bpy.data.user_map(subset=items).values())
    return all(isinstance(user, bpy.types.Collection | bpy.types.Scene) or user == obj.parent for user in users)


def cache_path(obj: bpy.types.Object) -> Path | None:
    """The point cache that an object's modifier plays."""
    modifier: Any = obj.modifiers.get(MODIFIER)
    return absolute_path(modifier.filepath) if modifier is not None else None


@dataclass(frozen=True)
class ViewportMemory:
    """What a viewport mesh takes, in bytes.

    Attributes:
        ram: in Blender's memory while it plays.
        gpu: in the graphics card's, without the textures.
        disk: the point cache and the validity pictures at most.
    """

    ram: int
    gpu: int
    disk: int


def viewport_memory(grid: tuple[int, int], frames: int) -> ViewportMemory:
    """Estimate the memory of a mesh with a (width, height) vertex grid; the number of frames counts on disk only."""
    width, height = grid
    rim = 2 * (width + height) - 4
    vertices, quads, triangles = width * height + rim, (width - 1) * (height - 1), 3 * rim - 2
    corners, faces = 4 * quads + 3 * triangles, quads + triangles
    edges = corners // 2
    # Positions twice (base and evaluated) and the sample read from the cache; edges; corner vertex and edge, two UV
    # maps; face offset, flatness, normals; a selection flag of each element; the triangles that are drawn.
    ram = 37 * vertices + 9 * edges + 24 * corners + 18 * faces + 12 * (2 * quads + triangles)
    # Per corner: position, normal, two UV maps; indices of the triangles.
    gpu = (12 + 4 + 16) * corners + 12 * (2 * quads + triangles)
    return ViewportMemory(ram, gpu, PC2_HEADER.size + frames * (12 * vertices + quads))
