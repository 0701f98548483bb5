# SPDX-License-Identifier: Apache-2.0
"""A hub on this machine, with whatever a network does to a download."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for, on this machine.

    Attributes:
        root: folder with the repositories.
        broken, cut, changed, text: names of files that are gone, that come to a half once, that arrive changed, that
            the hub keeps as text.
        breaks: how many bytes of a file come in each of its next answers, by its name.
        answers: what is answered in place of a file, by its name: HTTP's codes, one after the other.
        slow: seconds after each 64 KiB of a file, by its name.
        ranges_known: whether only parts of a file can be asked for.
        asked, ranges: names of files that were asked for, and with the place to begin at those of which a part was.
        revision: of everything.
        sent: called with each file's name before its bytes are sent.
    """

    root: Path
    broken: set[str]
    cut: set[str]
    changed: set[str]
    text: set[str]
    breaks: dict[str, list[int]]
    answers: dict[str, list[int]]
    slow: dict[str, float]
    ranges_known: bool
    asked: list[str]
    ranges: list[str]
    revision: str
    sent: Callable[[str], None]

    def _repository(self) -> tuple[str, list[str]]:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return "/".join(parts[2:4]), parts[4:]
        return "/".join(parts[:2]), parts[2:]

    def _send(self, body: bytes, headers: dict[str, str], code: int = 200) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        pause = self.slow.get(self.path.rpartition("/")[2], 0.0)
        if self.command == "GET" and not pause:
            self.wfile.write(body)
        elif self.command == "GET":
            for start in range(0, len(body), 1 << 16):
                try:
                    self.wfile.write(body[start : start + (1 << 16)])
                except OSError:
                    # Who has asked is gone.
                    return
                time.sleep(pause)

    def do_GET(self) -> None:
        repository, rest = self._repository()
        folder = self.root / repository
        if not folder.is_dir():
            self._send(b"{}", {"X-Error-Code": "RepoNotFound", "Content-Type": "application/json"}, 404)
            return
        if rest[:1] == ["revision"] and rest[1] != self.revision:
            self._send(b"{}", {"X-Error-Code": "RevisionNotFound", "Content-Type": "application/json"}, 404)
            return
        if self.path.startswith("/api"):
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            siblings = [
                {
                    "rfilename": str(path.relative_to(folder)),
                    "size": path.stat().st_size,
                    "lfs": None
                    if path.name in self.text
                    else {
                        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                        "size": path.stat().st_size,
                        "pointerSize": 100,
                    },
                }
                for path in files
            ]
            if rest[:1] == ["tree"]:
                entries = [
                    {
                        "type": "file",
                        "path": sibling["rfilename"],
                        "size": sibling["size"],
                        "oid": "0" * 40,
                        "lfs": sibling["lfs"] and {**sibling["lfs"], "oid": sibling["lfs"]["sha256"]},
                    }
                    for sibling in siblings
                ]
                self._send(json.dumps(entries).encode(), {"Content-Type": "application/json"})
                return
            info = {
                "id": repository,
                "sha": self.revision,
                "siblings": siblings,
                "cardData": {"license": "apache-2.0"},
                "private": False,
                "downloads": 0,
                "tags": [],
            }
            self._send(json.dumps(info).encode(), {"Content-Type": "application/json"})
            return
        assert rest[0] == "resolve"
        self._send_file(folder.joinpath(*rest[2:]))

    def _send_file(self, path: Path) -> None:
        if self.command == "GET":
            self.asked.append(path.name)
            self.sent(path.name)
            if path.name in self.broken:
                self._send(b"", {"X-Error-Code": "EntryNotFound"}, 404)
                return
            if self.answers.get(path.name):
                self._send(b"", {}, self.answers[path.name].pop(0))
                return
        data = path.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": self.revision}
        if path.name in self.changed:
            data = data[:-1] + bytes([data[-1] ^ 1])
        start, code = 0, 200
        wanted = self.headers.get("Range")
        if wanted is not None and self.ranges_known:
            start, code = int(wanted.removeprefix("bytes=").partition("-")[0]), 206
            self.ranges.append(f"{path.name} {start}")
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        rest = data[start:]
        comes = len(rest)
        if self.command == "GET" and path.name in self.cut:
            self.cut.discard(path.name)
            comes = len(rest) // 2
        elif self.command == "GET" and self.breaks.get(path.name):
            comes = self.breaks[path.name].pop(0)
        if comes < len(rest):
            self.close_connection = True
        self._send(rest[:comes], {**headers, "Content-Length": str(len(rest))}, code)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(root: Path) -> Iterator[tuple[type[Hub], str]]:
    """Serve a folder of repositories, "owner/name"; gives the server's class, whose attributes are its moods, and its
    address."""
    moods: dict[str, object] = {name: set() for name in ("broken", "cut", "changed", "text")}
    moods |= {"breaks": {}, "answers": {}, "slow": {}, "ranges_known": True, "asked": [], "ranges": []}
    moods |= {"root": root, "revision": "c" * 40, "sent": staticmethod(lambda _name: None)}
    handler = type("OwnHub", (Hub,), moods)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
