"""A real mongod for tests: a replica set of one node, on loopback, in a folder of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.fakes.ports import free_port

START_SECONDS = 30


def mongod_path() -> str | None:
    """MONGOD_BIN, else a mongod on PATH, else the one in the test requirement; None without any."""
    if path := os.environ.get("MONGOD_BIN") or shutil.which("mongod"):
        return path
    package = find_spec("fiftyone")
    for folder in (package.submodule_search_locations or []) if package else []:
        if (binary := Path(folder, "db", "bin", "mongod")).is_file():
            return str(binary)
    return None


class MongoServer:
    """One node that can be stopped and started again on the same port and files."""

    def __init__(self, binary: str, folder: Path, *, cache_gib: float = 0.25) -> None:
        self.binary, self.folder, self.port = binary, folder, free_port()
        self.cache_gib = cache_gib
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Ends with the host, so that a database name can follow."""
        return f"mongodb://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when the node takes writes. Raises RuntimeError if it does not."""
        command = [
            *(self.binary, "--dbpath", str(self.folder), "--port", str(self.port)),
            *("--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", "rs0"),
            *("--oplogSize", "16", "--wiredTigerCacheSizeGB", str(self.cache_gib)),
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=8MB)"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        log = open(self.folder / "mongod.log", "ab")  # noqa: SIM115  the child keeps it
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        log.close()
        self._wait_until_writable()

    def _wait_until_writable(self) -> None:
        from pymongo import MongoClient
        from pymongo.errors import PyMongoError

        member = {"_id": 0, "host": f"127.0.0.1:{self.port}"}
        deadline = time.monotonic() + START_SECONDS
        client: MongoClient[Any] = MongoClient(
            self.uri, directConnection=True, serverSelectionTimeoutMS=500
        )
        with client:
            while time.monotonic() < deadline and self.is_running():
                with suppress(PyMongoError):
                    hello = client.admin.command("hello")
                    if hello.get("isWritablePrimary"):
                        return
                    if "setName" not in hello:
                        config = {"_id": "rs0", "members": [member]}
                        client.admin.command("replSetInitiate", config)
                time.sleep(0.1)
        raise RuntimeError((self.folder / "mongod.log").read_text(errors="replace")[-2000:])

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def pause(self) -> None:
        """Let it hang: it takes connections, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self.resume()
            self._process.terminate()
            self._process.wait(timeout=START_SECONDS)
            self._process = None


@contextmanager
def mongod(*, cache_gib: float = 0.25) -> Iterator[MongoServer | None]:
    """A running server, or None where there is no mongod to run."""
    binary = mongod_path()
    if binary is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="chatcore-mongod-") as folder:
        server = MongoServer(binary, Path(folder), cache_gib=cache_gib)
        try:
            server.start()
            yield server
        finally:
            server.stop()
