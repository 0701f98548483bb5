# SPDX-License-Identifier: GPL-3.0-or-later
"""The coverage bar at the foot of the viewport: a column a frame, as high as the share of its picture that was seen."""

from __future__ import annotations

from typing import Any

import blf
import bpy
from gpu_extras.batch import batch_for_shader

import gpu
from ex4d.protocol.errors import BadInputError

from .. import out_of_date, props
from ..core.coverage_record import parse, parsed
from ..localisation import localised
from ..scene import editors, hooks
from ..scene import shot as shots

#: The bar's height, that of a column at least, and its distance to the viewport's edges.
HEIGHT, LEAST, MARGIN = 36, 5, 12
#: Below these shares a column is red, or yellow: much has to be invented there.
POOR, FAIR = 0.6, 0.85
#: How much of its colour a column keeps that tells of a former move.
FADED = 0.4
STALE = "Preview out of date: it shows a former move"
_COLORS = {"poor": (0.85, 0.25, 0.2, 0.9), "fair": (0.9, 0.7, 0.2, 0.9), "good": (0.3, 0.7, 0.4, 0.9)}

_handle: Any = None


def revealed_and_never(text: str) -> tuple[float, float] | None:
    """Mean shares of a take's pixels that the move reveals, and that no frame has in its view; None where nobody
    asked."""
    _, shares, never = parsed(text)
    if not never:
        return None
    unseen, outside = 1 - sum(shares) / len(shares), sum(never) / len(never)
    return max(unseen - outside, 0.0), outside


def summary(text: str, shot: shots.ShotObjects) -> str:
    """One sentence on a take's coverage, or ""."""
    numbers, shares = parse(text)
    if not shares:
        return ""
    low = min(range(len(shares)), key=lambda index: shares[index])
    where = frame_name(numbers[low], shot)
    seen = f"Coverage: {sum(shares) / len(shares):.0%} on average, {shares[low]:.0%} at least ({where})"
    if (rest := revealed_and_never(text)) is None:
        return seen
    return f"{seen}. The move reveals {rest[0]:.0%}; {rest[1]:.0%} no frame has in its view"


def frame_name(number: int, shot: shots.ShotObjects) -> str:
    """What a frame is called: by the scene's number, as the timeline shows it, and the plate's where it is another."""
    frame = shot.frame_of(number)
    return f"frame {frame}" if frame == number else f"frame {frame}, the plate's {number}"


def quality(share: float) -> str:
    """Which colour a share gets."""
    return "poor" if share < POOR else "fair" if share < FAIR else "good"


def columns(shares: tuple[float, ...], width: float) -> dict[str, list[tuple[float, float]]]:
    """Corners of the bar's triangles by quality, pixels from the bar's lower left corner. A frame of which nothing
    was seen has a column too: that is where most has to be invented."""
    out: dict[str, list[tuple[float, float]]] = {"poor": [], "fair": [], "good": []}
    step = width / max(len(shares), 1)
    for index, share in enumerate(shares):
        left, right, top = index * step, (index + 1) * step - (1 if step > 3 else 0), max(share * HEIGHT, LEAST)
        out[quality(share)] += [(left, 0), (right, 0), (right, top), (left, 0), (right, top), (left, top)]
    return out


def _draw() -> None:
    # Its space is a viewport's, which the handler was added to.
    context: Any = bpy.context
    scene = context.scene
    if not hasattr(scene, "ex4d") or not context.space_data.overlay.show_overlays:
        return
    take = props.active_take(scene)
    if take is None or not looks_through(context, take):
        return
    stale = out_of_date.stale(take)
    if stale.picture:
        _draw_mark(context)
    if not take.coverage or not scene.ex4d.show_coverage:
        return
    numbers, shares = parse(take.coverage)
    try:
        shot = shots.known(scene).of_take(take)
    except BadInputError:
        return
    if not shares:
        return
    scale = context.preferences.system.ui_scale
    left, right = free_width(context)
    left, foot = left + 2 * MARGIN * scale, MARGIN * scale
    width = max(right - 2 * MARGIN * scale - left, 1.0)
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    gpu.state.blend_set("ALPHA")
    back = [(left, foot), (left + width, foot), (left + width, foot + HEIGHT), (left, foot + HEIGHT)]
    _fill(shader, [back[i] for i in (0, 1, 2, 0, 2, 3)], (0, 0, 0, 0.4))
    for name, corners in columns(shares, width).items():
        *colour, alpha = _COLORS[name]
        alpha *= FADED if stale.coverage else 1.0
        _fill(shader, [(x + left, y + foot) for x, y in corners], (colour[0], colour[1], colour[2], alpha))
    number = shot.number_at(scene.frame_current)
    if number in numbers:
        index = numbers.index(number)
        x = left + (index + 0.5) * width / len(numbers)
        _fill(shader, [(x - 1, foot), (x + 1, foot), (x + 1, foot + HEIGHT)], (1, 1, 1, 1))
        _fill(shader, [(x - 1, foot), (x + 1, foot + HEIGHT), (x - 1, foot + HEIGHT)], (1, 1, 1, 1))
        seen = f"{frame_name(number, shot)}: coverage {shares[index]:.0%}"
        _text(f"{seen}, out of date" if stale.coverage else seen, left, foot + HEIGHT + 4, scale)
    gpu.state.blend_set("NONE")


def _draw_mark(context: Any) -> None:
    """Say over the picture that it shows a former move, above the bar and its text."""
    scale = context.preferences.system.ui_scale
    left, _ = free_width(context)
    _text(STALE, left + 2 * MARGIN * scale, MARGIN * scale + HEIGHT + 24 * scale, scale)


def looks_through(context: Any, take: Any) -> bool:
    """Whether a viewport (its context) shows what the take's camera sees; the bar says nothing of others."""
    scene = context.scene
    camera = editors.viewed_camera(context.space_data, context.region_data, scene)
    return camera is not None and camera == (scene.camera if take.use_scene_camera else take.camera)


def free_width(context: Any) -> tuple[float, float]:
    """Left and right end, in the region's pixels, of what toolbar and sidebar leave free: both lie over the region."""
    left, right = 0.0, float(context.region.width)
    if context.preferences.system.use_region_overlap:
        for other in context.area.regions:
            if other.type == "TOOLS" and other.alignment == "LEFT" and other.width > 1:
                left = max(left, other.x + other.width - context.region.x)
            elif other.type == "HUD" and other.width > 1 and other.height > 1:
                # The panel in which the last operator is adjusted stands where the bar does.
                left = max(left, other.x + other.width - context.region.x)
            elif other.type == "UI" and other.alignment == "RIGHT" and other.width > 1:
                right = min(right, other.x - context.region.x)
    return left, right


def _fill(shader: Any, corners: list[tuple[float, float]], color: tuple[float, float, float, float]) -> None:
    if corners:
        shader.bind()
        shader.uniform_float("color", color)
        batch_for_shader(shader, "TRIS", {"pos": corners}).draw(shader)


def _text(text: str, x: float, y: float, scale: float) -> None:
    blf.size(0, 11 * scale)
    blf.color(0, 1, 1, 1, 0.9)
    blf.position(0, x, y, 0)
    blf.draw(0, localised(text))


def register() -> None:
    """Draw into 3D viewports; without a window there is nothing to draw into."""
    global _handle  # noqa: PLW0603
    if not bpy.app.background:
        _handle = hooks.add_to_viewports(_draw)


def unregister() -> None:
    """Stop drawing there."""
    global _handle  # noqa: PLW0603
    if _handle is not None:
        hooks.remove_from_viewports(_handle)
        _handle = None
