"""The product with a store of its own, the bare answer beside it, and a client for both."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks._common import (
    ROOT,
    cores,
    on_core,
    server_alone,
    tell,
    wait_for_answer,
)
from tests.fakes.mongodb import mongod
from tests.fakes.ports import free_port
from tests.server import Server


class Client:
    """One kept-open connection. It parses next to nothing: the server is to be measured."""

    def __init__(self, port: int, login: dict[str, str] | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = {"Host": f"localhost:{port}", "Accept": "application/json", **(login or {})}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def get(self, path: str) -> bytes:
        return self._request(f"GET {path} HTTP/1.1\r\n{self._headers}\r\n".encode())

    def patch(self, path: str, value: object) -> bytes:
        body = json.dumps(value).encode()
        head = (
            f"PATCH {path} HTTP/1.1\r\n{self._headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return self._request(head.encode() + body)

    def _request(self, request: bytes) -> bytes:
        """The body. Raises RuntimeError for any status but 200."""
        self._socket.sendall(request)
        received = bytearray()
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", received[:end])
        if not received.startswith(b"HTTP/1.1 200 ") or length is None:
            raise RuntimeError(f"{request[:300]!r} was answered by {bytes(received[:600])!r}")
        end += 4
        while len(received) < end + int(length[1]):
            received += self._receive()
        return bytes(received[end:])

    def _receive(self) -> bytes:
        if not (piece := self._socket.recv(1 << 18)):
            raise RuntimeError("the server hung up")
        return piece


class Bare:
    """The least that can be compared, by the server of the product."""

    def __init__(self, application: str, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self._command = server_alone(application, self.port)
        self._environment = {**os.environ, **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=ROOT, env=self._environment)
        wait_for_answer(self.port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None


@dataclass(frozen=True)
class Site:
    """What is running. `logins` has headers for each user that was made for it."""

    server: Server
    bare: Bare
    mongod_pid: int | None
    logins: dict[str, dict[str, str]]
    server_core: int | None

    def restart(self) -> None:
        """Both servers as they are at the start, on the same store."""
        self.stop()
        with on_core(self.server_core):
            self.start()

    def start(self) -> None:
        self.bare.start()
        self.server.start()

    def stop(self) -> None:
        self.bare.stop()
        self.server.stop()

    def client(self, user: str) -> Client:
        return Client(self.server.port, self.logins[user])


@contextmanager
def site(
    store: str,
    seed: Sequence[str],
    settings: Mapping[str, str],
    bare: str = "benchmarks._bare:application",
) -> Iterator[Site | None]:
    """Everything started and filled, in a folder of its own; None without a mongod to run.

    `seed` says what _seed.py makes. Both servers have the settings, and one core; mongod has the
    other one, and so has the caller meanwhile.
    """
    server_core, other_core = cores() or (None, None)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="chatcore-bench-"))
        stack.enter_context(on_core(other_core))
        database, environment = None, dict(settings)
        if store == "mongodb":
            database = stack.enter_context(mongod())
            if database is None:
                yield None
                return
            environment["MONGODB_URI"] = f"{database.uri}?directConnection=true"
        server = Server(Path(folder), **environment)
        with on_core(server_core):
            logins = _fill(server.environment, seed)
            mongod_pid = database.pid if database else None
            running = Site(server, Bare(bare, settings), mongod_pid, logins, server_core)
            stack.callback(running.stop)
            running.start()
        yield running


def _fill(environment: dict[str, str], seed: Sequence[str]) -> dict[str, dict[str, str]]:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks._seed", *seed]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    tell(f"filled in {time.perf_counter() - begun:.0f} s")
    return json.loads(done.stdout)
