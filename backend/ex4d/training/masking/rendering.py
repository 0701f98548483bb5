# SPDX-License-Identifier: Apache-2.0
"""The rendering mask: pixels of the source whose surface a novel camera would have seen.

A double reprojection: the mesh of each frame is drawn from the novel camera, and what that camera saw is drawn back
into the source view. Seen from its own camera the mesh lies open like a map, one vertex per pixel, so drawing it back
is looking up, for each vertex, whether the novel picture shows it. That is asked of the point and not of its faces: a
face narrower than a pixel of the novel picture falls between the pixels' centres and would pass for hidden although its
surface is seen (docs/decisions.md has the figures).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera, Trajectory
from ex4d.mesh import DWMesh, MeshSettings, build_mesh, far_plane
from ex4d.raster.base import RasterFrame, Rasterizer, view_from_source
from ex4d.system.threads import prefetched
from ex4d.training.masking.parameters import MaskingParameters

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]


def _nearer_step(values: Float, axis: int) -> list[Float]:
    """Differences of (h, w, 3), by component, to the neighbour that is nearer in space, before or behind; both are
    taken forwards."""
    parts = [np.diff(values[..., k], axis=axis) for k in range(3)]
    length = parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2
    ends = [(1, 1), (0, 0)] if axis == 0 else [(0, 0), (1, 1)]
    # The missing neighbours at the border are infinitely far; the outermost steps stand on both of their sides.
    far = np.pad(length, ends, constant_values=np.inf)
    behind, ahead = (far[:-1], far[1:]) if axis == 0 else (far[:, :-1], far[:, 1:])
    use_behind = behind < ahead
    out = []
    for part in parts:
        both = np.pad(part, ends)
        before, after = (both[:-1], both[1:]) if axis == 0 else (both[:, :-1], both[:, 1:])
        out.append(np.where(use_behind, before, after))
    return out


def vertex_normals(mesh: DWMesh) -> Float:
    """Unit normals (h, w, 3) float32 of the surface at the grid's vertices, source camera coordinates.

    From the nearer neighbour on each axis, so that a pixel at a depth jump has the slope of its own side.
    """
    points = _grid_points(mesh)
    a, b = _nearer_step(points, 1), _nearer_step(points, 0)
    normal = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    inverse = 1 / np.maximum(length, np.float32(1e-20))
    return np.stack([part * inverse for part in normal], axis=-1)


def _grid_points(mesh: DWMesh) -> Float:
    width, height = mesh.topology.grid
    return mesh.points[: mesh.topology.grid_vertices].reshape(height, width, 3)


def surface_vertices(mesh: DWMesh) -> Bool:
    """(h, w) whether a vertex belongs to a valid face; the others are slivers' and stand for nothing that was seen."""
    width, height = mesh.topology.grid
    faces = mesh.face_valid[: mesh.topology.grid_faces].reshape(height - 1, width - 1, 2)
    first, second = faces[..., 0], faces[..., 1]
    either = first | second
    found = np.zeros((height, width), dtype=np.bool_)
    # The diagonal's ends belong to both faces of a quad, the other corners to one.
    found[:-1, :-1] |= first
    found[1:, :-1] |= either
    found[:-1, 1:] |= either
    found[1:, 1:] |= second
    return found


