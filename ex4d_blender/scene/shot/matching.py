# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a scene that must fit a plate: size, rate, range, and colours that come out as they go in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import bpy

from ex4d.protocol.parsing import fraction_from

from ...core.deliveries import colour_of
from ...core.frame_mapping import split_fps
from .. import camera, colour


@dataclass(frozen=True)
class _Setting:
    """One thing of a scene that must fit the plate.

    Attributes:
        name: as the interface calls it.
        now, wanted: as text.
        fits: whether nothing need be done.
        apply: sets it; returns False when the scene cannot take it.
    """

    name: str
    now: str
    wanted: str
    fits: bool
    apply: Callable[[], bool]


def _assign(owner: Any, **values: Any) -> Callable[[], bool]:
    def apply() -> bool:
        for name, value in values.items():
            try:
                setattr(owner, name, value)
            except TypeError:
                # The value is not one of the enum's: a studio's own OCIO config without a Standard view.
                return False
        return True

    return apply


def _fps_text(fps: Fraction) -> str:
    return str(fps.numerator) if fps.denominator == 1 else f"{float(fps):.3f}"


def _settings(scene: bpy.types.Scene, record: Mapping[str, Any], first_frame: int | None) -> list[_Setting]:
    render, view, plate = scene.render, scene.view_settings, record["plate"]
    assert view is not None
    width, height, fps = int(plate["width"]), int(plate["height"]), fraction_from(plate["fps"])
    first = int(plate["numbers"][0]) if first_frame is None else first_frame
    before, after = plate.get("handles", (0, 0))
    start, end = max(0, first + before), first + len(plate["numbers"]) - 1 - after
    wanted_aspect = blender_aspect(fraction_from(plate.get("pixel_aspect", 1)))
    whole, base = split_fps(fps)
    size, aspect = (render.resolution_x, render.resolution_y), (render.pixel_aspect_x, render.pixel_aspect_y)
    now_fps = camera.scene_fps(scene)
    stretch = (render.frame_map_old, render.frame_map_new)
    return [
        _Setting(
            "Resolution",
            f"{size[0]}x{size[1]}",
            f"{width}x{height}",
            size == (width, height),
            _assign(render, resolution_x=width, resolution_y=height),
        ),
        _Setting(
            "Resolution percentage",
            f"{render.resolution_percentage} %",
            "100 %",
            render.resolution_percentage == 100,
            _assign(render, resolution_percentage=100),
        ),
        _Setting(
            "Pixel aspect",
            f"{aspect[0]:g}:{aspect[1]:g}",
            f"{wanted_aspect[0]:g}:{wanted_aspect[1]:g}",
            all(abs(now - wanted) < 1e-5 for now, wanted in zip(aspect, wanted_aspect, strict=True)),
            _assign(render, pixel_aspect_x=wanted_aspect[0], pixel_aspect_y=wanted_aspect[1]),
        ),
        _Setting(
            "Frame rate",
            _fps_text(now_fps),
            _fps_text(fps),
            abs(float(now_fps / fps) - 1) < 1e-6,
            _assign(render, fps=whole, fps_base=base),
        ),
        _Setting(
            # Stretched time shows the mesh and its pictures at other frames than their own.
            "Time stretching",
            f"{stretch[0]}:{stretch[1]}",
            "none",
            stretch[0] == stretch[1],
            _assign(render, frame_map_old=100, frame_map_new=100),
        ),
        _Setting(
            "Frame range",
            f"{scene.frame_start}-{scene.frame_end}",
            f"{start}-{end}",
            (scene.frame_start, scene.frame_end) == (start, end),
            lambda: _set_range(scene, start, end),
        ),
        *([_plain_view_setting(view)] if colour.is_display(colour_of(plate)) else []),
        _Setting(
            "Dither",
            f"{render.dither_intensity:g}",
            "0",
            render.dither_intensity == 0,
            _assign(render, dither_intensity=0.0),
        ),
    ]


def _plain_view_setting(view: bpy.types.ColorManagedViewSettings) -> _Setting:
    """Of display-referred plates alone: scene-linear ones are seen as the artist has chosen to see light."""
    looks = (view.view_transform, view.look, view.exposure, view.gamma)
    plain = colour.plain_view(view)
    return _Setting(
        "View transform",
        _look_text(*looks),
        _look_text(plain, "None", 0.0, 1.0),
        view.view_transform == plain and view.look in ("None", "") and looks[2:] == (0.0, 1.0),
        _assign(view, look="None", view_transform=plain, exposure=0.0, gamma=1.0),
    )


def blender_aspect(aspect: Fraction) -> tuple[float, float]:
    """A pixel's width divided by its height as Blender's two numbers, neither of which may be less than 1."""
    return (float(aspect), 1.0) if aspect >= 1 else (1.0, float(1 / aspect))


def _look_text(view: str, look: str, exposure: float, gamma: float) -> str:
    return f"{view}, look {look}, exposure {exposure:g}, gamma {gamma:g}"


def _set_range(scene: bpy.types.Scene, start: int, end: int) -> bool:
    # The start cannot be set beyond the end.
    scene.frame_end = max(end, scene.frame_start)
    scene.frame_start = start
    scene.frame_end = end
    if not start <= scene.frame_current <= end:
        scene.frame_set(start)
    return True


def scene_differences(
    scene: bpy.types.Scene, record: Mapping[str, Any], *, first_frame: int | None = None
) -> list[str]:
    """What ``match_scene`` would change, one sentence each; empty when the scene fits the plate."""
    return [
        f"{setting.name}: {setting.now} becomes {setting.wanted}."
        for setting in _settings(scene, record, first_frame)
        if not setting.fits
    ]


def is_as_new(scene: bpy.types.Scene) -> bool:
    """Whether size, rate and range of a scene are those that Blender gives every new one: nothing of the artist's is
    lost when they are set."""
    render: Any = scene.render
    defaults = {
        render: ("resolution_x", "resolution_y", "resolution_percentage", "fps", "fps_base"),
        scene: ("frame_start", "frame_end"),
    }
    return all(
        abs(getattr(owner, name) - owner.bl_rna.properties[name].default) < 1e-6
        for owner, names in defaults.items()
        for name in names
    )


def match_scene(scene: bpy.types.Scene, record: Mapping[str, Any], *, first_frame: int | None = None) -> list[str]:
    """Give a scene the plate's size, rate and frame range, and colours that come out as they go in.

    Args:
        first_frame: the scene frame of the plate's first picture; None: the plate's own number.

    Returns:
        Sentences on what the scene could not take, such as a view transform that its OCIO config lacks.
    """
    notes = []
    for setting in _settings(scene, record, first_frame):
        if not setting.fits and not setting.apply():
            notes.append(f"{setting.name} stays {setting.now}: this Blender's colour management has no other.")
    return notes + colour.space_notes()
