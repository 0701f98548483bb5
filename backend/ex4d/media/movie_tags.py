# SPDX-License-Identifier: Apache-2.0
"""What a movie's container and first frame say besides the picture: colours, HDR metadata, time code."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideData

from ex4d.media.colour_tags import ColourTags, HdrMetadata
from ex4d.media.movie_pixels import ClipTags

_CODECS = {
    "prores": "ProRes",
    "dnxhd": "DNxHD",
    "cfhd": "CineForm",
    "h264": "H.264",
    "hevc": "HEVC",
    "mpeg2video": "MPEG-2",
    "av1": "AV1",
}

# Names of logs as cameras write them in metadata, and as colour configurations have them; the first that is found in
# the value counts, so that the special ones come first.
_LOGS = (
    ("s-gamut3.cine/s-log3", "S-Log3 S-Gamut3.Cine"),
    ("s-log3-cine", "S-Log3 S-Gamut3.Cine"),
    ("s-log3", "S-Log3 S-Gamut3"),
    ("logc4", "ARRI LogC4"),
    ("log-c4", "ARRI LogC4"),
    ("logc3", "ARRI LogC3 (EI800)"),
    ("log-c", "ARRI LogC3 (EI800)"),
    ("v-log", "V-Log V-Gamut"),
    ("apple log 2", "Apple Log 2"),
    ("apple log", "Apple Log"),
)
# Keys whose values name the curve: of ARRI's and Apple's QuickTime files, Panasonic's and Sony's.
_LOG_KEYS = ("gamma", "logcurve", "log_curve", "transfer", "colorspace", "color_space", "colourspace", "log-c", "log.")


def colour_tags(
    container: InputContainer, stream: av.VideoStream, codec: str, first: av.VideoFrame, tags: ClipTags
) -> ColourTags:
    """Everything that is said of the colours."""
    return ColourTags(
        f"{_CODECS.get(codec, codec)} movie",
        primaries=tags.primaries,
        transfer=tags.transfer,
        matrix=tags.matrix,
        name=log_name({**container.metadata, **stream.metadata}),
        hdr=hdr_metadata(first),
    )


def log_name(metadata: dict[str, str]) -> str:
    """The camera's log space that metadata names, as configurations have it; "" = none."""
    for key, value in metadata.items():
        if any(part in key.lower() for part in _LOG_KEYS):
            text = value.lower().replace("_", "-")
            for name, space in _LOGS:
                if name in text:
                    return space
    return ""


def hdr_metadata(frame: av.VideoFrame) -> HdrMetadata | None:
    """SMPTE ST 2086 and CTA-861.3 of a frame, as FFmpeg's structures have them (mastering_display_metadata.h)."""
    display, light = _side_data(frame, "MASTERING_DISPLAY_METADATA"), _side_data(frame, "CONTENT_LIGHT_LEVEL")
    mastering = luminance = cll = fall = None
    if len(display) >= 88:
        fractions = [n / d if d else 0.0 for n, d in struct.iter_unpack("=ii", display[:80])]
        has_primaries, has_luminance = struct.unpack_from("=ii", display, 80)
        if has_primaries:
            mastering = cast(Any, tuple(fractions[:8]))
        if has_luminance:
            luminance = (fractions[8], fractions[9])
    if len(light) >= 8:
        cll, fall = struct.unpack_from("=II", light)
    found = HdrMetadata(mastering, luminance, cll or None, fall or None)
    return None if found == HdrMetadata() else found


def timecode_of(container: InputContainer, stream: av.VideoStream, first: av.VideoFrame) -> str | None:
    """Of the first frame: of the stream, another one's, the container's, or of the group of pictures it begins."""
    return next(_timecodes(container, stream, first), None)


def _timecodes(container: InputContainer, stream: av.VideoStream, first: av.VideoFrame) -> Iterator[str]:
    for metadata in (stream.metadata, *(other.metadata for other in container.streams), container.metadata):
        if text := metadata.get("timecode"):
            yield text
    packed = _side_data(first, "GOP_TIMECODE")
    if len(packed) >= 8:
        (code,) = struct.unpack_from("=q", packed)
        separator = ";" if code >> 24 & 1 else ":"
        yield f"{code >> 19 & 31:02d}:{code >> 13 & 63:02d}:{code >> 6 & 63:02d}{separator}{code & 63:02d}"


def _side_data(frame: av.VideoFrame, name: str) -> bytes:
    data = frame.side_data.get(name)
    return b"" if data is None else bytes(cast(SideData, data))
