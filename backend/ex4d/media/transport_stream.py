# SPDX-License-Identifier: Apache-2.0
"""Does the last picture before a place in an MPEG transport stream end there, or was it cut off? (ISO/IEC 13818-1)

Where recordings are put one behind the other FFmpeg cannot tell: the counter of packets jumps either way. But a picture
begins a new packet, so that the last packet of the one before is filled up, if it is whole.
"""

from __future__ import annotations

from pathlib import Path

from ex4d.system.inputs import open_input

_SYNC, _PACKET = 0x47, 188
# From packet to packet: with nothing, the time stamps of Blu-ray and AVCHD, or check sums of broadcasts between them.
_DISTANCES = (188, 192, 204)
# Packets that are looked at for the last one of the stream: sound and tables stand between.
_LOOKED_AT = 20_000
_FIELDS = ((0x10, 6), (0x08, 6), (0x04, 1))  # PCR, OPCR, splice countdown: flags and bytes


def ends_whole(path: Path, pid: int, offset: int) -> bool:
    """Whether the last packet of stream ``pid`` before byte ``offset`` is filled up.

    Also False for the one of 184 whole pictures that needs no filling.
    """
    with open_input(path) as file:
        start = max(0, offset - _LOOKED_AT * _DISTANCES[-1])
        file.seek(start)
        data = file.read(offset - start)
    last = len(data) - _PACKET  # FFmpeg's places stand behind the 188 bytes of the packet before, whatever follows
    for size in _DISTANCES:
        if last >= size and data[last] == data[last - size] == _SYNC:
            for at in range(last, -1, -size):
                packet = data[at : at + _PACKET]
                if packet[0] != _SYNC:
                    return False
                if (packet[1] & 0x1F) << 8 | packet[2] == pid:
                    return _is_filled(packet)
    return False


def _is_filled(packet: bytes) -> bool:
    if not packet[3] & 0x20:
        return False
    length = packet[4]
    used = 1 + sum(size for flag, size in _FIELDS if length and packet[5] & flag)
    if length and packet[5] & 0x02:  # private data, with its length in front
        used += 1 + packet[5 + used]
    return length == 0 or length > used or (length == 1 and packet[5] == 0)
