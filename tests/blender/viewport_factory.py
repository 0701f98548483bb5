# SPDX-License-Identifier: GPL-3.0-or-later
"""Small shots as the backend writes them, made with numpy alone."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ex4d.camera import Trajectory, intrinsics_from_fov, write_json
from ex4d.camera.transforms import invert_rigid, rigid, rotation_x, rotation_y
from ex4d.protocol.seal import DONE_FILE, Seal, file_hash


def write_png(path: Path, pixels: np.ndarray) -> None:
    """8-bit grey (H, W) or RGB (H, W, 3)."""
    height, width = pixels.shape[:2]
    kind = 0 if pixels.ndim == 2 else 2
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 1)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b""))


def _rim(width: int, height: int) -> np.ndarray:
    index = np.arange(width * height).reshape(height, width)
    return np.concatenate([index[0, :-1], index[:-1, -1], index[-1, :0:-1], index[:0:-1, 0]])


def seal_folder(folder: Path, *, hashed: bool = True) -> None:
    """Seal what is in a stage's folder, as the backend does; or with sizes only, as it once did."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != DONE_FILE]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    sizes = {name: path.stat().st_size for name, path in names.items()}
    hashes = {name: file_hash(path) for name, path in names.items()} if hashed else {}
    document = Seal(folder, sizes, hashes).document() if hashed else {"files": sizes}
    (folder / DONE_FILE).write_text(json.dumps(document))


@dataclass
class Topology:
    grid: tuple[int, int]
    pixels: np.ndarray
    quads: np.ndarray
    triangles: np.ndarray
    edges: np.ndarray
    loop_edges: np.ndarray


def topology(grid: tuple[int, int], plate: tuple[int, int]) -> Topology:
    width, height = grid
    columns, rows = np.linspace(0.5, plate[0] - 0.5, width), np.linspace(0.5, plate[1] - 0.5, height)
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    rim = _rim(width, height)
    ring = np.arange(len(rim)) + width * height
    centre = np.array(plate) / 2
    outer = centre + (pixels[rim] - centre) * (1 + 4 / min(grid))
    index = np.arange(width * height).reshape(height, width)
    quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    rim_next, ring_next = np.roll(rim, -1), np.roll(ring, -1)
    skirt = np.concatenate([np.stack([rim, rim_next, ring], -1), np.stack([ring, rim_next, ring_next], -1)])
    # A fan closes the ring; the backend's staircase does it without slivers, which matters to no test here.
    fan = np.stack([np.full(len(ring) - 2, ring[0]), ring[2:], ring[1:-1]], axis=-1)
    triangles = np.concatenate([skirt, fan])
    loops = [np.stack([p, np.roll(p, -1, axis=1)], axis=-1).reshape(-1, 2) for p in (quads, triangles)]
    pairs = np.sort(np.concatenate(loops), axis=1)
    edges, inverse = np.unique(pairs, axis=0, return_inverse=True)
    return Topology(
        grid,
        np.concatenate([pixels, outer]),
        quads.astype(np.int32),
        triangles.astype(np.int32),
        edges.astype(np.int32),
        inverse.reshape(-1).astype(np.int32),
    )


def moving_source(K: np.ndarray, size: tuple[int, int], count: int) -> Trajectory:
    """A hand-held walk: all six degrees of freedom, no two frames alike."""
    poses = []
    for i in range(count):
        s = i / max(count - 1, 1)
        rotation = rotation_y(0.3 * s) @ rotation_x(0.1 * np.sin(3 * s))
        roll = 0.05 * np.sin(5 * s)
        rotation = rotation @ np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1.0]])
        poses.append(rigid(rotation, np.array([0.4 * s, 0.1 * np.sin(4 * s), 0.5 * s])))
    return Trajectory(K, invert_rigid(np.stack(poses)), *size)


