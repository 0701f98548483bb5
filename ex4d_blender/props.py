# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties: on the scene what belongs into the file, on the window manager what mirrors the running jobs.

Scene properties are saved and undone with the file; window-manager properties are neither.
"""

import math
import uuid
from typing import TYPE_CHECKING, Any, cast

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ex4d.camera import PRESETS
from ex4d.camera.released import RELEASED_PRESETS
from ex4d.camera.source_path import DEFAULT_AMOUNT, MOST_SECONDS
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.requests import GenerateRequest, MeshRequest, OutputRequest, PlateRequest
from ex4d.protocol.values import DEFAULT_FOV_DEG, DEFAULT_GENERATOR, VIEWPORT_SIDE

from . import capabilities, menus, take_options
from .core import property_ranges as ranges
from .core import records
from .core.camera_channels import SENSOR_WIDTH
from .core.move_amounts import AMOUNTS
from .core.records import move_number
from .scene import background, colour_tables, editors, scan, takes
from .scene.data import camera_data, scene_state
from .scene.holes import update_holes
from .scene.shot_place import propose_folder

_MOVE_NAMES = {
    "orbit": "Orbit",
    "zoom_in": "Zoom In",
    "zoom_out": "Zoom Out",
    "dolly_in": "Dolly In",
    "dolly_out": "Dolly Out",
    "truck": "Truck",
    "crane": "Crane",
    "pan": "Pan",
    "tilt": "Tilt",
    "figure_eight": "Figure Eight",
    "hold": "Hold",
}
#: The numbers of all menus are what .blend files keep: one that was given is never given to another item.
MOVES = [
    *(
        (name, _MOVE_NAMES.get(name, name.replace("_", " ").title()), preset.help, move_number(name))
        for name, preset in PRESETS.items()
    ),
    *(
        (name, f"EX-4D {name}", f"The released EX-4D's camera path {name}", move_number(name))
        for name in RELEASED_PRESETS
    ),
]
MOVE_PATHS = [
    ("source", "As Filmed", "The move rides on the source camera's own path, or leaves it out: Follow Source", 0),
    ("stabilise", "Stabilised", "The move rides on the source camera's path, smoothed", 1),
    ("lock", "Locked", "The move starts from where the source camera was in one frame, and stays there", 2),
]
STABILISE_BY = [
    ("amount", "Amount", "From 0, as filmed, to 1, straight and even from the first camera to the last", 0),
    ("seconds", "Seconds", "So many seconds are averaged: the width of a Gaussian", 1),
]
EASINGS = [
    ("DEFAULT", "As the Move", "The easing that the move comes with", 0),
    ("linear", "Linear", "Even speed", 1),
    ("in", "Ease In", "Starts slowly", 2),
    ("out", "Ease Out", "Ends slowly", 3),
    ("in_out", "Ease In and Out", "Starts and ends slowly", 4),
]
DEPTH_KINDS = [
    ("AUTO", "As Named", "Depth, unless the file says disparity", 0),
    ("depth", "Depth", "Distance along the camera's axis", 1),
    ("disparity", "Disparity", "One over the distance", 2),
]


#: Of these and the others the numbers are what .blend files keep, see ``MOVES``.
OVER_RANGE = [
    ("AUTO", "As Usual", "Clipped in 8-bit movies, kept in others", 0),
    ("clip", "Clip", "Values beyond black and white are clipped", 1),
    ("keep", "Keep", "Values beyond black and white are kept; the result then is scene-linear", 2),
]
SOURCE_CAMERAS = [
    ("DEFAULT", "Automatic", "As the plate shows it; a shot that was reconstructed before keeps what it has", 0),
    ("auto", "Solve", "As the plate shows it: it stands still, turns on its place, or moves", 1),
    ("turns", "Turns", "The source camera turns on its place, as in a pan or tilt", 2),
    ("moves", "Moves", "The source camera moves", 3),
    ("still", "Stands Still", "The source camera stands still; nobody looks", 4),
    ("FILE", "Camera File", "A trajectory file: its cameras stay, frames that it lacks are solved around them", 5),
    ("OBJECT", "Camera Object", "A camera of this file, such as one that was imported: it stays as it moves", 6),
]
LENSES = [
    ("NONE", "None", "A pinhole: the plate has no distortion, or it was taken off", 0),
    ("CLIP", "Movie Clip", "Distortion, focal length and principal point of the plate's Movie Clip", 1),
    ("FILE", "File", "A lens file: this program's JSON, or a calibration that OpenCV saved", 2),
]
FOV_BY = [
    ("angle", "Angle", "Field of view over the longer side", 0),
    ("mm", "Millimetres", "Focal length of the lens, and width of what the frame shows of the sensor", 1),
]
TAKE_LENSES = [
    ("plate", "The Plate's", "Takes are drawn through the plate's lens, as the plate is", 0),
    ("none", "None", "Takes are drawn as a pinhole camera sees", 1),
]
RESULT_PICTURES = [
    ("linear", "Scene-Linear", "EXR files in the plate's primaries", 0),
    ("codes", "Plate's Curve", "The plate's own log or HDR codes in files of 16 bits", 1),
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


#: How amounts are called, and where their sliders end: in degrees, factors and shares.
_AMOUNT_NAMES = {"degrees": "Angle", "factor": "Factor", "share": "Distance"}
_AMOUNT_SLIDERS = {"degrees": (-90.0, 90.0), "factor": (1.0, 4.0), "share": (-1.0, 1.0)}
_AMOUNT_SUBTYPES = {"degrees": "ANGLE", "factor": "NONE", "share": "PERCENTAGE"}
_AMOUNT_TEXTS = {
    "degrees": "How far the camera turns",
    "factor": "What the focal length is changed by",
    "share": "How far the camera goes, in per cent of the distance to the pivot",
}


def _amount(move: str) -> Any:
    """The property of a move's amount."""
    amount = AMOUNTS[move]
    slider = [amount.to_property(end) for end in _AMOUNT_SLIDERS[amount.unit]]
    limits = [amount.to_property(end) for end in amount.limits]
    return FloatProperty(
        name=_AMOUNT_NAMES[amount.unit],
        subtype=cast(Any, _AMOUNT_SUBTYPES[amount.unit]),
        default=amount.to_property(amount.default),
        min=limits[0],
        max=limits[1],
        soft_min=slider[0],
        soft_max=slider[1],
        description=f"{_AMOUNT_TEXTS[amount.unit]}: {PRESETS[move].help}",
    )


