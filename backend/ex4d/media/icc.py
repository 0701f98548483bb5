# SPDX-License-Identifier: Apache-2.0
"""The name of an ICC profile (ICC.1:2022), for a note on those that are none of the spaces known by name."""

from __future__ import annotations

import struct

# Where the tags' table begins, and the most tags that are looked at.
_TABLE, _MOST_TAGS = 128, 200


def profile_note(profile: bytes) -> str | None:
    """What to say of a profile that is not applied; None for sRGB, which display-referred pictures are taken for."""
    name = profile_name(profile)
    if name and "srgb" in name.lower():
        return None
    called = f" «{name}»" if name else ""
    return f"The colour profile{called} of the files is not applied: values are used as they are."


def profile_name(profile: bytes) -> str | None:
    """The profile's description, shortened and printable; None where it has none that can be read."""
    try:
        (count,) = struct.unpack_from(">I", profile, _TABLE)
        for index in range(min(count, _MOST_TAGS)):
            tag, offset, size = struct.unpack_from(">4sII", profile, _TABLE + 4 + 12 * index)
            if tag == b"desc":
                return _text(profile[offset : offset + size])
    except struct.error:
        pass
    return None


def _text(data: bytes) -> str | None:
    if data[:4] == b"desc":  # version 2
        (length,) = struct.unpack_from(">I", data, 8)
        text = data[12 : 12 + min(length, 200)].decode("latin-1")
    elif data[:4] == b"mluc":
        length, offset = struct.unpack_from(">II", data, 20)
        text = data[offset : offset + min(length, 400)].decode("utf-16-be", errors="replace")
    else:
        return None
    text = "".join(letter for letter in text.partition("\0")[0] if letter.isprintable()).strip()
    return text[:60] or None
