# SPDX-License-Identifier: Apache-2.0
"""Threads of the backend share one heap."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

#: Threads that each ask for memory at the same time; glibc then says how many heaps there are.
COUNT_HEAPS = """
import ctypes, os, sys, tempfile, threading
from ex4d.system.heap import share_heap
if sys.argv[1] == "share":
    share_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
together = threading.Barrier(6)
def work():
    together.wait()
    kept = [libc.malloc(1 << 12) for _ in range(2000)]
    together.wait()
    for each in kept:
        libc.free(each)
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
with tempfile.TemporaryDirectory() as folder:
    name = os.path.join(folder, "info")
    file = libc.fopen(name.encode(), b"w")
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(open(name).read().count("<heap nr="))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc alone has several heaps"
)
def test_threads_share_one_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)

    def heaps(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", COUNT_HEAPS, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert heaps("share") == 1
    assert heaps("leave") > 1
