# SPDX-License-Identifier: Apache-2.0
"""Lens files: our JSON, and calibrations as OpenCV's ``FileStorage`` writes them (YAML, XML, JSON)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ex4d.camera import CalibratedCamera, Lens, LensCalibration, parse_lens
from ex4d.protocol.errors import BadInputError
from ex4d.protocol.parsing import parse_json
from ex4d.system.inputs import read_bytes

#: Bytes of a lens file; calibrations may hold all points that they were made of.
MAX_LENS_FILE = 16 << 20
#: Names under which OpenCV's samples and its users keep the two arrays and the size.
_MATRIX = ("camera_matrix", "cameraMatrix", "Camera_Matrix", "K", "mtx")
_DISTORTION = ("distortion_coefficients", "distCoeffs", "Distortion_Coefficients", "dist_coeffs", "D", "dist")
_WIDTH, _HEIGHT = ("image_width", "image_Width", "width"), ("image_height", "image_Height", "height")
#: OpenCV counts pixel centres from 0, K here from 0.5.
_CENTRE = 0.5


def read_lens(path: Path) -> LensCalibration:
    """Read a lens file.

    Raises:
        BadInputError: it is missing, or no lens.
    """
    return parse_lens_file(read_bytes(path, MAX_LENS_FILE), path.name)


def parse_lens_file(data: bytes, name: str) -> LensCalibration:
    """What a lens file says.

    Args:
        data: its content.
        name: what it is called in an error.

    Raises:
        BadInputError: it is no lens.
    """
    try:
        document = parse_json(data)
    except ValueError:
        document = None
    if isinstance(document, dict) and "model" in document:
        return parse_lens(data)
    try:
        storage = cv2.FileStorage(data.decode(), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    except (UnicodeDecodeError, cv2.error, SystemError):
        raise _no_lens(name) from None
    try:
        return _calibration(name, storage)
    except cv2.error:
        raise _no_lens(name) from None
    finally:
        storage.release()


def _calibration(name: str, storage: cv2.FileStorage) -> LensCalibration:
    matrix, distortion = _array(storage, _MATRIX), _array(storage, _DISTORTION)
    if distortion is None:
        raise _no_lens(name)
    values = distortion.ravel()
    if len(values) > 12 and np.any(values[12:]):
        raise BadInputError(
            f"{name} has a tilted sensor, which is not among the lens models.",
            "Calibrate it without CALIB_TILTED_MODEL.",
        )
    lens = Lens("opencv", tuple(map(float, values[:12])))
    size = _number(storage, _WIDTH), _number(storage, _HEIGHT)
    if matrix is None or matrix.shape != (3, 3) or not all(size):
        return LensCalibration(lens)
    principal = float(matrix[0, 2]) + _CENTRE, float(matrix[1, 2]) + _CENTRE
    return LensCalibration(lens, CalibratedCamera((float(matrix[0, 0]), float(matrix[1, 1])), principal, size))


def _array(storage: cv2.FileStorage, names: tuple[str, ...]) -> NDArray[np.float64] | None:
    for name in names:
        node = storage.getNode(name)
        found = node.mat() if not node.empty() and node.isMap() else None
        if found is not None:
            return np.asarray(found, dtype=np.float64)
    return None


def _number(storage: cv2.FileStorage, names: tuple[str, ...]) -> int:
    for name in names:
        node = storage.getNode(name)
        if node.isInt() or node.isReal():
            return round(node.real())
    return 0


def _no_lens(name: str) -> BadInputError:
    return BadInputError(
        f"{name} is no lens file.",
        'Give JSON such as {"model": "brown", "coefficients": {"k1": -0.1}}, or a calibration that OpenCV saved.',
    )
