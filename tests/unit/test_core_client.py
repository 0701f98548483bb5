# SPDX-License-Identifier: Apache-2.0
"""When the add-on's client takes a backend for dead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from ex4d_blender.core import client
from ex4d_blender.core.client import PING_SECONDS, SILENCE_SECONDS, JobClient, SilentBackendError

from ex4d.protocol import wire
from ex4d.protocol.errors import ErrorInfo, Ex4dError, ProtocolError, TransientError
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
    made.connect(Handshake(f"ipc://{tmp_path}/s", keys[0].decode(), keys[0].decode(), secret, 1, "0.1.0", "ex4d/1"))
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
        caller.connect(Handshake("tcp://127.0.0.1:nowhere", keys[0], keys[0], keys[1], 1, "0.1.0", "ex4d/1"))
    assert not caller.is_open


class Puppet:
    """A backend of another version of the protocol: it answers all that it gets with the same message."""

    def __init__(self, folder: Path, answer: wire.Message) -> None:
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        keys = [key.decode() for key in zmq.curve_keypair()]
        clients = [key.decode() for key in zmq.curve_keypair()]
        self.socket.curve_server, self.socket.curve_secretkey = True, keys[1].encode()
        self.socket.linger = 0
        self.socket.bind(f"ipc://{folder}/p")
        self.answer = answer
        self.handshake = Handshake(f"ipc://{folder}/p", keys[0], clients[0], clients[1], 1, "0.1.0", "ex4d/2")

    def serve(self, caller: JobClient, seconds: float = 0.4) -> list[Ex4dError]:
        """Answer for a while; returns what the client is told besides its jobs."""
        errors: list[Ex4dError] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while self.socket.poll(10):
                identity = self.socket.recv_multipart()[0]
                self.socket.send_multipart([identity, *wire.encode(self.answer)])
            errors += caller.poll(10).errors
        return errors


def _refusal(kind: str) -> dict[str, object]:
    return {"kind": kind, "exit_code": 2, "message": "The other side speaks ex4d/2.", "hint": "Update it."}


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        # What a backend of ex4d/1 says to anything else.
        (
            wire.Message("error", "", _refusal("protocol"), version=b"ex4d/1"),
            "speaks ex4d/1, the extension ex4d/2",
            "Install the backend again",
        ),
        # A later one that does not know ours, and one that does.
        (wire.Message("hi", "", {}, version=b"ex4d/9"), "speaks ex4d/9, the extension ex4d/2", "Update the extension"),
        (wire.Message("error", "", _refusal("protocol")), "The other side speaks ex4d/2", "Update it"),
    ],
)
def test_a_backend_of_another_protocol_ends_what_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: wire.Message, message: str, hint: str
) -> None:
    monkeypatch.setattr(client, "PING_SECONDS", 0.1)
    puppet, caller = Puppet(tmp_path, answer), JobClient("test")
    try:
        caller.connect(puppet.handshake)
        job = caller.submit(DoctorRequest())
        # Said by the job that was asked for, and not once more for each ping.
        assert puppet.serve(caller) == []
        failed = caller.jobs[job]
        assert failed.state == "failed"
        assert failed.error is not None
        assert message in failed.error.message
        assert hint in failed.error.hint
        again = caller.submit(DoctorRequest())
        assert puppet.serve(caller) == []
        assert caller.jobs[again].error == failed.error
        # Who asks for nothing is told once.
        caller.connect(puppet.handshake)
        told = puppet.serve(caller)
        assert [ErrorInfo.of(error).message for error in told] == [failed.error.message]
        assert caller.refusal is told[0]
        assert not caller.is_silent
    finally:
        caller.disconnect()
        puppet.socket.close(linger=0)
        puppet.context.destroy(linger=0)


def test_another_error_of_a_backend_is_no_other_protocol(tmp_path: Path) -> None:
    puppet, caller = Puppet(tmp_path, wire.Message("error", "", _refusal("usage"))), JobClient("test")
    try:
        caller.connect(puppet.handshake)
        job = caller.submit(DoctorRequest())
        assert len(puppet.serve(caller, 0.4)) >= 2
        assert caller.refusal is None
        assert not caller.jobs[job].is_final
        assert ProtocolError.kind == "protocol"
    finally:
        caller.disconnect()
        puppet.socket.close(linger=0)
        puppet.context.destroy(linger=0)