def _space_search(_state: Any, _context: bpy.types.Context, text: str) -> list[str]:
    """Names of the plates' configuration and of Blender's, as the backend has told them; any other may be typed."""
    names = colour_tables.plate_space_names()
    return [name for name in names if text.casefold() in name.casefold()]


def _take_camera_changed(take: Any, _context: bpy.types.Context) -> None:
    if take.camera is not None:
        take.use_scene_camera = False
        take.name = take.name or take.camera.name


def _profile_changed(state: Any, number: int) -> None:
    state.profile = next((item[0] for item in menus.generator_items(state, None) if item[3] == number), state.profile)
    _show_options(state, None)


def _show_options(state: Any, _context: bpy.types.Context | None) -> None:
    """Give the chosen take rows for the options of the chosen generator."""
    take, generator = active_take(state.id_data), capabilities.find_generator(state.profile)
    if take is not None and generator is not None:
        take_options.ensure_rows(take, generator)


def _take_chosen(state: Any, context: bpy.types.Context) -> None:
    """Who clicks on a take looks through it, and finds its keys selected; scripts choose one and nothing else moves."""
    _show_options(state, context)
    take, scene = active_take(state.id_data), state.id_data
    camera = take.camera if take is not None and camera_state(scene, take) == "own" else None
    if context.area is None or camera is None:
        return
    scene.camera = camera
    if context.window is not None and context.window.scene == scene:
        takes.select_move(context.window.view_layer, camera)
        editors.look_through_scene_camera(context.space_data)
        editors.frame_time_editors(context.window)


def _preview_look_changed(state: Any, _context: bpy.types.Context) -> None:
    for take in state.takes:
        for camera in preview_cameras(state.id_data, take):
            # Linked cameras have none of ours.
            if camera.library is None and camera_data(camera).library is None:
                background.set_preview_look(camera, opacity=state.preview_opacity, in_front=True)


def _choice_changed(row: Any, number: int) -> None:
    row.text = next((item[0] for item in menus.choice_items(row, None) if item[3] == number), row.text)


