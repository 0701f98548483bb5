# SPDX-License-Identifier: Apache-2.0
"""Which EGL device is which CUDA device: on a machine with several GPUs OpenGL would always take the first.

Source: EGL_EXT_device_enumeration, EGL_EXT_device_query and EGL_NV_device_cuda of the Khronos EGL registry.
"""

from __future__ import annotations

import ctypes
import ctypes.util

_CUDA_DEVICE = 0x323A  # EGL_CUDA_DEVICE_NV
_MOST_DEVICES = 64


def cuda_numbers() -> list[int | None]:
    """The CUDA number of each EGL device in EGL's order, None for one that is no CUDA device; empty where EGL cannot
    tell."""
    name = ctypes.util.find_library("EGL")
    if name is None:
        return []
    try:
        egl = ctypes.CDLL(name)
        egl.eglGetProcAddress.restype = ctypes.c_void_p
        addresses = [
            egl.eglGetProcAddress(function) for function in (b"eglQueryDevicesEXT", b"eglQueryDeviceAttribEXT")
        ]
    except (OSError, AttributeError):
        return []
    if not all(addresses):
        return []
    query_devices = ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
    )(addresses[0])
    query_attribute = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_ssize_t))(
        addresses[1]
    )
    devices, count = (ctypes.c_void_p * _MOST_DEVICES)(), ctypes.c_int()
    if not query_devices(_MOST_DEVICES, devices, ctypes.byref(count)):
        return []
    numbers: list[int | None] = []
    for device in devices[: count.value]:
        number = ctypes.c_ssize_t(-1)
        known = query_attribute(device, _CUDA_DEVICE, ctypes.byref(number))
        numbers.append(number.value if known and number.value >= 0 else None)
    return numbers
