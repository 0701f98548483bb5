# SPDX-License-Identifier: Apache-2.0
"""Rasterizers on a GPU; tests that ask for one are skipped with a sentence where it does not work."""

import pytest

from ex4d.jobs.doctor import SOFTWARE_RENDERERS
from ex4d.protocol.errors import ResourceError
from ex4d.raster import create_rasterizer


def rasterizer_on_gpu(name):
    """The rasterizer, or skip."""
    try:
        made, _ = create_rasterizer(name)
    except ResourceError as error:
        pytest.skip(f"{name} does not work on this machine: {error}")
    if any(word in made.device.lower() for word in SOFTWARE_RENDERERS):
        made.close()
        pytest.skip(f"{name} has a software driver here ({made.device}); tests/unit holds it to Embree")
    return made


@pytest.fixture(scope="session")
def nvdiffrast():
    """The nvdiffrast rasterizer."""
    made = rasterizer_on_gpu("nvdiffrast")
    yield made
    made.close()


@pytest.fixture(scope="session")
def opengl():
    """The OpenGL rasterizer with a graphics driver."""
    made = rasterizer_on_gpu("opengl")
    yield made
    made.close()