def make_shot(
    folder: Path,
    *,
    grid: tuple[int, int] = (24, 16),
    plate: tuple[int, int] = (48, 32),
    count: int = 5,
    first: int = 1001,
    fps: str = "24",
    moving: bool = False,
    seed: int = 0,
    pictures: bool = True,
) -> dict[str, Any]:
    """A shot folder and its record: a backdrop at z = 6 with a square before it at z = 3 that moves to the right.

    The quads on the square's border are torn (not valid), and so is a block near the top left corner. Pictures are
    coloured noise; without ``pictures`` they are one pixel, which is faster to make.
    """
    random = np.random.default_rng(seed)
    numbers = list(range(first, first + count))
    topo = topology(grid, plate)
    width, height = grid
    K = intrinsics_from_fov(60.0, *plate)
    source = (
        moving_source(K, plate, count) if moving else Trajectory(K, np.broadcast_to(np.eye(4), (count, 4, 4)), *plate)
    )
    source = source.numbered(numbers, None)
    shot = folder / "shot"
    viewport = shot / "cache" / "viewport-0123"
    frames = shot / "cache" / "plate-0123" / "frames"
    viewport.mkdir(parents=True)
    samples = []
    rays = np.concatenate([topo.pixels, np.ones((len(topo.pixels), 1))], axis=1) @ np.linalg.inv(K).T
    for i, number in enumerate(numbers):
        near = np.zeros((height, width), bool)
        left = width // 4 + i
        near[height // 4 : 3 * height // 4, left : left + width // 3] = True
        z = np.full(len(topo.pixels), 12.0)
        z[: width * height] = np.where(near, 3.0, 6.0).ravel()
        cam = rays * z[:, None]
        pose = invert_rigid(source.E[i])
        samples.append((cam @ pose[:3, :3].T + pose[:3, 3]).astype("<f4"))
        corners = np.stack([near[:-1, :-1], near[1:, :-1], near[1:, 1:], near[:-1, 1:]])
        valid = np.zeros((height, width - 1), np.uint8)
        valid[:-1] = np.where(corners.all(0) | ~corners.any(0), 255, 0)
        # Where the plate has no depth at all; moves by one quad a frame.
        valid[1:5, 1 + i : 5 + i] = 0
        write_png(viewport / "valid" / f"{number:06d}.png", valid)
        size = (plate[1], plate[0]) if pictures else (1, 1)
        pixels = random.integers(0, 256, (*size, 3)).astype(np.uint8)
        write_png(frames / f"{number:06d}.png", pixels)
    header = struct.pack("<12siiffi", b"POINTCACHE2\0", 1, len(topo.pixels), float(first), 1.0, count)
    (viewport / "mesh.pc2").write_bytes(header + np.stack(samples).tobytes())
    uv = (topo.pixels / np.array(plate)).astype(np.float32)
    for name in ("quads", "triangles", "edges", "loop_edges"):
        np.save(viewport / f"{name}.npy", getattr(topo, name))
    np.save(viewport / "uv.npy", uv)
    (viewport / "viewport.json").write_text(
        json.dumps(
            {
                "format": "ex4d-viewport",
                "version": 1,
                "grid": list(grid),
                "plate": list(plate),
                "vertices": len(topo.pixels),
                "quads": len(topo.quads),
                "triangles": len(topo.triangles),
                "numbers": numbers,
                "fps": fps,
                "color": "../plate-0123/frames",
                "valid": "valid",
            }
        )
    )
    write_json(shot / "source.json", source)
    for sealed in (viewport, frames.parent):
        seal_folder(sealed)
    return {
        "shot": str(shot),
        "plate": {
            "path": "plate.mp4",
            "sha256": "0" * 64,
            "width": plate[0],
            "height": plate[1],
            "fps": fps,
            "numbers": numbers,
            "bit_depth": 8,
            "alpha": False,
            "variable_rate": False,
        },
        "depth": {
            "name": "test",
            "label": "test",
            "licence": "",
            "source_poses_known": moving,
            "intrinsics_known": True,
        },
        "pivot": 3.0,
        "far": 12.0,
        "source": str(shot / "source.json"),
        "viewport": str(viewport),
        "notes": [],
    }


def large_shot(folder: Path, side: int, count: int) -> dict:
    """A shot of many vertices and frames; all but the first sample of the cache are zeros that take no disk."""
    record = make_shot(folder, grid=(side, side), plate=(64, 64), count=1)
    numbers = list(range(1001, 1001 + count))
    record["plate"]["numbers"] = numbers
    viewport = Path(record["viewport"])
    described = json.loads((viewport / "viewport.json").read_text())
    described["numbers"] = numbers
    (viewport / "viewport.json").write_text(json.dumps(described))
    for pictures in (viewport / "valid", Path(record["shot"]) / "cache/plate-0123/frames"):
        for number in numbers[1:]:
            shutil.copy(pictures / "001001.png", pictures / f"{number:06d}.png")
    with (viewport / "mesh.pc2").open("r+b") as file:
        file.seek(28)
        file.write(struct.pack("<i", count))
    os.truncate(viewport / "mesh.pc2", 32 + 12 * described["vertices"] * count)
    for sealed in (viewport, viewport.parent / "plate-0123"):
        seal_folder(sealed)
    source = json.loads(Path(record["source"]).read_text())
    source["frames"] = [{**source["frames"][0], "frame": number} for number in numbers]
    Path(record["source"]).write_text(json.dumps(source))
    return record


def long_shot(folder: Path, side: int, count: int) -> dict[str, Any]:
    """``large_shot`` with a camera that moves in every frame."""
    record = large_shot(folder, side, count)
    plate = record["plate"]
    plate["width"] = plate["height"] = side
    source = moving_source(intrinsics_from_fov(60.0, side, side), (side, side), count)
    write_json(Path(record["source"]), source.numbered(plate["numbers"], None))
    record["depth"]["source_poses_known"] = True
    return record


def add_solve(record: dict[str, Any], *, points: int = 20, seed: int = 0, **told: Any) -> dict[str, Any]:
    """Give a shot what its camera's solve leaves: points before the first camera, each seen in every frame by its own
    track, and two tracks more, one of a thing that moves and one that stands on the screen."""
    random = np.random.default_rng(seed)
    plate, folder = record["plate"], Path(record["shot"]) / "cache" / "solve-0123"
    folder.mkdir()
    count, tracks = len(plate["numbers"]), points + 2
    xyz = random.uniform((-1, -1, 2), (1, 1, 6), (points, 3))
    arrays = {
        "point_xyz": xyz,
        "point_error": np.linspace(0, 1.2, points),
        "point_sightings": np.full(points, count, np.int32),
        "point_track": np.arange(points, dtype=np.int32),
        "sighting_frame": np.repeat(np.arange(count, dtype=np.int32), tracks),
        "sighting_track": np.tile(np.arange(tracks, dtype=np.int32), count),
        "sighting_xy": random.uniform(0, 1, (count * tracks, 2)).astype(np.float32) * (plate["width"], plate["height"]),
        "track_moving": np.arange(tracks) == points,
        "track_on_screen": np.arange(tracks) == points + 1,
    }
    np.savez_compressed(folder / "solve.npz", **arrays)
    shutil.copy(record["source"], folder / "solved_camera.json")
    document = {"format": "ex4d-solve", "version": 1, "work_size": [plate["width"], plate["height"]]}
    (folder / "solve.json").write_text(json.dumps(document))
    found = {"kind": "moves", "lens": "known", "fov_deg": 60.0, **told}
    return {**record, "source_camera": found, "solve": str(folder)}
