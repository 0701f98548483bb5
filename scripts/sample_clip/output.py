# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering with Cycles, true depth, cameras, and the movie."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import av
import bpy
import numpy as np
import OpenEXR

from sample_clip.train import FPS


def set_up_cycles(scene: bpy.types.Scene, width: int, height: int) -> None:
    """Cycles on the CPU with the scene kept between frames."""
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    scene.render.fps = FPS
    scene.render.use_persistent_data = True
    scene.cycles.device = "CPU"
    scene.cycles.max_bounces = 4
    scene.cycles.diffuse_bounces = 3
    scene.cycles.glossy_bounces = 2
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 4.0
    # One noise pattern for all frames: what stands still stays still after denoising.
    scene.cycles.seed = 0
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_layers[0].use_pass_z = True


def choose_output(scene: bpy.types.Scene, media: str, file_format: str, depth: str) -> None:
    """Set the file format; Blender 5 wants the kind of media chosen first."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = media
    settings.file_format = file_format
    settings.color_depth = depth


def render_beauty(scene: bpy.types.Scene, path: Path, samples: int) -> None:
    """One frame as 8-bit sRGB PNG."""
    scene.camera.data.dof.use_dof = True
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.denoising_prefilter = "FAST"
    choose_output(scene, "IMAGE", "PNG", "8")
    scene.render.image_settings.color_mode = "RGB"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def render_depth(scene: bpy.types.Scene, path: Path) -> None:
    """One frame's z-depth: one ray through the centre of each pixel, all in focus."""
    scene.camera.data.dof.use_dof = False
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    choose_output(scene, "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER", "32")
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder, "layers.exr"))
        bpy.ops.render.render(write_still=True)
        z = read_depth(Path(folder, "layers.exr"))
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    path.parent.mkdir(parents=True, exist_ok=True)
    OpenEXR.File(header, {"Z": z}).write(str(path))


def read_depth(path: Path) -> np.ndarray:
    """The depth pass of a multi-layer EXR: channel ViewLayer.Depth.Z, since Blender 5 a part ViewLayer.Depth."""
    for part in OpenEXR.File(str(path), separate_channels=True).parts:
        for name, channel in part.channels.items():
            if re.search(r"\bDepth\b", f"{part.name()}.{name}"):
                return np.ascontiguousarray(channel.pixels, dtype=np.float32)
    raise RuntimeError(f"{path} has no depth pass")


def intrinsics(camera: bpy.types.Object, width: int, height: int) -> np.ndarray:
    """K in pixels, pixel centres at i + 0.5."""
    f = camera.data.lens / camera.data.sensor_width * width
    return np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]])


def extrinsics(camera: bpy.types.Object) -> np.ndarray:
    """E: world to camera with OpenCV axes (x right, y down, z forward)."""
    return np.diag([1.0, -1, -1, 1]) @ np.array(camera.matrix_world.normalized().inverted())


def write_cameras(path: Path, scene: bpy.types.Scene, frames: Iterable[int]) -> None:
    """K and E of each frame in the trajectory format of ``ex4d``."""
    camera = scene.camera
    width, height = scene.render.resolution_x, scene.render.resolution_y
    K, E = intrinsics(camera, width, height).tolist(), extrinsics(camera).tolist()
    document = {
        "format": "ex4d-trajectory",
        "version": 1,
        "convention": "E world->camera, OpenCV axes (x right, y down, z forward); K in pixels, centres at i+0.5",
        "width": width,
        "height": height,
        "fps": str(FPS),
        "numbered": True,
        "frames": [{"frame": n, "K": K, "E": E, "near": camera.data.clip_start, "far": None} for n in frames],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_png(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 of a PNG file."""
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def encode(pictures: Sequence[Path], path: Path) -> None:
    """H.264, yuv420p, tagged and converted as BT.709 in video range."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "17", "preset": "veryslow"})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = read_png(pictures[0]).shape[:2]
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # video range
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(read_png(picture), format="rgb24")
            frame = frame.reformat(
                format="yuv420p", dst_colorspace="ITU709", src_color_range="JPEG", dst_color_range="MPEG"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
