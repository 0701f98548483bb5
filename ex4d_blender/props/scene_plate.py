# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene knows of its plate."""

from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, PointerProperty, StringProperty

from ex4d.protocol.requests import PlateRequest

from ..core import property_ranges as ranges
from ..scene import colour_tables
from ..scene.shot_place import propose_folder

#: The numbers of all menus are what .blend files keep: one that was given is never given to another item.
OVER_RANGE = [
    ("AUTO", "Default", "Clipped in 8-bit movies, kept in others", 0),
    ("clip", "Clip", "Values beyond black and white are clipped", 1),
    ("keep", "Keep", "Values beyond black and white are kept; the result then is scene-linear", 2),
]
#: A movie's colour matrix and range; the names of the others are those of the field in every language.
MATRICES = [
    ("auto", "Automatic", "As the movie says; else BT.709 from a height of 720 on, BT.601 below", 0),
    ("bt601", "BT.601", "Of standard definition", 1),
    ("bt709", "BT.709", "Of high definition", 2),
    ("bt2020", "BT.2020", "Of wide gamuts and HDR", 3),
]
CODE_RANGES = [
    ("auto", "Automatic", "As the movie says; else limited", 0),
    ("limited", "Limited", "Black and white are the codes 16 and 235, of 8 bits", 1),
    ("full", "Full", "Black and white are the lowest and the highest code", 2),
]
LENSES = [
    ("NONE", "None", "A pinhole: the plate has no distortion, or it was taken off", 0),
    ("CLIP", "Movie Clip", "Distortion, focal length and principal point of the plate's Movie Clip", 1),
    ("FILE", "File", "A lens file: this program's JSON, or a calibration that OpenCV saved", 2),
]


def _space_search(_state: Any, _context: bpy.types.Context, text: str) -> list[str]:
    """Names of the plates' configuration and of Blender's, as the backend has told them; any other may be typed."""
    names = colour_tables.plate_space_names()
    return [name for name in names if text.casefold() in name.casefold()]


def place_changed(state: Any, _context: bpy.types.Context) -> None:
    """Propose a folder for the shot anew."""
    propose_folder(state.id_data)


class PlateProperties:
    """The plate, as its files and the artist say it is."""

    if TYPE_CHECKING:
        plate_path: str
        plate_frames: str
        plate_fps: str
        plate_first_frame: int
        plate_scene_start: int
        plate_clip: bpy.types.MovieClip | None
        use_solved_camera: bool
        plate_info: str
        plate_shot: str
        plate_colour_space: str
        plate_layer: str
        plate_handles: int
        plate_pixel_aspect: str
        plate_over_range: str
        plate_colour_matrix: str
        plate_colour_range: str
        plate_lens: str
        plate_lens_file: str
    else:
        plate_path: StringProperty(
            name="Plate", update=place_changed, description="Movie or image sequence to re-shoot"
        )
        plate_frames: StringProperty(
            name="Frames", description="Frames to use by the plate's own numbers, such as 1001-1049; empty for all"
        )
        plate_fps: StringProperty(
            name="Frame Rate", description="Frames per second of an image sequence; empty for a movie's own"
        )
        plate_first_frame: IntProperty(
            name="Start Frame",
            default=PlateRequest.first_frame,
            min=ranges.FIRST_FRAME[0],
            max=ranges.FIRST_FRAME[1],
            description="Number of a movie's first frame",
        )
        plate_scene_start: IntProperty(default=-1, options={"HIDDEN"})
        plate_clip: PointerProperty(
            name="Solved Clip", type=bpy.types.MovieClip, description="Clip whose solved camera is the source camera"
        )
        use_solved_camera: BoolProperty(
            name="Use Solved Camera", default=True, description="Take the source camera from the clip's camera solution"
        )
        plate_info: StringProperty(options={"HIDDEN"})
        plate_shot: StringProperty(options={"HIDDEN"})
        plate_colour_space: StringProperty(
            name="Colour Space",
            search=_space_search,
            search_options={"SUGGESTION"},
            description="Of the plate: a name or alias in its OpenColorIO configuration, or a name of Blender's own; "
            "empty for what the file says",
        )
        plate_layer: StringProperty(
            name="Layer", description="Layer of EXR files with several; empty for the picture without a layer's name"
        )
        plate_handles: IntProperty(
            name="Handles",
            default=PlateRequest.handles,
            min=ranges.HANDLES[0],
            max=ranges.HANDLES[1],
            description="So many frames before and after Frames are reconstructed too, where the plate has them",
        )
        plate_pixel_aspect: StringProperty(
            name="Pixel Aspect",
            description="Width of a pixel divided by its height, such as 2 or 4/3; empty for what the file says",
        )
        plate_over_range: EnumProperty(
            name="Over-Range",
            items=OVER_RANGE,
            description="What becomes of a movie's values beyond black and white",
        )
        plate_colour_matrix: EnumProperty(
            name="Colour Matrix",
            items=MATRICES,
            description="Of a movie's luma and chroma, before what the movie says",
        )
        plate_colour_range: EnumProperty(
            name="Colour Range",
            items=CODE_RANGES,
            description="Of a movie's luma and chroma codes, before what the movie says",
        )
        plate_lens: EnumProperty(name="Lens", items=LENSES, description="The lens that the plate was taken through")
        plate_lens_file: StringProperty(
            name="Lens File", subtype="FILE_PATH", description="File of the lens distortion: JSON, YAML or XML"
        )
