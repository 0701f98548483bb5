# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes with their versions and options; what the next take is to be; which cameras a take has."""

import uuid
from typing import TYPE_CHECKING, Any, cast

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ex4d.camera import PRESETS
from ex4d.camera.released import RELEASED_PRESETS
from ex4d.camera.source_path import DEFAULT_AMOUNT, MOST_SECONDS
from ex4d.protocol.errors import BadInputError

from .. import capabilities, changes, menus, take_options
from ..core import records
from ..core.move_amounts import AMOUNTS
from ..core.records import move_number
from ..scene import background, editors, scan, takes, version_strips
from ..scene.data import camera_data, scene_state

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
    ("amount", "Amount", "A share from 0, as filmed, to 1, straight and even from the first camera to the last", 0),
    ("seconds", "Seconds", "So many seconds are averaged: the width of a Gaussian", 1),
]
EASINGS = [
    ("DEFAULT", "Default", "The easing that the move comes with", 0),
    ("linear", "Linear", "Even speed", 1),
    ("in", "Ease In", "Starts slowly", 2),
    ("out", "Ease Out", "Ends slowly", 3),
    ("in_out", "Ease In and Out", "Starts and ends slowly", 4),
]

#: How amounts are called, and where their sliders end: in degrees, factors and shares.
_AMOUNT_NAMES = {"degrees": "Angle", "factor": "Factor", "share": "Distance"}
_AMOUNT_SLIDERS = {"degrees": (-90.0, 90.0), "factor": (1.0, 4.0), "share": (-1.0, 1.0)}
_AMOUNT_SUBTYPES = {"degrees": "ANGLE", "factor": "NONE", "share": "PERCENTAGE"}
_AMOUNT_TEXTS = {
    "degrees": "How far the camera turns",
    "factor": "How many times longer, or shorter, the focal length becomes",
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
        description=_AMOUNT_TEXTS[amount.unit],
    )


def _take_camera_changed(take: Any, _context: bpy.types.Context) -> None:
    if take.camera is not None:
        take.use_scene_camera = False
        take.name = take.name or take.camera.name


def show_options(state: Any, _context: bpy.types.Context | None) -> None:
    """Give the chosen take rows for the options of the chosen generator."""
    take, generator = active_take(state.id_data), capabilities.find_generator(state.profile)
    if take is not None and generator is not None:
        take_options.ensure_rows(take, generator)


def _take_chosen(state: Any, context: bpy.types.Context) -> None:
    """Who clicks on a take looks through it, and finds its keys selected; scripts choose one and nothing else moves."""
    show_options(state, context)
    take, scene = active_take(state.id_data), state.id_data
    camera = take.camera if take is not None and camera_state(scene, take) == "own" else None
    if context.area is None or camera is None:
        return
    scene.camera = camera
    if context.window is not None and context.window.scene == scene:
        takes.select_move(context.window.view_layer, camera)
        editors.look_through_scene_camera(context.space_data)
        editors.frame_time_editors(context.window)


def _version_chosen(take: Any, context: bpy.types.Context) -> None:
    """Who clicks on a version sees it in the sequencer; scripts choose one and nothing else changes."""
    version = active_version(take)
    if context.area is None or version is None:
        return
    others = {other.folder for other in take.versions if other.folder != version.folder}
    version_strips.show(take.id_data, version.folder, others)


def _preview_look_changed(state: Any, _context: bpy.types.Context) -> None:
    for take in state.takes:
        for camera in preview_cameras(state.id_data, take):
            # Linked cameras have none of ours.
            if camera.library is None and camera_data(camera).library is None:
                background.set_preview_look(camera, opacity=state.preview_opacity, in_front=True)


def _live_chosen(_state: Any, _context: bpy.types.Context) -> None:
    changes.stir()


def _choice_changed(row: Any, number: int) -> None:
    row.text = next((item[0] for item in menus.choice_items(row, None) if item[3] == number), row.text)


