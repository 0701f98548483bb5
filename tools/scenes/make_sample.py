# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the sample clip, ``samples/toy_train.mp4``, with Blender as a Python module.

    python3.11 -m venv .venv-sample
    .venv-sample/bin/pip install -r tools/scenes/requirements.txt
    .venv-sample/bin/python -m tools.scenes.make_sample
    .venv-sample/bin/python -m tools.scenes.make_sample --out /tmp/truth.mp4 --target-yaw 30 --depth /tmp/truth

``--depth DIR`` adds ``DIR/0001.exr`` …, the z-depth of every frame along the optical axis in metres (float32 channel Z,
of the surface in the centre of each pixel), and ``DIR/camera.json``, the K and E of every frame in ex4d's trajectory
format, also in metres.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av
import bpy
import numpy as np
import OpenEXR

from tools.scenes.sample_scene import UNIT_M, build_scene

FPS = 24
#: Cycles writes 1e10 where a ray leaves the scene.
NOTHING_HIT = 1e9


def set_up_cycles(scene: bpy.types.Scene, width: int, height: int) -> None:
    """Cycles on the CPU, the scene kept between frames."""
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.render.use_persistent_data = True
    scene.cycles.device = "CPU"
    scene.cycles.max_bounces = 3
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 4.0
    scene.cycles.use_adaptive_sampling = False
    # One noise pattern for all frames: what stands still stays still after denoising.
    scene.cycles.seed = 0
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_layers[0].use_pass_z = True


def render(scene: bpy.types.Scene, path: Path) -> None:
    """Write one picture with the settings of the scene."""
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def render_picture(scene: bpy.types.Scene, scratch: Path, samples: int) -> np.ndarray:
    """The current frame as (H, W, 3) uint8 sRGB."""
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "PNG", "8"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = samples, True, 1.5
    render(scene, scratch / "picture.png")
    with av.open(str(scratch / "picture.png")) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def render_depth(scene: bpy.types.Scene, path: Path, scratch: Path) -> None:
    """Write the z-depth of the current frame in metres."""
    settings = scene.render.image_settings
    settings.file_format, settings.color_depth = "OPEN_EXR_MULTILAYER", "32"
    # The smallest filter puts the only sample in the centre of its pixel.
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.filter_width = 1, False, 0.01
    render(scene, scratch / "layers.exr")
    layers = OpenEXR.File(str(scratch / "layers.exr"), separate_channels=True).channels()
    units = layers["ViewLayer.Depth.Z"].pixels
    z = np.where(units < NOTHING_HIT, units * UNIT_M, np.inf).astype(np.float32)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": z}).write(str(path))


def write_cameras(path: Path, scene: bpy.types.Scene, frames: int) -> None:
    """K and E of each frame; the camera stands still."""
    width, height = scene.render.resolution_x, scene.render.resolution_y
    camera = scene.camera
    f = camera.data.lens / camera.data.sensor_width * width
    K = [[f, 0, width / 2], [0, f, height / 2], [0, 0, 1]]
    # Blender's camera has y up and looks along −z.
    E = np.diag([1.0, -1, -1, 1]) @ np.array(camera.matrix_world.inverted())
    E[:3, 3] *= UNIT_M
    near = camera.data.clip_start * UNIT_M
    document = {
        "format": "ex4d-trajectory",
        "version": 1,
        "convention": "E world->camera, OpenCV axes (x right, y down, z forward); K in pixels, centres at i+0.5",
        "width": width,
        "height": height,
        "fps": str(FPS),
        "numbered": True,
        "frames": [{"frame": i + 1, "K": K, "E": E.tolist(), "near": near, "far": None} for i in range(frames)],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def encode(pictures: Sequence[np.ndarray], path: Path) -> None:
    """H.264, yuv420p, converted to and tagged as BT.709 in video range."""
    # One thread: the bits that x264 writes depend on the number of threads.
    options = {"crf": "18", "preset": "veryslow", "threads": "1"}
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = pictures[0].shape[:2]
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1  # video range
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(
                stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"))
            )
        container.mux(stream.encode(None))


def picture_size(text: str) -> tuple[int, int]:
    """Width and height of ``WxH``; yuv420p wants even sides."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or any(int(side) < 2 or int(side) % 2 for side in match.groups()):
        raise argparse.ArgumentTypeError("two even numbers are wanted, such as 640x360")
    return int(match[1]), int(match[2])


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number from 1 is wanted")
    return int(text)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    default = Path(__file__).resolve().parents[2] / "samples" / "toy_train.mp4"
    parser = argparse.ArgumentParser(description="Render the sample clip.")
    parser.add_argument("--out", type=Path, default=default, metavar="FILE.mp4", help="default samples/toy_train.mp4")
    parser.add_argument("--size", type=picture_size, default="640x360", metavar="WxH", help="default %(default)s")
    parser.add_argument("--frames", type=positive, default=49, metavar="N", help="default %(default)s")
    parser.add_argument("--samples", type=positive, default=12, metavar="N", help="a pixel; default %(default)s")
    parser.add_argument("--seed", type=int, default=7, help="of the toys' small irregularities; default %(default)s")
    parser.add_argument("--depth", type=Path, metavar="DIR", help="also write the true depth and camera.json")
    parser.add_argument("--target-yaw", type=float, default=0.0, metavar="DEG", help="orbit the camera to its right")
    return parser.parse_args()


def main() -> None:
    """Build the scene, render its frames, encode them."""
    options = parse_arguments()
    scene, train = build_scene(options.seed, options.target_yaw)
    set_up_cycles(scene, *options.size)
    for folder in (options.out.parent, *([options.depth] if options.depth else [])):
        folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(1, options.frames + 1):
            train.pose((number - 1) / FPS)
            pictures.append(render_picture(scene, Path(scratch), options.samples))
            if options.depth:
                render_depth(scene, options.depth / f"{number:04d}.exr", Path(scratch))
    if options.depth:
        write_cameras(options.depth / "camera.json", scene, options.frames)
    encode(pictures, options.out)


if __name__ == "__main__":
    main()