def _number_changed(row: Any, _context: bpy.types.Context) -> None:
    take_options.clamp(row, capabilities.find_generator(row.generator))


def _depth_source_changed(state: Any, number: int) -> None:
    items = menus.depth_items(state, None)
    state.depth_source = next((item[0] for item in items if item[3] == number), state.depth_source)


def _place_changed(state: Any, _context: bpy.types.Context) -> None:
    propose_folder(state.id_data)


class EX4D_PG_version(bpy.types.PropertyGroup):
    """One delivered version of a take."""

    if TYPE_CHECKING:
        name: str
        folder: str
        profile: str
        label: str
        seed: int
        prompt: str
        options: str
        frames: str
        generated_mean: float
        filled: str
        strip: str
        note: str
        passes: str
        movie: str
    else:
        name: StringProperty(name="Version", description="Name of the version's folder, such as v001")
        folder: StringProperty(name="Folder", subtype="DIR_PATH", description="Folder of the delivered files")
        profile: StringProperty(name="Profile")
        label: StringProperty(name="Made By", description="What filled the pixels that the plate never showed")
        seed: IntProperty(name="Seed", default=-1)
        prompt: StringProperty(name="Prompt")
        options: StringProperty(name="Options", description="The generator's other options, JSON")
        frames: StringProperty(name="Frames")
        generated_mean: FloatProperty(name="Generated", subtype="PERCENTAGE", description="Mean share of filled pixels")
        filled: StringProperty(name="Filled From", description="Where the filled pixels come from, in words")
        strip: StringProperty(name="Strip", description="Name of its strip in the sequencer")
        note: StringProperty(name="Note", description="What should be known of how Blender shows it")
        passes: StringProperty(name="Passes", description="Folder within the version's with its AOV files")
        movie: StringProperty(name="Movie", description="File within the version's folder: its movie for editing")


class EX4D_PG_option(bpy.types.PropertyGroup):
    """A take's value of an option of a generator; its ``name`` is the option's."""

    if TYPE_CHECKING:
        generator: str
        kind: str
        given: bool
        integer: int
        number: float
        flag: bool
        text: str
        path: str
        choice: str
    else:
        generator: StringProperty(description="Name of the generator")
        kind: StringProperty(description="What the option is, as of ex4d.protocol.capabilities.OptionKind")
        given: BoolProperty(name="Given", description="Use this value; otherwise the generator decides")
        integer: IntProperty(name="Value", update=_number_changed, description="Value of a whole number")
        number: FloatProperty(name="Value", precision=4, update=_number_changed, description="Value of a number")
        flag: BoolProperty(name="Value", description="Value of an option that is on or off")
        text: StringProperty(name="Value", description="Value of a text, of a choice, or of a size such as 832x480")
        path: StringProperty(name="Value", subtype="FILE_PATH", description="Value of an option that is a file")
        choice: EnumProperty(
            name="Value",
            items=menus.choice_items,
            get=lambda self: records.name_number(self.text),
            set=_choice_changed,
            description="Value of an option that is one of several",
        )


class EX4D_PG_take(bpy.types.PropertyGroup):
    """A take: one camera with its versions."""

    if TYPE_CHECKING:
        uid: str
        camera: bpy.types.Object | None
        use_scene_camera: bool
        shot: bpy.types.Object | None
        versions: bpy.types.bpy_prop_collection_idprop[EX4D_PG_version]
        options: bpy.types.bpy_prop_collection_idprop[EX4D_PG_option]
        coverage: str
    else:
        uid: StringProperty(options={"HIDDEN"})
        camera: PointerProperty(
            name="Camera",
            type=bpy.types.Object,
            poll=lambda _self, obj: obj.type == "CAMERA",
            update=_take_camera_changed,
            description="The camera of this take",
        )
        use_scene_camera: BoolProperty(
            name="Scene Camera with Markers", description="Follow the scene's active camera, as markers switch it"
        )
        shot: PointerProperty(
            name="Shot",
            type=bpy.types.Object,
            poll=lambda _self, obj: obj.type == "EMPTY" and "ex4d" in obj and obj["ex4d"].get("role") == "root",
            description="The Empty of the shot that this take is of",
        )
        versions: CollectionProperty(type=EX4D_PG_version)
        options: CollectionProperty(type=EX4D_PG_option)
        coverage: StringProperty(options={"HIDDEN"}, description="Share of seen pixels per frame, JSON")


