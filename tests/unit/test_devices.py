# SPDX-License-Identifier: Apache-2.0
"""The device that the user names."""

import pytest

from ex4d.protocol.errors import ResourceError, UsageError
from ex4d.raster.opengl import context
from ex4d.raster.opengl.egl_device import cuda_numbers
from ex4d.system.devices import named_device, named_gpu


@pytest.mark.parametrize(
    ("text", "name", "gpu"), [("", None, None), ("cpu", "cpu", None), ("cuda", "cuda", None), (" cuda:1 ", "cuda:1", 1)]
)
def test_names(text: str, name: str | None, gpu: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", text)
    assert (named_device(), named_gpu()) == (name, gpu)


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cuda:x", "mps", "cpu:0 "])
def test_other_names_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EX4D_DEVICE", text)
    with pytest.raises(UsageError, match="names no device"):
        named_device()


def test_opengl_draws_on_the_numbered_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}
    monkeypatch.setattr(context.sys, "platform", "linux")
    monkeypatch.setattr(context.ctypes.util, "find_library", lambda _: "libEGL.so.1")
    monkeypatch.setattr(context.moderngl, "create_context", lambda **options: asked.update(options))
    monkeypatch.setattr(context, "cuda_numbers", lambda: [1, None, 0])
    for text, index in (("cuda:0", 2), ("cuda:1", 0)):
        monkeypatch.setenv("EX4D_DEVICE", text)
        context.create_context()
        assert asked["device_index"] == index
    asked.clear()
    for text in ("", "cuda", "cpu"):
        monkeypatch.setenv("EX4D_DEVICE", text)
        context.create_context()
        assert "device_index" not in asked
    monkeypatch.setenv("EX4D_DEVICE", "cuda:2")
    with pytest.raises(ResourceError, match="OpenGL finds no such GPU"):
        context.create_context()


def test_egl_tells_its_devices_or_nothing() -> None:
    assert all(number is None or number >= 0 for number in cuda_numbers())
