# SPDX-License-Identifier: Apache-2.0
"""When the add-on's client takes a backend for dead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from ex4d_blender.core import client
from ex4d_blender.core.client import PING_SECONDS, SILENCE_SECONDS, JobClient, SilentBackendError

from ex4d.protocol.errors import TransientError
from ex4d.protocol.requests import DoctorRequest
from ex4d.protocol.runtime import Handshake


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    time = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The client's clock."""
    made = Clock()
    monkeypatch.setattr(client, "time", made)
    return made


@pytest.fixture
def caller(clock: Clock, tmp_path: Path) -> Iterator[JobClient]:
    """A client of a backend that is not there."""
    keys = zmq.curve_keypair()
    made = JobClient("test")
    secret = keys[1].decode()
    made.connect(Handshake(f"ipc://{tmp_path}/s", keys[0].decode(), keys[0].decode(), secret, 1, "0.1.0", "ex4d/2"))
    yield made
    made.disconnect()


def listen(caller: JobClient, clock: Clock, seconds: float) -> None:
    """Ask every second, as the timer does."""
    for _ in range(round(seconds)):
        clock.now += 1
        caller.poll()


def test_who_does_not_answer_for_long_is_silent(caller: JobClient, clock: Clock) -> None:
    listen(caller, clock, SILENCE_SECONDS - 1)
    assert not caller.is_silent
    listen(caller, clock, 2)
    assert caller.is_silent
    with pytest.raises(SilentBackendError):
        caller.wait(caller.submit(DoctorRequest()))
    caller.disconnect()
    assert not caller.is_silent


def test_a_client_that_was_busy_itself_does_not_call_the_backend_silent(caller: JobClient, clock: Clock) -> None:
    # A render, or a file that is being read: nobody has listened.
    clock.now += 10 * SILENCE_SECONDS
    assert not caller.is_silent
    caller.poll()
    assert not caller.is_silent
    # From then on it has its time.
    listen(caller, clock, SILENCE_SECONDS - 1)
    assert not caller.is_silent
    listen(caller, clock, 2)
    assert caller.is_silent


def test_pauses_short_enough_for_pings_do_not_postpone_it_for_ever(caller: JobClient, clock: Clock) -> None:
    for _ in range(round(2 * SILENCE_SECONDS / PING_SECONDS)):
        clock.now += PING_SECONDS + 1
        caller.poll()
    assert caller.is_silent


def test_an_address_that_is_none_is_an_error(clock: Clock) -> None:
    keys = [key.decode() for key in zmq.curve_keypair()]
    caller = JobClient("test")
    with pytest.raises(TransientError, match="cannot be used"):
        caller.connect(Handshake("tcp://127.0.0.1:nowhere", keys[0], keys[0], keys[1], 1, "0.1.0", "ex4d/2"))
    assert not caller.is_open
