# SPDX-License-Identifier: Apache-2.0
"""Make plates of the kinds that film people have: tiled and multipart EXR, ACES containers, log, PQ and HLG, over-range
movies, associated alpha, pixel aspects, time code.

Run it from the project's root:

    python -m tools.plates.make FOLDER [NAME …]

``truth.json`` beside them tells what each frame holds; see ``Truth``. What cannot be written here is left out by name.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from tools.plates import chart, stills
from tools.plates.movies import MovieKind, write_movie

Float = NDArray[np.float64]
FRAMES = 4
FIRST = 1001


@dataclass(frozen=True)
class Truth:
    """What a plate holds.

    Attributes:
        arg: what is given to the command line, relative to the folder.
        args: options that it needs.
        kind: as ``TruthEncoding.kind``: display, linear or codes.
        patches: (16, 3) values in the file at ``chart.CENTRES`` of every frame: scene-linear, or codes 0..1.
        linear: (16, 3) scene-linear values of the space's own primaries, where they are known.
        tolerance: largest difference of a value read from ``patches``, of 1.
        count, width, height: of the frames.
        fps: rate, where the file has one.
        par: pixel aspect.
        timecode: of the first frame.
        alpha: "ramp" from 0 at the left to 1 at the right; "" = none.
        audio: whether it has sound.
        note: what is special.
    """

    arg: str
    kind: str
    patches: list[list[float]]
    args: tuple[str, ...] = ()
    linear: list[list[float]] | None = None
    tolerance: float = 0.0
    count: int = FRAMES
    width: int = chart.WIDTH
    height: int = chart.HEIGHT
    fps: str = ""
    par: str = "1"
    timecode: str = ""
    alpha: str = ""
    audio: bool = False
    note: str = ""


def _listed(values: Float) -> list[list[float]]:
    return [[float(value) for value in row] for row in values]


def _numbers() -> range:
    return range(FIRST, FIRST + FRAMES)


def _half(index: int) -> NDArray[np.float16]:
    return chart.draw(chart.LINEAR, index).astype(np.float16)


_HALF = _listed(chart.LINEAR.astype(np.float16).astype(np.float64))


def _exr(folder: Path, write: Callable[[Path, int], None]) -> None:
    for index, number in enumerate(_numbers()):
        write(folder / f"p.{number}.exr", index)


def exr_tiled(folder: Path) -> Truth:
    """Tiles, primaries of ACEScg told by their coordinates."""
    _exr(folder, lambda path, k: stills.write_exr(path, {"": _half(k)}, kind="tiled", chromaticities=stills.AP1))
    return Truth("p.####.exr", "linear", _HALF, note="tiles")


def exr_multipart(folder: Path) -> Truth:
    """The picture, a second one and depth, in parts."""

    def write(path: Path, k: int) -> None:
        depth = np.full((chart.HEIGHT, chart.WIDTH), 2.5, np.float32)
        layers: dict[str, NDArray[Any]] = {"rgba": _half(k), "diffuse": _half(k) / 2, "depth": depth}
        stills.write_exr(path, layers, multipart=True, chromaticities=stills.REC709)

    _exr(folder, write)
    return Truth("p.####.exr", "linear", _HALF, note="parts: rgba, diffuse (half of it), depth")


def exr_aces_container(folder: Path) -> Truth:
    """SMPTE ST 2065-4: AP0, uncompressed, flagged."""
    _exr(
        folder,
        lambda path, k: stills.write_exr(
            path,
            {"": _half(k)},
            compression=OpenEXR.NO_COMPRESSION,
            chromaticities=stills.AP0,
            acesImageContainerFlag=1,
            timeCode=stills.timecode(10, 0, 0, k),
            framesPerSecond=Fraction(24),
        ),
    )
    return Truth("p.####.exr", "linear", _HALF, fps="24", timecode="10:00:00:00", note="ACES2065-1")


def exr_float_zips(folder: Path) -> Truth:
    """32-bit floats, with values that halves do not have, infinity and NaN."""

    def write(path: Path, k: int) -> None:
        picture = chart.draw(chart.LINEAR, k).astype(np.float32)
        picture[70, 10:14, 0] = (np.inf, -np.inf, np.nan, 1e9)
        stills.write_exr(path, {"": picture}, compression=OpenEXR.ZIPS_COMPRESSION, colorInteropID="lin_rec709_scene")

    _exr(folder, write)
    values = _listed(chart.LINEAR.astype(np.float32).astype(np.float64))
    return Truth("p.####.exr", "linear", values, note="row 70, columns 10-13 of red: inf, -inf, NaN, 1e9")


def exr_crop(folder: Path) -> Truth:
    """A data window of 100×56 inside the display window: the rest is transparent."""
    _exr(
        folder,
        lambda path, k: stills.write_exr(
            path,
            {"": _half(k)[8:64, 16:116]},
            window=(16, 8),
            display=(chart.WIDTH, chart.HEIGHT),
            colorInteropID="lin_ap1_scene",
        ),
    )
    return Truth("p.####.exr", "linear", _HALF, note="data window 16,8 100x56")


def exr_overscan(folder: Path) -> Truth:
    """A data window that is larger than the display window by 8 and 6 pixels on all sides."""

    def write(path: Path, k: int) -> None:
        whole = np.pad(_half(k), ((6, 6), (8, 8), (0, 0)), mode="edge")
        stills.write_exr(
            path,
            {"": whole},
            window=(-8, -6),
            display=(chart.WIDTH, chart.HEIGHT),
            chromaticities=stills.REC2020,
            colorInteropID="lin_rec2020_scene",
        )

    _exr(folder, write)
    return Truth("p.####.exr", "linear", _HALF, note="overscan of 8 and 6 pixels")


def exr_alpha(folder: Path) -> Truth:
    """Associated alpha, a ramp from 0 to 1."""

    def write(path: Path, k: int) -> None:
        alpha = np.tile(np.linspace(0, 1, chart.WIDTH), (chart.HEIGHT, 1))
        picture = chart.draw(chart.LINEAR, k) * alpha[..., None]
        stills.write_exr(path, {"": np.dstack([picture, alpha]).astype(np.float16)}, colorInteropID="lin_ap1_scene")

    _exr(folder, write)
    return Truth("p.####.exr", "linear", _HALF, alpha="ramp", note="patches are before the multiplication by alpha")


def exr_unlabelled(folder: Path) -> Truth:
    """Nothing is said of its colour."""
    _exr(folder, lambda path, k: stills.write_exr(path, {"": _half(k)}))
    return Truth("p.####.exr", "linear", _HALF, args=("--colour-space", "ACEScg"), note="refused without the option")


def dpx_cineon(folder: Path) -> Truth:
    """10 bits of printing density, little-endian, with a time code."""
    for index, number in enumerate(_numbers()):
        codes = np.rint(chart.draw(chart.DISPLAY, index) * 1023).astype(np.uint16)
        stills.write_dpx(
            folder / f"p.{number}.dpx", codes, order="<", frame=index, timecode_bcd=0x01020300 + index, transfer=1
        )
    values = _listed(np.rint(chart.DISPLAY * 1023) / 1023)
    return Truth("p.####.dpx", "codes", values, args=("--colour-space", "ADX10"), fps="24", timecode="01:02:03:00")


def dpx_16(folder: Path) -> Truth:
    """16 bits of LogC3."""
    for index, number in enumerate(_numbers()):
        codes = np.rint(np.clip(chart.logc3_codes(chart.draw(chart.LINEAR, index)), 0, 1) * 65535).astype(np.uint16)
        stills.write_dpx(folder / f"p.{number}.dpx", codes, bits=16, transfer=3, rate=Fraction(25))
    values = np.rint(np.clip(chart.logc3_codes(chart.LINEAR), 0, 1) * 65535) / 65535
    space = "ARRI LogC3 (EI800)"
    return Truth(
        "p.####.dpx", "codes", _listed(values), args=("--colour-space", space), linear=_listed(chart.LINEAR), fps="25"
    )


def tiff_float(folder: Path) -> Truth:
    """32-bit floats."""
    for index, number in enumerate(_numbers()):
        stills.write_tiff(folder / f"p.{number}.tif", chart.draw(chart.LINEAR, index).astype(np.float32))
    values = _listed(chart.LINEAR.astype(np.float32).astype(np.float64))
    return Truth("p.####.tif", "linear", values, args=("--colour-space", "lin_rec709_scene"))


def tiff_associated(folder: Path) -> Truth:
    """16 bits, the colours multiplied by alpha."""
    alpha = np.tile(np.linspace(0, 1, chart.WIDTH), (chart.HEIGHT, 1))
    for index, number in enumerate(_numbers()):
        picture = chart.draw(chart.DISPLAY, index) * alpha[..., None]
        pixels = np.rint(np.dstack([picture, alpha]) * 65535).astype(np.uint16)
        stills.write_tiff(folder / f"p.{number}.tif", pixels)
    return Truth("p.####.tif", "display", _listed(chart.DISPLAY), alpha="ramp", tolerance=0.002)


def png_linear(folder: Path) -> Truth:
    """16 bits, gAMA 1.0."""
    linear = np.clip(chart.LINEAR, 0, 1)
    for index, number in enumerate(_numbers()):
        pixels = np.rint(chart.draw(linear, index) * 65535).astype(np.uint16)
        stills.write_png(folder / f"p.{number}.png", pixels, ((b"gAMA", (100000).to_bytes(4, "big")),))
    return Truth("p.####.png", "codes", _listed(np.rint(linear * 65535) / 65535), linear=_listed(linear))


def png_hlg(folder: Path) -> Truth:
    """16 bits, cICP: BT.2020, HLG."""
    codes = chart.hlg_codes(np.clip(chart.LINEAR, 0, 1))
    for index, number in enumerate(_numbers()):
        pixels = np.rint(chart.draw(codes, index) * 65535).astype(np.uint16)
        stills.write_png(folder / f"p.{number}.png", pixels, ((b"cICP", bytes([9, 18, 0, 1])),))
    return Truth("p.####.png", "codes", _listed(np.rint(codes * 65535) / 65535))


def _movie(folder: Path, name: str, kind: MovieKind, patches: Float, bits: int, *, large: bool = False) -> None:
    size = (256, 144) if large else (chart.WIDTH, chart.HEIGHT)
    write_movie(folder / name, [chart.draw(patches, k, size=size) for k in range(FRAMES)], kind, bits)


_PRORES = {"profile": "3", "vendor": "apl0", "qscale": "1"}
#: Beyond white and black, as cameras record highlights.
_OVER = np.vstack([chart.DISPLAY[:8], [(1.0902, 1.0902, 1.0902), (1.0457, 1.0457, 1.0457), (-0.0502, -0.0502, -0.0502)],
                   chart.DISPLAY[11:]])  # fmt: skip


def over_range_10(folder: Path) -> Truth:
    """10 bits with codes above white and below black."""
    kind = MovieKind("libx264", "yuv444p10le", options={"qp": "0"})
    _movie(folder, "p.mp4", kind, _OVER, 10)
    return Truth("p.mp4", "codes", _listed(_OVER), tolerance=0.001, fps="24")


def over_range_8(folder: Path) -> Truth:
    """8 bits with codes above white and below black: clipped unless told."""
    kind = MovieKind("libx264", "yuv444p", options={"qp": "0"})
    _movie(folder, "p.mp4", kind, _OVER, 8)
    return Truth("p.mp4", "codes", _listed(_OVER), args=("--over-range", "keep"), tolerance=0.004, fps="24")


def prores_2020_pq_colr(folder: Path) -> Truth:
    """BT.2020 and PQ told by the container alone."""
    codes = chart.pq_codes(chart.NITS)
    kind = MovieKind("prores_ks", "yuv422p10le", (9, 16, 9), tag_frames=False, options=_PRORES)
    _movie(folder, "p.mov", kind, codes, 10)
    return Truth("p.mov", "codes", _listed(codes), tolerance=0.002, fps="24")


def prores_2020_sdr(folder: Path) -> Truth:
    """BT.2020 primaries, an ordinary curve."""
    _movie(folder, "p.mov", MovieKind("prores_ks", "yuv422p10le", (9, 14, 9), options=_PRORES), chart.DISPLAY, 10)
    return Truth("p.mov", "display", _listed(chart.DISPLAY), tolerance=0.002, fps="24")


def prores_untagged(folder: Path) -> Truth:
    """72 lines of BT.709 that nothing tells."""
    kind = MovieKind("prores_ks", "yuv422p10le", (2, 2, 2), matrix=1, options=_PRORES)
    _movie(folder, "p.mov", kind, chart.DISPLAY, 10)
    return Truth("p.mov", "display", _listed(chart.DISPLAY), tolerance=0.002, fps="24")


def hevc_hlg(folder: Path) -> Truth:
    """As phones record."""
    codes = chart.hlg_codes(np.clip(chart.LINEAR, 0, 1))
    kind = MovieKind("libx265", "yuv420p10le", (9, 18, 9), options={"x265-params": "lossless=1:log-level=none"})
    _movie(folder, "p.mp4", kind, codes, 10)
    return Truth("p.mp4", "codes", _listed(codes), tolerance=0.002, fps="24")


def prores_logc(folder: Path) -> Truth:
    """LogC3, tagged BT.709 as cameras do."""
    codes = np.clip(chart.logc3_codes(chart.LINEAR), 0, 1)
    _movie(folder, "p.mov", MovieKind("prores_ks", "yuv422p10le", options=_PRORES), codes, 10)
    space = "ARRI LogC3 (EI800)"
    return Truth(
        "p.mov", "codes", _listed(codes), args=("--colour-space", space), linear=_listed(chart.LINEAR),
        tolerance=0.002, fps="24",
    )  # fmt: skip


def xdcam_mxf(folder: Path) -> Truth:
    """MPEG-2 4:2:2 with time code and sound."""
    kind = MovieKind(
        "mpeg2video", "yuv422p", rate=Fraction(25), timecode="09:59:59:24", audio=48000,
        options={"qmin": "1", "qmax": "1", "g": "1", "intra_vlc": "1"},
    )  # fmt: skip
    _movie(folder, "p.mxf", kind, chart.DISPLAY, 8, large=True)
    return Truth(
        "p.mxf", "display", _listed(chart.DISPLAY), tolerance=0.02, width=256, height=144, fps="25",
        timecode="09:59:59:24", audio=True,
    )  # fmt: skip


def anamorphic_mp4(folder: Path) -> Truth:
    """Pixels of 4:3."""
    kind = MovieKind("libx264", "yuv444p", aspect=Fraction(4, 3), options={"qp": "0"})
    _movie(folder, "p.mp4", kind, chart.DISPLAY, 8)
    return Truth("p.mp4", "display", _listed(chart.DISPLAY), tolerance=0.006, fps="24", par="4/3")


def drop_frame_mov(folder: Path) -> Truth:
    """59.94 frames per second over a whole minute, drop-frame."""
    kind = MovieKind("prores_ks", "yuv422p10le", rate=Fraction(60000, 1001), timecode="00:00:59;58", options=_PRORES)
    _movie(folder, "p.mov", kind, chart.DISPLAY, 10)
    return Truth("p.mov", "display", _listed(chart.DISPLAY), tolerance=0.002, fps="60000/1001", timecode="00:00:59;58")


def sound_mov(folder: Path) -> Truth:
    """With 48 kHz of sound."""
    kind = MovieKind("prores_ks", "yuv422p10le", rate=Fraction(24), audio=48000, options=_PRORES)
    _movie(folder, "p.mov", kind, chart.DISPLAY, 10)
    return Truth("p.mov", "display", _listed(chart.DISPLAY), tolerance=0.002, fps="24", audio=True)


#: By name.
PLATES: dict[str, Callable[[Path], Truth]] = {
    maker.__name__: maker
    for maker in (
        exr_tiled,
        exr_multipart,
        exr_aces_container,
        exr_float_zips,
        exr_crop,
        exr_overscan,
        exr_alpha,
        exr_unlabelled,
        dpx_cineon,
        dpx_16,
        tiff_float,
        tiff_associated,
        png_linear,
        png_hlg,
        over_range_10,
        over_range_8,
        prores_2020_pq_colr,
        prores_2020_sdr,
        prores_untagged,
        hevc_hlg,
        prores_logc,
        xdcam_mxf,
        anamorphic_mp4,
        drop_frame_mov,
        sound_mov,
    )
}


def make_plate(folder: Path, name: str) -> Truth:
    """Make one plate in ``folder``/name; its ``arg`` is relative to that."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    return PLATES[name](place)


def main() -> None:
    """Make those named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PLATES))
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in PLATES]
    if unknown:
        parser.error(f"there is no plate {', '.join(unknown)}")
    truth = {}
    for name in args.names or PLATES:
        made = asdict(make_plate(args.folder, name))
        truth[name] = {**made, "arg": f"{name}/{made['arg']}"}
    (args.folder / "truth.json").write_text(json.dumps(truth, indent=1))
    print(f"{len(truth)} plates in {args.folder}")


if __name__ == "__main__":
    main()
