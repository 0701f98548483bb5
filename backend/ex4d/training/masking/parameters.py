# SPDX-License-Identifier: Apache-2.0
"""Every number of the simulated masks, each with where it comes from.

"author" is the mask code that EX-4D's author posted in the project's issue 14 and what is known of the code around it;
"recon" and "generate" are the released scripts of these names; "ours" is a choice made here, with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from ex4d.fill.ex4d_wan.quirks import EROSION_PX
from ex4d.protocol.errors import UsageError
from ex4d.protocol.values import DEFAULT_FOV_DEG, MAX_DEPTH_RATIO, THICKNESS

#: Nearest z-depth of any clip in the released recon.py, world units; lengths there are shares of it here.
_RELEASED_NEAREST = 10_000 / 3900

#: Which masks a clip gets: one kind, one of the two at random, or what both leave.
POLICIES = ("rendering", "tracking", "either", "both")
#: Families of trajectories; see ``trajectories``.
FAMILIES = ("ellipse", "half_orbit", "move")


@dataclass(frozen=True)
class MaskingParameters:
    """How masks are simulated.

    Attributes:
        policy: which masks; one of ``POLICIES``.
        rendering_share: with "either", the share of clips that get the rendering mask.
        families: of trajectories, each as likely as the others.
        fov_deg: field of view over the longer side, degrees, where the depth says none.
        radius: least and greatest distance of a path's centre behind the nearest surface, as a share of its z-depth.
        aim: the same for the point that the camera on the ellipse looks at.
        near_percentile: which percentile of the first frame's z-depth counts as the nearest surface.
        min_angle_deg: smallest interior angle of a face that counts as surface, degrees.
        max_depth_ratio: largest ratio of z-depths inside such a face.
        thickness: see ``ex4d.mesh.MeshSettings``.
        tolerance: a surface seen from the novel camera is the pixel's own when it lies this near to its plane, as a
            share of its depth.
        grid: least and greatest number of tracked points a side.
        kernel: least and greatest side of the tracking mask's closing and opening in pixels, odd.
        erosion: least and greatest side in pixels of the square that is taken off the mask's edges in training.
        erosion_varies: share of the clips whose frames are each eroded by a side of their own.
    """

    # Unknown how the author mixed them; one at random is the least committed.
    policy: str = "either"
    rendering_share: float = 0.5
    # author: the first two. ours: the moves that takes are made with.
    families: tuple[str, ...] = FAMILIES
    # recon's lens, which takes are rendered with. author: 30° in training, which inference then contradicts.
    fov_deg: float = DEFAULT_FOV_DEG
    # author: 0.1 to 0.5 behind a nearest z that recon puts at 2.564 always.
    radius: tuple[float, float] = (0.1 / _RELEASED_NEAREST, 0.5 / _RELEASED_NEAREST)
    # author: 0.1 to 1.0.
    aim: tuple[float, float] = (0.1 / _RELEASED_NEAREST, 1.0 / _RELEASED_NEAREST)
    # ours; author: the minimum, which one wrong pixel decides.
    near_percentile: float = 1.0
    # author; recon has 2.5°.
    min_angle_deg: float = 5.0
    # ours: those of the meshes that takes are rendered from.
    max_depth_ratio: float = MAX_DEPTH_RATIO
    thickness: float = THICKNESS
    # ours: neighbouring pixels of smooth surfaces deviate by a tenth of it, things before others by ten times as much.
    tolerance: float = 5e-3
    # author: both ends included.
    grid: tuple[int, int] = (10, 50)
    # author: odd numbers below 30.
    kernel: tuple[int, int] = (11, 29)
    # author, generate.
    erosion: tuple[int, int] = EROSION_PX
    # author: always. ours: takes are eroded alike in all frames (``fill.ex4d_wan.quirks``), so half of the clips are.
    erosion_varies: float = 0.5

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise UsageError(f"There is no masking policy «{self.policy}».", f"Use one of: {', '.join(POLICIES)}.")
        unknown = [family for family in self.families if family not in FAMILIES]
        if unknown or not self.families:
            raise UsageError(
                f"There is no family of trajectories «{', '.join(unknown)}».", f"Use some of: {', '.join(FAMILIES)}."
            )
        ranges = (self.radius, self.aim, self.grid, self.kernel, self.erosion)
        shares = (self.rendering_share, self.erosion_varies)
        if (
            any(not 0 < low <= high for low, high in ranges)
            or any(not 0 <= share <= 1 for share in shares)
            or self.grid[0] < 2
            or any(side % 2 == 0 for side in self.kernel)
            or not 0 < self.tolerance < 1
            or not 0 <= self.near_percentile < 100
        ):
            raise UsageError(
                "A parameter of the simulated masks is out of range.",
                "Ranges run from low to high above 0, shares from 0 to 1, kernels are odd, grids have 2 points a side.",
            )
