# SPDX-License-Identifier: Apache-2.0
"""Depth jumps as they are drawn: two surfaces that each reach half way, and the hidden back of the nearer one.

A face across a jump spans from one pixel's centre to the next, but somewhere between the two the nearer thing ends and
the farther one begins. Drawn as one face, the nearer thing loses half a pixel all round (a wire of one pixel vanishes)
and everything behind it, however far, counts as hidden by it. So for drawing such a face is taken apart:

    near piece    at the near depth, from the near pixel half way to the far one
    far piece     at the far depth, from half way to the far pixel
    wall          along the viewing rays between the two, from the near depth backwards: hidden, never surface

The wall goes back only as far as the thing is thought to be deep: ``thickness`` times its width in the picture. What is
seen behind it there was seen by the source camera on the other side. EX-4D (arXiv 2506.05554) lets it go all the way,
which is right for a wall and wrong for a lamp-post.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import Camera
from ex4d.mesh.topology import Topology
from ex4d.system.threads import in_bands

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]
Index = NDArray[np.intp]

#: Widths are told apart in steps of this factor.
WIDTH_STEP = 1.5
#: Triangles that stand for one face: near or far piece at its lone corner, two for the other side, two for the wall.
PIECES_PER_FACE = 5
#: Rings are looked at where they have fewer pixels than this many pictures: a distance transform costs as much.
_RING_SHARE = 3.0
#: Pixels of rings, or of the picture, that a thread looks at in one go: they stay in the processor's caches.
_AT_A_TIME = 1 << 17
#: Pixels by which a distance may be wrong.
_ROUND_OFF = 1e-3


@dataclass(frozen=True, eq=False)
class OcclusionEdges:
    """What is drawn in place of faces that span a depth jump.

    Attributes:
        replaced: (R,) indices of these faces.
        points: (5·R, 3, 3) float32 corners of triangles, source camera coordinates.
        plate: (5·R, 3, 2) float32 plate pixel positions whose colours the corners have.
        gap: (5·R,) float32 as ``DWMesh.face_gap``: 0 = surface, a number = wall across that jump of 1/z.
    """

    replaced: Index
    points: Float
    plate: Float
    gap: Float


def local_width(edge: Bool) -> Float:
    """Width in pixels of the thing that each pixel belongs to, (h, w) float32.

    That is the diameter of the largest disc that covers the pixel and crosses no edge ("local thickness": Hildebrand
    and Rüegsegger, 1997), to within ``WIDTH_STEP``.

    Args:
        edge: (h, w) bool, the pixels next to a depth jump, on both of its sides.
    """
    if not edge.any():
        return np.full(edge.shape, 2.0 * max(edge.shape), dtype=np.float32)
    inside = _inside(edge)
    width = np.ones(edge.shape, dtype=np.float32)
    for radius in _radii(inside):
        width[_covered(inside, radius)] = 2 * radius
    return width


def edge_width(edge: Bool, pixels: Index) -> Float:
    """``local_width`` (N,) float32 at some pixels next to a jump, to the bit, in a fraction of the time.

    A disc that covers such a pixel has its centre almost as far from it as the disc is large, as it may not reach over
    the jump: so only a ring of centres is looked at around each pixel, unless the rings are more work than the picture.

    Args:
        edge: (h, w) bool, as of ``local_width``.
        pixels: (N,) indices of the flat picture, where ``edge`` is true.
    """
    wanted, found = np.unique(pixels, return_inverse=True)
    width, left = np.ones(len(wanted), np.float32), np.arange(len(wanted))
    # Where there is no jump distances have no end.
    radii = _radii(inside := _inside(edge)) if len(wanted) else []
    if not radii:
        return width[found]
    # How many of the radii fit around each pixel, in a frame of pixels around which none fits.
    border = math.ceil(radii[-1])
    fitting = np.zeros(edge.shape, np.uint8)

    def count(first: int, last: int) -> None:
        for radius in radii:
            fitting[first:last] += inside[first:last] >= radius

    in_bands(count, len(fitting), max(1, _AT_A_TIME // edge.shape[1]))
    sides = (border, border, border, border)
    framed = np.asarray(cv2.copyMakeBorder(fitting, *sides, cv2.BORDER_CONSTANT, value=0), np.uint8)
    row, column = np.divmod(wanted, edge.shape[1])
    place = (row + border) * framed.shape[1] + column + border
    for index, radius in reversed(list(enumerate(radii))):
        ring = _ring(radius)
        if len(ring[0]) * len(left) < _RING_SHARE * edge.size:
            offsets = ring[0] * framed.shape[1] + ring[1]
            covered = _any_above(framed, index, place[left], offsets)
        else:
            covered = _to_centre(inside, radius).reshape(-1).take(wanted[left]) <= radius
        width[left[covered]] = 2 * radius
        left = left[~covered]
    return width[found]


def _any_above(values: NDArray[np.uint8], limit: int, places: Index, offsets: Index) -> Bool:
    """Whether a value at some offsets from each place (N,) of a flat picture is above a limit, (N,)."""
    out = np.empty(len(places), np.bool_)

    def look(first: int, last: int) -> None:
        out[first:last] = (values.take(places[first:last, None] + offsets) > limit).any(axis=1)

    in_bands(look, len(places), max(1, _AT_A_TIME // len(offsets)))
    return out


def _inside(edge: Bool) -> Float:
    """Distance from each pixel to the nearest jump, which runs half a pixel outside the pixels next to it."""
    return _distance(~edge) + np.float32(0.5)


def _distance(there: Bool) -> Float:
    """Distance from each pixel to the nearest one that is not there."""
    return np.asarray(cv2.distanceTransform(there.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _radii(inside: Float) -> list[float]:
    """Of the discs that are tried, ascending."""
    radii, largest = [1.0], float(inside.max())
    while radii[-1] * WIDTH_STEP <= largest:
        radii.append(radii[-1] * WIDTH_STEP)
    return radii if radii[0] <= largest else []


def _covered(inside: Float, radius: float) -> Bool:
    """Which pixels a disc of that radius covers that crosses no edge."""
    return np.asarray(_to_centre(inside, radius) <= radius)


def _to_centre(inside: Float, radius: float) -> Float:
    """Distance from each pixel to the nearest centre of such a disc."""
    return _distance(inside < radius)


@cache
def _ring(radius: float) -> tuple[Index, Index]:
    """Steps down and right to the centres of discs that can cover a pixel next to a jump."""
    reach = np.arange(-math.ceil(radius), math.ceil(radius) + 1)
    length = np.sqrt((reach[:, None] ** 2 + reach**2).astype(np.float32))
    down, right = np.nonzero((length <= np.float32(radius)) & (length > radius - 0.5 - _ROUND_OFF))
    return down - math.ceil(radius), right - math.ceil(radius)


def edge_pieces(
    topology: Topology,
    vertex_z: Float,
    replaced: Index,
    source: Camera,
    thickness: float,
    max_depth_ratio: float,
) -> OcclusionEdges:
    """Take the faces across depth jumps apart.

    Args:
        topology: of a ``DWMesh``.
        vertex_z: (V,) float32, its ``z``.
        replaced: (R,) indices of those faces, ascending.
        source: its source camera.
        thickness: see the module; inf lets walls go all the way.
        max_depth_ratio: largest ratio of z-depths inside a piece of surface.
    """
    corners = topology.faces[replaced].astype(np.intp)
    z = vertex_z[corners].astype(np.float64)
    rows = np.arange(len(corners))
    # The lone corner is the one on its own side of the largest step in disparity.
    order = np.argsort(z, axis=1)
    nearness = 1 / np.take_along_axis(z, order, axis=1)
    lone = np.where(nearness[:, 0] - nearness[:, 1] >= nearness[:, 1] - nearness[:, 2], order[:, 0], order[:, 2])
    # Going round from the lone corner keeps the winding.
    a, b, c = (corners[rows, (lone + k) % 3] for k in range(3))
    za, zb, zc = (vertex_z[i].astype(np.float64) for i in (a, b, c))
    pa, pb, pc = (topology.pixels[i] for i in (a, b, c))
    half_b, half_c = (pa + pb) / 2, (pa + pc) / 2
    nearest = z.min(axis=1)
    back = _backs(topology, corners, z, nearest, source.K, thickness)
    ray_a, ray_b, ray_c, ray_half_b, ray_half_c = (source.rays(pixel) for pixel in (pa, pb, pc, half_b, half_c))

    def at(ray: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([ray * depth[:, None], depth[:, None]], axis=1)

    ends = ((ray_half_c, za), (ray_half_b, za), (ray_half_b, zb), (ray_half_c, zc))
    lone_c, lone_b, other_b, other_c = (at(ray, depth) for ray, depth in ends)
    wall = [at(ray, np.minimum(depth, back)) for ray, depth in ends]
    # Walls that are too narrow to see show what is behind them.
    far = np.where((za > np.maximum(zb, zc))[:, None], pa, pb)
    triangles = (
        ((at(ray_a, za), lone_b, lone_c), (pa, pa, pa)),
        ((other_b, at(ray_b, zb), at(ray_c, zc)), (pb, pb, pc)),
        ((other_b, at(ray_c, zc), other_c), (pb, pc, pc)),
        ((wall[0], wall[1], wall[2]), (far, far, far)),
        ((wall[0], wall[2], wall[3]), (far, far, far)),
    )
    jump = np.maximum(1 / nearest - 1 / z.max(axis=1), np.finfo(np.float32).tiny)
    side_high, side_low = np.maximum(zb, zc), np.minimum(zb, zc)
    # Where all three corners stand on steps of their own, the two are no surface either.
    side = np.where(side_high <= max_depth_ratio * side_low, 0.0, 1 / side_low - 1 / side_high)
    return OcclusionEdges(
        replaced,
        np.concatenate([np.stack(shape, axis=1) for shape, _ in triangles]).astype(np.float32),
        np.concatenate([np.stack(colors, axis=1) for _, colors in triangles]).astype(np.float32),
        np.concatenate([np.zeros(len(rows)), side, side, jump, jump]).astype(np.float32),
    )


def _backs(
    topology: Topology,
    corners: Index,
    z: NDArray[np.float64],
    nearest: NDArray[np.float64],
    K: NDArray[np.float64],
    thickness: float,
) -> NDArray[np.float64]:
    """z-depth (R,) where the wall behind each jump ends."""
    if not np.isfinite(thickness):
        return np.full(len(corners), np.inf)
    width, height = topology.grid
    edge = np.zeros(width * height, dtype=np.bool_)
    edge[corners] = True
    near_corner = corners[np.arange(len(corners)), z.argmin(axis=1)]
    pixels = edge_width(edge.reshape(height, width), near_corner)
    return np.asarray(nearest + thickness * pixels * topology.step[0] * nearest / K[0, 0])
