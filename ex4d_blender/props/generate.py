# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene's next takes are filled by, and delivered as."""

from typing import TYPE_CHECKING, Any

from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from ex4d.protocol.requests import GenerateRequest, OutputRequest
from ex4d.protocol.values import DEFAULT_GENERATOR

from .. import menus
from ..core import property_ranges as ranges
from ..core import records
from .takes import show_options

#: The numbers of all menus are what .blend files keep: one that was given is never given to another item.
TAKE_LENSES = [
    ("plate", "The Plate's", "Takes are drawn through the plate's lens, as the plate is", 0),
    ("none", "None", "Takes are drawn as a pinhole camera sees", 1),
]
RESULT_PICTURES = [
    ("linear", "Scene-Linear", "EXR files in the plate's primaries", 0),
    ("codes", "Plate's Curve", "The plate's own log or HDR codes in files of 16 bits", 1),
]
FRAME_RANGES = [
    ("ALL", "All", "All frames of the plate", 0),
    ("PREVIEW", "Preview Range", "Those of the plate's frames that are in the timeline's preview range", 1),
    ("FRAMES", "Frame Range", "From one frame of the scene to another", 2),
]
COMPRESSIONS = [
    ("zip", "ZIP", "Lossless; every program reads it", 0),
    ("piz", "PIZ", "Lossless; smaller for grainy pictures", 1),
]
RESULT_MOVIES = [
    ("NONE", "Preview Only", "The small preview movie alone", 0),
    ("prores422hq", "ProRes 422 HQ", "A movie for editing", 1),
    ("prores4444", "ProRes 4444", "A movie for editing, with alpha", 2),
    ("h265", "H.265, 10 Bits", "A small movie of ten bits", 3),
]


def _profile_changed(state: Any, number: int) -> None:
    state.profile = next((item[0] for item in menus.generator_items(state, None) if item[3] == number), state.profile)
    show_options(state, None)


class GenerateProperties:
    """Fill and delivery."""

    if TYPE_CHECKING:
        take_handles: int
        take_lens: str
        result_pictures: str
        result_compression: str
        result_aov: bool
        result_movie: str
        result_audio: bool
        result_grain: bool
        result_colour_match: bool
        profile: str
        profile_menu: str
        seed: int
        prompt: str
        frame_range: str
        frame_start: int
        frame_end: int
        with_mask: bool
        with_color: bool
        rasterizer: str
    else:
        take_handles: IntProperty(
            name="Handles",
            default=GenerateRequest.handles,
            min=ranges.HANDLES[0],
            max=ranges.HANDLES[1],
            description="So many frames before and after the take are delivered too; the strip is trimmed by them",
        )
        take_lens: EnumProperty(
            name="Lens", items=TAKE_LENSES, description="What takes of a plate with a lens are drawn through"
        )
        result_pictures: EnumProperty(
            name="Pictures", items=RESULT_PICTURES, description="What the result's files of log and HDR plates hold"
        )
        result_compression: EnumProperty(
            name="EXR Compression", items=COMPRESSIONS, description="How EXR files are compressed"
        )
        result_aov: BoolProperty(
            name="AOV Files",
            default=OutputRequest.aov,
            description="A second EXR sequence with fill, matte, origin, depth, plate positions and motion",
        )
        result_movie: EnumProperty(name="Movie", items=RESULT_MOVIES, description="Movie of the result for editing")
        result_audio: BoolProperty(
            name="Sound", default=OutputRequest.audio, description="The plate's sound goes into the movies"
        )
        result_grain: BoolProperty(
            name="Grain", default=OutputRequest.grain, description="Give the plate's noise to what a model drew"
        )
        result_colour_match: BoolProperty(
            name="Match Colours",
            default=OutputRequest.colour_match,
            description="Take a model's shift of colours off its fill",
        )
        profile: StringProperty(
            name="Fill Profile",
            default=DEFAULT_GENERATOR,
            description="How pixels that were never seen are filled: a profile of the backend",
        )
        profile_menu: EnumProperty(
            name="Fill Profile",
            items=menus.generator_items,
            get=lambda self: records.name_number(self.profile),
            set=_profile_changed,
            description="How pixels that were never seen are filled",
        )
        seed: IntProperty(
            name="Seed",
            default=0,
            min=ranges.SEED[0],
            description="Start of the generator's random numbers: the same seed makes the same fill, another one "
            "a variation",
        )
        prompt: StringProperty(name="Prompt", description="What the picture shows, for generators that take a prompt")
        frame_range: EnumProperty(
            name="Range", items=FRAME_RANGES, description="Which of the plate's frames are generated"
        )
        frame_start: IntProperty(name="Start", default=1, description="First scene frame to generate")
        frame_end: IntProperty(name="End", default=49, description="Last scene frame to generate")
        with_mask: BoolProperty(name="Mask Strip", description="Add the validity mask, muted, above the result")
        with_color: BoolProperty(
            name="Colour Strip", description="Add the render without fill, muted, above the result"
        )
        rasterizer: EnumProperty(
            name="Rasterizer",
            items=menus.rasterizer_items,
            description="What renders colour and mask",
        )