def seen_vertices(mesh: DWMesh, frame: RasterFrame, camera: Camera, tolerance: float) -> Bool:
    """(h, w) whether the camera shows the surface at each vertex of the grid.

    A vertex is shown when one of the four pixels round its image shows, from the front, a surface that lies in the
    vertex's own plane. Comparing depths instead would lose slanted surfaces.

    Args:
        mesh: of the frame.
        frame: the mesh drawn from the camera.
        camera: the novel camera.
        tolerance: see ``MaskingParameters``.
    """
    view = view_from_source(mesh, camera).astype(np.float32)
    x, y, z = cv2.split(cv2.transform(_grid_points(mesh), view[:3]))
    nx, ny, nz = cv2.split(cv2.transform(vertex_normals(mesh), view[:3, :3]))
    fx, fy, cx, cy = (np.float32(value) for value in camera.K[(0, 1, 0, 1), (0, 1, 2, 2)])
    plane, ahead = nx * x + ny * y + nz * z, (z > camera.near) & (z <= camera.far)
    depth = np.where(ahead, z, np.float32(1))
    u, v = x / depth * fx + cx, y / depth * fy + cy
    inside = ahead & (u >= 0) & (v >= 0) & (u <= camera.width) & (v <= camera.height)
    column, row = np.floor(u - np.float32(0.5)), np.floor(v - np.float32(0.5))
    shown = np.where(frame.mask > 0, frame.z, np.float32(np.nan))
    allowed = np.float32(tolerance) * z
    found = np.zeros(z.shape, dtype=np.bool_)
    # Beyond the outermost centres the nearest pixel answers.
    columns = [np.clip(column + across, 0, camera.width - 1) for across in (0, 1)]
    across_part = [(at + np.float32(0.5) - cx) / fx * nx for at in columns]
    for down in (0, 1):
        rows = np.clip(row + down, 0, camera.height - 1)
        down_part = (rows + np.float32(0.5) - cy) / fy * ny + nz
        for at, part in zip(columns, across_part, strict=True):
            surface = cv2.remap(shown, at, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
            found |= np.abs(surface * (part + down_part) - plane) <= allowed
    return found & inside


def clip_far_plane(depths: Sequence[Float]) -> float:
    """z-depth of the far plane of a clip with these depth maps (NaN = not measured, inf = sky)."""
    sample = np.concatenate([depth[::4, ::4].ravel() for depth in depths])
    finite = sample[np.isfinite(sample) & (sample > 0)]
    if not len(finite):
        return 1.0
    sky = any(bool(np.isposinf(depth).any()) for depth in depths)
    deepest = math.inf if sky else max(float(np.max(d, where=np.isfinite(d), initial=0.0)) for d in depths)
    return far_plane(deepest, float(np.median(finite)))


def rendering_mask(
    depths: Sequence[Float],
    source: Trajectory,
    novel: Trajectory,
    rasterizer: Rasterizer,
    parameters: MaskingParameters | None = None,
) -> NDArray[np.uint8]:
    """The rendering mask of a clip.

    Args:
        depths: T maps (H, W) float32 of z-depth in world units at the clip's size; NaN = not measured, inf = sky.
        source: the source camera per frame, at the clip's size.
        novel: the novel camera per frame.
        rasterizer: draws the meshes.
        parameters: thresholds; None = the defaults.

    Returns:
        (T, H, W) uint8, 255 = the novel camera sees it, 0 = to be filled.
    """
    parameters = parameters or MaskingParameters()
    settings = MeshSettings(
        min_angle_deg=parameters.min_angle_deg,
        max_depth_ratio=parameters.max_depth_ratio,
        thickness=parameters.thickness,
        max_grid_side=max(source.width, source.height),
    )
    far = clip_far_plane(depths)
    # Only depth and validity are wanted.
    blank = np.zeros((source.height, source.width, 3), dtype=np.uint8)
    masks = np.zeros((len(depths), source.height, source.width), dtype=np.uint8)

    def build(index: int) -> DWMesh:
        mesh = build_mesh(depths[index], source[index], far, settings=settings)
        # Computed when first asked for: here, beside the drawing of the frame before.
        _ = mesh.edges
        return mesh

    for index, mesh in enumerate(prefetched(build, range(len(depths)))):
        camera = novel[index]
        with rasterizer.upload(mesh, blank) as scene:
            frame = scene.render(camera)
        seen = seen_vertices(mesh, frame, camera, parameters.tolerance)
        masks[index][seen & surface_vertices(mesh) & mesh.pixel_valid] = 255
    return masks
