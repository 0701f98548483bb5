# SPDX-License-Identifier: Apache-2.0
"""Camera moves by name: ``orbit:60``, ``dolly_in:0.3,ease=linear``, ``orbit:-90..90``, ``180`` …

A move is described relative to a base camera (the source camera): per frame the pose of the take camera in the base
camera's coordinates (x right, y down, z forward) and a factor on the focal length. Lengths are shares of the pivot
distance, so that a move means the same on any depth scale.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ex4d.camera.camera import Trajectory
from ex4d.camera.easing import EASINGS, progress
from ex4d.camera.released import is_released, released_extrinsics
from ex4d.camera.source_path import SourcePath, follow_path, parse_source_path, path_notes
from ex4d.camera.transforms import invert_rigid, rigid, rigid_about, rotation_x, rotation_y
from ex4d.protocol.errors import UsageError

Array = NDArray[np.float64]

#: Nearest drawn z-depth of a take, as a share of the pivot distance.
NEAR_SHARE = 1e-3
#: Degrees that an orbit may rise or sink.
MAX_ELEVATION = 90.0


@dataclass(frozen=True)
class Motion:
    """A move relative to the base camera.

    Attributes:
        poses: (T, 4, 4) take camera -> base camera coordinates.
        zoom: (T,) factor on the focal length.
    """

    poses: Array
    zoom: Array


@dataclass(frozen=True)
class PresetSpec:
    """A parsed preset: its name, the amount at the first and last frame, the easing.

    ``start``/``end`` are degrees for orbit, pan, tilt and figure_eight, a focal factor for zoom, shares of the pivot
    distance for dolly, crane and truck. ``path`` is what is made of the source camera's path first.
    """

    name: str
    start: float
    end: float
    ease: str
    elevation: float = 0.0
    path: SourcePath | None = None


def _sweep(spec: PresetSpec, share: Array) -> Array:
    """Amounts at shares of the move, 0..1 and in handles beyond."""
    return spec.start + (spec.end - spec.start) * share


def _move(poses: list[Array]) -> Motion:
    return Motion(np.stack(poses), np.ones(len(poses)))


def _translate(direction: tuple[float, float, float]) -> Callable[[PresetSpec, Array, Array], Motion]:
    def build(spec: PresetSpec, share: Array, pivot: Array) -> Motion:
        unit = np.array(direction) * np.linalg.norm(pivot)
        return _move([rigid(np.eye(3), unit * amount) for amount in _sweep(spec, share)])

    return build


def _orbit(spec: PresetSpec, share: Array, pivot: Array) -> Motion:
    """Turn about the vertical through the pivot; positive angles take the camera to its right."""
    tilt = np.radians(spec.elevation) * share
    yaw = np.radians(_sweep(spec, share))
    # Elevation turns about the camera's own x first, so that the horizon stays level after the yaw.
    return _move([rigid_about(rotation_y(-a) @ rotation_x(-b), pivot) for a, b in zip(yaw, tilt, strict=True)])


def _figure_eight(spec: PresetSpec, share: Array, pivot: Array) -> Motion:
    """A closed lemniscate: yaw as sin, elevation as half of that amount at double speed."""
    phase = 2 * np.pi * share
    yaw = np.radians(spec.end) * np.sin(phase)
    tilt = np.radians(spec.end) / 2 * np.sin(2 * phase)
    return _move([rigid_about(rotation_y(-a) @ rotation_x(-b), pivot) for a, b in zip(yaw, tilt, strict=True)])


def _pan(spec: PresetSpec, share: Array, pivot: Array) -> Motion:
    return _move([rigid(rotation_y(np.radians(a)), np.zeros(3)) for a in _sweep(spec, share)])


def _tilt(spec: PresetSpec, share: Array, pivot: Array) -> Motion:
    return _move([rigid(rotation_x(np.radians(a)), np.zeros(3)) for a in _sweep(spec, share)])


def _crane(spec: PresetSpec, share: Array, pivot: Array) -> Motion:
    """Rise (negative: sink) and keep the pivot where it is in the picture."""
    poses = []
    for amount in _sweep(spec, share):
        up = amount * np.linalg.norm(pivot)
        angle = np.arctan2(up + pivot[1], pivot[2]) - np.arctan2(pivot[1], pivot[2])
        poses.append(rigid(rotation_x(-angle), np.array([0.0, -up, 0.0])))
    return _move(poses)


def _zoom(sign: int) -> Callable[[PresetSpec, Array, Array], Motion]:
    def build(spec: PresetSpec, share: Array, pivot: Array) -> Motion:
        # Equal steps of the exponent look like an even speed.
        exponents = np.log(spec.start) + np.log(spec.end / spec.start) * share
        return Motion(np.broadcast_to(np.eye(4), (len(share), 4, 4)), np.exp(sign * exponents))

    return build


@dataclass(frozen=True)
class _Preset:
    build: Callable[[PresetSpec, Array, Array], Motion]
    rest: float
    default: float
    ease: str
    limit: tuple[float, float]
    help: str


PRESETS: dict[str, _Preset] = {
    "orbit": _Preset(_orbit, 0, 30, "in_out", (-360, 360), "degrees round the pivot, + to the right"),
    "zoom_in": _Preset(_zoom(1), 1, 1.5, "in_out", (0.01, 100), "focal length multiplied by"),
    "zoom_out": _Preset(_zoom(-1), 1, 1.5, "in_out", (0.01, 100), "focal length divided by"),
    "dolly_in": _Preset(_translate((0, 0, 1)), 0, 0.3, "in_out", (-100, 100), "forward, share of the pivot distance"),
    "dolly_out": _Preset(
        _translate((0, 0, -1)), 0, 0.3, "in_out", (-100, 100), "backward, share of the pivot distance"
    ),
    "truck": _Preset(_translate((1, 0, 0)), 0, 0.2, "in_out", (-100, 100), "to the right, share of the pivot distance"),
    "crane": _Preset(_crane, 0, 0.2, "in_out", (-100, 100), "up, aiming at the pivot, share of its distance"),
    "pan": _Preset(_pan, 0, 15, "in_out", (-360, 360), "degrees on the spot, + to the right"),
    "tilt": _Preset(_tilt, 0, 10, "in_out", (-90, 90), "degrees on the spot, + up"),
    "figure_eight": _Preset(_figure_eight, 0, 10, "linear", (-90, 90), "degrees of a closed figure eight"),
    "hold": _Preset(_translate((0, 0, 0)), 0, 0, "linear", (0, 0), "stays on the base camera"),
}

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_SPEC = re.compile(
    rf"(?P<name>[a-z_]+)(?::(?:(?P<start>{_NUMBER})\.\.)?(?P<end>{_NUMBER}))?(?P<options>(?:,[a-z]+=[^,=]+)*)"
)


def preset_help() -> str:
    """One line per preset, for ``--help`` and error texts."""
    rows = [(f"{name}:{p.default:g}" if p.default else name, p.help) for name, p in PRESETS.items()]
    rows += [
        ("30 60 90 180", "the released EX-4D paths"),
        ("stabilise:0.5", "the source camera's path, smoother: 0..1, or 2s; ,level levels the horizon"),
        ("lock:FRAME", "stands still where the source camera was in that frame of the plate; also match:FRAME"),
    ]
    lines = [f"  {move:<17}{text}" for move, text in rows]
    return "\n".join(
        [
            *lines,
            "The numbers shown are what a bare name means. orbit:-30..30 goes from one to the other.",
            f"Add ,ease={'|'.join(EASINGS)} to any move and ,elevation=DEGREES to orbit. A move may ride on a path: "
            "lock+orbit:30.",
        ]
    )


def parse_preset(text: str) -> PresetSpec:
    """Parse ``name[:amount | :from..to][,ease=NAME][,elevation=DEG]``; ``30/60/90/180`` and other whole degrees are the
    released paths. ``stabilise``, ``lock`` and ``match`` are paths (``source_path``) and may be followed by ``+`` and a
    move.

    Raises:
        UsageError: naming what is not understood.
    """
    if (found := parse_source_path(text)) is not None:
        path, move = found
        if parse_source_path(move) is not None:
            raise UsageError(f"The camera move «{text[:80]}» has two paths.", "Give one path and one move.")
        return replace(parse_preset(move or "hold"), path=path)
    if is_released(text):
        return PresetSpec(text, 0.0, float(text), "linear")
    match = _SPEC.fullmatch(text)
    preset = PRESETS.get(match["name"]) if match else None
    if match is None or preset is None:
        raise UsageError(
            f"There is no camera move «{text[:80]}».",
            f"Give 30, 60, 90, 180, or one of: {', '.join(PRESETS)}; for example orbit:60; or a trajectory file, which "
            "ends with .json or .npz or is named with its folder, such as ./camera.",
        )
    options = dict(item.split("=") for item in match["options"].split(",") if item)
    ease = options.pop("ease", preset.ease)
    if ease not in EASINGS:
        raise UsageError(f"There is no easing «{ease}».", f"Use one of: {', '.join(EASINGS)}.")
    elevation_text = options.pop("elevation", "0") if match["name"] == "orbit" else "0"
    if options or not re.fullmatch(_NUMBER, elevation_text):
        bad = next(iter(options), "elevation")
        raise UsageError(
            f"The camera move «{text}» has an option that is not understood: {bad}.",
            "All moves take ease=linear|in|out|in_out; orbit also takes elevation=DEGREES.",
        )
    elevation = float(elevation_text)
    if abs(elevation) > MAX_ELEVATION:
        raise UsageError(
            f"The elevation of «{text}» is out of range.", f"Give -{MAX_ELEVATION:g} to {MAX_ELEVATION:g} degrees."
        )
    end = float(match["end"]) if match["end"] else preset.default
    start = float(match["start"]) if match["start"] else preset.rest
    low, high = preset.limit
    if not (low <= start <= high and low <= end <= high):
        raise UsageError(
            f"The amount of «{text}» is out of range.",
            f"{match['name']} takes {low:g} to {high:g}: {preset.help}.",
        )
    return PresetSpec(match["name"], start, end, ease, elevation)


def build_take(
    spec: PresetSpec, source: Trajectory, pivot: Array, *, follow: bool = True, handles: tuple[int, int] = (0, 0)
) -> Trajectory:
    """The take camera for a preset.

    Args:
        spec: the move.
        source: the source camera, one per frame.
        pivot: (3,) point in the base camera's coordinates that the move turns about, world units.
        follow: base the move on each frame's source camera, so that it rides on the source camera's own motion;
            False bases it on the first frame's, which takes the source motion out. A path decides that itself.
        handles: how many frames, at the beginning and at the end, are handles: the move is over those between, as it is
            without handles, and goes on in these at the speed that it has there (the released paths hold).

    Raises:
        UsageError: the source camera has no such path; it is to be followed and not.
    """
    notes: tuple[str, ...] = ()
    if spec.path is not None:
        if not follow:
            raise UsageError(
                "The camera has a path of its own, so it cannot start from the first frame besides.",
                "Leave out the path, or --no-follow: lock stands still.",
            )
        notes = path_notes(spec.path, source)
        source = follow_path(spec.path, source, handles)
    count, first = len(source), handles[0]
    pivot = np.asarray(pivot, np.float64)
    base_E = source.E if follow else np.broadcast_to(source.E[first], source.E.shape)
    base_K = source.K if follow else np.broadcast_to(source.K[first], source.K.shape)
    if is_released(spec.name):
        radius = float(np.linalg.norm(pivot))
        path = released_extrinsics(spec.name, count - sum(handles), radius)
        motion = Motion(invert_rigid(np.pad(path, (handles, (0, 0), (0, 0)), "edge")), np.ones(count))
    else:
        motion = PRESETS[spec.name].build(spec, progress(count, spec.ease, handles), pivot)
    K = base_K.copy()
    K[:, 0, 0] *= motion.zoom
    K[:, 1, 1] *= motion.zoom
    near = np.full(count, NEAR_SHARE * float(np.linalg.norm(pivot)))
    return Trajectory(
        K,
        invert_rigid(motion.poses) @ base_E,
        source.width,
        source.height,
        near=near,
        frame_numbers=source.frame_numbers,
        fps=source.fps,
        notes=notes,
        lens=source.lens,
    )
