# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene knows of its depth, source camera and mesh."""

import math
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ex4d.protocol.requests import MeshRequest
from ex4d.protocol.values import DEFAULT_FOV_DEG, VIEWPORT_SIDE

from .. import menus
from ..core import property_ranges as ranges
from ..core.camera_channels import SENSOR_WIDTH
from ..scene.holes import update_holes
from .scene_plate import place_changed

#: The numbers of all menus are what .blend files keep: one that was given is never given to another item.
DEPTH_KINDS = [
    ("AUTO", "As Named", "Depth, unless the file says disparity", 0),
    ("depth", "Depth", "Distance along the camera's axis", 1),
    ("disparity", "Disparity", "One over the distance", 2),
]
SOURCE_CAMERAS = [
    ("DEFAULT", "Automatic", "Solved from the plate; a shot that was reconstructed before keeps its camera", 0),
    ("auto", "Solve", "Solved from the plate: whether it stands still, turns on its place, or moves", 1),
    ("turns", "Turns", "The source camera turns on its place, as in a pan or tilt", 2),
    ("moves", "Moves", "The source camera moves", 3),
    ("still", "Stands Still", "The source camera stands still; its motion is not solved", 4),
    ("FILE", "Camera File", "A trajectory file: its cameras stay, frames that it lacks are solved around them", 5),
    ("OBJECT", "Camera Object", "A camera of this file, such as one that was imported: it stays as it moves", 6),
]
FOV_BY = [
    ("angle", "Angle", "Field of view over the longer side", 0),
    ("mm", "Millimetres", "Focal length of the lens, and width of what the frame shows of the sensor", 1),
]


def _depth_source_changed(state: Any, number: int) -> None:
    items = menus.depth_items(state, None)
    state.depth_source = next((item[0] for item in items if item[3] == number), state.depth_source)


class DepthProperties:
    """Depth, source camera and mesh, as they are asked for."""

    if TYPE_CHECKING:
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
        show_tracks: bool
    else:
        shot_folder: StringProperty(
            name="Shot Folder",
            subtype="DIR_PATH",
            update=place_changed,
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
            name="Depth Files",
            subtype="FILE_PATH",
            description="Depth maps: a file, a folder, or a pattern such as depth.####.exr",
        )
        depth_kind: EnumProperty(
            name="Encoding",
            items=DEPTH_KINDS,
            description="Whether the files hold depth or disparity",
        )
        depth_scale: FloatProperty(
            name="Scale",
            default=1.0,
            min=ranges.DEPTH_SCALE[0],
            precision=6,
            description="Depth, or disparity, that a value of 1 in the files means",
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
        use_fov: BoolProperty(
            name="Known Lens", description="Give the lens of the plate's camera; otherwise it is solved, or assumed"
        )
        fov_by: EnumProperty(
            name="Given In",
            items=FOV_BY,
            description="Whether the lens is given by its focal length and sensor, or by its field of view",
        )
        focal_mm: FloatProperty(
            name="Focal Length",
            default=35.0,
            min=ranges.FOCAL_MM[0],
            max=ranges.FOCAL_MM[1],
            description="Focal length of the plate's lens, in millimetres",
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
            description="Field of view of the plate, over its longer side",
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
            name="Proxy Size",
            default=VIEWPORT_SIDE,
            min=ranges.VIEWPORT_SIDE[0],
            max=ranges.VIEWPORT_SIDE[1],
            description="Vertices along the longer side of the mesh in Blender; renders always use the full plate",
        )
        match_without_asking: BoolProperty(
            name="Match Scene Automatically",
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
        show_tracks: BoolProperty(
            name="Tracks",
            description="Draw over the plate, through the source camera, what its solve has followed: green to yellow "
            "by error, red what moves by itself, blue what stands on the screen",
        )