class EX4D_PG_pending(bpy.types.PropertyGroup):
    """A job whose result this scene waits for."""

    if TYPE_CHECKING:
        job: str
        action: str
        data: str
    else:
        job: StringProperty()
        action: StringProperty()
        data: StringProperty(description="What the action needs besides the result, JSON")


class EX4D_PG_scene(bpy.types.PropertyGroup):
    """What a scene knows of its shot."""

    if TYPE_CHECKING:
        version: int
        plate_path: str
        plate_frames: str
        plate_fps: str
        plate_first_frame: int
        plate_scene_start: int
        plate_clip: bpy.types.MovieClip | None
        use_solved_camera: bool
        plate_info: str
        plate_colour_space: str
        plate_layer: str
        plate_handles: int
        plate_pixel_aspect: str
        plate_over_range: str
        plate_lens: str
        plate_lens_file: str
        take_handles: int
        take_lens: str
        result_pictures: str
        result_compression: str
        result_aov: bool
        result_movie: str
        result_audio: bool
        result_grain: bool
        result_colour_match: bool
        shot_folder: str
        proposed_folder: str
        depth_source: str
        depth_menu: str
        depth_path: str
        depth_kind: str
        depth_scale: float
        depth_camera: str
        source_camera: str
        source_object: bpy.types.Object | None
        mattes_path: str
        use_fov: bool
        fov_by: str
        focal_mm: float
        sensor_mm: float
        fov: float
        min_angle: float
        max_depth_ratio: float
        thickness: float
        viewport_side: int
        match_without_asking: bool
        holes_transparent: bool
        hole_color: bpy.types.bpy_prop_array[float]
        takes: bpy.types.bpy_prop_collection_idprop[EX4D_PG_take]
        active_take: int
        move: str
        amount_orbit: float
        amount_zoom_in: float
        amount_zoom_out: float
        amount_dolly_in: float
        amount_dolly_out: float
        amount_truck: float
        amount_crane: float
        amount_pan: float
        amount_tilt: float
        amount_figure_eight: float
        move_ease: str
        move_follow: bool
        move_path: str
        stabilise_by: str
        stabilise_amount: float
        stabilise_seconds: float
        stabilise_level: bool
        lock_first: bool
        lock_frame: int
        handheld_strength: float
        handheld_seed: int
        preview_opacity: float
        show_coverage: bool
        show_tracks: bool
        profile: str
        profile_menu: str
        seed: int
        prompt: str
        use_frames: bool
        frame_start: int
        frame_end: int
        with_mask: bool
        with_color: bool
        rasterizer: str
        pending: bpy.types.bpy_prop_collection_idprop[EX4D_PG_pending]
    else:
        version: IntProperty(options={"HIDDEN"}, description="Of the records in this scene, see core.records")

        plate_path: StringProperty(
            name="Plate", update=_place_changed, description="Movie or image sequence to re-shoot"
        )
        plate_frames: StringProperty(
            name="Frames", description="Frames to use by the plate's own numbers, such as 1001-1049; empty for all"
        )
        plate_fps: StringProperty(
            name="Frame Rate", description="Frames per second of an image sequence; empty for a movie's own"
        )
        plate_first_frame: IntProperty(
            name="First Frame",
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
        plate_lens: EnumProperty(name="Lens", items=LENSES, description="The lens that the plate was taken through")
        plate_lens_file: StringProperty(name="Lens File", subtype="FILE_PATH", description="JSON, YAML or XML")
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
        result_compression: EnumProperty(name="EXR Compression", items=COMPRESSIONS, description="Of EXR files")
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

        shot_folder: StringProperty(
            name="Shot Folder",
            subtype="DIR_PATH",
            update=_place_changed,
            description="Where depth, mesh and takes are kept; empty for the folder that the panel shows: beside the "
            ".blend, or beside the plate while the .blend has no name",
        )
        proposed_folder: StringProperty(options={"HIDDEN"}, description="Where the next reconstruction goes")
        depth_source: StringProperty(
            name="Depth",
            default=menus.AUTOMATIC,
            description="Where depth comes from: auto, FILES, or an estimator of the backend",
        )
        depth_menu: EnumProperty(
            name="Depth",
            items=menus.depth_items,
            get=lambda self: menus.depth_number(self.depth_source),
            set=_depth_source_changed,
            description="Where depth comes from",
        )
        depth_path: StringProperty(
            name="Depth Files", subtype="FILE_PATH", description="File, folder or pattern of the maps"
        )
        depth_kind: EnumProperty(
            name="Hold",
            items=DEPTH_KINDS,
            description="What the files hold",
        )
        depth_scale: FloatProperty(
            name="Scale",
            default=1.0,
            min=ranges.DEPTH_SCALE[0],
            precision=6,
            description="Depth, or disparity, of one code value",
        )
        depth_camera: StringProperty(
            name="Camera File",
            subtype="FILE_PATH",
            description="Trajectory file with the source camera's lens and poses",
        )
        source_camera: EnumProperty(
            name="Source Camera",
            items=SOURCE_CAMERAS,
            description="How the plate's camera moved: its path is solved from the plate or given, and depth measured "
            "where it moved",
        )
        source_object: PointerProperty(
            name="Camera",
            type=bpy.types.Object,
            poll=lambda _self, obj: obj.type == "CAMERA",
            description="The camera that filmed the plate, moving as the scene's frames do",
        )
        mattes_path: StringProperty(
            name="Mattes",
            subtype="FILE_PATH",
            description="Pictures of what moves by itself, white on black, one for each frame: a movie, or a picture "
            "of a sequence; empty where it is to be found. For depth that is measured where the camera moves",
        )
        use_fov: BoolProperty(name="Known Field of View", description="Give the plate's field of view")
        fov_by: EnumProperty(name="Given In", items=FOV_BY, description="How the field of view is given")
        focal_mm: FloatProperty(
            name="Focal Length",
            default=35.0,
            min=ranges.FOCAL_MM[0],
            max=ranges.FOCAL_MM[1],
            description="Of the plate's lens, millimetres",
        )
        sensor_mm: FloatProperty(
            name="Sensor Width",
            default=SENSOR_WIDTH,
            min=ranges.SENSOR_MM[0],
            max=ranges.SENSOR_MM[1],
            description="Millimetres of the sensor that the frame's width shows; of an anamorphic lens, times its "
            "squeeze",
        )
        fov: FloatProperty(
            name="Field of View",
            default=math.radians(DEFAULT_FOV_DEG),
            min=math.radians(ranges.FOV_DEG[0]),
            max=math.radians(ranges.FOV_DEG[1]),
            subtype="ANGLE",
            description="Of the plate, over its longer side",
        )
        min_angle: FloatProperty(
            name="Smallest Angle",
            default=MeshRequest.min_angle,
            min=ranges.ANGLE_DEG[0],
            max=ranges.ANGLE_DEG[1],
            description="Faces with a smaller angle, in degrees, are holes",
        )
        max_depth_ratio: FloatProperty(
            name="Depth Ratio",
            default=MeshRequest.max_depth_ratio,
            min=ranges.DEPTH_RATIO[0],
            max=ranges.DEPTH_RATIO[1],
            description="Faces whose corners' distances have a larger ratio are holes",
        )
        thickness: FloatProperty(
            name="Thickness",
            default=MeshRequest.thickness,
            min=ranges.THICKNESS[0],
            soft_max=4.0,
            max=ranges.THICKNESS[1],
            description="How deep things are thought to be, as a share of their width in the picture. What is farther"
            " behind them, and was seen beside them, stays; larger values make larger holes",
        )
        viewport_side: IntProperty(
            name="Viewport Mesh",
            default=VIEWPORT_SIDE,
            min=ranges.VIEWPORT_SIDE[0],
            max=ranges.VIEWPORT_SIDE[1],
            description="Vertices along the longer side of the mesh in Blender; renders always use the full plate",
        )
        match_without_asking: BoolProperty(
            name="Match Scene",
            description="Set the scene's resolution, rate, range and view transform to the plate's as soon as it is "
            "there",
        )
        holes_transparent: BoolProperty(
            name="Transparent Holes",
            default=True,
            update=lambda self, _context: update_holes(self.id_data),
            description="See through what the plate never showed; otherwise it has the hole colour",
        )
        hole_color: FloatVectorProperty(
            name="Hole Colour",
            subtype="COLOR",
            size=3,
            min=0.0,
            max=1.0,
            default=(1.0, 0.0, 0.6),
            update=lambda self, _context: update_holes(self.id_data),
            description="Colour of what the plate never showed",
        )

        takes: CollectionProperty(type=EX4D_PG_take)
        active_take: IntProperty(name="Take", update=_take_chosen)
        move: EnumProperty(name="Move", items=MOVES, description="How the new camera moves")
        amount_orbit: _amount("orbit")
        amount_zoom_in: _amount("zoom_in")
        amount_zoom_out: _amount("zoom_out")
        amount_dolly_in: _amount("dolly_in")
        amount_dolly_out: _amount("dolly_out")
        amount_truck: _amount("truck")
        amount_crane: _amount("crane")
        amount_pan: _amount("pan")
        amount_tilt: _amount("tilt")
        amount_figure_eight: _amount("figure_eight")
        move_ease: EnumProperty(name="Easing", items=EASINGS, description="How the move is spread over its frames")
        move_follow: BoolProperty(
            name="Follow Source", default=True, description="Ride on the source camera's own motion; off takes it out"
        )
        move_path: EnumProperty(
            name="Path", items=MOVE_PATHS, description="What becomes of the source camera's own motion"
        )
        stabilise_by: EnumProperty(name="Smooth By", items=STABILISE_BY, description="How smoothing is given")
        stabilise_amount: FloatProperty(
            name="Amount", default=DEFAULT_AMOUNT, min=0.0, max=1.0, subtype="FACTOR", description="0 changes nothing"
        )
        stabilise_seconds: FloatProperty(
            name="Seconds", default=1.0, min=0.0, max=MOST_SECONDS, soft_max=5.0, description="0 changes nothing"
        )
        stabilise_level: BoolProperty(
            name="Level Horizon", description="Turn the camera about its axis until it is level"
        )
        lock_first: BoolProperty(
            name="First Frame", default=True, description="Where the source camera was in the shot's first frame"
        )
        lock_frame: IntProperty(
            name="Frame", default=1, description="Scene frame whose source camera is held, so that this frame matches"
        )
        handheld_strength: FloatProperty(
            name="Strength",
            default=0.3,
            min=0.0,
            soft_max=2.0,
            description="How much a hand-held camera sways and turns",
        )
        handheld_seed: IntProperty(name="Seed", default=0, min=0, description="Another seed is another hand")
        preview_opacity: FloatProperty(
            name="Opacity",
            default=1.0,
            min=0.0,
            max=1.0,
            subtype="FACTOR",
            update=_preview_look_changed,
            description="How much of the scene the previews of takes hide",
        )
        show_coverage: BoolProperty(
            name="Coverage Bar",
            default=True,
            description="Draw at the foot of the viewport how much of each frame was seen",
        )

        show_tracks: BoolProperty(
            name="Tracks",
            description="Draw over the plate, through the source camera, what its solve has followed: green to yellow "
            "by error, red what moves by itself, blue what stands on the screen",
        )
        profile: StringProperty(
            name="Profile",
            default=DEFAULT_GENERATOR,
            description="How pixels that were never seen are filled: a profile of the backend",
        )
        profile_menu: EnumProperty(
            name="Profile",
            items=menus.generator_items,
            get=lambda self: records.name_number(self.profile),
            set=_profile_changed,
            description="How pixels that were never seen are filled",
        )
        seed: IntProperty(name="Seed", default=0, min=ranges.SEED[0], description="Of the generator's random numbers")
        prompt: StringProperty(name="Prompt", description="What the picture shows, for generators that take a prompt")
        use_frames: BoolProperty(name="Some Frames", description="Generate only some of the plate's frames")
        frame_start: IntProperty(name="First", default=1, description="First scene frame to generate")
        frame_end: IntProperty(name="Last", default=49, description="Last scene frame to generate")
        with_mask: BoolProperty(name="Mask Strip", description="Add the validity mask, muted, above the result")
        with_color: BoolProperty(
            name="Colour Strip", description="Add the render without fill, muted, above the result"
        )
        rasterizer: EnumProperty(
            name="Rasterizer",
            items=menus.rasterizer_items,
            description="What renders colour and mask",
        )

        pending: CollectionProperty(type=EX4D_PG_pending, options={"HIDDEN"})


class EX4D_PG_job(bpy.types.PropertyGroup):
    """One job of the list; the job list's rows say where it is."""

    if TYPE_CHECKING:
        job: str
    else:
        job: StringProperty()


class EX4D_PG_line(bpy.types.PropertyGroup):
    """One line of a text in a list."""


class EX4D_PG_window(bpy.types.PropertyGroup):
    """What mirrors running jobs."""

    if TYPE_CHECKING:
        jobs: bpy.types.bpy_prop_collection_idprop[EX4D_PG_job]
        active_job: int
        error_lines: bpy.types.bpy_prop_collection_idprop[EX4D_PG_line]
        active_error_line: int
        install_lines: bpy.types.bpy_prop_collection_idprop[EX4D_PG_line]
        active_install_line: int
    else:
        jobs: CollectionProperty(type=EX4D_PG_job)
        active_job: IntProperty(name="Job")
        error_lines: CollectionProperty(type=EX4D_PG_line)
        active_error_line: IntProperty(name="Line")
        install_lines: CollectionProperty(type=EX4D_PG_line)
        active_install_line: IntProperty(name="Line")


CLASSES = (
    EX4D_PG_version,
    EX4D_PG_option,
    EX4D_PG_take,
    EX4D_PG_pending,
    EX4D_PG_scene,
    EX4D_PG_job,
    EX4D_PG_line,
    EX4D_PG_window,
)


def attach() -> None:
    """Give scenes and the window manager their properties."""
    owners: Any = bpy.types
    pointer: Any = PointerProperty
    owners.Scene.ex4d = pointer(type=EX4D_PG_scene)
    owners.WindowManager.ex4d = pointer(type=EX4D_PG_window, options={"SKIP_SAVE"})


def detach() -> None:
    """Take them away; what a file has saved stays in it."""
    for owner in (bpy.types.Scene, bpy.types.WindowManager):
        if hasattr(owner, "ex4d"):
            del owner.ex4d


def state_of(scene: bpy.types.Scene) -> EX4D_PG_scene:
    """What a scene knows of its shot."""
    found: EX4D_PG_scene = scene_state(scene)
    return found


def new_uid() -> str:
    """An id for a take that survives renaming."""
    return uuid.uuid4().hex[:12]


def active_take(scene: bpy.types.Scene) -> EX4D_PG_take | None:
    """The take that is chosen in the list."""
    state = state_of(scene)
    return state.takes[state.active_take] if 0 <= state.active_take < len(state.takes) else None


def take_by_uid(scene: bpy.types.Scene, uid: str) -> EX4D_PG_take | None:
    """The take of that id, whatever it is called now."""
    return next((take for take in state_of(scene).takes if take.uid == uid), None)


def camera_state(scene: bpy.types.Scene, take: EX4D_PG_take) -> str:
    """Which camera a take has: ``own``, ``scene`` for the scene's as markers switch it, ``missing`` where its own is
    gone, from the file or from the scene."""
    if take.use_scene_camera:
        return "scene"
    return "own" if take.camera is not None and scan.is_in_scene(take.camera, scene) else "missing"


def check_camera(scene: bpy.types.Scene, take: EX4D_PG_take) -> None:
    """Raise BadInputError for a take whose camera is gone."""
    if camera_state(scene, take) == "missing":
        raise BadInputError(
            f"The camera of the take «{take.name}» is missing.",
            "Choose another camera for the take, tick Scene Camera with Markers, or remove the take.",
        )


def scene_cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The cameras that are active at some time: the scene's and those of its markers."""
    found = [scene.camera, *(marker.camera for marker in scene.timeline_markers)]
    return list(dict.fromkeys(camera for camera in found if camera is not None))


def preview_cameras(scene: bpy.types.Scene, take: EX4D_PG_take) -> list[bpy.types.Object]:
    """The cameras that show a take's preview: its own, or all that are active at some frame."""
    if take.use_scene_camera:
        return scene_cameras(scene)
    return [take.camera] if take.camera is not None else []