def _number_changed(row: Any, _context: bpy.types.Context) -> None:
    take_options.clamp(row, capabilities.find_generator(row.generator))


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
        note: str
        passes: str
        movie: str
        created: str
        move: str
        told: str
        projection: str
        comment: str
        fingerprint: str
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
        note: StringProperty(name="Note", description="What should be known of how Blender shows it")
        passes: StringProperty(name="Passes", description="Folder within the version's with its AOV files")
        movie: StringProperty(name="Movie", description="File within the version's folder: its movie for editing")
        created: StringProperty(name="Finished", description="When it was finished, ISO 8601 in UTC")
        move: StringProperty(name="Move", description="The move of its camera, such as orbit:30")
        told: StringProperty(name="Notes", description="What its record tells of how it was made")
        projection: StringProperty(
            name="Projection",
            subtype="DIR_PATH",
            description="Folder with what it has seen of the mesh, and its depth",
        )
        comment: StringProperty(name="Comment", description="Your own words on this version; the .blend keeps them")
        fingerprint: StringProperty(options={"HIDDEN"}, description="Of the move that it shows")


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
        active_version: int
        coverage: str
        fingerprint: str
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
        active_version: IntProperty(
            name="Version",
            update=_version_chosen,
            description="Show this version in the sequencer, in place of the take's others",
        )
        coverage: StringProperty(options={"HIDDEN"}, description="Share of seen pixels per frame, JSON")
        fingerprint: StringProperty(options={"HIDDEN"}, description="Of the move that the coverage was counted for")


class TakesProperties:
    """The takes, and what the next one is to be."""

    if TYPE_CHECKING:
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
        live_preview: bool
        show_coverage: bool
    else:
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
        stabilise_by: EnumProperty(
            name="Smooth By",
            items=STABILISE_BY,
            description="Whether smoothing is given as a share, or as the time that is averaged",
        )
        stabilise_amount: FloatProperty(
            name="Amount",
            default=DEFAULT_AMOUNT,
            min=0.0,
            max=1.0,
            subtype="FACTOR",
            description="Share of the smoothing: 0 as filmed, 1 straight and even",
        )
        stabilise_seconds: FloatProperty(
            name="Seconds",
            default=1.0,
            min=0.0,
            max=MOST_SECONDS,
            soft_max=5.0,
            description="Share of the smoothing: 0 as filmed, 1 straight and even",
        )
        stabilise_level: BoolProperty(
            name="Level Horizon", description="Turn the camera about its axis until it is level"
        )
        lock_first: BoolProperty(
            name="First Frame",
            default=True,
            description="Hold the source camera where it was in the shot's first frame",
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
        handheld_seed: IntProperty(
            name="Seed",
            default=0,
            min=0,
            description="Start of the random sway: another number gives another sway of the same strength",
        )
        preview_opacity: FloatProperty(
            name="Opacity",
            default=1.0,
            min=0.0,
            max=1.0,
            subtype="FACTOR",
            update=_preview_look_changed,
            description="How much of the scene the previews of takes hide",
        )
        live_preview: BoolProperty(
            name="Live",
            description=(
                "Render the chosen take's preview again by itself when keys, modifiers or lens of its camera have "
                "changed and rested for 0.3 seconds"
            ),
            update=_live_chosen,
        )
        show_coverage: BoolProperty(
            name="Coverage Bar",
            default=True,
            description="Draw at the foot of the viewport how much of each frame was seen",
        )


def new_uid() -> str:
    """An id for a take that survives renaming."""
    return uuid.uuid4().hex[:12]


def active_take(scene: bpy.types.Scene) -> EX4D_PG_take | None:
    """The take that is chosen in the list."""
    state = scene_state(scene)
    return state.takes[state.active_take] if 0 <= state.active_take < len(state.takes) else None


def active_version(take: EX4D_PG_take) -> EX4D_PG_version | None:
    """The version that is chosen in a take's list."""
    return take.versions[take.active_version] if 0 <= take.active_version < len(take.versions) else None


def take_by_uid(scene: bpy.types.Scene, uid: str) -> EX4D_PG_take | None:
    """The take of that id, whatever it is called now."""
    return next((take for take in scene_state(scene).takes if take.uid == uid), None)


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


def switched_cameras(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """The cameras that a take of the scene's camera goes through, the same at each frame: those of the markers, in
    their order; else the scene's."""
    marks = sorted((mark for mark in scene.timeline_markers if mark.camera is not None), key=lambda mark: mark.frame)
    # Markers set the scene's camera as frames are shown, whatever it was before.
    found = [mark.camera for mark in marks] or [scene.camera]
    return list(dict.fromkeys(camera for camera in found if camera is not None))


def preview_cameras(scene: bpy.types.Scene, take: EX4D_PG_take) -> list[bpy.types.Object]:
    """The cameras that show a take's preview: its own, or all that are active at some frame."""
    if take.use_scene_camera:
        return scene_cameras(scene)
    return [take.camera] if take.camera is not None else []
