# SPDX-License-Identifier: Apache-2.0
"""A worker that behaves as it is told: it starts in no time, computes nothing, and dies or talks nonsense on request.

How it starts stands in the first line of ``starts`` in the runtime folder, which each start takes away; what it does
with a job in the job's ``camera``. What it is given and asked for stands in ``said`` there, a line each. It holds the
model of the last take that was not a preview's, and lets go of it when it is asked to.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import zmq

from ex4d.protocol import wire
from ex4d.protocol.jobs import result_message
from ex4d.protocol.requests import GenerateRequest, parse_request
from ex4d.protocol.results import GenerateResult, RenderResult, Result, result_record
from ex4d.server.demands import model_key
from ex4d.server.lifetime import end_with_pipe

address = json.loads(sys.stdin.buffer.readline())
end_with_pipe(sys.stdin.buffer)
runtime = Path(address["log"]).parent


def start() -> None:
    """Do what the next line of ``starts`` says."""
    try:
        how, _, rest = (runtime / "starts").read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return
    (runtime / "starts").write_text(rest, encoding="utf-8")
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how:
        # The sentence that Python closes with.
        print("Traceback (most recent call last):", how, sep="\n", file=sys.stderr, flush=True)
        os._exit(1)


def send(kind: str, job: str = "", **header: object) -> None:
    """Tell the front."""
    socket.send_multipart(wire.encode(wire.Message(kind, job, header)))


def result(camera: str, frames: int = 0) -> RenderResult:
    """A render's, with the camera for a rasterizer."""
    return RenderResult("/f", "/f/color", "/f/mask", tuple(range(frames)), (), (1, 1), camera, "")


def taken(camera: str) -> Result:
    """A take's, with the camera for a rasterizer."""
    return GenerateResult(
        "v001", "/v", (1,), "24", "/r", "/m", "fast", "label", 0.1, 0.2, "/c", "/k", (1.0,), (4, 3), camera, "GPU"
    )


def said(*words: object) -> None:
    """Write down what has come."""
    with (runtime / "said").open("a", encoding="utf-8") as file:
        print(address["name"], *words, file=file)


def do(job: str, camera: str) -> None:
    """Do a job."""
    if camera == "die unbegun":
        os.kill(os.getpid(), signal.SIGKILL)
    send("progress", job, stage="raster", step=1, of=2)
    frames = [wire.VERSION, b"done", job.encode()]
    if camera == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif camera == "nonsense":
        socket.send_multipart([b"what?"])
    elif camera == "too long":
        socket.send_multipart([*frames, b'{"result":{"x":"' + b"x" * wire.MAX_HEADER_BYTES + b'"}}'])
    elif camera == "not finite":
        told = json.dumps({"result": result_record(result(camera))})
        socket.send_multipart([*frames, told.replace("[1, 1]", "[1, 1e999]").encode()])
    elif camera == "no result":
        socket.send_multipart([*frames, b'{"result":[1]}'])
    elif camera == "no progress":
        send("progress", job, step="two")
    elif camera == "very many frames":
        socket.send_multipart([*frames, b"{}", *[b"x"] * 1000])
    elif camera == "film":
        socket.send_multipart(wire.encode(result_message("done", job, {}, result("film", 300_000))))
    else:
        # "wait" waits for the file «go», "until:NAME" for another one.
        finish(job, camera, "go" if camera == "wait" else camera.partition("until:")[2])


def finish(job: str, camera: str, awaited: str) -> None:
    """End a job well, once there is a file of that name in the runtime folder; "" = at once."""
    while awaited and not (runtime / awaited).exists():
        time.sleep(0.01)
        while socket.poll(0):
            inbox.append(wire.decode(socket.recv_multipart()))
            if inbox[-1].type == "cancel":
                send("failed", job, kind="cancelled", exit_code=130, message="Cancelled.", hint="")
                return
    send("done", job, result=result_record(taken(camera) if is_take else result(camera)))


context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
start()
socket = context.socket(zmq.DEALER)
socket.curve_serverkey = address["server_public"].encode()
socket.curve_publickey = address["client_public"].encode()
socket.curve_secretkey = address["client_secret"].encode()
socket.connect(address["endpoint"])
send("ready", pid=os.getpid())
inbox: list[wire.Message] = []
while True:
    message = inbox.pop(0) if inbox else wire.decode(socket.recv_multipart())
    if message.type == "run":
        request = parse_request(message.header["kind"], message.header["request"], message.blobs)
        is_take = isinstance(request, GenerateRequest)
        camera = message.header["request"]["camera"]["move"]
        said("run", camera, *message.header["gpus"])
        if isinstance(request, GenerateRequest) and request.fill.generator != "preview":
            send("holds", models=[model_key(request)])
        do(message.job, camera)
    elif message.type == "let_go":
        said("let_go")
        send("holds", models=[], let_go=True)
    elif message.type == "quit" and not (runtime / "stubborn").exists():
        sys.exit()
